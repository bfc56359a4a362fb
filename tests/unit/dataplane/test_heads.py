"""What of a head passes, in either direction."""

import msgspec
import pytest

from gateway.core.access import Ownership, Principal
from gateway.core.routes import Endpoint, Route
from gateway.dataplane.heads import (
    authority,
    client_headers,
    identity_lines,
    session_in,
    upstream_opening,
    upstream_request,
)
from gateway.wire.http1 import Headers, Request
from gateway.wire.names import AdapterName, InstanceName, PrincipalId

ENDPOINT = Endpoint(InstanceName("x-0"), "u", "10.0.0.1", 8000)
ROUTE = Route(AdapterName("x"), Ownership("ann"), (ENDPOINT,))
ANN = Principal(PrincipalId("ann"), "Ann Å", frozenset({"b", "a"}))


def sent(
    *headers: tuple[bytes, bytes],
    query: bytes = b"",
    body: bytes = b"{}",
    endpoint: Endpoint = ENDPOINT,
    route: Route = ROUTE,
    **own: bytes,
) -> tuple[bytes, Headers, bytes]:
    """Request line, headers and body as the upstream reads them. own: the route's headers."""
    request = Request()
    request.method, request.query, request.body = "POST", query, body
    request.headers = [(b"host", b"gw"), *headers]
    route = msgspec.structs.replace(route, headers=tuple((name.encode(), value) for name, value in own.items()))
    identity = identity_lines(ANN, "192.0.2.1", b"gw:80", "http")
    opening = upstream_opening(request, route, endpoint, session=b"s", identity=identity)
    whole = upstream_request(opening, request, request_id=b"r")
    head, _, rest = whole.partition(b"\r\n\r\n")
    line, *lines = head.split(b"\r\n")
    return line, [(name, value) for name, _, value in (each.partition(b": ") for each in lines)], rest


def values(headers: Headers, name: bytes) -> list[bytes]:
    return [value for key, value in headers if key == name]


@pytest.mark.parametrize(
    "name",
    [
        "authorization",
        "cookie",
        "x-mcp-anything",
        "x_mcp_userid",
        "x-gateway-secret",
        "connection",
        "keep-alive",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "expect",
        "x-forwarded-for",
        "x-forwarded-host",
    ],
)
def test_what_is_secret_hop_by_hop_or_the_gateways_to_say_does_not_go_upstream(name: str) -> None:
    assert values(sent((name.encode(), b"evil"))[1], name.encode()) == []


@pytest.mark.parametrize(
    "name", ["accept", "origin", "mcp-protocol-version", "mcp-method", "mcp-param-x", "last-event-id", "traceparent"]
)
def test_what_is_the_protocols_goes_upstream(name: str) -> None:
    assert values(sent((name.encode(), b"v"))[1], name.encode()) == [b"v"]


def test_sidecar_does_not_judge_again_from_which_page_a_call_came() -> None:
    behind = msgspec.structs.replace(ROUTE, has_sidecar=True)
    assert values(sent((b"origin", b"https://page.example"), route=behind)[1], b"origin") == []


def test_what_the_gateway_says_replaces_what_the_client_said() -> None:
    _, headers, _ = sent(
        (b"x-mcp-userid", b"eve"),
        (b"x-mcp-roles", b"mcp.admin"),
        (b"forwarded", b"for=6.6.6.6"),
        (b"mcp-session-id", b"sealed"),
        (b"accept-encoding", b"gzip"),
        (b"content-length", b"99"),
    )
    assert values(headers, b"x-mcp-userid") == [b"ann"]
    assert values(headers, b"x-mcp-username") == ["Ann Å".encode()]
    assert values(headers, b"x-mcp-roles") == [b"a,b"]
    assert values(headers, b"forwarded") == [b'for="192.0.2.1";host="gw:80";proto=http']
    assert values(headers, b"mcp-session-id") == [b"s"]
    assert values(headers, b"accept-encoding") == [b"identity"]
    assert values(headers, b"content-length") == [b"2"]
    assert values(headers, b"host") == [b"10.0.0.1:8000"]


def test_headers_that_the_client_calls_hop_by_hop_stay_here() -> None:
    headers = sent((b"connection", b"close, X-Private"), (b"x-private", b"1"), (b"x-public", b"2"))[1]
    assert values(headers, b"x-private") == []
    assert values(headers, b"x-public") == [b"2"]


def test_an_adapters_own_headers_replace_the_clients() -> None:
    headers = sent((b"authorization", b"Bearer client"), (b"x_key", b"client"), authorization=b"Bearer own", x_key=b"k")
    assert values(headers[1], b"authorization") == [b"Bearer own"]
    assert values(headers[1], b"x_key") == [b"k"]


def test_duplicates_and_their_order_survive() -> None:
    assert values(sent((b"x-a", b"1"), (b"x-b", b"2"), (b"x-a", b"3"))[1], b"x-a") == [b"1", b"3"]


def test_query_goes_on_without_the_session() -> None:
    assert sent(query=b"a=1&session_id=x")[0] == b"POST /mcp?a=1 HTTP/1.1"
    assert sent(query=b"session_id=x")[0] == b"POST /mcp HTTP/1.1"
    with_key = msgspec.structs.replace(ENDPOINT, path="/mcp?key=1")
    assert sent(query=b"a=1", endpoint=with_key)[0] == b"POST /mcp?key=1&a=1 HTTP/1.1"


def test_a_name_that_breaks_lines_can_not_add_headers() -> None:
    lines = identity_lines(Principal(PrincipalId("a\r\nx-mcp-roles: admin"), "b\0"), "::1", b'h"', "https")
    assert lines.split(b"\r\n") == [
        b"x-mcp-userid: a??x-mcp-roles: admin",
        b"x-mcp-username: b?",
        b"x-mcp-roles: ",
        b'forwarded: for="[::1]";host="h";proto=https',
    ]


def test_authority_is_the_hosts_name_where_there_is_one() -> None:
    assert authority(ENDPOINT) == "10.0.0.1:8000"
    assert authority(msgspec.structs.replace(ENDPOINT, host="::1")) == "[::1]:8000"
    assert authority(msgspec.structs.replace(ENDPOINT, authority="mcp.example")) == "mcp.example"


def test_a_client_sees_what_is_allowed_and_nothing_else() -> None:
    allowed: Headers = [
        (b"content-type", b"a"),
        (b"content-language", b"b"),
        (b"cache-control", b"c"),
        (b"etag", b"d"),
        (b"last-modified", b"e"),
        (b"vary", b"f"),
        (b"retry-after", b"g"),
        (b"x-request-id", b"h"),
        (b"x-correlation-id", b"i"),
    ]
    refused = ["set-cookie", "location", "www-authenticate", "server", "date", "content-length", "connection", "x-y"]
    refused += ["mcp-session-id", "access-control-allow-origin", "transfer-encoding", "alt-svc", "refresh"]
    assert client_headers([*allowed, *((name.encode(), b"z") for name in refused)]) == allowed


def test_session_in_a_query() -> None:
    assert session_in(b"a=1&session_id=abc&b") == b"abc"
    assert session_in(b"session_id=") is None
    assert session_in(b"xsession_id=a") is None


def test_names_that_clients_make_up_do_not_pile_up() -> None:
    for number in range(3000):
        assert values(sent((b"x-%d" % number, b"v"))[1], b"x-%d" % number) == [b"v"]
