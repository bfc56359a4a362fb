"""Calls that were made, and calls that are kept under a name: two files for their owner alone. Makes none."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:  # which would load half the playground before the first frame
    from mcpdeck.model.playground import Call

CAPACITY: Final = 200  # calls that are remembered
LONGEST: Final = 64 * 1024  # bytes of one that is remembered


class CallBook:
    """Everything blocks and raises OSError; ValueError where what is kept can not be read."""

    def __init__(self, folder: Path) -> None:
        self._history = folder / "calls.jsonl"
        self._kept = folder / "saved-calls.json"

    def history(self) -> list["Call"]:
        """The newest last. A line of another version is left out."""
        try:
            lines = self._history.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        return [call for line in lines[-CAPACITY:] if (call := _decoded(line)) is not None]

    def remember(self, call: "Call") -> None:
        line = msgspec.json.encode(call)
        if len(line) > LONGEST:
            return  # a file of such would be no history, but a store
        self._history.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self._history, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            file.write(line + b"\n")
        lines = self._history.read_bytes().splitlines(keepends=True)
        if len(lines) > 2 * CAPACITY:
            _replace(self._history, b"".join(lines[-CAPACITY:]))

    def saved(self) -> "dict[str, Call]":
        from mcpdeck.model.playground import Call

        try:
            return msgspec.json.decode(self._kept.read_bytes(), type=dict[str, Call])
        except FileNotFoundError:
            return {}
        except msgspec.DecodeError as error:
            raise ValueError(f"{self._kept} can not be read: {error}") from error

    def save(self, call: "Call") -> None:
        """Under its name; what had it before is replaced."""
        self._write({**self.saved(), call.name: call})

    def forget(self, name: str) -> bool:
        """False if there is none of that name."""
        saved = self.saved()
        was_there = saved.pop(name, None) is not None
        if was_there:
            self._write(saved)
        return was_there

    def _write(self, saved: "dict[str, Call]") -> None:
        self._kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _replace(self._kept, msgspec.json.format(msgspec.json.encode(saved), indent=2))


def _replace(path: Path, content: bytes) -> None:
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    fresh.touch(mode=0o600)
    fresh.write_bytes(content)
    fresh.replace(path)


def _decoded(line: bytes) -> "Call | None":
    from mcpdeck.model.playground import Call

    try:
        return msgspec.json.decode(line, type=Call)
    except msgspec.DecodeError:
        return None
