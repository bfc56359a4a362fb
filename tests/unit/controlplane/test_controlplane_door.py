"""What every request passes and every answer has: identity, hosts, origins, request ids, errors, health."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import msgspec
import pytest
from quart import Blueprint, Response

from gateway.core.access import Principal
from gateway.core.errors import Challenge, NothingReady, Unauthenticated
from gateway.services.audit import open_audit
from gateway.wire.audit import AuditRecord, read_line
from gateway.wire.hosts import Hosts
from gateway.wire.names import PrincipalId
from tests.support.gateway_fakes import ADA, ADMIN, BEA, EVE, ControlPlane, control_plane, stdio

CHALLENGE = Challenge("https://gateway.example", scope="mcp.use")


class Doorkeeper:
    """ports.Authenticator: knows `good` after it has been asked to verify it once; `bound` is for one adapter."""

    def __init__(self) -> None:
        self.verified: set[bytes] = set()

    def known(self, headers: Mapping[bytes, bytes]) -> Principal | Unauthenticated | None:
        token = headers.get(b"authorization", b"").removeprefix(b"Bearer ")
        if token in self.verified:
            return Principal(PrincipalId("ada"), resource="/adapters/x/mcp" if token == b"bound" else "")
        return None if token in (b"good", b"bound") else Unauthenticated("who are you?", challenge=CHALLENGE)

    async def verify(self, headers: Mapping[bytes, bytes]) -> Principal | Unauthenticated:
        self.verified.add(headers[b"authorization"].removeprefix(b"Bearer "))
        known = self.known(headers)
        assert known is not None
        return known


@pytest.fixture(name="plane")
async def _plane() -> AsyncIterator[ControlPlane]:
    async with control_plane() as plane:
        yield plane


@pytest.fixture(name="guarded")
async def _guarded() -> AsyncIterator[ControlPlane]:
    async with control_plane(authenticator=Doorkeeper()) as plane:
        yield plane


async def test_without_a_token_it_is_401_with_a_challenge(guarded: ControlPlane) -> None:
    answer = await guarded.ask("GET", "/adapters", None)
    assert answer.status == 401
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["WWW-Authenticate"].startswith(
        'Bearer resource_metadata="https://gateway.example/.well-known'
    )
    assert answer.json["code"] == "unauthenticated"


async def test_an_unknown_token_is_verified_once(guarded: ControlPlane) -> None:
    for _ in range(2):
        assert (await guarded.ask("GET", "/whoami", None, headers={"Authorization": "Bearer good"})).status == 200


async def test_a_token_for_one_adapter_opens_nothing_else(guarded: ControlPlane) -> None:
    answer = await guarded.ask("GET", "/adapters", None, headers={"Authorization": "Bearer bound"})
    assert answer.status == 401
    assert "/adapters/x/mcp" in answer.json["detail"]
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


async def test_what_is_unknown_is_401_before_it_is_404(guarded: ControlPlane) -> None:
    assert (await guarded.ask("GET", "/nothing/here", None)).status == 401


@pytest.mark.parametrize("path", ["/ping", "/livez", "/readyz"])
async def test_probes_need_no_token(guarded: ControlPlane, path: str) -> None:
    await guarded.reconciler.reconcile()
    assert (await guarded.ask("GET", path, None)).status in (200, 503)


async def test_what_is_configured_needs_no_token() -> None:
    async with control_plane(authenticator=Doorkeeper(), anonymous=("/docs",)) as plane:
        assert (await plane.ask("GET", "/docs", None)).status == 200
        assert (await plane.ask("GET", "/openapi.json", None)).status == 401


async def test_a_token_in_the_query_is_refused(plane: ControlPlane) -> None:
    answer = await plane.ask("GET", "/adapters?access_token=abc")
    assert answer.status == 400
    assert "Authorization" in answer.json["detail"]


# Hosts and origins


@pytest.mark.parametrize("path", ["/adapters", "/whoami", "/events", "/ping", "/readyz", "/docs", "/nothing"])
async def test_another_host_is_421_on_loopback(plane: ControlPlane, path: str) -> None:
    answer = await plane.ask("GET", path, headers={"Host": "rebound.example"})
    assert answer.status == 421
    assert answer.json["code"] == "misdirected"


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
async def test_another_sites_page_is_403(plane: ControlPlane, method: str) -> None:
    answer = await plane.ask(method, "/adapters", headers={"Origin": "https://evil.example"})
    assert answer.status == 403
    assert "Access-Control-Allow-Origin" not in answer.headers


async def test_a_probe_is_asked_by_address_in_a_cluster() -> None:
    async with control_plane(hosts=Hosts(is_loopback=False, hosts=frozenset({"gateway.example"}))) as plane:
        assert (await plane.ask("GET", "/livez", headers={"Host": "10.0.0.7:8000"})).status == 200
        assert (await plane.ask("GET", "/adapters", headers={"Host": "10.0.0.7:8000"})).status == 421
        evil = {"Host": "10.0.0.7:8000", "Origin": "http://10.0.0.7"}
        assert (await plane.ask("GET", "/livez", headers=evil)).status == 421


async def test_an_allowed_page_may_ask_and_read() -> None:
    page = {"Origin": "https://portal.example"}
    async with control_plane(hosts=Hosts(is_loopback=True, origins=frozenset({"https://portal.example"}))) as plane:
        answer = await plane.ask("GET", "/adapters", headers=page)
        assert answer.status == 200
        assert answer.headers["Access-Control-Allow-Origin"] == "https://portal.example"
        assert answer.headers["Vary"] == "Origin"
        asked = page | {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization"}
        preflight = await plane.ask("OPTIONS", "/adapters/weather", None, headers=asked)
        assert preflight.status == 204
        assert "PUT" in preflight.headers["Access-Control-Allow-Methods"]
        assert preflight.headers["Access-Control-Allow-Headers"] == "authorization"


async def test_well_known_documents_are_for_anyone() -> None:
    routes = Blueprint("known", __name__)

    @routes.get("/.well-known/thing")
    async def thing() -> Response:
        return Response(b"{}", headers={"Access-Control-Allow-Origin": "*"})

    async with control_plane(authenticator=Doorkeeper(), blueprints=[routes]) as plane:
        answer = await plane.ask("GET", "/.well-known/thing", None, headers={"Origin": "https://inspector.example"})
        assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (200, "*")


# What every answer has


async def test_a_sane_request_id_is_kept_and_another_replaced(plane: ControlPlane) -> None:
    assert (await plane.ask("GET", "/ping", headers={"X-Request-Id": "abc-1"})).headers["X-Request-Id"] == "abc-1"
    for strange in ("a b", "x" * 129, ""):
        made = (await plane.ask("GET", "/nothing", headers={"X-Request-Id": strange})).headers["X-Request-Id"]
        assert made != strange
        assert len(made) == 32


async def test_a_trace_is_continued(plane: ControlPlane) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    answered = (await plane.ask("GET", "/ping", headers={"traceparent": trace})).headers["traceparent"]
    assert answered.startswith("00-4bf92f3577b34da6a3ce929d0e0e4736-")
    assert answered.endswith("-01")
    assert answered != trace
    assert "traceparent" not in (await plane.ask("GET", "/ping", headers={"traceparent": "00-x"})).headers


async def test_head_is_get_without_a_body(plane: ControlPlane) -> None:
    await plane.deploy()
    for path in ("/adapters/weather", "/events", "/adapters/weather/logs?follow=true"):
        head = await plane.ask("HEAD", path)
        assert (head.status, head.body) == (200, b"")
    assert (await plane.ask("HEAD", "/adapters/nosuch")).status == 404
    assert plane.hub.readers == 0
    assert plane.logs.taps == 0


async def test_options_says_what_there_is(plane: ControlPlane) -> None:
    answer = await plane.ask("OPTIONS", "/adapters/weather")
    assert answer.status == 200
    assert {"GET", "PUT", "PATCH", "DELETE"} <= set(answer.headers["Allow"].split(", "))


@pytest.mark.parametrize("path", ["/adapters/", "/adapters/weather/", "/whoami/"])
async def test_a_trailing_slash_is_no_redirect(plane: ControlPlane, path: str) -> None:
    await plane.deploy()
    assert (await plane.ask("GET", path)).status == 200


# Errors


async def test_no_such_route_is_a_problem(plane: ControlPlane) -> None:
    answer = await plane.ask("GET", "/nothing//here")
    assert answer.status == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json["instance"] == f"/nothing//here#{answer.headers['X-Request-Id']}"


async def test_a_method_that_is_not_served_is_405_with_what_is(plane: ControlPlane) -> None:
    answer = await plane.ask("DELETE", "/whoami")
    assert answer.status == 405
    assert "GET" in answer.headers["Allow"]
    assert answer.json["code"] == "method-not-allowed"


async def test_what_nobody_foresaw_is_500_without_a_word_of_it(
    plane: ControlPlane, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken() -> None:
        raise RuntimeError("password is hunter2")

    monkeypatch.setattr(plane.store, "list", broken)
    answer = await plane.ask("GET", "/adapters", headers={"X-Request-Id": "find-me"})
    assert answer.status == 500
    assert b"hunter2" not in answer.body
    assert b"Traceback" not in answer.body
    assert answer.json["code"] == "internal"
    assert "find-me" in answer.json["detail"]
    assert "find-me" in caplog.text
    assert "hunter2" in caplog.text


async def test_an_error_that_passes_says_when_to_try_again(
    plane: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def busy() -> None:
        raise NothingReady("the store is starting", retry=2.5)

    monkeypatch.setattr(plane.store, "list", busy)
    answer = await plane.ask("GET", "/adapters")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "3")


# Health, and who one is


async def test_ping_is_an_empty_200_as_microsofts(plane: ControlPlane) -> None:
    answer = await plane.ask("GET", "/ping", None)
    assert (answer.status, answer.body) == (200, b"")


async def test_ready_once_reconciled_and_otherwise_why_not(caplog: pytest.LogCaptureFixture) -> None:
    reasons = {"upstream": "no route to anything"}
    async with control_plane(checks={"upstream": lambda: reasons["upstream"]}) as plane:
        answer = await plane.ask("GET", "/readyz", None)
        assert answer.status == 503
        assert answer.json["checks"] == [
            {"name": "reconciler", "ok": False, "reason": "nothing has been read from the store yet"},
            {"name": "upstream", "ok": False, "reason": "no route to anything"},
        ]
        reasons["upstream"] = ""
        plane.reconciler.trouble = ""
        answer = await plane.ask("GET", "/readyz", None)
        assert (answer.status, answer.json["status"]) == (200, "ready")


async def test_whoami_says_who_and_what_for(plane: ControlPlane) -> None:
    assert (await plane.ask("GET", "/whoami", ADA)).json == {
        "id": "ada",
        "name": "Ada",
        "roles": ["mcp.engineer"],
        "permissions": ["create"],
        "authentication": "dev",
    }
    assert (await plane.ask("GET", "/whoami", ADMIN)).json["permissions"] == ["create", "admin"]
    assert (await plane.ask("GET", "/whoami", BEA)).json["permissions"] == []


async def test_metrics_are_prometheus_text(plane: ControlPlane) -> None:
    await plane.deploy(stdio(replica_count=2))
    lines = (await plane.ask("GET", "/metrics")).body.decode().splitlines()
    assert 'mcpdeck_adapters{phase="Ready"} 1' in lines
    assert 'mcpdeck_adapter_ready_replicas{adapter="weather"} 2' in lines
    assert "mcpdeck_event_streams 0" in lines


async def test_metrics_of_the_data_plane_are_added() -> None:
    async with control_plane(metrics=lambda: ["mcpdeck_requests_total 7"]) as plane:
        assert (await plane.ask("GET", "/metrics")).body.endswith(b"mcpdeck_requests_total 7\n")


async def test_every_write_is_audited_also_what_was_refused(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    async with open_audit(str(path)) as audit, control_plane(audit=audit) as plane:
        body = {"name": "weather", "stdio": {"command": "x"}}
        await plane.ask("POST", "/adapters", ADA, json=body, headers={"X-Request-Id": "one"})
        await plane.ask("DELETE", "/adapters/weather", BEA)
        await plane.ask("GET", "/adapters", ADA)
    records = [msgspec.json.decode(read_line(line).record, type=AuditRecord) for line in path.read_bytes().splitlines()]
    assert [(each.action, each.principal, each.target, each.status) for each in records] == [
        ("adapter.create", "ada", "weather", 201),
        ("adapter.delete", "bea", "weather", 403),
    ]
    assert records[0].request_id == "one"
    assert records[0].bytes_in > 0
    assert records[1].detail.startswith("forbidden: adapter 'weather' is ada's to change")


async def test_read_that_is_refused_is_audited_and_a_missing_token_is_not() -> None:
    async with open_audit("") as audit:
        async with control_plane(audit=audit) as plane:
            await plane.deploy()
            assert (await plane.ask("GET", "/adapters/weather", EVE)).status == 403
            assert (await plane.ask("GET", "/audit", EVE)).status == 403
        async with control_plane(audit=audit, authenticator=Doorkeeper()) as plane:
            assert (await plane.ask("GET", "/adapters", None)).status == 401
            assert (await plane.ask("GET", "/adapters", None, headers={"Authorization": "Bearer x"})).status == 401
        records = [(each.action, each.principal, each.target, each.status) for each in audit.remembered()]
    assert records == [
        ("access.refused", "", "/adapters", 401),
        ("access.refused", "eve", "/audit", 403),
        ("access.refused", "eve", "weather", 403),
    ]


async def test_administrators_read_the_audit_log_newest_first() -> None:
    async with open_audit("") as audit, control_plane(audit=audit) as plane:
        body = {"name": "weather", "stdio": {"command": "x", "args": ["--token", "hunter2"]}}
        await plane.ask("POST", "/adapters", ADA, json=body)
        await plane.ask("DELETE", "/adapters/weather", ADA)
        answer = await plane.ask("GET", "/audit")
        assert [each["action"] for each in answer.json] == ["adapter.delete", "adapter.create"]
        assert b"hunter2" not in answer.body
        found = await plane.ask("GET", "/audit?q=CREATE&limit=1&since=5m")
        assert [each["action"] for each in found.json] == ["adapter.create"]
        assert (await plane.ask("GET", "/audit?since=2999-01-01T00:00:00Z")).json == []
        for query in ("limit=0", "limit=1001", "limit=x", "since=yesterday"):
            assert (await plane.ask("GET", f"/audit?{query}")).status == 400, query
