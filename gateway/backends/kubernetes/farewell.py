"""Pods that leave: each stays while any gateway has sessions with it, at most for its grace, and goes once none has.

A gateway knows its own sessions alone. So one that has some says so at the pod, and the others wait for its word.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from gateway.cluster.api import Api
from gateway.cluster.definitions import GROUP
from gateway.cluster.objects import POD, Pod
from gateway.core.errors import GatewayError

USED_UNTIL: Final = f"{GROUP}/used-until"  # annotation of a pod that leaves
LOOK: Final = 2.0  # seconds between two looks
WORD: Final = timedelta(seconds=10)  # for which one gateway's word holds
HEARING: Final = timedelta(seconds=5)  # in which other gateways may say that they use it
LEAVING: Final = 2  # seconds that a pod gets that nobody uses any more

log = logging.getLogger(__name__)


class Farewell:
    """pods: as they are now. load: requests and sessions in hand with one, 0 where they do not matter any more."""

    def __init__(self, api: Api, pods: Mapping[str, Pod], load: Callable[[Pod], int]) -> None:
        self._api, self._pods, self._load = api, pods, load

    async def keep(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(LOOK)
            leaving = [pod for pod in self._pods.values() if pod.metadata.deletion_timestamp is not None]
            for pod in leaving:
                await self._look(pod, datetime.now(UTC))

    async def _look(self, pod: Pod, now: datetime) -> None:
        name, uid = pod.metadata.name, pod.metadata.uid
        until = used_until(pod)
        try:
            if self._load(pod) > 0:
                if until < now + WORD / 2:
                    told = {USED_UNTIL: (now + WORD).isoformat()}
                    await self._api.patch(POD, name, {"metadata": {"uid": uid, "annotations": told}})
            elif may_go(pod, now):
                await self._api.delete(POD, name, uid=uid, grace=LEAVING)
        except GatewayError as error:
            log.info("pod %s leaves in its own time: %s", name, error)


def used_until(pod: Pod) -> datetime:
    try:
        return datetime.fromisoformat(pod.metadata.annotations.get(USED_UNTIL, ""))
    except ValueError:
        return datetime.fromtimestamp(0, UTC)


def may_go(pod: Pod, now: datetime) -> bool:
    """No gateway has said that it uses it, in time to say so. Pure."""
    ends, grace = pod.metadata.deletion_timestamp, pod.metadata.deletion_grace_period_seconds
    if ends is None or grace <= LEAVING:
        return False
    return now >= max(used_until(pod), ends - timedelta(seconds=grace) + HEARING)
