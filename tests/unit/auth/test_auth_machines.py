"""Machines sign in: azure-identity's workload identity, Azure CLI and managed identity, each with what it really asks."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import jwt
import pytest

from gateway.auth.fetch import HttpsFetch
from gateway.auth.issuers import entra
from gateway.auth.oidc import OidcAuthenticator
from gateway.core.access import Principal
from mcpdeck.auth.account import Account, Method
from mcpdeck.auth.entra import EntraSignIn
from mcpdeck.auth.errors import SignInNeeded
from mcpdeck.auth.vault import MemoryVault
from mcpdeck.devissuer.serve import AUDIENCE, TENANT, temporary_issuer
from tests.support.oidc.tokens import bearer

GATEWAY = "https://gateway.example"
SCOPE = f"{AUDIENCE}/.default"


def machine(method: Method, **more: str) -> EntraSignIn:
    account = Account(context="ci", gateway=GATEWAY, method=method, tenant=TENANT, scope=SCOPE, **more)
    return EntraSignIn(account, MemoryVault(), tell=pytest.fail)


async def test_workload_identity_gets_a_token_that_the_gateway_accepts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    federated = tmp_path / "federated"
    federated.write_text("what the cluster's issuer signed")
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(federated))
    async with temporary_issuer(secrets_of={"a-pipeline": federated.read_text()}) as (issuer, files):
        where = {"authority": issuer.base, "ca_file": str(files.authority), "client_id": "a-pipeline"}
        sign_in = machine(Method.WORKLOAD_IDENTITY, **where)
        assert await asyncio.to_thread(sign_in.sign_in) == ""
        token = await asyncio.to_thread(sign_in.token)
        gateway = OidcAuthenticator(
            entra(TENANT, AUDIENCE, authority=issuer.base), HttpsFetch(ca_file=str(files.authority))
        )
        principal = await gateway.verify(bearer(token.text))
    assert isinstance(principal, Principal)
    assert principal.id == f"a-pipeline@{TENANT}"
    assert principal.roles == {"mcp.engineer"}


async def test_azure_cli_is_asked_for_this_gateways_scope(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"accessToken": "from-the-cli", "expiresOn": "2099-01-01 00:00:00.000000", "expires_on": 4070908800}
    program = tmp_path / "az"
    program.write_text(f"#!/bin/sh\necho \"$@\" > '{tmp_path}/asked'\ncat <<'JSON'\n{json.dumps(said)}\nJSON\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    token = await asyncio.to_thread(machine(Method.AZURE_CLI).token)
    assert token.text == "from-the-cli"
    asked = (tmp_path / "asked").read_text()
    assert AUDIENCE in asked
    assert TENANT in asked


async def test_machine_without_azure_cli_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SignInNeeded, match="no such credential"):
        await asyncio.to_thread(machine(Method.AZURE_CLI).token)


@asynccontextmanager
async def identity_endpoint(token: str) -> AsyncIterator[tuple[str, list[bytes]]]:
    """As App Service has it; yields its URL and the heads it saw."""
    heads: list[bytes] = []
    body = json.dumps(
        {
            "access_token": token,
            "expires_on": str(int(time.time()) + 3600),
            "token_type": "Bearer",
            "resource": AUDIENCE,
        }
    )

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write((head + body).encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/token", heads


async def test_managed_identity_is_asked_for_this_gateways_resource(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    async with identity_endpoint("from-the-machine") as (url, heads):
        monkeypatch.setenv("IDENTITY_ENDPOINT", url)
        monkeypatch.setenv("IDENTITY_HEADER", "a header")
        token = await asyncio.to_thread(machine(Method.MANAGED_IDENTITY).token)
    assert token.text == "from-the-machine"
    assert b"mcpdeck-dev" in heads[0]


async def test_machine_whose_token_is_refused_twice_stops_asking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    async with identity_endpoint(jwt.encode({}, "k" * 32)) as (url, _):
        monkeypatch.setenv("IDENTITY_ENDPOINT", url)
        monkeypatch.setenv("IDENTITY_HEADER", "a header")
        sign_in = machine(Method.MANAGED_IDENTITY)
        await asyncio.to_thread(sign_in.token)
        with pytest.raises(SignInNeeded, match="refuses the token of managed-identity"):
            await asyncio.to_thread(lambda: sign_in.token(is_stale=True))
