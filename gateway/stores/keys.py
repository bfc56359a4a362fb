"""The keys that seal session ids, in a file that only the gateway's user reads. Seals nothing itself.

One key a line, base64: the first seals, all open. So rotation is a new line at the top, and ids that clients hold keep
their worth until the old line goes.
"""

import asyncio
import base64
import binascii
import contextlib
import logging
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from gateway.core.affinity import new_key
from gateway.core.ciphers import KEY_BYTES
from gateway.core.errors import GatewayError

PERIOD: Final = 5.0  # seconds between two looks at the file
KEPT: Final = 2  # keys after a rotation: the new one, and the one that sealed the ids that clients hold


log = logging.getLogger(__name__)


def load_keys(path: Path) -> list[bytes]:
    """The keys, made on first use. Whoever else starts at that moment gets the same. Raises GatewayError."""
    with _file_errors(path):
        if not path.exists():
            draft = _draft(path, [new_key()])
            with contextlib.suppress(FileExistsError):  # another process was faster: its key is the key
                os.link(draft, path)
            draft.unlink()
        return _read(path)


def rotate_keys(path: Path) -> list[bytes]:
    """A new key first, the latest old one behind it. Raises GatewayError."""
    keys = [new_key(), *load_keys(path)][:KEPT]
    with _file_errors(path):
        _draft(path, keys).replace(path)
    return keys


async def keep_keys(path: Path, renew: Callable[[Sequence[bytes]], None], *, period: float = PERIOD) -> None:
    """Tells of the keys whenever the file has changed. Until cancelled; what can't be read changes nothing."""
    seen = _stamp(path)
    while True:
        await asyncio.sleep(period)
        stamp = _stamp(path)
        if stamp in (seen, None):
            continue
        seen = stamp
        try:
            renew(_read(path))
        except (GatewayError, OSError) as error:
            log.warning("the sealing keys stay as they were: %s", error)
        else:
            log.info("%s has changed: its keys open from now on, and its first seals when every replica has it", path)


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino


def _read(path: Path) -> list[bytes]:
    _check_mode(path)
    lines = path.read_text("ascii", errors="replace").split()
    try:
        keys = [base64.b64decode(line, validate=True) for line in lines]
    except (binascii.Error, ValueError):
        keys = []
    if not keys or any(len(key) != KEY_BYTES for key in keys):
        raise GatewayError(
            f"{path} should hold sealing keys, {KEY_BYTES} bytes as base64 on each line: restore it, or remove it "
            "for a new key (sessions that clients hold are lost then)"
        )
    return keys


def _check_mode(path: Path) -> None:
    """A mounted secret belongs to someone else and may be read by more; nothing may be written by others."""
    if os.name != "posix":
        return
    found = path.stat()
    if found.st_mode & (0o077 if found.st_uid == os.geteuid() else 0o022):
        raise GatewayError(f"others may get at the sealing keys in {path}, and forge sessions: chmod 600 {path}")


def _draft(path: Path, keys: Sequence[bytes]) -> Path:
    """The file beside its place, on disk and whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(b"".join(base64.b64encode(key) + b"\n" for key in keys))
        file.flush()
        os.fsync(file.fileno())
    return draft


@contextlib.contextmanager
def _file_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise GatewayError(f"the sealing keys in {path} can't be read or made: {error.strerror or error}") from error
