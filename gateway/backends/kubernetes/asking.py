"""Asks each new life of a pod whether it speaks MCP, and in which eras, until it does. Decides nothing of what follows.

The answer becomes a condition of the pod, its readiness gate: other gateways and rollouts read it there.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, assert_never

from gateway.backends.kubernetes.instances import (
    Spoken,
    Trouble,
    endpoint_of,
    is_running,
    is_well,
    life_of,
    spoken_of,
)
from gateway.backends.kubernetes.shape import PATH
from gateway.backends.reach.caller import Caller
from gateway.backends.reach.patience import Patience
from gateway.backends.reach.probe import NotReady, Ready, Verdict, health, probe
from gateway.cluster.objects import Pod
from gateway.core.errors import GatewayError, NotFound
from gateway.core.routes import Endpoint

AT_ONCE: Final = 64  # lives that are asked at the same moment
_DOUBT: Final = 5.0  # seconds for which a server that answers, but not in MCP, may still be starting
_SILENT: Final = ("Unreachable", "Unresponsive")

log = logging.getLogger(__name__)


class Asker:
    """pods: as they are now. path: of the adapter a pod belongs to. confirm: keeps an answer at the pod.

    last_words: the end of a pod's log. on_news: called with a pod's name when what ails it has changed.
    """

    def __init__(
        self,
        pods: Mapping[str, Pod],
        *,
        tasks: asyncio.TaskGroup,
        caller: Caller,
        patience: Patience,
        path: Callable[[Pod], str],
        confirm: Callable[[Pod, Spoken], Awaitable[None]],
        last_words: Callable[[str], Awaitable[str]],
        on_news: Callable[[str], None],
    ) -> None:
        self._pods, self._tasks, self._caller, self._patience = pods, tasks, caller, patience
        self._path, self._confirm, self._last_words, self._on_news = path, confirm, last_words, on_news
        self._troubles: dict[str, tuple[str, Trouble]] = {}  # by pod: its life, and what was heard
        self._asked: dict[str, tuple[str, asyncio.Task[None]]] = {}  # by pod: the life that is being asked, and by what
        self._slots = asyncio.Semaphore(AT_ONCE)

    def trouble(self, pod: Pod) -> Trouble | None:
        life, trouble = self._troubles.get(pod.metadata.name, ("", None))
        return trouble if life == life_of(pod) else None

    def look(self, pod: Pod) -> None:
        """It has changed: ask, where something is to be asked that nobody asks yet."""
        name, life = pod.metadata.name, life_of(pod)
        if _is_open(pod) and self._asked.get(name, ("",))[0] != life:
            self._asked[name] = life, self._tasks.create_task(self._ask(name, life), name=f"ask {name}")

    def forget(self, name: str) -> None:
        self._troubles.pop(name, None)

    def close(self) -> None:
        for _, task in self._asked.values():
            task.cancel()

    async def _ask(self, name: str, life: str) -> None:
        clock = asyncio.get_running_loop().time
        began, pause = clock(), self._patience.probe
        try:
            while (pod := self._pods.get(name)) is not None and life_of(pod) == life and _is_open(pod):
                async with self._slots:
                    verdict = await self._verdict(pod)
                await self._heard(pod, verdict, clock() - began)
                await asyncio.sleep(pause)
                pause = min(2 * pause, self._patience.longest_probe)
        finally:
            if self._asked.get(name, ("",))[0] == life:
                del self._asked[name]

    async def _verdict(self, pod: Pod) -> Verdict:
        endpoint = endpoint_of(pod, self._path(pod))
        if endpoint is None:
            return NotReady("", "it has no address yet")
        if PATH not in pod.metadata.annotations:
            return await probe(self._caller, endpoint, (), patience=self._patience)
        return await self._sidecars_verdict(pod, endpoint)

    async def _sidecars_verdict(self, pod: Pod, endpoint: Endpoint) -> Verdict:
        """What the sidecar says of its server; and a probe that opens no session, which would cost a child."""
        trouble = await health(self._caller, endpoint, patience=self._patience)
        if trouble is None and (spoken := spoken_of(pod)) is not None:
            return Ready(frozenset(spoken.eras))
        if trouble is None:
            return await probe(self._caller, endpoint, (), patience=self._patience, opens_session=False)
        known = self.trouble(pod)
        if not trouble.reason or trouble.reason in _SILENT:
            return trouble
        if known is not None and known.message.startswith(trouble.sentence):
            return NotReady(trouble.reason, known.message)
        words = await self._last_words(pod.metadata.name)
        return NotReady(trouble.reason, f"{trouble.sentence}\n{words}".strip())

    async def _heard(self, pod: Pod, verdict: Verdict, waited: float) -> None:
        match verdict:
            case Ready(eras=eras, is_sse=is_sse, note=note):
                self._tell(pod, None)
                if spoken_of(pod) is not None:
                    return  # known already; its kubelet will see that it is well again
                spoken = Spoken(life_of(pod), tuple(sorted(eras)), is_sse, note)
                try:
                    await self._confirm(pod, spoken)
                except NotFound:
                    return
                except GatewayError as error:
                    log.warning("pod %s speaks MCP, but that can't be kept: %s", pod.metadata.name, error)
            case NotReady(reason=reason, sentence=sentence):
                patience = self._patience.start if reason in _SILENT else _DOUBT if reason == "HandshakeFailed" else 0
                self._tell(pod, Trouble(reason if waited >= patience else "", sentence))
            case other:
                assert_never(other)

    def _tell(self, pod: Pod, trouble: Trouble | None) -> None:
        name = pod.metadata.name
        if self.trouble(pod) == trouble:
            return
        if trouble is None:
            del self._troubles[name]
        else:
            self._troubles[name] = life_of(pod), trouble
        self._on_news(name)


def _is_open(pod: Pod) -> bool:
    """Whether there is something to ask: does it speak MCP; and if its sidecar's server is unwell, why."""
    if not is_running(pod) or pod.metadata.deletion_timestamp is not None:
        return False
    return spoken_of(pod) is None or (PATH in pod.metadata.annotations and not is_well(pod))
