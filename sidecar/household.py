"""The children of one sidecar: who is started, asked for its era, kept running, handed out and stopped.

Everything here is rare: a request that finds its child running never comes by, its bridge sends it on. Knows no
session.
"""

import asyncio
from collections.abc import Sequence

import msgspec

from gateway.wire.mcp import Era
from sidecar import era as eras
from sidecar.bridge.modern import ModernBridge
from sidecar.child import CannotStart, Child, start
from sidecar.logs import Log
from sidecar.verdicts import Verdicts

_HEALTHY_AFTER = 30.0  # seconds of life after which the next restart waits no longer than the first
_FIRST_DELAY = 0.5
_LONGEST_DELAY = 30.0


class Timeouts(msgspec.Struct, frozen=True):
    """Seconds."""

    discover: float = 10.0  # how long a server may leave server/discover unanswered before initialize is tried
    start: float = 60.0  # how long its first answer may take; package runners download first
    call: float = 3600.0  # how long a call may take; 0 for no bound
    idle: float = 1800.0  # how long a session may rest; 0 for ever
    grace: float = 2.0  # between closing stdin, SIGTERM and SIGKILL
    drain: float = 5.0  # how long calls may go on once the sidecar stops


class Household:
    """`trouble` is why there is no working child, in words; None where all is well. `era` is None until it is known.

    tasks: owns whatever takes time. name: the adapter's, for sentences.
    """

    def __init__(
        self,
        argv: Sequence[str],
        log: Log,
        *,
        tasks: asyncio.TaskGroup,
        modern: ModernBridge,
        verdicts: Verdicts,
        timeouts: Timeouts,
        name: str,
    ) -> None:
        self.era: Era | None = None
        self.trouble: str | None = "the server is starting"
        self._argv, self._log, self._tasks, self._modern = argv, log, tasks, modern
        self._verdicts, self._timeouts, self._name = verdicts, timeouts, name
        self._children: set[Child] = set()
        self._is_vacant = asyncio.Event()  # there is no child at all
        self._spare: Child | None = None
        self._spare_over = asyncio.Event()
        self._is_stopping = False

    async def keep(self) -> None:
        """Find out the era, and keep running the child that the era needs. Until cancelled.

        One that a session has taken is replaced once nobody has a child any more: whoever asks whether this server is
        ready takes one too, and the first client after that is not to wait for a process to start.
        """
        clock = asyncio.get_running_loop().time
        delay = _FIRST_DELAY
        while True:
            began = clock()
            trouble = await self._live()
            if trouble is None:
                delay = _FIRST_DELAY
                await self._is_vacant.wait()
                continue
            self.trouble = trouble
            if clock() - began > _HEALTHY_AFTER:
                delay = _FIRST_DELAY
            self._log.say(f"{trouble}; starting it again in {delay:g} s")
            await asyncio.sleep(delay)
            delay = min(2 * delay, _LONGEST_DELAY)

    async def take(self) -> Child:
        """A child that nobody has spoken to in the handshake era. Raises CannotStart."""
        child, self._spare = self._spare, None
        if child is not None and not child.ended.is_set():
            self._spare_over.set()
            return child
        return await self._start()

    def retire(self, child: Child) -> None:
        """Stop it, without waiting."""
        self._tasks.create_task(child.stop(self._timeouts.grace), name=f"stop child {child.pid}")

    async def stop(self) -> None:
        """Stop all, at once, and start no more."""
        self._is_stopping = True
        async with asyncio.TaskGroup() as stops:
            for child in tuple(self._children):
                stops.create_task(child.stop(self._timeouts.grace), name=f"stop child {child.pid}")

    async def _live(self) -> str | None:
        """One life: until the child is lost, which is why the reason is returned; None once a session has taken it."""
        try:
            verdict, child = await self._ask()
        except CannotStart as problem:
            return str(problem)
        match verdict:
            case eras.Modern():
                child.listener = self._modern
                self._modern.attach(child.send, verdict.discovered)
                self._becomes(Era.MODERN)
                await child.ended.wait()
                return child.reason
            case eras.Legacy():
                self._becomes(Era.LEGACY)
                return await self._wait_as_spare(child)

    async def _ask(self) -> tuple[eras.Modern | eras.Legacy, Child]:
        """The verdict, and a child to go on with. Raises CannotStart."""
        child = await self._start()
        if self.era is Era.LEGACY or self._verdicts.is_silent(self._argv):
            return eras.Legacy(is_fresh=True), child
        probe = eras.Probe()
        verdict = await _answer(child, probe, probe.discover(), self._timeouts.discover)
        if verdict is None and child.ended.is_set():
            self._log.say(f"{child.reason} when asked for its era; trying the handshake")
            child, probe = await self._start(), eras.Probe()
        if verdict is None:
            verdict = await _answer(child, probe, probe.initialize(), self._timeouts.start)
        if verdict is None:
            has_ended, reason = child.ended.is_set(), child.reason
            await child.stop(self._timeouts.grace)
            if has_ended:
                raise CannotStart(f"{reason}, before it answered server/discover or initialize")
            seconds = f"{self._timeouts.start:g} s"
            raise CannotStart(f"no answer within {seconds}, neither to server/discover nor to initialize")
        if isinstance(verdict, eras.Legacy) and not verdict.is_fresh:
            self._remember_silence()
            await child.stop(self._timeouts.grace)
            child = await self._start()
        return verdict, child

    def _becomes(self, era: Era) -> None:
        self.trouble = None
        if self.era is not era:
            self.era = era
            self._log.say(f"{self._name} speaks the {era} protocol")

    async def _wait_as_spare(self, child: Child) -> str | None:
        self._spare, self._spare_over = child, asyncio.Event()
        over = self._spare_over
        child.listener = _Unused(over)
        if not child.ended.is_set():
            await over.wait()
        if self._spare is not child:
            return None
        self._spare = None
        return child.reason

    def _remember_silence(self) -> None:
        try:
            self._verdicts.remember(self._argv)
        except OSError as error:
            self._log.say(f"cannot keep that this server is silent about its era: {error}; each start waits for it")

    async def _start(self) -> Child:
        if self._is_stopping:
            raise CannotStart("the sidecar stops")
        child = await start(self._argv, self._log)
        self._children.add(child)
        self._is_vacant.clear()
        self._tasks.create_task(self._see_off(child), name=f"child {child.pid}")
        if self._is_stopping:  # it was asked to while the process started
            await child.stop(self._timeouts.grace)
            raise CannotStart("the sidecar stops")
        return child

    async def _see_off(self, child: Child) -> None:
        await child.ended.wait()
        self._children.discard(child)
        if not self._children:
            self._is_vacant.set()


