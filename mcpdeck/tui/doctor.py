"""Examines a gateway in a worker, finding by finding. Draws nothing."""

from asyncio import to_thread
from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import partial

from mcpdeck.config.contexts import Context
from mcpdeck.model.findings import Finding
from mcpdeck.model.state import DoctorBegan, DoctorEnded, DoctorFound
from mcpdeck.tui.deck import Deck

GROUP = "doctor"


def examine(deck: Deck, context: Context) -> None:
    deck.begin(_examine, deck, context, group=GROUP)


async def _examine(deck: Deck, context: Context) -> None:
    deck.apply(DoctorBegan(context.name))
    async for finding in _findings(deck, context):
        deck.apply(DoctorFound(finding))
    deck.apply(DoctorEnded())


async def _findings(deck: Deck, context: Context) -> AsyncIterator[Finding]:
    from mcpdeck.doctor.examination import Examination

    surroundings = deck.surroundings
    if surroundings.examine is not None:
        async for finding in surroundings.examine(context):
            yield finding
        return
    identity = surroundings.identity
    source = partial(identity.source, context.name, context.url) if identity else lambda: None
    async with aclosing(Examination(context, source=source, options=f"--context {context.name}").findings()) as found:
        async for finding in found:
            yield finding
    if await to_thread(_is_cluster, context.name):
        from mcpdeck.doctor.cluster import ClusterExamination

        async with aclosing(ClusterExamination(context.name).findings()) as found:
            async for finding in found:
                yield finding


def _is_cluster(name: str) -> bool:
    """A context that `mcpdeck up --cluster` made is named as the cluster's own."""
    from mcpdeck.install.cluster import is_context

    return is_context(name)
