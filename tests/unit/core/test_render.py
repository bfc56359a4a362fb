"""Errors as wire text."""

import json

import msgspec
import pytest

from gateway.core import errors
from gateway.core.errors import Challenge, GatewayError, Invalid, Unauthenticated
from gateway.core.render import as_jsonrpc, as_problem, encode_problem, retry_after, www_authenticate

ALL = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, GatewayError)]


@pytest.mark.parametrize("kind", ALL)
def test_every_error_has_words_a_status_and_a_code_outside_the_specifications(kind: type[GatewayError]) -> None:
    assert kind.slug
    assert kind.title
    assert 400 <= kind.status <= 599
    assert kind.rpc_code > 0 or kind.rpc_code in (-32600, -32603)
    assert str(kind()) == kind.title


def test_slugs_are_unique() -> None:
    assert len({each.slug for each in ALL}) == len(ALL)


def test_a_problem_says_what_happened_and_where() -> None:
    problem = as_problem(errors.NotFound("there is no adapter 'x'"), instance="/adapters/x", request_id="r1")
    assert json.loads(encode_problem(problem)) == {
        "title": "Not found",
        "status": 404,
        "detail": "there is no adapter 'x'",
        "instance": "/adapters/x#r1",
        "code": "not-found",
    }
    assert as_problem(errors.NotFound(), instance="/adapters/x").instance == "/adapters/x"


def test_a_problem_of_an_invalid_request_names_the_fields() -> None:
    problem = as_problem(Invalid("no", errors={"port": ["must be 1 to 65535"]}))
    assert problem.errors == {"port": ["must be 1 to 65535"]}
    assert as_problem(Invalid("no")).errors == {}


def test_a_json_rpc_error_names_the_gateway_as_its_source() -> None:
    body = as_jsonrpc(errors.SessionLost("session not found"), b'"a"')
    assert json.loads(body) == {
        "jsonrpc": "2.0",
        "id": "a",
        "error": {
            "code": 404,
            "message": "session not found",
            "data": {"source": "mcpdeck", "code": "session-lost"},
        },
    }
    assert "id" not in json.loads(as_jsonrpc(errors.SessionLost()))
    assert json.loads(as_jsonrpc(errors.SessionLost()))["error"]["message"] == "Session not found"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (errors.NothingReady(), b"2"),
        (errors.NothingReady(retry=0.2), b"1"),
        (errors.TooManyRequests(retry=1.2), b"2"),
        (errors.NotFound(), None),
        (errors.UpstreamBroke(retry=5), b"5"),
    ],
)
def test_retry_after_is_whole_seconds_where_trying_helps(error: GatewayError, expected: bytes | None) -> None:
    assert retry_after(error) == expected


def test_only_what_a_better_token_cures_carries_a_challenge() -> None:
    assert www_authenticate(errors.Forbidden(), "/adapters/x/mcp") is None
    assert www_authenticate(Unauthenticated(), "/adapters/x/mcp") == b"Bearer"


def test_a_challenge_points_to_the_resources_metadata_and_says_what_is_needed() -> None:
    error = Unauthenticated(challenge=Challenge("https://gateway.example", "mcp", "invalid_token", 'expired "today"\\'))
    assert www_authenticate(error, "/adapters/x/mcp/") == (
        b'Bearer resource_metadata="https://gateway.example/.well-known/oauth-protected-resource/adapters/x/mcp", '
        b'scope="mcp", error="invalid_token", error_description="expired  today  "'
    )


def test_a_problem_survives_its_own_encoding() -> None:
    problem = as_problem(errors.TooLarge("4 MiB"), instance="/x")
    assert msgspec.json.decode(encode_problem(problem), type=type(problem)) == problem
