"""What was done from this deck, in a file that outlives it: a JSON line each, for its owner alone. Shows nothing."""

import os
from pathlib import Path
from typing import Final

import msgspec

from mcpdeck.model.deeds import CAPACITY, Deed

LONGEST: Final = 1_000_000  # bytes; then the older half goes


class Journal:
    """Every method blocks and raises OSError."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> tuple[Deed, ...]:
        """The last ones. A line that can not be read is left out: another version may have written it."""
        try:
            lines = self._path.read_bytes().splitlines()
        except FileNotFoundError:
            return ()
        return tuple(deed for line in lines[-CAPACITY:] if (deed := _decoded(line)) is not None)

    def write(self, deed: Deed) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            file.write(msgspec.json.encode(deed) + b"\n")
            is_long = file.tell() > LONGEST
        if is_long:
            self._shorten()

    def _shorten(self) -> None:
        lines = self._path.read_bytes().splitlines(keepends=True)
        replacement = self._path.with_name(f"{self._path.name}.{os.getpid()}.new")
        replacement.touch(mode=0o600)
        replacement.write_bytes(b"".join(lines[len(lines) // 2 :]))
        replacement.replace(self._path)


def _decoded(line: bytes) -> Deed | None:
    try:
        return msgspec.json.decode(line, type=Deed)
    except msgspec.DecodeError:
        return None
