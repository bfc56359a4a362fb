"""The routing table and the paths it serves."""

import msgspec
import pytest

from gateway.core.access import Ownership
from gateway.core.routes import Endpoint, Route, Routes, RoutingTable, adapter_of, is_old_path, resource_of
from gateway.wire.names import AdapterName, InstanceName

X = AdapterName("x")
READY = Endpoint(InstanceName("x-0"), "uid-0", "127.0.0.1", 1)
STUMBLING = msgspec.structs.replace(READY, instance=InstanceName("x-1"), uid="uid-1", is_ready=False)
DRAINING = msgspec.structs.replace(READY, instance=InstanceName("x-2"), uid="uid-2", is_draining=True)
ROUTE = Route(X, Ownership("ann"), endpoints=(READY, STUMBLING, DRAINING))


def test_only_ready_instances_that_stay_get_new_sessions() -> None:
    assert ROUTE.ready == (READY,)
    assert RoutingTable({X: ROUTE}).ready(X) == (READY,)


def test_every_instance_is_found_by_its_uid() -> None:
    assert ROUTE.by_uid("uid-1") is STUMBLING
    assert ROUTE.by_uid("uid-2") is DRAINING
    assert ROUTE.by_uid("uid-9") is None


def test_an_unknown_adapter_has_nothing_ready() -> None:
    assert RoutingTable().ready(X) == ()
    assert RoutingTable({X: ROUTE}).ready(AdapterName("y")) == ()


def test_a_table_does_not_change_with_what_it_was_made_of() -> None:
    routes = {X: ROUTE}
    table = RoutingTable(routes)
    routes.clear()
    assert table.routes[X] is ROUTE
    with pytest.raises(TypeError):
        table.routes[X] = ROUTE  # type: ignore[index]


def test_a_swap_leaves_readers_of_the_old_table_with_all_of_it() -> None:
    cell = Routes()
    assert not cell.table.routes
    before, cell.table = cell.table, RoutingTable({X: ROUTE})
    assert not before.routes
    assert cell.table.routes[X] is ROUTE


@pytest.mark.parametrize("path", ["/adapters/x/mcp", "/adapters/x/mcp/"])
def test_an_adapters_mcp_path_names_it_with_or_without_a_slash(path: str) -> None:
    assert adapter_of(path) == X


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/mcp",
        "/adapters",
        "/adapters/x",
        "/adapters/x/",
        "/adapters/x/mcp/y",
        "/adapters/x/mcpx",
        "/adapters/x/y/mcp",
        "/Adapters/x/mcp",
    ],
)
def test_any_other_path_names_none(path: str) -> None:
    assert adapter_of(path) is None


@pytest.mark.parametrize(
    ("path", "resource"),
    [
        ("/adapters/x/mcp", "/adapters/x/mcp"),
        ("/adapters/x/mcp/", "/adapters/x/mcp"),
        ("/mcp", "/mcp"),
        ("/mcp/", "/mcp"),
        ("/adapters", ""),
        ("/adapters/x", ""),
        ("/adapters/X/mcp", ""),
        ("/adapters//mcp", ""),
        ("/", ""),
        ("/whoami", ""),
    ],
)
def test_a_resource_is_an_mcp_endpoint_or_the_gateway_as_a_whole(path: str, resource: str) -> None:
    assert resource_of(path) == resource


def test_tool_servers_stand_apart_from_adapters_and_are_ready_like_them() -> None:
    tool = msgspec.structs.replace(ROUTE, adapter=AdapterName("score"), is_tool=True)
    table = RoutingTable({X: ROUTE, tool.adapter: tool})
    assert list(table.routes) == [X]
    assert list(table.tools) == [tool.adapter]
    assert table.ready(tool.adapter) == (READY,)


def test_toolsets_belong_to_the_gateways_own_server() -> None:
    assert resource_of("/mcp") == resource_of("/mcp/") == resource_of("/mcp/team-a") == "/mcp"
    assert resource_of("/mcpx") == ""


def test_http_sse_has_two_paths_of_its_own_and_the_same_resource() -> None:
    assert adapter_of("/adapters/x/sse") == adapter_of("/adapters/x/messages") == X
    assert is_old_path("/adapters/x/sse")
    assert not is_old_path("/adapters/sse/mcp")
    assert resource_of("/adapters/x/messages") == "/adapters/x/mcp"
