"""Which gateways run on this machine for this user, as files that those who run them leave. Starts and ends none."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

SCRATCH: Final = "mcpdeck-demo-"  # how a folder's name begins that is of use to nobody once its process is gone
_IS_POSIX: Final = os.name == "posix"


class Entry(msgspec.Struct, frozen=True):
    """pid: of the process that looks after the gateway. folder: what was made for that process alone."""

    url: str
    pid: int
    host: str = ""
    folder: str = ""

    @property
    def is_over(self) -> bool:
        """Its process is gone. Of a process of another machine, or of another container's, nobody here knows."""
        return self.host == _host() and not _is_alive(self.pid)


class Running:
    """A folder with a file for each: of several of one name, the newest is meant."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def url_of(self, name: str) -> str:
        """Empty where none is known to run."""
        return next((entry.url for _, entry in self._read(name) if entry.url and not entry.is_over), "")

    def announce(self, name: str, url: str, *, folder: Path | None = None) -> None:
        """This process looks after a gateway of that name; no url: it is not up yet."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        own = self._own(name)
        entry = Entry(url, os.getpid(), _host(), str(folder or ""))
        replacement = own.with_suffix(".new")
        replacement.write_bytes(msgspec.json.encode(entry))
        replacement.replace(own)

    def withdraw(self, name: str) -> None:
        """What this process announced."""
        self._own(name).unlink(missing_ok=True)

    def tidy(self) -> None:
        """Away with what those left who were killed."""
        for file, entry in self._read("*"):
            if not entry.is_over:
                continue
            folder = Path(entry.folder)
            if folder.name.startswith(SCRATCH):
                import shutil

                shutil.rmtree(folder, ignore_errors=True)
                if folder.exists():  # who ends just now may still write there; next time
                    continue
            file.unlink(missing_ok=True)

    def _own(self, name: str) -> Path:
        return self._folder / f"{name}.{os.getpid()}.json"

    def _read(self, name: str) -> Iterator[tuple[Path, Entry]]:
        """The newest first."""
        try:
            files = sorted(self._folder.glob(f"{name}.*.json"), key=lambda file: -file.stat().st_mtime_ns)
        except OSError:  # one went away meanwhile, or the folder may not be read
            files = []
        for file in files:
            try:
                yield file, msgspec.json.decode(file.read_bytes(), type=Entry)
            except (OSError, msgspec.DecodeError):
                continue


def _is_alive(pid: int) -> bool:
    if not _IS_POSIX:
        import psutil

        return psutil.pid_exists(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is somebody else's
        return True
    return True


def _host() -> str:
    import platform

    return platform.node()
