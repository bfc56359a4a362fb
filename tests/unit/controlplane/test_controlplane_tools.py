"""/tools, /toolsets and /offers: who may what, what is refused and how, and that a write holds at /mcp at once."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.core.routes import RoutingTable
from gateway.core.tools import DesiredTool
from gateway.wire.names import AdapterName
from gateway.wire.tools import OfferedTool
from tests.support.gateway_fakes import (
    ADA,
    ADMIN,
    BEA,
    EVE,
    NOW,
    ControlPlane,
    Listener,
    control_plane,
    instance,
    stdio,
    words,
)

DEFINITION: dict[str, Any] = {"tool": {"name": "score", "inputSchema": {"type": "object"}}, "port": 9, "path": "/run"}
SERVER: dict[str, Any] = {"name": "score", "imageName": "score", "imageVersion": "1", "toolDefinition": DEFINITION}
REFERENCE: dict[str, Any] = {"name": "forecast", "adapter": "weather", "toolName": "get_forecast"}


@pytest.fixture(name="plane")
async def _plane() -> AsyncIterator[ControlPlane]:
    async with control_plane() as plane:
        await plane.deploy(stdio(required_roles=["forecasters"]))
        yield plane


async def test_a_tool_of_an_adapter_is_registered_and_published_before_the_answer(plane: ControlPlane) -> None:
    answer = await plane.ask("POST", "/tools", ADA, json=REFERENCE)
    assert (answer.status, answer.headers["Location"]) == (201, "/tools/forecast")
    assert answer.json["createdBy"] == "ada"
    assert [each.name for each in plane.offers.registered.tools] == ["forecast"]
    assert (await plane.ask("GET", "/tools/forecast", ADA)).headers["ETag"] == answer.headers["ETag"]


async def test_microsofts_tool_becomes_a_workload_at_its_own_port_and_path(plane: ControlPlane) -> None:
    assert (await plane.ask("POST", "/tools", ADA, json=SERVER)).status == 201
    plane.backend.see("score", instance("score-0"))
    await plane.reconciler.reconcile()
    (workload,) = [each for each in plane.backend.applied[-1] if each.name == "score"]
    assert (workload.is_tool, workload.spec.port, workload.spec.path) == (True, 9, "/run")
    table: RoutingTable = plane.routes.table
    assert list(table.routes) == ["weather"]
    assert list(table.tools) == ["score"]


async def test_a_tools_status_is_its_servers_or_its_adapters_and_what_is_offered(plane: ControlPlane) -> None:
    await plane.ask("POST", "/tools", ADA, json=REFERENCE)
    offered = OfferedTool(name="get_forecast", tool="forecast", source="weather", original="get_forecast", tokens=7)
    plane.offers.tools = [offered]
    status = (await plane.ask("GET", "/tools/forecast/status", ADA)).json
    assert (status["phase"], status["readyReplicas"]) == ("Ready", 1)
    assert status["offered"][0]["tokens"] == 7
    plane.offers.problems["weather"] = "tools/list was answered with an error: no"
    status = (await plane.ask("GET", "/tools/forecast/status", ADA)).json
    assert (status["reason"], status["message"]) == ("ListsIncomplete", "tools/list was answered with an error: no")


async def test_a_tool_whose_adapter_went_says_so(plane: ControlPlane) -> None:
    await plane.ask("POST", "/tools", ADA, json=REFERENCE)
    await plane.ask("DELETE", "/adapters/weather", ADA)
    status = (await plane.ask("GET", "/tools/forecast/status", ADA)).json
    assert (status["phase"], status["reason"]) == ("Failed", "AdapterMissing")


async def test_only_who_may_use_an_adapter_offers_its_tools(plane: ControlPlane) -> None:
    allowed = await plane.ask("POST", "/tools", BEA, json=REFERENCE)
    assert allowed.status == 403  # a reader of the adapter, but without a create role
    engineer = {"X-Dev-UserId": "kim", "X-Dev-Roles": "mcp.engineer"}
    refused = await plane.ask("POST", "/tools", None, json=REFERENCE, headers=engineer)
    unknown = await plane.ask("POST", "/tools", None, json=REFERENCE | {"adapter": "nope"}, headers=engineer)
    assert refused.errors == {"adapter": ["there is no adapter 'weather' that you may use"]}
    assert unknown.errors == {"adapter": ["there is no adapter 'nope' that you may use"]}


async def test_who_may_not_read_a_tool_is_refused_everywhere(plane: ControlPlane) -> None:
    await plane.ask("POST", "/tools", ADA, json=REFERENCE)
    for method, path in (("GET", ""), ("GET", "/status"), ("GET", "/logs"), ("GET", "/sessions"), ("DELETE", "")):
        assert (await plane.ask(method, f"/tools/forecast{path}", EVE)).status == 403, path
    assert (await plane.ask("GET", "/tools", EVE)).json == []
    plane.offers.tools = [OfferedTool(name="a", tool="forecast", source="weather", original="a")]
    assert (await plane.ask("GET", "/offers", EVE)).json == []
    assert [each["name"] for each in (await plane.ask("GET", "/offers", ADA)).json] == ["a"]


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        (REFERENCE | {"toolname": "x"}, "toolname"),
        (REFERENCE | {"adapter": ""}, "source"),
        (SERVER | {"toolDefinition": {"tool": {"name": "other", "inputSchema": {"type": "object"}}}}, "toolDefinition.tool.name"),
        (SERVER | {"replicaCount": -1}, "replicaCount"),
    ],
)  # fmt: skip
async def test_what_is_not_valid_is_told_by_field(plane: ControlPlane, spec: dict[str, Any], field: str) -> None:
    answer = await plane.ask("POST", "/tools", ADA, json=spec)
    assert answer.status == 400
    assert field in answer.errors


async def test_an_unknown_field_that_is_nearly_right_is_guessed(plane: ControlPlane) -> None:
    answer = await plane.ask("POST", "/tools", ADA, json=REFERENCE | {"toolNme": "x"})
    assert answer.errors == {"toolNme": ["is not a known field; did you mean toolName?"]}


async def test_a_tool_server_may_not_bear_an_adapters_name_and_a_reference_may(plane: ControlPlane) -> None:
    definition = {"tool": {"name": "weather", "inputSchema": {"type": "object"}}}
    taken = await plane.ask("POST", "/tools", ADA, json=SERVER | {"name": "weather", "toolDefinition": definition})
    assert (taken.status, taken.json["code"]) == (409, "conflict")
    assert (await plane.ask("POST", "/tools", ADA, json=REFERENCE | {"name": "weather"})).status == 201
    assert (await plane.ask("POST", "/tools", ADA, json=REFERENCE | {"name": "weather"})).status == 409


async def test_nobody_takes_a_tool_servers_name_and_with_it_what_its_callers_say(plane: ControlPlane) -> None:
    definition = {"tool": {"name": "clock", "inputSchema": {"type": "object"}}}
    made = await plane.ask("POST", "/tools", ADA, json=SERVER | {"name": "clock", "toolDefinition": definition})
    assert made.status == 201
    taken = await plane.ask("POST", "/adapters", ADMIN, json={"name": "clock", "stdio": {"command": "listens"}})
    assert (taken.status, taken.json["code"]) == (409, "conflict")
    assert (await plane.ask("POST", "/tools", ADA, json=REFERENCE)).status == 201
    free = await plane.ask("POST", "/adapters", ADMIN, json={"name": "forecast", "stdio": {"command": "server"}})
    assert free.status == 201


async def test_replacing_and_patching_heed_etags_and_hold_at_once(plane: ControlPlane) -> None:
    made = await plane.ask("POST", "/tools", ADA, json=REFERENCE)
    stale = {"If-Match": made.headers["ETag"]}
    patched = await plane.ask("PATCH", "/tools/forecast", ADA, json={"requiredRoles": ["a"]}, headers=stale)
    assert (patched.status, patched.json["requiredRoles"]) == (200, ["a"])
    assert plane.offers.registered.tools[0].spec.required_roles == ["a"]
    assert (await plane.ask("PUT", "/tools/forecast", ADA, json=REFERENCE, headers=stale)).status == 412
    renamed = await plane.ask("PUT", "/tools/forecast", ADA, json=REFERENCE | {"name": "other"})
    assert "name" in renamed.errors
    unset = await plane.ask("PATCH", "/tools/forecast", ADA, json={"requiredRoles": None})
    assert unset.json["requiredRoles"] == []


async def test_deleting_takes_the_tool_and_its_server_away(plane: ControlPlane) -> None:
    await plane.ask("POST", "/tools", ADA, json=SERVER)
    plane.backend.see("score", instance("score-0"))
    await plane.reconciler.reconcile()
    assert (await plane.ask("DELETE", "/tools/score", ADA)).status == 204
    assert plane.offers.registered.tools == ()
    assert AdapterName("score") not in plane.routes.table.tools
    assert (await plane.ask("GET", "/tools/score", ADA)).status == 404


async def test_deleting_a_reference_leaves_an_adapter_of_the_same_name_alone(plane: ControlPlane) -> None:
    await plane.ask("POST", "/tools", ADA, json=REFERENCE | {"name": "weather"})
    assert (await plane.ask("DELETE", "/tools/weather", ADA)).status == 204
    assert AdapterName("weather") in plane.routes.table.routes


async def test_a_server_restarts_and_a_reference_has_nothing_to_restart(plane: ControlPlane) -> None:
    await plane.ask("POST", "/tools", ADA, json=SERVER)
    await plane.ask("POST", "/tools", ADA, json=REFERENCE)
    assert (await plane.ask("POST", "/tools/score/restart", ADA)).status == 202
    await plane.reconciler.reconcile()
    (workload,) = [each for each in plane.backend.applied[-1] if each.name == "score"]
    assert workload.restarted_at is not None
    assert (await plane.ask("POST", "/tools/forecast/restart", ADA)).status == 400


async def test_a_references_log_is_its_adapters_for_who_may_read_that(plane: ControlPlane) -> None:
    await plane.ask("POST", "/tools", ADA, json=REFERENCE | {"requiredRoles": ["others"]})
    assert (await plane.ask("GET", "/tools/forecast/logs", ADA)).status == 200
    others = {"X-Dev-UserId": "kim", "X-Dev-Roles": "others"}
    assert (await plane.ask("GET", "/tools/forecast", None, headers=others)).status == 200
    assert (await plane.ask("GET", "/tools/forecast/logs", None, headers=others)).status == 403


async def test_lists_are_searched_filtered_and_paged(plane: ControlPlane) -> None:
    for name in ("zeta", "a", "b"):
        await plane.ask("POST", "/tools", ADA, json=REFERENCE | {"name": name})
    await plane.ask("POST", "/tools", ADA, json=SERVER)
    found = (await plane.ask("GET", "/tools?source=adapter&limit=2", ADA)).json
    assert [each["name"] for each in found["items"]] == ["a", "b"]
    assert found["nextCursor"]
    assert [each["name"] for each in (await plane.ask("GET", "/tools?adapter=weather&q=zet", ADA)).json] == ["zeta"]
    assert (await plane.ask("GET", "/tools?colour=red", ADA)).status == 400


async def test_toolsets_are_managed_the_same_way(plane: ControlPlane) -> None:
    made = await plane.ask(
        "POST", "/toolsets", ADA, json={"name": "team", "tools": ["get_*"], "requiredRoles": [" A", "a"]}
    )
    assert (made.status, made.json["requiredRoles"]) == (201, ["A"])
    assert [each.name for each in plane.offers.registered.toolsets] == ["team"]
    assert (await plane.ask("PATCH", "/toolsets/team", ADA, json={"discovery": True})).json["discovery"] is True
    assert (await plane.ask("GET", "/toolsets/team", EVE)).status == 403
    assert (await plane.ask("POST", "/toolsets", ADA, json={"name": "x", "tokenBudget": -1})).errors == {
        "tokenBudget": ["must be 0 (the gateway's) or more"]
    }
    assert (await plane.ask("DELETE", "/toolsets/team", ADA)).status == 204
    assert plane.offers.registered.toolsets == ()


async def test_what_lists_cost_is_told_with_toolsets_and_by_itself(plane: ControlPlane) -> None:
    plane.offers.tools = [OfferedTool(name="a", tool="t", source="weather", original="a", tokens=70)]
    made = await plane.ask("POST", "/toolsets", ADA, json={"name": "team", "tokenBudget": 50})
    warning = "the one tool of toolset 'team' cost a model about 70 tokens, and 50 is the budget"
    cost = {"toolset": "team", "tools": 1, "tokens": 70, "budget": 50, "warning": warning}
    assert made.json["cost"] == cost
    assert (await plane.ask("GET", "/toolsets", ADA)).json[0]["cost"] == cost
    assert (await plane.ask("GET", "/offers/cost", ADA)).json == [{"tools": 1, "tokens": 70}, cost]
    assert (await plane.ask("GET", "/offers/cost", EVE)).json == [{"tools": 1, "tokens": 70}]


async def test_a_toolset_that_grows_above_its_budget_is_an_event_and_in_the_log(
    plane: ControlPlane, caplog: pytest.LogCaptureFixture
) -> None:
    await plane.ask(
        "POST", "/toolsets", ADA, json={"name": "team", "tokenBudget": 50, "requiredRoles": ["forecasters"]}
    )
    async with Listener(plane.hub, ADA) as ada, Listener(plane.hub, BEA) as bea:
        assert "added Toolset team" in words(await ada.snapshot())
        assert "added Toolset team" in words(await bea.snapshot())
        plane.offers.tools = [OfferedTool(name="a", tool="t", source="weather", original="a", tokens=70)]
        await plane.registry.refresh()
        await plane.registry.refresh()
        change = await ada.change()
        assert change.resource is not None
        assert (change.type, change.resource["cost"]["tokens"]) == ("modified", 70)
        told = await bea.change()
        assert told.resource is not None
        assert told.resource["cost"] is None  # readers may see but a part of what is in it
        await plane.ask("DELETE", "/toolsets/team", ADA)
        assert words([await ada.change()]) == ["deleted Toolset team"]
    assert [each for each in caplog.messages if "50 is the budget" in each] == [
        "the one tool of toolset 'team' cost a model about 70 tokens, and 50 is the budget; see: mcpdeck tools cost"
    ]


async def test_tools_are_told_of_in_events_to_who_may_read_them(plane: ControlPlane) -> None:
    await plane.ask("POST", "/tools", ADA, json=REFERENCE | {"requiredRoles": ["forecasters"]})
    async with Listener(plane.hub, BEA) as bea, Listener(plane.hub, EVE) as eve:
        assert "added Tool forecast" in words(await bea.snapshot())
        assert words(await eve.snapshot()) == []
        await plane.ask("DELETE", "/tools/forecast", ADA)
        assert words([await bea.change()]) == ["deleted Tool forecast"]


async def test_another_replicas_writes_are_published_at_the_next_reading(plane: ControlPlane) -> None:
    await plane.registry.refresh()
    published = plane.offers.published
    await plane.registry.refresh()
    assert plane.offers.published == published
    made = DesiredTool(spec=_reference(), created_by=ADA.id, created_at=NOW, last_updated_at=NOW)
    await plane.tool_store.put(made, expect=None)
    await plane.registry.refresh()
    assert [each.name for each in plane.offers.registered.tools] == ["forecast"]


def _reference() -> Any:
    import msgspec

    from gateway.wire.tools import ToolSpec

    return msgspec.convert(REFERENCE, ToolSpec)
