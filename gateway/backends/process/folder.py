"""The data folder: what lies where in it, and that one gateway at a time uses it."""

import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from gateway.core.errors import GatewayError


class Folder(msgspec.Struct, frozen=True):
    """root: absolute. `id` marks the processes that belong to this folder, wherever they have gone."""

    root: Path

    @property
    def id(self) -> str:
        return hashlib.sha256(str(self.root).encode(errors="surrogateescape")).hexdigest()[:12]

    @property
    def records(self) -> Path:
        return self.root / "run"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def eras(self) -> Path:
        return self.root / "eras"

    @property
    def secrets(self) -> Path:
        return self.root / "secrets"

    def work(self, adapter: str) -> Path:
        """The working folder of an adapter's processes."""
        return self.root / "work" / adapter


@contextmanager
def claimed(root: Path) -> Iterator[Folder]:
    """The folder, made where it is not there, and ours alone until the process ends, however it ends.

    Raises GatewayError when another gateway has it.
    """
    folder = Folder(root.resolve())
    try:
        for each in (folder.root, folder.records, folder.logs, folder.eras, folder.secrets):
            each.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(folder.root / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise GatewayError(f"the data folder {root} can't be used: {error.strerror or error}") from error
    try:
        if not _lock(descriptor):
            holder = os.read(descriptor, 32).decode("ascii", errors="replace").strip() or "unknown"
            raise GatewayError(
                f"another gateway (process {holder}) uses the data folder {folder.root}: stop it, "
                "or give this one a folder of its own"
            )
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        yield folder
    finally:
        os.close(descriptor)


if sys.platform == "win32":

    def _lock(descriptor: int) -> bool:
        import msvcrt

        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:

    def _lock(descriptor: int) -> bool:
        import fcntl

        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
