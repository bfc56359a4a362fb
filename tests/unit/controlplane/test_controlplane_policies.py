"""/policies and /approvals: administrators' alone, checked when written, in force when the answer comes."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.wire.policies import ApprovalTerms
from tests.support.gateway_fakes import ADA, ADMIN, EVE, ControlPlane, control_plane

RULE: dict[str, Any] = {"name": "r", "when": 'tool.name == "delete"', "effect": "deny"}
POLICY: dict[str, Any] = {"name": "p", "rules": [RULE]}
CALL: dict[str, Any] = {"tool": {"name": "delete"}}


@pytest.fixture(name="plane")
async def _plane() -> AsyncIterator[ControlPlane]:
    async with control_plane() as plane:
        yield plane


async def test_a_policy_is_managed_by_administrators_and_hidden_from_all_others(plane: ControlPlane) -> None:
    made = await plane.ask("POST", "/policies", ADMIN, json=POLICY)
    assert (made.status, made.json["mode"], made.json["default"]) == (201, "enforce", "allow")
    assert [each.name for each in plane.offers.registered.policies] == ["p"]
    for method, path in (("GET", ""), ("GET", "/p"), ("DELETE", "/p"), ("GET", "/unknown"), ("DELETE", "/unknown")):
        assert (await plane.ask(method, f"/policies{path}", ADA)).status == 403, path
    assert (await plane.ask("POST", "/policies", ADA, json=POLICY | {"name": "q"})).status == 403
    assert (await plane.ask("POST", "/policies/test", ADA, json={"calls": []})).status == 403
    assert [each["name"] for each in (await plane.ask("GET", "/policies?mode=enforce&q=delete", ADMIN)).json] == ["p"]
    shadowed = await plane.ask("PATCH", "/policies/p", ADMIN, json={"mode": "shadow"})
    assert (shadowed.json["mode"], shadowed.json["rules"]) == ("shadow", [RULE])
    assert (await plane.ask("DELETE", "/policies/p", ADMIN)).status == 204
    assert plane.offers.registered.policies == ()


async def test_its_creator_has_no_say_once_no_administrator(plane: ControlPlane) -> None:
    await plane.ask("POST", "/policies", ADMIN, json=POLICY)
    demoted = {"X-Dev-UserId": ADMIN.id, "X-Dev-Roles": "none"}
    assert (await plane.ask("GET", "/policies/p", None, headers=demoted)).status == 403
    assert (await plane.ask("PUT", "/policies/p", None, json=POLICY, headers=demoted)).status == 403


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"rules": [RULE | {"when": "nonsense("}]}, "rules.0.when"),
        ({"rules": [RULE | {"when": '"text"'}]}, "rules.0.when"),
        ({"rules": [RULE, RULE]}, "rules"),
        ({"default": "approve"}, "default"),
        ({"limits": [{"name": "l"}]}, "limits.0"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_what_is_wrong_is_told_by_field_when_it_is_written(
    plane: ControlPlane, change: dict[str, Any], field: str
) -> None:
    refused = await plane.ask("POST", "/policies", ADMIN, json=POLICY | change)
    assert (refused.status, list(refused.errors)) == (400, [field])


async def test_calls_are_judged_by_what_is_in_force_and_by_a_draft(plane: ControlPlane) -> None:
    await plane.ask("POST", "/policies", ADMIN, json=POLICY)
    (asked,) = (await plane.ask("POST", "/policies/test", ADMIN, json={"calls": [CALL]})).json
    assert (asked["now"]["effect"], asked["draft"]) == ("deny", None)
    assert asked["now"]["decided"] == [{"policy": "p", "rule": "r", "effect": "deny"}]
    draft = {"name": "p", "mode": "enforce"}
    (tried,) = (await plane.ask("POST", "/policies/test", ADMIN, json={"calls": [CALL], "draft": draft})).json
    assert (tried["now"]["effect"], tried["draft"]["effect"]) == ("deny", "allow")
    faulty = {"calls": [], "draft": {"name": "p", "rules": [RULE | {"when": "("}]}}
    refused = await plane.ask("POST", "/policies/test", ADMIN, json=faulty)
    assert (refused.status, list(refused.errors)) == (400, ["draft.rules.0.when"])


async def test_a_held_call_is_listed_and_decided_by_who_may(plane: ControlPlane) -> None:
    told: list[str] = []
    pending = plane.offers.approvals.hold(
        EVE, "delete", {"a": 1}, rule=("p", "r", "why"), terms=ApprovalTerms(), decided=told.append
    )
    assert pending is not None
    (listed,) = (await plane.ask("GET", "/approvals", ADMIN)).json
    assert (listed["id"], listed["tool"], listed["arguments"], listed["reason"]) == (
        pending.id,
        "delete",
        {"a": 1},
        "why",
    )
    assert (await plane.ask("GET", "/approvals", ADA)).json == []
    decision = {"approve": True, "digest": pending.digest}
    path = f"/approvals/{pending.id}"
    assert (await plane.ask("POST", path, EVE, json=decision)).status == 403
    assert (await plane.ask("POST", path, ADMIN, json=decision | {"digest": "sha256:0"})).status == 412
    assert (await plane.ask("POST", path, ADMIN, json=decision)).status == 200
    assert told == [""]
    assert (await plane.ask("POST", path, ADMIN, json=decision)).status == 404
