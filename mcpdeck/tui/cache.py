"""What was last seen of a context, on disk, so that the next start shows something at once. Holds no secret."""

import os
import tempfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from gateway.wire.resources import Adapter, AdapterStatus
from mcpdeck.model.state import Restored, State

FORMAT: Final = 1


class _Saved(msgspec.Struct, frozen=True, kw_only=True):
    format: int
    at: datetime
    adapters: list[Adapter]
    statuses: dict[str, AdapterStatus]


class Cache:
    """A file per context in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def restore(self, context: str) -> Restored | None:
        """What was saved, or None: a cache that can not be read is as good as none."""
        try:
            saved = msgspec.json.decode(self._path(context).read_bytes(), type=_Saved)
        except (OSError, msgspec.DecodeError):
            return None
        return Restored(tuple(saved.adapters), saved.statuses, saved.at) if saved.format == FORMAT else None

    def save(self, state: State) -> None:
        """Raises OSError."""
        if state.fresh_at is None:
            return
        saved = _Saved(
            format=FORMAT,
            at=state.fresh_at,
            adapters=[_without_secrets(adapter) for adapter in state.adapters.values()],
            statuses=dict(state.statuses),
        )
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, temporary = tempfile.mkstemp(dir=self._folder)  # 0600, and a half-written cache is never read
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.json.encode(saved))
            Path(temporary).replace(self._path(state.context))
        except OSError:
            Path(temporary).unlink(missing_ok=True)
            raise

    def _path(self, context: str) -> Path:
        safe = "".join(letter if letter.isalnum() or letter in "-_." else f"%{ord(letter):x}" for letter in context)
        return self._folder / f"deck-{safe}.json"


def _without_secrets(adapter: Adapter) -> Adapter:
    """Values of the environment may be secrets; their names stay."""
    names: Mapping[str, str | None] = dict.fromkeys(adapter.environment_variables)
    return msgspec.structs.replace(adapter, environment_variables=names)
