"""A client's file with one server more, changed or fewer. Touches no other entry, and keeps what was there before."""

import os
import stat
import tempfile
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from mcpdeck.connect import jsonc, toml
from mcpdeck.connect.programs import Entry, Program
from mcpdeck.errors import Misconfigured

BACKUP_SUFFIX = ".before-mcpdeck"


class Outcome(StrEnum):
    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"
    SAME = "unchanged"


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A file as it is, and as it would be."""

    path: Path
    before: str
    after: str
    outcome: Outcome


def servers(program: Program, path: Path) -> dict[str, Any]:
    """The servers that a client's file names; none where there is no file. Raises Misconfigured."""
    value: Any = _read(program, path, _text(path))
    for key in program.section:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def adding(program: Program, path: Path, name: str, entry: Entry, *, is_ours: bool) -> Change:
    """What else an own entry holds is kept. is_ours: whether a present one of that name may be changed.

    Raises Misconfigured.
    """
    present = servers(program, path).get(name)
    if present is not None and not is_ours:
        raise Misconfigured(f"{path} has another server {name!r}; give --name for this one, or --replace")
    text = _text(path)
    wanted = {**present, **entry} if isinstance(present, dict) and _same_way(present, entry) else entry
    if present == wanted:
        return Change(path=path, before=text, after=text, outcome=Outcome.SAME)
    place = (*program.section, name)
    with _told(path):
        after = toml.with_table(text, place, wanted) if program.is_toml else jsonc.with_member(text, place, wanted)
    outcome = Outcome.ADDED if present is None else Outcome.CHANGED
    return _checked(program, Change(path=path, before=text, after=after, outcome=outcome), name, wanted)


def removing(program: Program, path: Path, name: str) -> Change:
    """Raises Misconfigured."""
    text = _text(path)
    if name not in servers(program, path):
        return Change(path=path, before=text, after=text, outcome=Outcome.SAME)
    place = (*program.section, name)
    with _told(path):
        after = toml.without_table(text, place) if program.is_toml else jsonc.without_member(text, place)
    return _checked(program, Change(path=path, before=text, after=after, outcome=Outcome.REMOVED), name, None)


def write(change: Change) -> Path | None:
    """Whole or not at all; where the file was is its backup, which is returned. Raises OSError."""
    path = change.path.resolve()  # a link stays one
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o600
    backup = _put(path.with_name(path.name + BACKUP_SUFFIX), change.before, mode) if path.exists() else None
    _put(path, change.after, mode)
    return backup


def _put(path: Path, text: str, mode: int) -> Path:
    descriptor, temporary = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def _same_way(present: dict[str, Any], entry: Entry) -> bool:
    """Whether both are by URL, or both by command: then what else stands there goes with it."""
    return ("command" in present) == ("command" in entry)


def _checked(program: Program, change: Change, name: str, wanted: Entry | None) -> Change:
    """Nothing but that one entry has changed, or it is not written: what nobody foresaw costs no one their settings."""
    before, after = (_read(program, change.path, text) for text in (change.before, change.after))
    if _without(before, program.section, name) != _without(after, program.section, name):
        raise Misconfigured(f"{change.path} can not be changed safely; do it by hand")
    found: Any = after
    for key in (*program.section, name):
        found = found.get(key) if isinstance(found, dict) else None
    if found != wanted:
        raise Misconfigured(f"{change.path} can not be changed safely; do it by hand")
    return change


def _without(value: Any, section: tuple[str, ...], name: str) -> Any:
    """The value without one server, and without sections that are empty."""
    key, *rest = section or (name,)
    if not isinstance(value, dict):
        return value
    inner = _without(value.get(key, {}), tuple(rest), name) if section else {}
    others = {other: it for other, it in value.items() if other != key}
    return others | ({key: inner} if inner else {})


def _text(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{path} can not be read: {error}") from error


def _read(program: Program, path: Path, text: str) -> Any:
    if not text.strip():
        return {}
    with _told(path):
        return toml.read(text) if program.is_toml else jsonc.read(text)


class _told:  # noqa: N801  (read as a word after `with`)
    """The readers' errors with the file's name."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, jsonc.NotJson | toml.NotToml):
            raise Misconfigured(f"{self._path}: {error}; nothing is changed") from error
