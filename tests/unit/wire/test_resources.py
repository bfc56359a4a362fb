"""Resources at the border: what is refused, and how it looks on the wire."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from gateway.wire.problems import Problem
from gateway.wire.resources import (
    Adapter,
    AdapterSpec,
    Page,
    Stdio,
    normalized,
    problems_of,
)

STDIO = {"command": "mcp-server-time", "args": ["--local-timezone", "UTC"]}


def spec(**fields: Any) -> AdapterSpec:
    source: dict[str, Any] = {} if fields.keys() & {"imageName", "url", "stdio"} else {"stdio": STDIO}
    return msgspec.convert({"name": "weather", **source, **fields}, AdapterSpec)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"stdio": {"command": "npx"}},
        {"url": "https://example.com"},
        {"url": "http://[::1]:8080/mcp?tenant=a"},
        {"url": "https://example.com/mcp", "headers": {"Authorization": {"secret": "s", "key": "k"}}},
        {"imageName": "ghcr.io/team/weather", "imageVersion": "1.2", "command": ["a"], "args": ["b"]},
        {"imageName": "localhost:5000/weather", "imageVersion": "sha256:" + "0" * 64},
        {"imageName": "mcp/time", "imageVersion": "latest"},
        {"replicaCount": 0},
        {"replicaCount": 100},
        {"environmentVariables": {"LANG": "C.UTF-8"}, "secretEnvironment": {"TOKEN": {"secret": "s", "key": "k"}}},
        {"resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"ephemeral-storage": "1Gi"}}},
        {"session": {"isolation": "shared", "idleTimeout": 0.5, "max": 1}},
        {"timeouts": {"connect": 0.1, "firstByte": 1, "idle": 0}},
        {"path": "/v1/mcp.json", "port": 65535},
        {"era": "bridge"},
        {"description": "x" * 4096},
    ],
)
def test_a_right_spec_has_no_problems(fields: dict[str, Any]) -> None:
    assert problems_of(spec(**fields)) == {}


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"name": "Weather"}, "name", "is not a DNS label"),
        ({"stdio": None}, "source", "exactly one of"),
        ({"stdio": STDIO, "url": "https://example.com"}, "source", "exactly one of"),
        ({"imageName": "a/../b", "imageVersion": "1"}, "imageName", "is not a repository"),
        ({"imageName": "UPPER", "imageVersion": "1"}, "imageName", "is not a repository"),
        ({"imageName": "team/weather"}, "imageVersion", "neither a tag nor"),
        ({"imageName": "team/weather", "imageVersion": "sha256:00"}, "imageVersion", "neither a tag nor"),
        ({"imageVersion": "1"}, "imageVersion", "needs imageName"),
        ({"imageName": "a" * 256, "imageVersion": "1"}, "imageName", "is not a repository"),
        ({"stdio": STDIO | {"imageName": "UPPER", "imageVersion": "1"}}, "stdio.imageName", "is not a repository"),
        ({"stdio": STDIO | {"imageName": "mcp/time"}}, "stdio.imageVersion", "neither a tag nor"),
        ({"stdio": STDIO | {"imageVersion": "1"}}, "stdio.imageVersion", "needs imageName"),
        ({"environmentVariables": {f"A{n}": "" for n in range(257)}}, "environmentVariables", "more than 256"),
        ({"command": ["a"]}, "command", "belongs to imageName"),
        ({"args": ["a"]}, "command", "belongs to imageName"),
        ({"stdio": {"command": " "}}, "stdio.command", "is empty"),
        ({"stdio": {"command": "a\0"}}, "stdio.args", "NUL"),
        ({"stdio": {"command": "a", "args": ["b\0"]}}, "stdio.args", "NUL"),
        ({"url": "ftp://example.com"}, "url", "is not an http(s) URL"),
        ({"url": "https://user:secret@example.com"}, "url", "is not an http(s) URL"),
        ({"url": "https://example.com/#here"}, "url", "is not an http(s) URL"),
        ({"url": "https://example.com/a\r\nHost: b"}, "url", "is not an http(s) URL"),
        ({"url": "https://exa\x00mple.com"}, "url", "is not an http(s) URL"),
        ({"headers": {"X-A": {"secret": "s", "key": "k"}}}, "headers", "belong to url"),
        ({"url": "https://a", "headers": {"X A": {"secret": "s", "key": "k"}}}, "headers.X A", "not a header's name"),
        ({"url": "https://a", "headers": {"Host": {"secret": "s", "key": "k"}}}, "headers.Host", "the gateway's own"),
        (
            {"url": "https://a", "headers": {"Mcp-Session-Id": {"secret": "s", "key": "k"}}},
            "headers.Mcp-Session-Id",
            "the gateway's own",
        ),
        ({"replicaCount": -1}, "replicaCount", "must be 0 to 100"),
        ({"replicaCount": 101}, "replicaCount", "must be 0 to 100"),
        ({"description": "x" * 4097}, "description", "more than 4096"),
        ({"port": 0}, "port", "1 to 65535"),
        ({"port": 65536}, "port", "1 to 65535"),
        ({"path": "mcp"}, "path", "must begin with '/'"),
        ({"path": "/a b"}, "path", "must begin with '/'"),
        ({"environmentVariables": {"1A": "x"}}, "environmentVariables.1A", "not an environment variable's name"),
        ({"environmentVariables": {"A": "x\0"}}, "environmentVariables.A", "NUL"),
        (
            {"secretEnvironment": {"A-B": {"secret": "s", "key": "k"}}},
            "secretEnvironment.A-B",
            "not an environment variable's name",
        ),
        (
            {"environmentVariables": {"A": "x"}, "secretEnvironment": {"A": {"secret": "s", "key": "k"}}},
            "secretEnvironment.A",
            "is also in environmentVariables",
        ),
        ({"resources": {"requests": {"cpu": "much"}}}, "resources.requests.cpu", "'much' is not a quantity"),
        (
            {"resources": {"limits": {"ephemeral-storage": "1 Gi"}}},
            "resources.limits.ephemeral-storage",
            "not a quantity",
        ),
        ({"session": {"idleTimeout": 0}}, "session.idleTimeout", "more than 0"),
        ({"session": {"max": 0}}, "session.max", "at least 1"),
        ({"timeouts": {"connect": 0}}, "timeouts.connect", "more than 0"),
        ({"timeouts": {"firstByte": -1}}, "timeouts.firstByte", "more than 0"),
        ({"timeouts": {"idle": -1}}, "timeouts.idle", "0 (no bound) or more"),
        ({"timeouts": {"total": -1}}, "timeouts.total", "0 (no bound) or more"),
    ],
)
def test_what_is_wrong_is_told_by_its_field(fields: dict[str, Any], field: str, words: str) -> None:
    found = problems_of(spec(**fields))
    assert words in " ".join(found.get(field, [])), found


def test_a_spec_without_a_source_says_what_a_source_is() -> None:
    assert "source" in problems_of(AdapterSpec(name="weather"))


def test_all_that_is_wrong_is_told_at_once() -> None:
    assert len(problems_of(spec(name="", replicaCount=-1, port=0))) == 3


@pytest.mark.parametrize(
    "body",
    [
        b'{"name":"x","replicas":3}',
        b'{"name":"x","stdio":{"command":"a","shell":true}}',
        b'{"name":"x","replica_count":1}',
    ],
)
def test_an_unknown_field_in_a_spec_is_named(body: bytes) -> None:
    with pytest.raises(msgspec.ValidationError, match=r"unknown field `(replicas|shell|replica_count)`"):
        msgspec.json.decode(body, type=AdapterSpec)


def test_a_field_of_a_newer_gateway_is_passed_over() -> None:
    made = adapter()
    newer = msgspec.json.decode(msgspec.json.encode(made))
    newer["colour"] = "blue"
    assert msgspec.convert(newer, Adapter) == made


def test_an_adapter_is_camel_case_and_whole_on_the_wire() -> None:
    sent = msgspec.json.decode(msgspec.json.encode(adapter()))
    assert sent["replicaCount"] == 1
    assert sent["createdBy"] == "dev"
    assert sent["timeouts"] == {"connect": 5.0, "firstByte": 120.0, "idle": 0.0, "total": 0.0}
    assert sent["resources"]["limits"]["ephemeral-storage"] == "2Gi"


def test_a_spec_sends_only_what_is_not_default() -> None:
    sent = msgspec.json.decode(msgspec.json.encode(AdapterSpec(name="x", stdio=Stdio(command="a"))))
    assert sent == {"name": "x", "stdio": {"command": "a"}}


def test_roles_are_trimmed_and_said_once_in_their_first_spelling_and_order() -> None:
    roles = normalized(spec(requiredRoles=[" Team-A", "b", "team-a ", "", "  ", "B", "c"])).required_roles
    assert roles == ["Team-A", "b", "c"]


def test_the_last_page_has_no_cursor() -> None:
    assert msgspec.json.encode(Page(items=[1])) == b'{"items":[1]}'
    assert msgspec.json.encode(Page(items=[1], next_cursor="x")) == b'{"items":[1],"nextCursor":"x"}'


def test_a_problem_says_nothing_that_it_has_not() -> None:
    assert msgspec.json.encode(Problem(title="Not found", status=404)) == b'{"title":"Not found","status":404}'


def adapter() -> Adapter:
    now = datetime(2026, 11, 24, tzinfo=UTC)
    return Adapter(name="x", id="x", url="https://a", created_by="dev", created_at=now, last_updated_at=now, etag='"1"')
