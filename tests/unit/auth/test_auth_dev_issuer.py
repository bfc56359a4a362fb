"""The gateway's judgement of tokens that the local issuer makes, over TLS, with keys that rotate."""

from collections.abc import AsyncIterator

import pytest

from gateway.auth import keys
from gateway.auth.fetch import HttpsFetch
from gateway.auth.issuers import Issuer as TrustedIssuer
from gateway.auth.issuers import entra
from gateway.auth.oidc import OidcAuthenticator
from gateway.core.access import Principal
from gateway.core.errors import IssuerUnreachable, Unauthenticated
from mcpdeck.devissuer.app import Issuer
from mcpdeck.devissuer.certificates import CertificateFiles
from mcpdeck.devissuer.serve import AUDIENCE, TENANT, USERS, temporary_issuer
from tests.support.oidc.tokens import bearer

Running = tuple[Issuer, CertificateFiles]


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    async with temporary_issuer() as issuer:
        yield issuer


def gateway(running: Running) -> OidcAuthenticator:
    issuer, files = running
    trusted = entra(TENANT, AUDIENCE, authority=issuer.base)
    return OidcAuthenticator(trusted, HttpsFetch(ca_file=str(files.authority)))


async def test_token_of_the_running_issuer_is_accepted_and_survives_a_rotation(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "COOLDOWN", 0.0)
    issuer, authenticator = running[0], gateway(running)
    before = issuer.minter.access_token(USERS[0], "a-client", ())
    principal = await authenticator.verify(bearer(before))
    assert isinstance(principal, Principal)
    assert principal.is_admin
    issuer.minter.signer.rotate()
    after = issuer.minter.access_token(USERS[1], "a-client", ())
    assert isinstance(await authenticator.verify(bearer(after)), Principal)
    assert authenticator.known(bearer(before)) is principal


async def test_discovery_finds_the_keys_where_only_the_issuer_is_configured(running: Running) -> None:
    issuer, files = running
    trusted = TrustedIssuer(url=issuer.minter.issuer, audiences=frozenset({AUDIENCE}))
    authenticator = OidcAuthenticator([trusted], HttpsFetch(ca_file=str(files.authority)))
    token = issuer.minter.access_token(None, "a-service", ())
    assert isinstance(await authenticator.verify(bearer(token)), Principal)


async def test_id_token_of_the_running_issuer_is_refused(running: Running) -> None:
    refused = await gateway(running).verify(bearer(running[0].minter.id_token(USERS[0], AUDIENCE, "")))
    assert isinstance(refused, Unauthenticated)
    assert "ID token" in refused.detail


async def test_known_tokens_stay_good_when_the_issuer_goes_and_new_ones_wait() -> None:
    async with temporary_issuer() as running:
        authenticator = gateway(running)
        known = bearer(running[0].minter.access_token(USERS[0], "a-client", ()))
        await authenticator.verify(known)
        fresh = bearer(running[0].minter.access_token(USERS[1], "a-client", ()))
        cold = gateway(running)
    assert isinstance(authenticator.known(known), Principal)
    assert isinstance(await authenticator.verify(fresh), Principal)  # its key is in memory
    with pytest.raises(IssuerUnreachable):
        await cold.verify(fresh)
