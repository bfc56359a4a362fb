"""Tools and toolsets as objects: stored, refused where the gateway refuses, and run where they are servers of their own."""

import asyncio
from typing import Any

import msgspec
import pytest

from gateway.cluster.api import Api
from gateway.cluster.definitions import API_VERSION
from gateway.cluster.desires import open_desires
from gateway.cluster.objects import TOOL
from gateway.core.errors import Conflict, Invalid
from gateway.core.tools import DesiredTool, DesiredToolset
from gateway.stores.kubernetes import stores
from gateway.wire.names import AdapterName
from gateway.wire.tools import ToolDefinition, ToolsetSpec, ToolSpec, problems_of
from tests.support.cluster_gateway import PATIENCE, RUNNER, SMALL, cluster_half
from tests.support.desired import THEN
from tests.support.testcluster import kubectl, runner_image

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
DEFINITION: dict[str, Any] = {
    "tool": {"name": "forecast", "inputSchema": SCHEMA, "x": [1]},
    "port": 8000,
    "path": "/score",
}
IMAGE = {"imageName": "team/forecast", "imageVersion": "1"}
OF = {"adapter": "weather", "toolName": "forecast"}

RIGHT: tuple[dict[str, Any], ...] = (
    OF,
    {
        "adapter": "weather",
        "toolName": "*",
        "views": {"forecast": {"hidden": True, "pinnedArguments": {"a": [1, None]}}},
    },
    OF | {"view": {"name": "get_forecast", "description": "d"}},
    IMAGE | {"toolDefinition": DEFINITION},
    {"url": "https://a/b", "toolDefinition": DEFINITION},
)
WRONG: tuple[dict[str, Any], ...] = (
    {},
    {"adapter": "weather"},
    {"toolName": "forecast"},
    OF | {"toolDefinition": DEFINITION},
    OF | IMAGE | {"toolDefinition": DEFINITION},
    OF | {"environmentVariables": {"A": "1"}},
    OF | {"stdio": {"command": "x"}},
    OF | {"views": {"a": {"hidden": True}}},
    OF | {"view": {"name": "1x"}},
    OF | {"adapter": "We"},
    OF | {"toolName": "x" * 129},
    IMAGE,
    IMAGE | {"toolDefinition": DEFINITION | {"port": 0}},
    IMAGE | {"toolDefinition": DEFINITION | {"path": "score"}},
    IMAGE | {"toolDefinition": DEFINITION | {"tool": {"name": "other", "inputSchema": SCHEMA}}},
    IMAGE | {"toolDefinition": DEFINITION | {"tool": {"name": "forecast"}}},
    IMAGE | {"toolDefinition": DEFINITION | {"tool": {"name": "forecast", "inputSchema": {"type": "array"}}}},
)


def tool(spec: ToolSpec) -> DesiredTool:
    return DesiredTool(spec=spec, created_by="ada", created_at=THEN, last_updated_at=THEN)


def gateway_refuses(fields: dict[str, Any]) -> bool:
    try:
        return bool(problems_of(msgspec.convert({"name": "forecast", **fields}, ToolSpec)))
    except msgspec.ValidationError:
        return True


@pytest.mark.parametrize("fields", [*RIGHT, *WRONG])
async def test_the_cluster_and_the_gateway_refuse_the_same_tools(api: Api, fields: dict[str, Any]) -> None:
    body = {"apiVersion": API_VERSION, "kind": "Tool", "metadata": {"name": "forecast"}, "spec": fields}
    try:
        await api.create(TOOL, body, dry_run=True)
    except Invalid:
        refused = True
    else:
        refused = False
    assert refused == gateway_refuses(fields) == (fields in WRONG)


async def test_tools_and_toolsets_are_read_back_whole(api: Api) -> None:
    async with open_desires(api) as desires:
        kept = stores(api, desires)
        for fields in RIGHT:
            wanted = tool(msgspec.convert({"name": "forecast", **fields}, ToolSpec))
            stored = await kept.tools.put(wanted, expect=None)
            assert stored == msgspec.structs.replace(wanted, revision=stored.revision)
            async with asyncio.timeout(PATIENCE):
                await kept.adapters.changed()  # a tool may be a workload: who runs these looks again
            with pytest.raises(Conflict, match="tool 'forecast' exists already"):
                await kept.tools.put(wanted, expect=None)
            await kept.tools.delete(AdapterName("forecast"), expect=stored.revision)
        spec = ToolsetSpec(name="sky", tools=["weather/*"], exclude=["x"], discovery=True, token_budget=10)
        toolset = DesiredToolset(spec=spec, created_by="ada", created_at=THEN, last_updated_at=THEN)
        kept_set = await kept.toolsets.put(toolset, expect=None)
        assert kept_set == msgspec.structs.replace(toolset, revision=kept_set.revision)
        assert "weather/*" in kubectl("get", "toolsets", "-n", api.namespace)


async def test_a_tool_server_runs_and_its_object_says_how(api: Api) -> None:
    runner_image()
    name, _, version = RUNNER.partition(":")
    server = "from http.server import *; HTTPServer(('', 9000), SimpleHTTPRequestHandler).serve_forever()"
    spec = ToolSpec(
        name="forecast",
        image_name=name,
        image_version=version,
        command=["python3", "-c", server],
        resources=SMALL,
        tool_definition=ToolDefinition(tool={"name": "forecast", "inputSchema": SCHEMA}, port=9000),
    )
    async with cluster_half(api) as half:
        await half.stores.tools.put(tool(spec), expect=None)
        seen = await half.sees("forecast")
        endpoint = seen.instances[0].endpoint
        assert endpoint is not None
        assert (endpoint.port, endpoint.path, endpoint.eras) == (9000, "/score", frozenset())
        words = ("wait", "tool/forecast", "--for=condition=Ready", "-n", api.namespace, f"--timeout={PATIENCE}s")
        await asyncio.to_thread(kubectl, *words)
        await half.stores.tools.delete(AdapterName("forecast"), expect=None)
        words = ("wait", "--for=delete", "pod/forecast-0", "-n", api.namespace, f"--timeout={PATIENCE}s")
        await asyncio.to_thread(kubectl, *words)
