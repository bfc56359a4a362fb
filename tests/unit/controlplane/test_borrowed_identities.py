"""Who may let a server act as somebody else: as the cluster, or as those who call it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.gateway_fakes import ADA, ADMIN, ControlPlane, control_plane

SECRET = {"secret": "crm", "key": "secret"}
GRANT = {"tokenUrl": "https://idp.example/token", "clientId": "gateway", "clientSecret": SECRET}
CALLERS = GRANT | {"kind": "on-behalf-of"}
OWN = GRANT | {"kind": "client-credentials"}
CRM = {"name": "crm", "url": "https://crm.example/mcp"}


@pytest.fixture(name="plane")
async def _plane() -> AsyncIterator[ControlPlane]:
    async with control_plane() as plane:
        yield plane


@pytest.mark.parametrize("kind", ["on-behalf-of", "token-exchange"])
async def test_acting_as_ones_callers_takes_a_role(plane: ControlPlane, kind: str) -> None:
    wanted = CRM | {"authorization": GRANT | {"kind": kind}}
    refused = await plane.ask("POST", "/adapters", ADA, json=wanted)
    assert refused.status == 403
    assert f"authorization by {kind} takes one of the roles mcp.admin" in refused.json["detail"]
    assert (await plane.ask("POST", "/adapters", ADMIN, json=wanted)).status == 201


async def test_token_of_the_gateways_own_is_for_everyone_who_may_create(plane: ControlPlane) -> None:
    answer = await plane.ask("POST", "/adapters", ADA, json=CRM | {"authorization": OWN})
    assert answer.status == 201
    assert answer.json["authorization"] == OWN


@pytest.mark.parametrize(
    "change",
    [
        {"url": "https://evil.example/mcp"},
        {"headers": {"X-Forward-To": SECRET}},
        {"authorization": {"scope": "https://graph.microsoft.com/.default"}},
        {"authorization": {"tokenUrl": "https://evil.example/token"}},
    ],
    ids=["url", "headers", "scope", "token endpoint"],
)
async def test_adapter_that_acts_as_its_callers_is_not_led_elsewhere_by_its_owner(
    plane: ControlPlane, change: dict[str, Any]
) -> None:
    assert (await plane.ask("POST", "/adapters", ADA, json=CRM)).status == 201
    assert (await plane.ask("PATCH", "/adapters/crm", ADMIN, json={"authorization": CALLERS})).status == 200
    refused = await plane.ask("PATCH", "/adapters/crm", ADA, json=change)
    assert refused.status == 403
    assert "act as its callers" in refused.json["detail"]
    assert (await plane.ask("PATCH", "/adapters/crm", ADA, json={"description": "CRM"})).status == 200
    assert (await plane.ask("PATCH", "/adapters/crm", ADA, json={"authorization": None})).status == 200


async def test_tool_server_is_no_way_around_it(plane: ControlPlane) -> None:
    tool = {"name": "crm", "description": "", "inputSchema": {"type": "object"}}
    wanted = CRM | {"toolDefinition": {"tool": tool}, "authorization": CALLERS}
    assert (await plane.ask("POST", "/tools", ADA, json=wanted)).status == 403
