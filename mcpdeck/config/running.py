"""Which gateways run on this machine for this user, as files that those who run them leave. Starts and ends none."""

import os
from pathlib import Path

import msgspec


class Entry(msgspec.Struct, frozen=True):
    """pid: of the process that looks after the gateway."""

    url: str
    pid: int


class Running:
    """A folder with a file for each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def url_of(self, name: str) -> str:
        """Empty where none is known to run. One that was killed may still be told: then it does not answer."""
        entry = self._read(name)
        return entry.url if entry else ""

    def announce(self, name: str, url: str) -> None:
        """This process looks after a gateway of that name."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        replacement = self._folder / f"{name}.{os.getpid()}.new"
        replacement.write_bytes(msgspec.json.encode(Entry(url, os.getpid())))
        replacement.replace(self._folder / f"{name}.json")

    def withdraw(self, name: str) -> None:
        """Unless another process has announced its own since."""
        entry = self._read(name)
        if entry is not None and entry.pid == os.getpid():
            (self._folder / f"{name}.json").unlink(missing_ok=True)

    def _read(self, name: str) -> Entry | None:
        try:
            return msgspec.json.decode((self._folder / f"{name}.json").read_bytes(), type=Entry)
        except (OSError, msgspec.DecodeError):
            return None
