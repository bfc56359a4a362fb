"""The doctor at gateways that are well, down, slow, shut, or none at all."""

import asyncio
import base64
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from mcpdeck.auth import discovery
from mcpdeck.auth.errors import AuthError, SignInNeeded
from mcpdeck.auth.sources import GivenToken, Token, TokenSource
from mcpdeck.config.contexts import Context
from mcpdeck.devissuer import certificates
from mcpdeck.devissuer.certificates import CertificateFiles, make_certificate
from mcpdeck.doctor import examination, way
from mcpdeck.doctor.examination import Examination
from mcpdeck.model.findings import ORDER, Finding, Outcome
from tests.support import scenes
from tests.support.fake_gateway import FakeGateway, Fault
from tests.support.fake_mcp import FakeMcp


@pytest.fixture
async def gateway() -> AsyncIterator[FakeGateway]:
    scene = scenes.empty()
    scenes.add(scene, scenes.stdio("time", "uvx", "x"), "ada", scenes.DAY)
    scene.servers["time"] = FakeMcp(name="clock", tools=[{"name": "now", "inputSchema": {"type": "object"}}])
    async with FakeGateway(scene).running() as it:
        yield it


async def examined(
    url: str, *, source: TokenSource | None = None, options: str = "", **context: Any
) -> dict[str, Finding]:
    it = Examination(Context(name="test", url=url, **context), source=lambda: source, options=options)
    return {finding.check: finding async for finding in it.findings()}


async def test_gateway_that_is_well_is_well_all_the_way(gateway: FakeGateway) -> None:
    found = await examined(gateway.url)
    assert tuple(found) == ORDER
    assert {check for check, it in found.items() if it.outcome is Outcome.OK} == set(ORDER) - {"discovery", "token"}
    assert found["modern"].told == "time answers as clock 1.0, 1 tools, protocol 2026-07-28"
    assert found["legacy"].told == "time answers as clock 1.0, 1 tools, protocol 2025-11-25"
    assert all(it.seconds is not None for it in found.values() if it.outcome is Outcome.OK)


async def test_nothing_there_is_told_once_and_the_rest_skipped(gateway: FakeGateway) -> None:
    await gateway.stop()
    found = await examined(gateway.url)
    assert found["connection"].outcome is Outcome.WRONG
    assert "refused" in found["connection"].told
    assert {found[check].told for check in ORDER[2:]} == {"not before Connection is right"}
    await gateway.start()


async def test_name_that_nobody_knows() -> None:
    found = await examined("http://nowhere.invalid")
    assert "nowhere.invalid is not known" in found["name"].told


async def test_context_without_a_url_does_not_run_here() -> None:
    found = await examined("")
    assert (found["name"].outcome, found["name"].fix) == (Outcome.WRONG, "mcpdeck up")


async def test_gateway_that_is_not_ready_says_why(gateway: FakeGateway) -> None:
    gateway.scene.checks = {"store": "the disk is full", "backend": ""}
    found = await examined(gateway.url)
    assert (found["health"].outcome, found["health"].told) == (
        Outcome.WARNING,
        "it lives, and is not ready: the disk is full",
    )
    assert found["roles"].outcome is Outcome.OK


async def test_something_else_on_the_port_is_no_gateway(gateway: FakeGateway) -> None:
    gateway.fail("GET", "/readyz", Fault(404, "not here"))
    found = await examined(gateway.url)
    assert found["health"].told == "/readyz gave 404, and no gateway's answer"
    assert found["roles"].told == "not before Health is right"


