"""`--wait`: until an adapter stands as it should, by the event stream. Never polls."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import Final

import msgspec

from gateway.wire.resources import AdapterStatus, Phase
from mcpdeck.cli.desk import Desk
from mcpdeck.cli.exits import WAITED, Failure

HOPELESS: Final = frozenset({"ImagePullBackOff", "ErrImagePull", "InvalidImageName", "CommandNotFound"})

type Enough = Callable[[AdapterStatus], bool]


def is_ready(replicas: int, *, gone: frozenset[str] = frozenset()) -> Enough:
    """That many instances stand, and none of those that had to go."""

    def enough(status: AdapterStatus) -> bool:
        settled = status.phase is (Phase.READY if replicas else Phase.STOPPED)
        living = {instance.uid for instance in status.instances}
        return settled and status.ready_replicas == replicas == status.updated_replicas and not living & gone

    return enough


def wait(desk: Desk, names: Sequence[str], enough: Callable[[str], Enough], *, limit: float) -> None:
    """Raises Failure: the time is over, or it will never come to be."""
    for name in names:
        desk.printer.tell(f"waiting for {name} …")
    try:
        asyncio.run(_wait(desk, set(names), enough, limit))
    except TimeoutError:
        left = ", ".join(names)
        raise Failure(
            WAITED, f"{left}: not ready after {limit:g} s", hint=f"mcpdeck adapters status {names[0]}"
        ) from None


async def _wait(desk: Desk, waiting: set[str], enough: Callable[[str], Enough], limit: float) -> None:
    async with (
        asyncio.timeout(limit),
        desk.target.client() as client,
        aclosing(client.events()) as events,
    ):
        async for event in events:
            name = getattr(event, "name", "")
            if name not in waiting or getattr(event, "type", "") != "status":
                continue
            status = msgspec.convert(event.resource, AdapterStatus)  # type: ignore[union-attr]
            _must_have_hope(name, status)
            if enough(name)(status):
                desk.printer.tell(f"{name} is {status.phase.lower()}")
                waiting.discard(name)
            if not waiting:
                return


def _must_have_hope(name: str, status: AdapterStatus) -> None:
    if status.phase is Phase.FAILED and status.reason in HOPELESS:
        raise Failure(WAITED, f"{name}: {status.reason}: {status.message}", hint=f"mcpdeck logs {name}")
