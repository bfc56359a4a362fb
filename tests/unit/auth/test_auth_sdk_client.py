"""The `mcp` SDK's own OAuth client signs in and calls a tool: through the front, and at an issuer directly."""

import re
import ssl
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import httpx2
import pytest
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata
from pydantic import AnyUrl
from quart import Quart

from gateway.auth.configured import Identity
from gateway.auth.fetch import HttpsFetch
from gateway.auth.front.issuer_side import Upstream
from gateway.auth.issuers import Issuer as Trusted
from gateway.auth.metadata import Metadata
from gateway.auth.oidc import OidcAuthenticator
from gateway.auth.routes import identity_routes
from gateway.core.affinity import new_key
from mcpdeck.devissuer.app import Issuer
from mcpdeck.devissuer.certificates import CertificateFiles
from mcpdeck.devissuer.serve import AUDIENCE, temporary_issuer
from tests.support.oidc.guarded import PATH, Guarded, listening, serving
from tests.support.oidc.memory import Memory

BACK = "http://127.0.0.1:49152/callback"  # nobody listens: the test reads the redirect instead
Running = tuple[Issuer, CertificateFiles]


class Person:
    """Opens what the client asks to be opened, allows what a page asks, and stops at the client's own address."""

    def __init__(self, trust: ssl.SSLContext) -> None:
        self._trust = trust
        self.consents = 0
        self.answer = ""

    async def open(self, url: str) -> None:
        async with httpx.AsyncClient(verify=self._trust, trust_env=False) as browser:
            page = await browser.get(url)
            for _ in range(10):
                location = page.headers.get("location", "")
                if location.startswith(BACK):
                    self.answer = location
                    return
                page = await (browser.get(location) if location else self._allow(browser, page))
        pytest.fail(f"never came back: {page.status_code} {page.text[:200]}")

    async def _allow(self, browser: httpx.AsyncClient, page: httpx.Response) -> httpx.Response:
        ticket = re.search(r'name="ticket" value="([^"]+)"', page.text)
        assert ticket, page.text
        self.consents += 1
        # A browser sends Secure cookies to loopback, httpx's jar does not.
        cookie = page.headers["set-cookie"].partition(";")[0]
        back = {"ticket": ticket[1], "decision": "allow"}
        answer = await browser.post(page.url.join("/oauth/consent"), data=back, headers={"cookie": cookie})
        at_issuer = await browser.get(answer.headers["location"])
        return await browser.get(at_issuer.headers["location"], headers={"cookie": cookie})

    async def came_back(self) -> AuthorizationCodeResult:
        said = {name: values[0] for name, values in parse_qs(urlsplit(self.answer).query).items()}
        return AuthorizationCodeResult(code=said["code"], state=said.get("state"), iss=said.get("iss"))


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    async with temporary_issuer(auto="ada", secrets_of={"front": "s3cret"}) as issuer:
        yield issuer


async def called(url: str, running: Running) -> tuple[str, Person, Memory]:
    """What the tool said to a client that began with nothing but the URL."""
    trust = ssl.create_default_context(cafile=str(running[1].authority))
    person, memory = Person(trust), Memory()
    metadata = OAuthClientMetadata(
        client_name="the SDK", redirect_uris=[AnyUrl(BACK)], token_endpoint_auth_method="none"
    )
    provider = OAuthClientProvider(url, metadata, memory, person.open, person.came_back)
    async with (
        httpx2.AsyncClient(auth=provider, verify=trust, trust_env=False, timeout=20) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        answer: Any = await client.call_tool("forecast", {"city": "Oslo"})
    return answer.content[0].text, person, memory


async def test_sdk_client_registers_signs_in_through_the_front_and_calls_a_tool(running: Running) -> None:
    issuer, files = running
    listener, url = listening()
    issuer.registered["front"] = [f"{url}/oauth/callback"]
    identity = Identity(
        (Trusted(url=issuer.minter.issuer, audiences=frozenset({AUDIENCE})),),
        url,
        ca_file=str(files.authority),
        upstream=Upstream(issuer.minter.issuer, "front", "s3cret", "api offline_access"),
    )
    opened = identity.open([new_key()])
    quart = Quart(__name__)
    for blueprint in opened.blueprints:
        quart.register_blueprint(blueprint)
    app = Guarded(opened.authenticator, quart)
    async with serving(app, listener):
        said, person, memory = await called(url + PATH, running)
    assert said == "sunny in Oslo"
    assert person.consents == 1
    assert memory.client is not None
    assert (memory.client.client_id or "").startswith("dcr.")
    assert set(app.callers) == {f"ada@{issuer.minter.issuer.removeprefix('https://')}"}


async def test_sdk_client_signs_in_at_an_issuer_that_can_register_it(running: Running) -> None:
    issuer, files = running
    listener, url = listening()
    trusted = Trusted(url=issuer.minter.issuer, audiences=frozenset({AUDIENCE}), scope="mcp", required_scope="mcp")
    metadata = Metadata(url, [trusted])
    fetch = HttpsFetch(ca_file=str(files.authority))
    authenticator = OidcAuthenticator([trusted], fetch, challenge=metadata.challenge)
    quart = Quart(__name__)
    quart.register_blueprint(identity_routes(metadata, None))
    app = Guarded(authenticator, quart)
    async with serving(app, listener):
        said, person, memory = await called(url + PATH, running)
    assert said == "sunny in Oslo"
    assert person.consents == 0
    assert memory.tokens is not None
    assert len(set(app.callers)) == 1
