"""Recorded tool calls as policies see them, to ask what a draft would have made of them. Pure; asks nobody.

A recording has no roles, so that whoever asks says which; and no calls that were refused before they reached a server.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from gateway.wire.policies import Facts
from gateway.wire.tools import OfferedTool
from gateway.wire.traffic import TrafficMessage
from mcpdeck.traffic.recording import calls

ADMIN_ROLE = "mcp.admin"


class Recorded(msgspec.Struct, frozen=True):
    """facts: one per call. left: calls whose arguments were not kept. hidden: those of which some values were."""

    facts: Sequence[Facts]
    left: int = 0
    hidden: int = 0


def weighed(
    messages: Iterable[TrafficMessage], offers: Iterable[OfferedTool], *, roles: Mapping[str, Sequence[str]]
) -> Recorded:
    """offers: what /mcp has, which gives tools their names and annotations. roles: by principal; "" for everybody's."""
    known: dict[tuple[str, str], OfferedTool] = {(each.source, each.original): each for each in offers}
    found: list[Facts] = []
    left = hidden = 0
    for call in calls(messages):
        request = call.request
        if request.method != "tools/call":
            continue
        if request.payload is None:
            left += 1
            continue
        hidden += bool(request.redacted)
        name = str(call.params.get("name", ""))
        arguments = call.params.get("arguments")
        mine = sorted({*roles.get("", ()), *roles.get(request.principal, ())})
        found.append(
            Facts(
                principal={"id": request.principal, "name": "", "roles": mine, "isAdmin": ADMIN_ROLE in mine},
                tool=_tool(known.get((request.adapter, name)), request.adapter, name),
                args=arguments if isinstance(arguments, dict) else {},
            )
        )
    return Recorded(found, left, hidden)


def roles_of(words: Iterable[str]) -> Mapping[str, Sequence[str]]:
    """`ROLE`, which everybody has, or `PRINCIPAL=ROLE`."""
    found: dict[str, list[str]] = defaultdict(list)
    for word in words:
        principal, _, role = word.rpartition("=")
        found[principal].append(role)
    return found


def _tool(offer: OfferedTool | None, adapter: str, name: str) -> dict[str, Any]:
    """A tool that is offered nowhere has its own name and no annotations, as on its adapter's route."""
    if offer is None:
        return {"name": name, "original": name, "source": adapter, "annotations": {}}
    return {"name": offer.name, "original": name, "source": adapter, "annotations": offer.annotations}