async def test_a_page_that_is_there_for_every_path_is_no_gateway() -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\nconnection: close\r\n\r\nIt works!")
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        found = await examined(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    assert (found["health"].outcome, found["health"].told) == (
        Outcome.WRONG,
        "/readyz gave 200, and no gateway's answer",
    )


async def test_wrong_path_is_mended_with_the_url_where_a_gateway_is(gateway: FakeGateway) -> None:
    found = await examined(f"{gateway.url}/mcp/x", options="--context test")
    assert f"there is one at {gateway.url}" in found["health"].told
    assert found["health"].fix == f"mcpdeck contexts add test {gateway.url}"


async def test_a_gateway_that_is_reached_through_a_tunnel_may_have_another_name(
    gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offered(_url: str, *, ca_file: str = "", is_forwarded: bool = False) -> discovery.Offer:
        if not is_forwarded:
            raise AuthError("it calls itself https://mcp.example")
        return discovery.Offer("https://mcp.example", ["https://idp.example"])

    monkeypatch.setattr(discovery, "discover", offered)
    assert (await examined(gateway.url))["discovery"].outcome is Outcome.WARNING
    found = await examined(gateway.url, is_forwarded=True)
    assert (found["discovery"].outcome, found["discovery"].told) == (Outcome.OK, "https://idp.example")


async def test_a_tunnel_that_leads_to_no_gateway_is_a_matter_of_the_cluster(gateway: FakeGateway) -> None:
    gateway.fail("GET", "/readyz", Fault(0))
    assert (await examined(gateway.url))["health"].fix == "is a gateway behind this URL?"
    found = await examined(gateway.url, is_forwarded=True, options="--context test")
    assert found["health"].fix.startswith("mcpdeck doctor --cluster --kube-context test ")


@pytest.mark.parametrize(
    ("context", "fix"),
    [
        (Context(name="kind-dev", url="http://127.0.0.1:9", is_forwarded=True), "up --cluster --kube-context kind-dev"),
        (Context(name="here", url="http://localhost:9"), "mcpdeck up, and leave it running"),
    ],
)
async def test_closed_port_is_mended_by_what_listens_there(context: Context, fix: str) -> None:
    assert fix in (await way.connection(context, "127.0.0.1", 9)).fix


async def test_commands_that_mend_mean_the_gateway_that_was_examined(gateway: FakeGateway) -> None:
    gateway.fail("GET", "/whoami", Fault(401, "no token"))
    found = await examined(gateway.url, options="--gateway https://x")
    assert found["roles"].fix == "mcpdeck --gateway https://x login"


async def test_expired_token_is_the_one_line_that_is_wrong(gateway: FakeGateway) -> None:
    expired = "e30." + base64.urlsafe_b64encode(b'{"iss":"i","aud":"a","exp":1000}').decode().rstrip("=") + ".c2ln"
    found = await examined(gateway.url, source=GivenToken(expired))
    assert [each.check for each in found.values() if each.outcome is Outcome.WRONG] == ["token"]
    assert found["roles"].told == "not before Token is right"
    assert "unset it, then mcpdeck login" in found["token"].fix


async def test_token_of_the_environment_is_not_mended_by_signing_in(gateway: FakeGateway) -> None:
    gateway.fail("GET", "/whoami", Fault(401, "no token"))
    found = await examined(gateway.url, source=GivenToken("opaque"))
    assert "MCPDECK_TOKEN" in found["roles"].fix


async def test_unknown_caller_is_told_to_sign_in(gateway: FakeGateway) -> None:
    gateway.fail("GET", "/whoami", Fault(401, "no token"))
    found = await examined(gateway.url)
    assert (found["roles"].outcome, found["roles"].fix) == (Outcome.WRONG, "mcpdeck login")
    assert found["legacy"].outcome is Outcome.SKIPPED


async def test_token_is_looked_at_and_sent(gateway: FakeGateway) -> None:
    found = await examined(gateway.url, source=GivenToken("opaque"))
    assert found["token"].outcome is Outcome.OK
    [whoami] = gateway.seen("GET", "/whoami")
    assert whoami.headers["authorization"] == "Bearer opaque"


async def test_lapsed_sign_in_is_told(gateway: FakeGateway) -> None:
    class Lapsed:
        def token(self, *, is_stale: bool = False) -> Token:
            raise SignInNeeded("the sign-in has lapsed; run: mcpdeck login")

    found = await examined(gateway.url, source=Lapsed())
    assert found["token"].told == "the sign-in has lapsed; run: mcpdeck login"


async def test_server_of_one_era_is_no_fault(gateway: FakeGateway) -> None:
    gateway.scene.servers["time"].eras = ("legacy",)
    found = await examined(gateway.url)
    assert (found["modern"].outcome, found["legacy"].outcome) == (Outcome.WARNING, Outcome.OK)
    assert "time does not speak it" in found["modern"].told
    assert "era: auto" in found["modern"].fix


async def test_server_of_no_era_is_wrong_in_the_end(gateway: FakeGateway) -> None:
    gateway.scene.servers["time"].eras = ()
    found = await examined(gateway.url)
    assert (found["modern"].outcome, found["legacy"].outcome) == (Outcome.WARNING, Outcome.WRONG)


async def test_adapter_that_is_broken_is_told_with_its_log(gateway: FakeGateway) -> None:
    gateway.fail("POST", "/adapters/time/mcp", Fault(0))
    found = await examined(gateway.url)
    assert (found["legacy"].outcome, found["legacy"].fix) == (Outcome.WRONG, "mcpdeck logs time")


async def test_gateway_that_hangs_does_not_hold_the_doctor(
    gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examination, "SECONDS", 0.05)
    gate = gateway.hold("GET", "/readyz")
    found = await examined(gateway.url)
    assert "no answer in" in found["health"].told
    gate.set()


@asynccontextmanager
async def over_tls(files: CertificateFiles) -> AsyncIterator[int]:
    """A port that speaks TLS and says nothing."""

    def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.certificate, files.key)
    async with await asyncio.start_server(greet, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1]


async def test_certificate_is_judged_by_the_authority_that_is_named(tmp_path: Path) -> None:
    files = make_certificate(tmp_path)
    async with over_tls(files) as port:
        here = Context(name="test", url=f"https://127.0.0.1:{port}")
        found = await way.tls(here, "127.0.0.1", port, now=time.time())
        assert found.outcome is Outcome.WRONG
        assert "not believed" in found.told
        assert "--ca-file" in found.fix
        trusting = replace(here, ca_file=str(files.authority))
        found = await way.tls(trusting, "127.0.0.1", port, now=time.time())
        assert "localhost" in found.told
        assert found.outcome is Outcome.WARNING  # it lives for seven days
        missing = replace(here, ca_file=str(tmp_path / "none.pem"))
        assert "none.pem" in (await way.tls(missing, "127.0.0.1", port, now=time.time())).told


async def test_port_without_tls_is_told(gateway: FakeGateway) -> None:
    here = Context(name="test", url=f"https://127.0.0.1:{gateway.port}")
    found = await way.tls(here, "127.0.0.1", gateway.port, now=0.0)
    assert found.fix == "is it https on this port?"


async def test_certificate_that_has_expired_is_no_matter_of_authorities(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificates, "LIFETIME", timedelta(minutes=-30))
    files = make_certificate(tmp_path)
    async with over_tls(files) as port:
        here = Context(name="test", url=f"https://127.0.0.1:{port}", ca_file=str(files.authority))
        found = await way.tls(here, "127.0.0.1", port, now=time.time())
    assert "certificate has expired" in found.told
    assert found.fix == "have it renewed where the gateway runs, or set the clock of this machine right"


async def test_certificate_of_another_name_says_which_and_the_command_that_uses_it(tmp_path: Path) -> None:
    files = make_certificate(tmp_path, hosts=("mcp.example",))
    async with over_tls(files) as port:
        url = f"https://127.0.0.1:{port}"
        here = Context(name="test", url=url, ca_file=str(files.authority), protected=True)
        found = await way.tls(here, "127.0.0.1", port, now=time.time())
    assert found.told == "the certificate is for mcp.example, not for 127.0.0.1"
    assert found.fix == (
        f"mcpdeck contexts add test https://mcp.example:{port} --ca-file {files.authority} --protected"
    )


async def test_a_gateway_without_a_name_gets_one_in_the_command_that_mends() -> None:
    fix = way.renamed(Context(name="localhost:8443", url="https://localhost:8443"), "https://mcp.example")
    assert fix == "mcpdeck contexts add localhost-8443 https://mcp.example"


async def test_plain_http_is_for_this_machine_alone() -> None:
    here = Context(name="test", url="http://mcp.example.com")
    assert (await way.tls(here, "mcp.example.com", 80, now=0.0)).outcome is Outcome.WRONG
