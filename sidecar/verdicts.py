"""Which commands were silent when asked for their era, kept on disk: their next start need not wait for a timeout.

Kept for a day and per command, executable and working directory; a command that answered is simply asked again, which
costs a millisecond. Losing or failing to write it costs no more than the wait.
"""

import hashlib
import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

LIFETIME: Final = 24 * 3600.0


class _Silence(msgspec.Struct):
    argv: list[str]
    at: float  # seconds since the epoch


_decode = msgspec.json.Decoder(_Silence)


class Verdicts:
    """folder: made when the first verdict is kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def is_silent(self, argv: Sequence[str], *, now: float | None = None) -> bool:
        """Whether server/discover was lately left without an answer by this command."""
        try:
            silence = _decode.decode(self._file(argv).read_bytes())
        except (OSError, msgspec.DecodeError):
            return False
        return 0 <= (time.time() if now is None else now) - silence.at < LIFETIME

    def remember(self, argv: Sequence[str], *, now: float | None = None) -> None:
        """Raises OSError where the folder cannot be written."""
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._file(argv)
        draft = path.with_suffix(f".{os.getpid()}")
        draft.write_bytes(msgspec.json.encode(_Silence(list(argv), time.time() if now is None else now)))
        draft.replace(path)

    def forget(self, argv: Sequence[str]) -> None:
        self._file(argv).unlink(missing_ok=True)

    def _file(self, argv: Sequence[str]) -> Path:
        return self._folder / f"{_digest(argv)}.json"


def default_folder() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("mcpdeck") / "eras"


def _digest(argv: Sequence[str]) -> str:
    """Of the command, the working directory, and the executable's size and time: an upgrade is another command."""
    found = shutil.which(argv[0])
    stat = Path(found).stat() if found else None
    told = [*argv, str(Path.cwd()), found or "", *((str(stat.st_size), str(stat.st_mtime_ns)) if stat else ())]
    return hashlib.sha256("\0".join(told).encode(errors="surrogateescape")).hexdigest()
