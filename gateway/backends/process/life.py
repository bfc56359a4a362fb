"""One life of an instance: starting, ready, stumbling, leaving, over. What follows it is for its slot to say."""

import asyncio
import contextlib
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, assert_never

import msgspec

from gateway.backends.process.child import Child
from gateway.backends.process.launcher import Launcher, Running
from gateway.backends.process.logs import Logs
from gateway.backends.process.plan import Plan
from gateway.backends.process.records import Record
from gateway.backends.reach.caller import Caller
from gateway.backends.reach.patience import Patience
from gateway.backends.reach.probe import NotReady, Ready, Verdict, answers, health, probe
from gateway.backends.reach.problems import CannotStart
from gateway.core.observed import Instance
from gateway.core.routes import Endpoint
from gateway.wire.names import InstanceName
from gateway.wire.resources import Phase

CRASHED: Final = "CrashLoopBackOff"
_SILENT: Final = ("Unreachable", "Unresponsive")
_PATIENT: Final = ("", *_SILENT)  # what a start may bring for a while
_WORDS: Final = 5  # last lines of the log that go with an end
_LONGEST: Final = 1000  # characters of a message


class Life:
    """`digest` is of what it runs. `is_over` once nothing of it is left; `lived` in seconds, `has_run` then tell.

    load: requests and sessions in hand, by uid; a life that leaves gently waits until there are none. record: of one
    that outlived a gateway: it counts as ready if it was, so that its sessions notice nothing.
    """

    def __init__(
        self,
        name: InstanceName,
        *,
        launcher: Launcher,
        logs: Logs,
        caller: Caller,
        patience: Patience,
        load: Callable[[str], int],
        on_change: Callable[[], None],
        digest: str,
        restarts: int = 0,
        record: Record | None = None,
    ) -> None:
        self.name, self.digest, self.restarts = name, digest, restarts
        self._was_ready = record is not None and record.was_ready
        self.phase, self.reason, self.message = Phase.READY if self._was_ready else Phase.STARTING, "", ""
        self.is_over = self.has_run = self.is_retired = False
        self.lived = 0.0
        self._launcher, self._logs, self._caller, self._patience = launcher, logs, caller, patience
        self._load, self._on_change = load, on_change
        self.record = record
        self._trouble = self._fate = ""
        self._retired, self._hurried = asyncio.Event(), asyncio.Event()

    def retire(self, *, is_gentle: bool) -> None:
        """End it: gently once its sessions are gone, or within `drain`; else now, whatever was said before."""
        if not is_gentle:
            self._hurried.set()
        if not self.is_retired:
            self.is_retired = True
            self._retired.set()
            self._becomes(Phase.STOPPING)

    def instance(self, *, is_updated: bool) -> Instance:
        record = self.record
        return Instance(
            name=self.name,
            uid=record.uid if record else "",
            phase=self.phase,
            restarts=self.restarts,
            reason=self.reason,
            message=self.message,
            started_at=record.started_at if record else None,
            endpoint=None if record is None or self.is_over else endpoint_of(record),
            is_updated=is_updated,
        )

    async def begin(self, plan: Plan, ordinal: int) -> None:
        """Start, and live."""
        try:
            running = self._launcher.start(plan, ordinal, restarts=self.restarts)
        except CannotStart as problem:
            self._ends(problem.reason, problem.sentence)
            return
        await self._live(running)

    async def resume(self, record: Record) -> None:
        """Live on, after the gateway that started it has gone."""
        await self._live(self._launcher.adopt(record))

    async def _live(self, running: Running) -> None:
        self.record, self.has_run = running.record, True
        self._on_change()
        async with asyncio.TaskGroup() as tasks:
            attending = tasks.create_task(self._attend(running), name=f"{self.name}: attend")
            leaving = tasks.create_task(self._leave(running.child, running.record.uid), name=f"{self.name}: leave")
            await running.child.ended.wait()
            attending.cancel()
            leaving.cancel()
        self.lived = (datetime.now(UTC) - running.record.started_at).total_seconds()
        sentence = self._fate or f"it {running.child.end} after {self.lived:.0f} s"
        self._becomes(Phase.FAILED, CRASHED, sentence)
        await self._launcher.clear(running)
        self._ends(CRASHED, await self._with_last_words(sentence))

    # readiness

    async def _attend(self, running: Running) -> None:
        """Ask it again and again, sooner at first, and say what comes of it."""
        clock, patience = asyncio.get_running_loop().time, self._patience
        began = heard = clock()
        pause = patience.probe
        while True:
            await asyncio.sleep(pause)
            verdict = await self._ask(running.record)
            now = clock()
            if isinstance(verdict, Ready) or verdict.reason not in _SILENT:
                heard = now
            if now - heard > patience.unresponsive and (self._was_ready or not running.record.container):
                self._fate = f"it gave no answer for {patience.unresponsive:g} s, and was killed"
                running.child.signal(signal.SIGKILL)
                return
            await self._judge(running, verdict, is_late=now - began > patience.start)
            pause = self._pause_after(pause, running.record)

    async def _ask(self, record: Record) -> Verdict:
        endpoint = endpoint_of(record)
        if not record.container:
            trouble = await health(self._caller, endpoint, patience=self._patience)
            if trouble is not None:
                return trouble
            if record.was_ready:  # it was asked before, and its server is well
                return Ready(record.eras)
        if record.is_tool:
            return await answers(self._caller, endpoint, (), patience=self._patience)
        return await probe(self._caller, endpoint, (), patience=self._patience, opens_session=not record.is_shared)

    async def _judge(self, running: Running, verdict: Verdict, *, is_late: bool) -> None:
        match verdict:
            case Ready(eras=eras, is_sse=is_sse, note=note):
                self._was_ready = True
                known = msgspec.structs.replace(running.record, eras=eras, is_sse=is_sse, was_ready=True)
                if known != running.record:
                    self._launcher.note(running, known)
                    self.record = known
                self._becomes(Phase.READY, message=note)
            case NotReady(reason=reason, sentence=sentence):
                is_trouble = is_late or self._was_ready or reason not in _PATIENT
                if is_trouble and self._trouble != sentence:
                    self._trouble = sentence
                    self._becomes(Phase.FAILED, reason or "NotReady", await self._with_last_words(sentence))
            case other:
                assert_never(other)

    def _pause_after(self, pause: float, record: Record) -> float:
        if self.phase is Phase.READY:
            return self._patience.remote if record.container else self._patience.health
        return min(2 * pause, self._patience.longest_probe)

    # its end

    async def _leave(self, child: Child, uid: str) -> None:
        await self._retired.wait()
        await self._drain(uid)
        await child.stop(self._patience.grace)

    async def _drain(self, uid: str) -> None:
        """Until the routing tables know that it leaves and its sessions are gone; not too long, and not in a hurry."""
        clock, patience = asyncio.get_running_loop().time, self._patience
        began = clock()
        while not self._hurried.is_set():
            stayed = clock() - began
            if stayed >= patience.drain or (stayed >= patience.handover and not self._load(uid)):
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience.handover):
                    await self._hurried.wait()

    def _ends(self, reason: str, sentence: str) -> None:
        self._becomes(Phase.FAILED, reason, sentence)
        self.is_over = True
        self._on_change()

    def _becomes(self, phase: Phase, reason: str = "", message: str = "") -> None:
        if self.is_retired and phase is not Phase.STOPPING:
            return  # whatever it does from now on, it leaves
        if phase is Phase.READY:
            self._trouble = ""
        if (phase, reason, message) != (self.phase, self.reason, self.message):
            self.phase, self.reason, self.message = phase, reason, message
            self._on_change()

    async def _with_last_words(self, sentence: str) -> str:
        record = self.record
        if record is None:
            return sentence
        words = await asyncio.to_thread(self._logs.last_words, record.instance, record.life, _WORDS)
        return f"{sentence}; its last words: {' | '.join(words)}"[:_LONGEST] if words else sentence


def endpoint_of(record: Record) -> Endpoint:
    place = (record.instance, record.uid, "127.0.0.1", record.port, record.path)
    return Endpoint(*place, eras=record.eras, is_sse=record.is_sse)
