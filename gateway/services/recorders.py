"""All flight recorders of this gateway: which adapters record, and what is read of that. Judges nobody.

Where there are several replicas, each one's part is read as well.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Final

from gateway.core.recordings import Kept, Recordings, Which
from gateway.core.routes import Route
from gateway.core.sharing import Shared
from gateway.services.recordings_elsewhere import RecordingsElsewhere, merged, named
from gateway.services.traffic_exchange import Heard
from gateway.services.traffic_readers import Wish
from gateway.services.traffic_recorder import Recorder
from gateway.wire.names import AdapterName
from gateway.wire.traffic import RecordingPart

PATIENCE: Final = 3.0  # seconds for a disk; less than who asks from another replica has


class Recorders:
    """recordings: where they lie at rest."""

    def __init__(self, recordings: Recordings) -> None:
        self.stamp = recordings.stamp  # names this gateway's line of numbers
        self._recordings = recordings
        self._by_name: dict[AdapterName, Recorder] = {}
        self._is_swept = False
        self._elsewhere: RecordingsElsewhere | None = None

    def share(self, shared: Shared) -> None:
        """There are other replicas: their parts are read as well, and this one's is named."""
        self._elsewhere = RecordingsElsewhere(shared, self, f"{socket.gethostname()}/{self.stamp}")

    @property
    def names(self) -> AbstractSet[AdapterName]:
        return self._by_name.keys()

    def follow(self, routes: Mapping[AdapterName, Route]) -> None:
        """These adapters record, and no others: what is kept of them goes."""
        which = {name: Which(name, route.made) for name, route in routes.items()}
        for name in [name for name, recorder in self._by_name.items() if recorder.which != which.get(name)]:
            self._by_name.pop(name).shelf.remove()
        for name, route in routes.items():
            recorder, rule = self._by_name.get(name), route.recording
            if recorder is not None:
                recorder.follow(rule)
            else:
                shelf = self._recordings.shelf(which[name], rule.max_messages)
                self._by_name[name] = Recorder(which[name], rule, shelf)
        if not self._is_swept:
            self._is_swept = True
            self._recordings.keep_only(which.values())

    def take(self, heard: Heard) -> None:
        recorder = self._by_name.get(AdapterName(heard.message.adapter))
        if recorder is not None:
            recorder.take(heard)

    async def recall(self, names: Collection[AdapterName]) -> None:
        """What earlier lives of this gateway kept of these adapters is there when this returns, or comes too slowly."""
        asked = [self._by_name[name].recall() for name in self.names & set(names)]
        if waiting := [each for each in asked if each is not None]:
            await asyncio.wait(waiting, timeout=PATIENCE)

    def past(self, wish: Wish, last_event_id: str) -> list[Kept]:
        """What is recorded here of it, as of now."""
        stamp, _, digits = last_event_id.partition("-")
        after = int(digits) if stamp == self.stamp and digits.isdecimal() and len(digits) < 16 else 0
        recorders = [(self._by_name[name], wish.at(name)) for name in wish.adapters & self._by_name.keys()]
        kept = [each for recorder, part in recorders for each in recorder.kept(part, after)]
        return sorted(kept, key=lambda each: each.number)

    async def everywhere(self, adapter: AdapterName, session: str) -> AsyncIterator[bytes]:
        """A TrafficMessage a line, by time: of all replicas, each named, where there are several."""
        own = list(self.here(adapter, session))  # as of now: more may be recorded meanwhile
        if self._elsewhere is None:
            for kept in own:
                yield kept.line
            return
        parts = [named(own, self._elsewhere.name), *self._elsewhere.parts(adapter, session)]
        async for kept in merged(parts):
            yield kept.line

    async def parts(self, adapter: AdapterName) -> list[RecordingPart]:
        """What each replica holds, this one first."""
        own = await self.part(adapter)
        return [own] if self._elsewhere is None else [own, *await self._elsewhere.held(adapter)]

    # recordings_elsewhere.Desk

    def here(self, adapter: AdapterName, session: str, after: int = 0) -> Iterator[Kept]:
        recorder = self._by_name.get(adapter)
        return recorder.kept(Wish(adapter, session=session), after) if recorder is not None else iter(())

    async def part(self, adapter: AdapterName) -> RecordingPart:
        await self.recall((adapter,))
        recorder = self._by_name.get(adapter)
        name = self._elsewhere.name if self._elsewhere is not None else ""
        return recorder.part(name) if recorder is not None else RecordingPart(replica=name)
