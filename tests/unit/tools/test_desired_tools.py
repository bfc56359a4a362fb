"""Tools as stored: who may, what readers see, and which of them need something to run."""

from typing import Any

import msgspec
import pytest

from gateway.core.access import Principal, may_read
from gateway.core.tools import DesiredTool, DesiredToolset
from gateway.wire.names import PrincipalId
from gateway.wire.tools import ToolsetSpec, ToolSpec
from tests.support.desired import THEN

SERVER: dict[str, Any] = {
    "name": "score",
    "url": "http://127.0.0.1:9/",
    "environmentVariables": {"KEY": "secret"},
    "requiredRoles": ["Data"],
    "toolDefinition": {"tool": {"name": "score", "inputSchema": {"type": "object"}}, "port": 9, "path": "/run"},
}


def desired(**members: Any) -> DesiredTool:
    spec = msgspec.convert(members, ToolSpec)
    return DesiredTool(spec=spec, created_by="ada", created_at=THEN, last_updated_at=THEN)


def test_a_tool_is_its_creators_and_its_roles_whatever_their_case() -> None:
    tool = desired(**SERVER)
    assert may_read(Principal(PrincipalId("ADA")), tool.ownership)
    assert may_read(Principal(PrincipalId("bob"), roles=frozenset({"data"})), tool.ownership)
    assert not may_read(Principal(PrincipalId("bob")), tool.ownership)


def test_readers_see_the_names_of_environment_variables_only() -> None:
    tool = desired(**SERVER)
    assert tool.shown(to_writer=False).environment_variables == {"KEY": None}
    shown = tool.shown(to_writer=True)
    assert shown.environment_variables == {"KEY": "secret"}
    assert (shown.id, shown.etag, shown.tool_definition) == ("score", '"0"', tool.spec.tool_definition)


def test_a_tool_server_runs_at_the_tools_own_port_and_path() -> None:
    workload = desired(**SERVER).workload()
    assert workload is not None
    assert (workload.is_tool, workload.spec.port, workload.spec.path) == (True, 9, "/run")


@pytest.mark.parametrize(
    ("url", "reached"),
    [
        ("http://h:1", "http://h:1/run"),
        ("http://h:1/", "http://h:1/run"),
        ("http://h:1//", "http://h:1/run"),
        ("https://h/a/b", "https://h/a/b"),
        ("https://h//a?b=/c", "https://h//a?b=/c"),
        (
            "https://[::1",
            "https://[::1/run",
        ),  # kubectl may write it: its own status says what is wrong, and others go on
    ],
)
def test_a_url_without_a_path_gets_the_tools(url: str, reached: str) -> None:
    workload = desired(**SERVER | {"url": url}).workload()
    assert workload is not None
    assert workload.spec.url == reached


def test_a_tool_of_an_adapter_needs_nothing_to_run() -> None:
    tool = desired(name="find", adapter="wiki", toolName="search")
    assert tool.workload() is None
    assert (tool.source, desired(**SERVER).source) == ("wiki", "score")


def test_a_toolset_is_shown_with_who_made_it() -> None:
    spec = ToolsetSpec(name="team", required_roles=["Data"])
    toolset = DesiredToolset(spec=spec, created_by="ada", created_at=THEN, last_updated_at=THEN)
    shown = toolset.shown(to_writer=False)
    assert (shown.id, shown.created_by, shown.etag, shown.tools) == ("team", "ada", '"0"', ["*"])
    assert toolset.ownership.required_roles == frozenset({"data"})
