"""Recorded calls as policies see them."""

from datetime import UTC, datetime
from typing import Any

from gateway.wire.tools import OfferedTool
from gateway.wire.traffic import Kind, Sender, TrafficMessage
from mcpdeck.traffic.weighed import roles_of, weighed

THEN = datetime(2026, 11, 25, tzinfo=UTC)
SEARCH = OfferedTool(
    name="jira_search", tool="jira", source="jira", original="search", annotations={"readOnlyHint": True}
)


def said(number: int, name: str, *, adapter: str = "jira", by: str = "ann", **more: Any) -> TrafficMessage:
    payload = {"method": "tools/call", "params": {"name": name, "arguments": {"q": number}}}
    members = {"method": "tools/call", "principal": by, "payload": payload} | more
    return TrafficMessage(number=number, at=THEN, adapter=adapter, sender=Sender.CLIENT, kind=Kind.REQUEST, **members)


def test_a_call_has_the_name_and_annotations_that_its_tool_has_at_mcp() -> None:
    (facts,) = weighed([said(1, "search")], [SEARCH], roles={}).facts
    assert facts.tool == {
        "name": "jira_search",
        "original": "search",
        "source": "jira",
        "annotations": {"readOnlyHint": True},
    }
    assert (facts.args, facts.principal["id"]) == ({"q": 1}, "ann")


def test_a_tool_that_is_not_offered_has_its_own_name() -> None:
    (facts,) = weighed([said(1, "search", adapter="wiki")], [SEARCH], roles={}).facts
    assert (facts.tool["name"], facts.tool["annotations"]) == ("search", {})


def test_roles_are_given_to_all_or_to_one() -> None:
    found = weighed([said(1, "a"), said(2, "a", by="bob")], [], roles=roles_of(["ops", "bob=mcp.admin"]))
    assert [each.principal["roles"] for each in found.facts] == [["ops"], ["mcp.admin", "ops"]]
    assert [each.principal["isAdmin"] for each in found.facts] == [False, True]


def test_what_was_not_kept_is_left_out_and_what_is_hidden_is_counted() -> None:
    listed = said(4, "x", method="tools/list")
    found = weighed(
        [said(1, "a", payload=None, excerpt="{"), said(2, "a", redacted=2), said(3, "a"), listed], [], roles={}
    )
    assert (len(found.facts), found.left, found.hidden) == (2, 1, 1)
