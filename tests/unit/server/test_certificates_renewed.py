"""A certificate that is exchanged under a gateway which serves."""

import logging
import ssl
from pathlib import Path

import httpx
import pytest

from tests.support.certificates import localhost_certificate, trusting
from tests.support.http2_client import http2_client
from tests.support.mcp_scripts import CALL, INITIALIZE, legacy_server
from tests.support.scripted_upstream import scripted_upstream
from tests.support.served import Served, served

MCP = "/adapters/x/mcp"


async def until_trusted(gateway: Served, context: ssl.SSLContext) -> None:
    """Returns once a new connection shows a certificate that this client trusts."""
    while True:
        try:
            async with http2_client(gateway.port, context) as client:
                await client.send(CALL, path=MCP)
                assert (await client.answer())[0] == 200
                return
        except ssl.SSLCertVerificationError:
            continue


@pytest.mark.parametrize("is_http2", [False, True])
async def test_new_connections_get_the_new_certificate_and_old_ones_go_on(tmp_path: Path, is_http2: bool) -> None:
    tls = localhost_certificate(tmp_path)
    async with (
        scripted_upstream(legacy_server) as upstream,
        served(upstream.endpoint, tls=tls, scheme="https") as gateway,
        httpx.AsyncClient(verify=trusting(tls), http2=is_http2) as early,
    ):
        url = f"https://localhost:{gateway.port}{MCP}"
        opened = await early.post(url, content=INITIALIZE)
        assert opened.http_version == ("HTTP/2" if is_http2 else "HTTP/1.1")
        session = {"Mcp-Session-Id": opened.headers["mcp-session-id"]}
        localhost_certificate(tmp_path)
        gateway.renew.set()
        late = trusting(tls, "h2" if is_http2 else "http/1.1")
        await until_trusted(gateway, trusting(tls, "h2"))
        assert (await early.post(url, content=CALL, headers=session)).status_code == 200
        async with httpx.AsyncClient(verify=late, http2=is_http2) as client:
            assert (await client.post(url, content=CALL, headers=session)).status_code == 200


async def test_half_of_a_pair_is_told_and_what_was_served_is_served_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tls = localhost_certificate(tmp_path)
    trusts = trusting(tls, "h2")
    async with scripted_upstream(legacy_server) as upstream, served(upstream.endpoint, tls=tls) as gateway:
        key = tls.keyfile.read_bytes()
        localhost_certificate(tmp_path)
        tls.keyfile.write_bytes(key)
        with caplog.at_level(logging.WARNING):
            gateway.renew.set()
            while "can't be served, the certificate before is" not in caplog.text:
                await until_trusted(gateway, trusts)
        await until_trusted(gateway, trusts)
