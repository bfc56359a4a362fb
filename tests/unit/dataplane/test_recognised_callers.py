"""Callers by real tokens on one connection: looked at once, recognised from then on, and let go when the token ends."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.auth.issuers import entra
from gateway.auth.oidc import OidcAuthenticator
from gateway.core.access import Ownership
from tests.support.mcp_scripts import CALL, legacy_server
from tests.support.oidc.tokens import (
    CLIENT,
    ENTRA_KEYS,
    NOW,
    TENANT,
    Clock,
    CountingFetch,
    entra_claims,
    jwk,
    rsa_key,
    sign,
)
from tests.support.scripted_upstream import scripted_upstream
from tests.support.served import served
from tests.support.wire_client import WireClient


def authenticator(clock: Clock) -> OidcAuthenticator:
    keys = CountingFetch({ENTRA_KEYS: {"keys": [jwk(rsa_key(), "k1")]}})
    return OidcAuthenticator(entra(TENANT, CLIENT), keys, clock=clock)


@asynccontextmanager
async def called(subject: OidcAuthenticator) -> AsyncIterator[WireClient]:
    """A client of adapter `x`, which administrators and who has its role may use."""
    route = {"ownership": Ownership("nobody", frozenset({"users"}))}
    async with (
        scripted_upstream(legacy_server) as upstream,
        served(upstream.endpoint, authenticator=subject, route=route) as gateway,
        gateway.client() as client,
    ):
        yield client


def said(**claims: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {sign(entra_claims(**claims))}"}


async def test_token_is_hashed_once_for_all_calls_of_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[bytes] = []
    real = hashlib.sha256

    def counted(data: bytes) -> Any:
        hashed.append(data)
        return real(data)

    token = said()
    async with called(authenticator(Clock(NOW))) as client:
        assert [(await client.ask(CALL, headers=token)).status for _ in range(2)] == [200, 200]
        monkeypatch.setattr("gateway.auth.oidc.hashlib.sha256", counted)
        assert [(await client.ask(CALL, headers=token)).status for _ in range(5)] == [200] * 5
    assert len(hashed) <= 1


async def test_token_that_ends_between_two_calls_of_a_connection_is_refused() -> None:
    clock = Clock(NOW)
    token = said(exp=NOW + 300)
    async with called(authenticator(clock)) as client:
        assert [(await client.ask(CALL, headers=token)).status for _ in range(3)] == [200] * 3
        clock.now = NOW + 361
        reply = await client.ask(CALL, headers=token)
    assert reply.status == 401
    assert 'error="invalid_token"' in reply.headers["www-authenticate"]


async def test_other_token_on_the_same_connection_is_another_caller() -> None:
    async with called(authenticator(Clock(NOW))) as client:
        tokens = [said(roles=[role]) for role in ("mcp.admin", "nothing", "users", "nothing")]
        assert [(await client.ask(CALL, headers=token)).status for token in tokens] == [200, 404, 200, 404]
