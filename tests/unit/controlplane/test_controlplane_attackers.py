"""Every operation of the contract, asked by who has no token, who has no right, and who owns something else.

What is not listed here must refuse strangers: a new route is guarded, or this test says so.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import pytest

from gateway.auth.dev import USER_HEADER, DevAuthenticator
from gateway.controlplane.contract import OPERATIONS
from gateway.controlplane.operations import Operation
from gateway.core.access import Principal
from gateway.core.errors import Unauthenticated
from gateway.core.routes import Endpoint
from gateway.wire.mcp import Era
from gateway.wire.names import InstanceName, PrincipalId
from gateway.wire.resources import Recording
from tests.support.gateway_fakes import ADA, ADMIN, EVE, WEATHER, ControlPlane, control_plane, stdio

OTHER = Principal(PrincipalId("mallory"), "Mallory", frozenset({"mcp.engineer"}))  # may create, and owns nothing here
RIGHT: Final[dict[str, Any]] = {  # what would be done for who may
    "adapters": {"name": "weather", "stdio": {"command": "evil"}},
    "tools": {"name": "thing", "adapter": "weather", "toolName": "*", "description": "evil"},
    "toolsets": {"name": "thing", "tools": ["*"], "description": "evil"},
    "policies": {"name": "thing", "default": "deny"},
    "policies.test": {"calls": []},
    "approvals": {"digest": "x", "approve": True},
}

# Open to whoever is signed in; what they list holds only what the caller may see, which the tests of each say.
EVERYBODYS: Final = {
    "adapters.listing", "tools.listing", "toolsets.listing", "tools.offered", "tools.cost", "approvals.listing",
    "sessions.listing", "events.follow", "traffic.of_all", "whoami.whoami", "metrics.metrics", "contract.openapi",
    "contract.docs_page",
}  # fmt: skip
CREATORS: Final = {"adapters.create", "tools.create", "toolsets.create"}
GUARDED: Final = [each for each in OPERATIONS if not each.is_anonymous and each.endpoint not in EVERYBODYS | CREATORS]


class Strict(DevAuthenticator):
    """As the dev authenticator, but who says nobody is nobody."""

    def known(self, headers: Mapping[bytes, bytes]) -> Principal | Unauthenticated | None:
        return super().known(headers) if USER_HEADER in headers else Unauthenticated("who are you?")


@pytest.fixture(name="plane")
async def _plane() -> AsyncIterator[ControlPlane]:
    """Ada's adapter, tool and toolset, a session of hers, and an administrator's policy."""
    async with control_plane(authenticator=Strict()) as plane:
        await plane.deploy(stdio(recording=Recording(enabled=True)))
        for path, who, body in (
            ("/tools", ADA, {"name": "thing", "adapter": "weather", "toolName": "*"}),
            ("/toolsets", ADA, {"name": "thing", "tools": ["*"]}),
            ("/policies", ADMIN, {"name": "thing", "rules": [{"name": "r", "when": "true", "effect": "allow"}]}),
        ):
            made = await plane.ask("POST", path, who, json=body)
            assert made.status == 201, made
        yield plane


def path_of(plane: ControlPlane, operation: Operation) -> str:
    session = next(iter(plane.sessions.ids()), "none")
    name = "weather" if operation.path.startswith("/adapters") else "thing"
    return operation.path.format(name=name, session_id=session, approval_id="none")


def opened(plane: ControlPlane) -> None:
    endpoint = Endpoint(InstanceName("weather-0"), "uid-weather-0", "127.0.0.1", 9)
    plane.sessions.opened(b"secret", WEATHER, endpoint, ADA, Era.LEGACY, None)


def body_of(operation: Operation) -> Any:
    if operation.method == "PATCH":
        return {"description": "evil"}
    is_sent = operation.body is not None
    return RIGHT.get(operation.endpoint, RIGHT.get(operation.tag)) if is_sent else None


async def kept(plane: ControlPlane) -> list[Any]:
    return [await each.list() for each in (plane.store, plane.tool_store, plane.toolset_store, plane.policy_store)]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.endpoint)
async def test_without_a_token_nothing_but_probes_is_answered(plane: ControlPlane, operation: Operation) -> None:
    opened(plane)
    answer = await plane.ask(operation.method, path_of(plane, operation), None)
    assert (answer.status in (200, 503)) if operation.is_anonymous else (answer.status == 401), answer
    assert b"weather-server" not in answer.body


@pytest.mark.parametrize("operation", GUARDED, ids=lambda each: each.endpoint)
@pytest.mark.parametrize("who", [EVE, OTHER], ids=["nobody in particular", "owner of something else"])
async def test_who_has_no_right_is_refused_and_nothing_happens(
    plane: ControlPlane, operation: Operation, who: Principal
) -> None:
    opened(plane)
    before = await kept(plane)
    answer = await plane.ask(operation.method, path_of(plane, operation), who, json=body_of(operation))
    is_hidden = operation.endpoint == "approvals.decide"  # another's is told of as one that is not there
    assert answer.status == (404 if is_hidden else 403), answer
    assert await kept(plane) == before
    assert plane.sessions.ids()
    assert b"weather-server" not in answer.body


async def test_nobody_in_particular_creates_nothing(plane: ControlPlane) -> None:
    before = await kept(plane)
    for operation in OPERATIONS:
        if operation.endpoint in CREATORS:
            answer = await plane.ask(operation.method, operation.path, EVE, json=body_of(operation))
            assert answer.status == 403, answer
    assert await kept(plane) == before


def test_what_is_everybodys_is_in_the_contract() -> None:
    assert {each.endpoint for each in OPERATIONS} >= EVERYBODYS | CREATORS
