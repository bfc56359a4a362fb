"""`url` adapters beside processes in the local backend."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from gateway.backends.process import ProcessBackend
from gateway.core.errors import UpstreamBroke, UpstreamSlow
from gateway.core.observed import NOTHING
from gateway.wire.http1 import Request
from gateway.wire.mcp import Era
from gateway.wire.resources import AdapterSpec, SecretReference
from tests.support.answering import Reply, answering, message, method_of
from tests.support.desired import THEN, desired, stdio_spec
from tests.support.local_backend import (
    QUICK,
    WEATHER,
    are_ready,
    endpoint_of,
    has_failed,
    local_backend,
    only,
    processes_of,
    uids,
    until,
)
from tests.support.sidecar_process import scripted

INITIALIZED = message({"protocolVersion": "2025-11-25", "capabilities": {}})


def mcp_server(request: Request) -> Reply:
    return Reply(body=INITIALIZED) if method_of(request) == "initialize" else Reply(404)


def spec(port: int, **fields: object) -> AdapterSpec:
    return AdapterSpec(name="weather", url=f"http://127.0.0.1:{port}/mcp", **fields)  # type: ignore[arg-type]


@pytest.fixture
async def backend(tmp_path: Path) -> AsyncIterator[ProcessBackend]:
    environ = {**os.environ, "MCPDECK_SECRET_CRM_TOKEN": "abc"}
    async with local_backend(tmp_path, allow_private=True, environ=environ) as made:
        yield made


async def test_a_url_is_ready_with_its_headers_and_has_no_log(backend: ProcessBackend) -> None:
    async with answering(mcp_server) as server:
        wanted = spec(server.port, headers={"Authorization": SecretReference(secret="crm", key="token")})
        await backend.apply([desired(wanted)])
        seen = await until(backend, are_ready(1))
    assert seen.headers == ((b"authorization", b"abc"),)
    assert "abc" not in repr(seen)
    assert endpoint_of(only(seen)).eras == {Era.LEGACY}
    assert list(backend.logs.instances(WEATHER)) == []


async def test_its_uid_is_the_same_after_the_gateways_restart(tmp_path: Path) -> None:
    found = []
    async with answering(mcp_server) as server:
        for _ in range(2):
            async with local_backend(tmp_path, allow_private=True) as backend:
                await backend.apply([desired(spec(server.port))])
                found += uids(await until(backend, are_ready(1)))
    assert found[0] == found[1]


async def test_a_restart_that_is_asked_for_looks_anew(tmp_path: Path) -> None:
    is_up = False

    def later(request: Request) -> Reply:
        return mcp_server(request) if is_up else Reply(500)

    rare = msgspec.structs.replace(QUICK, first_restart=3600.0, longest_restart=3600.0)
    async with answering(later) as server, local_backend(tmp_path, allow_private=True, patience=rare) as backend:
        await backend.apply([desired(spec(server.port))])
        await until(backend, has_failed("HandshakeFailed"))
        is_up = True
        await backend.apply([desired(spec(server.port), restarted_at=THEN)])
        await until(backend, are_ready(1))


async def test_an_adapter_may_become_a_url_and_a_process_again(backend: ProcessBackend) -> None:
    process = desired(stdio_spec("weather", *scripted()))
    async with answering(mcp_server) as server:
        await backend.apply([process])
        before = uids(await until(backend, are_ready(1)))
        await backend.apply([desired(spec(server.port))])
        await until(backend, lambda seen: are_ready(1)(seen) and uids(seen) != before)
        await backend.apply([process])
        after = uids(await until(backend, lambda seen: are_ready(1)(seen) and processes_of(seen.instances[0].uid)))
        assert [processes_of(uid) for uid in before] == [[]]
        await backend.apply([])
        assert backend.observed(WEATHER) == NOTHING
    assert after != before


async def test_a_tool_server_elsewhere_is_ready_when_it_answers_anything(backend: ProcessBackend) -> None:
    async with answering(lambda request: Reply(404)) as server:
        await backend.apply([desired(spec(server.port), is_tool=True)])
        assert endpoint_of(only(await until(backend, are_ready(1)))).eras == frozenset()


# ending sessions


async def test_a_session_is_ended_with_its_headers(backend: ProcessBackend) -> None:
    async with answering(lambda request: Reply(204)) as server:
        await backend.end_session(server.endpoint(), b"s-1", [(b"authorization", b"abc")])
    (asked,) = server.asked
    assert (asked.method, asked.header(b"mcp-session-id"), asked.header(b"authorization")) == ("DELETE", b"s-1", b"abc")


@pytest.mark.parametrize("status", [404, 405, 400])
async def test_a_server_that_knows_no_such_session_is_no_error(backend: ProcessBackend, status: int) -> None:
    async with answering(lambda request: Reply(status)) as server:
        await backend.end_session(server.endpoint(), b"s-1", ())


async def test_a_server_that_breaks_is_said(backend: ProcessBackend) -> None:
    async with answering(lambda request: Reply(500)) as server:
        with pytest.raises(UpstreamBroke, match="weather-0 answered 500"):
            await backend.end_session(server.endpoint(), b"s-1", ())
    with pytest.raises(UpstreamBroke, match="can't be reached"):
        await backend.end_session(server.endpoint(), b"s-1", ())


async def test_a_server_that_is_too_slow_is_said(tmp_path: Path) -> None:
    haste = msgspec.structs.replace(QUICK, answer=0.05)
    async with (
        answering(lambda request: Reply(is_silent=True)) as server,
        local_backend(tmp_path, patience=haste) as backend,
    ):
        with pytest.raises(UpstreamSlow):
            await backend.end_session(server.endpoint(), b"s-1", ())
