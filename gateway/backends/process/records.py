"""Which children there are, on disk, so that a gateway that was killed finds its own again. Starts and ends none."""

import logging
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from gateway.wire.mcp import Era
from gateway.wire.names import AdapterName, InstanceName, instance_name

log = logging.getLogger(__name__)


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One start of an instance. Written before its process is there (pid 0), and again as more is known.

    life: of its log. digest: of what it runs. began: the process's start, in seconds since the epoch. keeper: the
    process that keeps its log. container: its name at the engine.
    is_shared: one server process has all sessions. is_tool: it speaks no MCP.
    """

    uid: str
    adapter: AdapterName
    ordinal: int
    life: int
    digest: str
    port: int
    path: str
    started_at: datetime
    pid: int = 0
    began: float = 0.0
    keeper: int = 0
    container: str = ""
    restarts: int = 0
    eras: frozenset[Era] = frozenset()
    is_sse: bool = False
    is_shared: bool = False
    is_tool: bool = False
    was_ready: bool = False

    @property
    def instance(self) -> InstanceName:
        return instance_name(self.adapter, self.ordinal)


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Record).decode


class Records:
    """One small file each, replaced whole: a crash leaves the old or the new."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, record: Record) -> None:
        """Raises OSError."""
        path = self._path(record.uid)
        draft = path.with_suffix(".draft")
        draft.write_bytes(_encode(record))
        draft.replace(path)

    def forget(self, uid: str) -> None:
        self._path(uid).unlink(missing_ok=True)

    def all(self) -> Sequence[Record]:
        """What can't be read is dropped and said: its processes are still found by their mark."""
        found = []
        for draft in self._folder.glob("*.draft"):
            draft.unlink(missing_ok=True)  # a crash came between
        for path in sorted(self._folder.glob("*.json")):
            try:
                found.append(_decode(path.read_bytes()))
            except (OSError, msgspec.DecodeError) as error:
                log.warning("the record of a child in %s can't be read, and is dropped: %s", path, error)
                path.unlink(missing_ok=True)
        return found

    def _path(self, uid: str) -> Path:
        return self._folder / f"{uid}.json"
