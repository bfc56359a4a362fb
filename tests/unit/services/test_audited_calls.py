"""What of MCP requests is in the audit log: who, what and where from, however they ended; never what they carried."""

from typing import Any

import msgspec
import pytest

from gateway.core.access import Principal
from gateway.core.errors import Challenge, NotFound, Unauthenticated
from gateway.services.audit import AuditLog
from gateway.services.called import LARGEST, What, said_by, what_of
from gateway.services.witness import Witness
from gateway.wire import jsonrpc
from gateway.wire.audit import AuditRecord
from gateway.wire.http1 import Request
from gateway.wire.names import PrincipalId

ADA = Principal(PrincipalId("ada@idp"), "Ada")
SECRET = {"password": "hunter2"}


def post(method: str, params: Any = None, *, path: str = "/mcp") -> Request:
    request = Request()
    request.method, request.path = "POST", path
    request.body = jsonrpc.request(1, method, params)
    return request


class Asked(msgspec.Struct):
    request: Request
    peer: str = "192.0.2.7"


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (jsonrpc.request(1, "tools/call", {"name": "login", "arguments": SECRET}), What("tools/call", "login")),
        (jsonrpc.request(1, "resources/read", {"uri": "file:///x"}), What("resources/read", "file:///x")),
        (jsonrpc.request(1, "tools/list"), What("tools/list")),
        (jsonrpc.notification("notifications/initialized"), What("notifications/initialized")),
        (b'{"jsonrpc":"2.0","id":1,"result":{"content":"hunter2"}}', What("response")),
        (b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]', What("batch")),
        (b'{"method":"tools/call","params":{"name":7}}', What("tools/call")),
        (b'{"method":"tools/call","params":[1]}', What("")),
        (b"hunter2", What("")),
        (b"", What("")),
        (b'{"method":"a\\u001b[31m\\r\\nb"}', What("a\N{REPLACEMENT CHARACTER}[31m\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}b")),
        (jsonrpc.request(1, "x" * 1000), What("x" * 256)),
    ],
)  # fmt: skip
def test_method_and_name_are_all_that_is_taken_of_a_body(body: bytes, what: What) -> None:
    assert what_of("POST", body) == what


def test_get_and_delete_are_what_they_are() -> None:
    assert (what_of("GET", b""), what_of("DELETE", b"")) == (What("GET"), What("DELETE"))


def test_large_body_is_not_kept_until_somebody_reads() -> None:
    small, large = post("tools/call", {"name": "x"}), post("tools/call", {"name": "x", "arguments": "y" * LARGEST})
    assert said_by(small) is small.body
    assert said_by(large) == What("tools/call", "x")


def test_headers_that_say_another_method_are_not_believed() -> None:
    request = post("tools/call", {"name": "delete_everything"})
    request.headers = [(b"mcp-method", b"ping"), (b"mcp-name", b"harmless")]
    assert what_of("POST", said_by(request)) == What("tools/call", "delete_everything")  # type: ignore[arg-type]


async def told(*args: Any, **kwargs: Any) -> list[AuditRecord]:
    audit = AuditLog("")
    Witness(audit, clock=lambda: 100.0).refused(*args, **kwargs)
    return list(audit.remembered())


async def test_refusal_says_whom_and_why_and_nothing_of_the_body() -> None:
    request = post("tools/call", {"name": "login", "arguments": SECRET}, path="/adapters/weather/mcp")
    (record,) = await told(Asked(request), ADA, NotFound("there is no adapter"), request_id=b"r-1")
    assert (record.action, record.principal, record.target, record.status) == ("mcp.refused", "ada@idp", "weather", 404)
    assert (record.request_id, record.peer, record.detail) == ("r-1", "192.0.2.7", "not-found: there is no adapter")
    assert b"hunter2" not in msgspec.json.encode(record)


async def test_client_that_comes_without_a_token_as_all_do_is_not_recorded_but_a_bad_token_is() -> None:
    request = Asked(post("initialize"))
    assert await told(request, None, Unauthenticated("sign in"), request_id=b"") == []
    refused = Unauthenticated("expired", challenge=Challenge(error="invalid_token"))
    (record,) = await told(request, None, refused, request_id=b"")
    assert (record.principal, record.status, record.detail) == ("", 401, "unauthenticated: expired")


async def test_answer_of_the_gateways_own_server_is_a_call_like_any_other() -> None:
    audit = AuditLog("")
    request = post("tools/list")
    Witness(audit, clock=lambda: 100.5).answered(
        Asked(request), ADA, status=200, bytes_out=9, request_id=b"r-2", began=100.0
    )
    (record,) = audit.remembered()
    assert (record.action, record.target, record.method, record.status) == ("mcp.call", "/mcp", "tools/list", 200)
    assert (record.duration, record.bytes_out) == (0.5, 9)
