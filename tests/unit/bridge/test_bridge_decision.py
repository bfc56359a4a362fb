"""Whether a request passes or is translated."""

import pytest

from gateway.bridge.decision import Way, way
from gateway.core.routes import Endpoint
from gateway.wire.mcp import Era
from gateway.wire.names import InstanceName
from gateway.wire.resources import EraPolicy

LEGACY, MODERN = Era.LEGACY, Era.MODERN
AUTO, PASS, BRIDGE = EraPolicy.AUTO, EraPolicy.PASS, EraPolicy.BRIDGE


@pytest.mark.parametrize(
    ("policy", "caller", "expected"),
    [(AUTO, LEGACY, Way.TO_SSE), (AUTO, MODERN, Way.TO_LEGACY), (BRIDGE, LEGACY, Way.TO_SSE), (PASS, LEGACY, Way.PASS)],
)
def test_a_server_of_http_sse_is_no_one_elses(policy: EraPolicy, caller: Era, expected: Way) -> None:
    endpoint = Endpoint(InstanceName("x-0"), "uid", "127.0.0.1", 1, eras=frozenset({LEGACY}), is_sse=True)
    assert way(policy, caller, endpoint) is expected


@pytest.mark.parametrize(
    ("policy", "caller", "spoken", "expected"),
    [
        (AUTO, LEGACY, {LEGACY}, Way.PASS),
        (AUTO, MODERN, {LEGACY}, Way.TO_LEGACY),
        (AUTO, LEGACY, {MODERN}, Way.TO_MODERN),
        (AUTO, MODERN, {MODERN}, Way.PASS),
        (AUTO, LEGACY, {LEGACY, MODERN}, Way.PASS),
        (AUTO, MODERN, {LEGACY, MODERN}, Way.PASS),
        (AUTO, LEGACY, set(), Way.PASS),
        (AUTO, MODERN, set(), Way.PASS),
        (PASS, MODERN, {LEGACY}, Way.PASS),
        (PASS, LEGACY, {MODERN}, Way.PASS),
        (BRIDGE, LEGACY, {LEGACY, MODERN}, Way.TO_MODERN),
        (BRIDGE, MODERN, {LEGACY, MODERN}, Way.PASS),
        (BRIDGE, MODERN, {LEGACY}, Way.TO_LEGACY),
        (BRIDGE, LEGACY, {LEGACY}, Way.PASS),
        (BRIDGE, LEGACY, set(), Way.PASS),
    ],
)
def test_eras_that_meet_pass_and_others_are_translated(
    policy: EraPolicy, caller: Era, spoken: set[Era], expected: Way
) -> None:
    endpoint = Endpoint(InstanceName("x-0"), "uid", "127.0.0.1", 1, eras=frozenset(spoken))
    assert way(policy, caller, endpoint) is expected