class _Unused:
    """Listens to a child that waits for its first client."""

    def __init__(self, over: asyncio.Event) -> None:
        self._over = over

    def received(self, line: bytes) -> None:
        """Nothing that it says unasked concerns anyone yet."""

    def lost(self, reason: str) -> None:  # noqa: ARG002 - the child keeps it
        self._over.set()


class _Asked:
    """Listens to a child that was asked for its era."""

    def __init__(self, probe: eras.Probe) -> None:
        self._probe = probe
        self.verdict: eras.Modern | eras.Legacy | None = None
        self.is_over = asyncio.Event()

    def received(self, line: bytes) -> None:
        if self.verdict is None:
            self.verdict = self._probe.received(line)
            if self.verdict is not None:
                self.is_over.set()

    def lost(self, reason: str) -> None:  # noqa: ARG002 - the child keeps it
        self.is_over.set()


async def _answer(child: Child, probe: eras.Probe, question: bytes, seconds: float) -> eras.Modern | eras.Legacy | None:
    """The verdict; None after a while without one, or when the child ended."""
    asked = _Asked(probe)
    child.listener = asked
    child.send(question)
    try:
        async with asyncio.timeout(seconds):
            if not child.ended.is_set():
                await asked.is_over.wait()
    except TimeoutError:
        return None
    return asked.verdict
