"""Signing in from the terminal: azure-identity and MSAL walk their real flows against the local issuer, over TLS."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import jwt
import pytest

from gateway.auth.fetch import HttpsFetch
from gateway.auth.issuers import entra
from gateway.auth.oidc import OidcAuthenticator
from gateway.core.access import Principal
from mcpdeck.auth.account import Account, Method
from mcpdeck.auth.entra import EntraSignIn
from mcpdeck.auth.errors import AuthError, SignInNeeded
from mcpdeck.auth.oidc import OidcSignIn
from mcpdeck.auth.vault import MemoryVault
from mcpdeck.devissuer.app import Issuer
from mcpdeck.devissuer.certificates import CertificateFiles
from mcpdeck.devissuer.serve import AUDIENCE, TENANT, temporary_issuer
from tests.support.oidc.browser import TestBrowser, the_only_browser
from tests.support.oidc.tokens import bearer

GATEWAY = "https://gateway.example"
Running = tuple[Issuer, CertificateFiles]
KINDS = [EntraSignIn, OidcSignIn]


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    async with temporary_issuer(auto="ada") as issuer:
        yield issuer


@pytest.fixture
def browser(running: Running) -> Iterator[TestBrowser]:
    with the_only_browser(running[1].authority) as browser:
        yield browser


def account(kind: Any, running: Running, method: Method) -> Account:
    issuer, files = running
    where = (
        {"tenant": TENANT, "authority": issuer.base, "scope": f"{AUDIENCE}/.default"}
        if kind is EntraSignIn
        else {"issuer": issuer.minter.issuer, "scope": "mcp"}
    )
    common = {"context": "test", "gateway": GATEWAY, "client_id": "a-terminal", "ca_file": str(files.authority)}
    return Account(method=method, **common, **where)


async def told(kind: Any, running: Running, method: Method) -> tuple[Any, MemoryVault, list[str]]:
    """Signed in: the sign-in, its vault, and what the person was shown."""
    lines: list[str] = []
    vault = MemoryVault()
    sign_in = kind(account(kind, running, method), vault, tell=lines.append)
    async with asyncio.timeout(30):
        name = await asyncio.to_thread(sign_in.sign_in)
    assert name == "ada@example.test"
    return sign_in, vault, lines


@pytest.mark.parametrize("kind", KINDS)
async def test_browser_sign_in_ends_with_a_token_that_the_gateway_accepts(
    kind: Any, running: Running, browser: TestBrowser
) -> None:
    sign_in, _, _ = await told(kind, running, Method.BROWSER)
    token = await asyncio.to_thread(sign_in.token)
    issuer, files = running
    gateway = OidcAuthenticator(
        entra(TENANT, AUDIENCE, authority=issuer.base), HttpsFetch(ca_file=str(files.authority))
    )
    principal = await gateway.verify(bearer(token.text))
    assert isinstance(principal, Principal)
    assert principal.name == "ada"
    assert "code_challenge_method=S256" in browser.visited[0]


@pytest.mark.parametrize("kind", KINDS)
async def test_device_code_is_shown_and_leads_to_a_token(kind: Any, running: Running) -> None:
    sign_in, _, lines = await told(kind, running, Method.DEVICE_CODE)
    assert f"Open {running[0].base}/device and enter the code " in lines[0]
    assert (
        jwt.decode((await asyncio.to_thread(sign_in.token)).text, options={"verify_signature": False})["oid"]
        == "ada-oid"
    )


@pytest.mark.parametrize("kind", KINDS)
async def test_another_process_with_the_same_vault_gets_tokens_silently(kind: Any, running: Running) -> None:
    first, vault, _ = await told(kind, running, Method.DEVICE_CODE)
    again = kind(account(kind, running, Method.BROWSER), vault, tell=pytest.fail)
    assert (await asyncio.to_thread(again.token)).text == (await asyncio.to_thread(first.token)).text


@pytest.mark.parametrize("kind", KINDS)
async def test_refused_token_is_replaced_by_refresh_without_asking(kind: Any, running: Running) -> None:
    sign_in, vault, _ = await told(kind, running, Method.DEVICE_CODE)
    first = await asyncio.to_thread(sign_in.token)
    second = await asyncio.to_thread(lambda: sign_in.token(is_stale=True))
    assert second.text != first.text
    kept = kind(account(kind, running, Method.BROWSER), vault, tell=pytest.fail)
    third = await asyncio.to_thread(lambda: kept.token(is_stale=True))  # the rotated refresh token was kept
    assert third.text != second.text


@pytest.mark.parametrize("kind", KINDS)
async def test_lapsed_sign_in_says_to_sign_in_and_opens_nothing(
    kind: Any, running: Running, browser: TestBrowser
) -> None:
    sign_in, _, _ = await told(kind, running, Method.DEVICE_CODE)
    running[0].grants.revoke_refresh_tokens()
    with pytest.raises(SignInNeeded, match="mcpdeck login"):
        await asyncio.to_thread(lambda: sign_in.token(is_stale=True))
    assert browser.visited == []


class Racing(MemoryVault):
    """Another mcpdeck renews the sign-in between our reading and our asking the issuer."""

    def __init__(self, before: str, after: str) -> None:
        super().__init__()
        self.answers = [before, after]

    def read(self, key: str) -> str | None:
        return self.answers.pop(0)


@pytest.mark.parametrize("kind", KINDS)
async def test_two_terminals_that_refresh_at_once_both_stay_signed_in(kind: Any, running: Running) -> None:
    first, vault, _ = await told(kind, running, Method.DEVICE_CODE)
    before = vault.read(first._account.key)
    await asyncio.to_thread(lambda: first.token(is_stale=True))
    after = vault.read(first._account.key)
    assert before
    assert after
    second = kind(account(kind, running, Method.BROWSER), Racing(before, after), tell=pytest.fail)
    assert (await asyncio.to_thread(lambda: second.token(is_stale=True))).text


@pytest.mark.parametrize("kind", KINDS)
async def test_nobody_signed_in_says_so(kind: Any, running: Running) -> None:
    sign_in = kind(account(kind, running, Method.BROWSER), MemoryVault(), tell=pytest.fail)
    with pytest.raises(SignInNeeded, match="nobody is signed in to https://gateway"):
        await asyncio.to_thread(sign_in.token)


@pytest.mark.parametrize("kind", KINDS)
async def test_issuer_of_an_unknown_authority_is_not_spoken_to(kind: Any, running: Running) -> None:
    import msgspec

    distrusting = msgspec.structs.replace(account(kind, running, Method.DEVICE_CODE), ca_file="")
    with pytest.raises(AuthError, match="CERTIFICATE_VERIFY_FAILED"):
        await asyncio.to_thread(kind(distrusting, MemoryVault(), tell=pytest.fail).sign_in)


def test_machine_methods_are_entras() -> None:
    machine = Account(context="c", gateway=GATEWAY, method=Method.AZURE_CLI, issuer="https://idp.example")
    with pytest.raises(AuthError, match="use browser or device-code"):
        OidcSignIn(machine, MemoryVault(), tell=pytest.fail)


def test_issuer_that_is_gone_is_told_in_few_words() -> None:
    nobody = Account(
        context="c", gateway=GATEWAY, method=Method.DEVICE_CODE, issuer="https://127.0.0.1:1/i", client_id="c"
    )
    with pytest.raises(AuthError) as told:
        OidcSignIn(nobody, MemoryVault(), tell=pytest.fail).sign_in()
    assert str(told.value) == "https://127.0.0.1:1/i can't be reached: Connection refused"
