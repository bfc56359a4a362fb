"""A certified issuer that nobody here wrote: its tokens are taken, and the SDK's client signs in at it.

Runs where Node and the package are there: `npm ci --prefix tests/support/oidc/third_party`.
"""

import asyncio
import html
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
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

from gateway.auth.fetch import HttpsFetch
from gateway.auth.issuers import Issuer
from gateway.auth.metadata import Metadata
from gateway.auth.oidc import OidcAuthenticator
from gateway.auth.routes import identity_routes
from gateway.core.access import Principal
from gateway.core.errors import Unauthenticated
from tests.support.oidc.guarded import PATH, Guarded, listening, serving
from tests.support.oidc.memory import Memory
from tests.support.oidc.tokens import bearer

FOLDER = Path(__file__).parents[2] / "support/oidc/third_party"
GATEWAY = "https://gateway.example"
BACK = "http://127.0.0.1:49152/callback"

pytestmark = pytest.mark.skipif(
    not (shutil.which("node") and (FOLDER / "node_modules/oidc-provider").is_dir()),
    reason="needs Node and `npm ci --prefix tests/support/oidc/third_party` (.ci/run does it)",
)


@pytest.fixture
async def issuer() -> AsyncIterator[str]:
    """Its URL."""
    pipe = asyncio.subprocess.PIPE
    node = await asyncio.create_subprocess_exec(
        "node", "issuer.mjs", cwd=FOLDER, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL
    )
    assert node.stdin is not None
    assert node.stdout is not None
    try:
        async with asyncio.timeout(30):
            url = ""
            while not url.startswith("http://"):  # its warnings about being a quick start come first
                url = (await node.stdout.readline()).decode().strip()
        yield url
    finally:
        node.stdin.close()
        async with asyncio.timeout(30):
            await node.wait()


def trusted(issuer: str, public_url: str = GATEWAY) -> Issuer:
    return Issuer(
        url=issuer, audiences=frozenset({public_url}), resources_under=public_url, scope="mcp", required_scope="mcp"
    )


async def token(issuer: str, **form: str) -> str:
    wanted = {"grant_type": "client_credentials", "scope": "mcp", "resource": f"{GATEWAY}{PATH}"} | form
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(f"{issuer}/token", data=wanted, auth=("a-service", "s3cret"))
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


async def test_its_token_for_one_resource_is_good_there_only(issuer: str) -> None:
    gateway = OidcAuthenticator([trusted(issuer)], HttpsFetch())
    principal = await gateway.verify(bearer(await token(issuer)))
    assert isinstance(principal, Principal)
    assert principal.id == f"a-service@{issuer.removeprefix('http://')}"
    assert principal.roles == {"mcp.engineer"}
    assert principal.resource == PATH


async def test_its_token_for_another_resource_is_refused(issuer: str) -> None:
    gateway = OidcAuthenticator([trusted(issuer)], HttpsFetch())
    refused = await gateway.verify(bearer(await token(issuer, resource="https://elsewhere.example/mcp")))
    assert isinstance(refused, Unauthenticated)
    assert "another audience" in refused.detail


class Person:
    """Fills in whatever form the issuer shows, with a name where one is asked for."""

    def __init__(self) -> None:
        self.answer = ""

    async def open(self, url: str) -> None:
        async with httpx.AsyncClient(trust_env=False) as browser:
            page = await browser.get(url)
            for _ in range(12):
                location = str(page.url.join(page.headers["location"])) if "location" in page.headers else ""
                if location.startswith(BACK):
                    self.answer = location
                    return
                page = await (browser.get(location) if location else self._submit(browser, page))
        pytest.fail(f"never came back: {page.status_code} {page.text[:300]}")

    async def _submit(self, browser: httpx.AsyncClient, page: httpx.Response) -> httpx.Response:
        action = re.search(r'<form[^>]*action="([^"]+)"', page.text)
        assert action, page.text
        fields = dict(re.findall(r'<input[^>]*type="hidden"[^>]*name="([^"]+)"[^>]*value="([^"]*)"', page.text))
        if 'name="login"' in page.text:
            fields |= {"login": "ada", "password": "any"}
        return await browser.post(page.url.join(html.unescape(action[1])), data=fields)

    async def came_back(self) -> AuthorizationCodeResult:
        said = {name: values[0] for name, values in parse_qs(urlsplit(self.answer).query).items()}
        return AuthorizationCodeResult(code=said["code"], state=said.get("state"), iss=said.get("iss"))


async def test_sdk_client_registers_and_signs_in_at_it_and_calls_a_tool(issuer: str) -> None:
    listener, url = listening()
    metadata = Metadata(url, [trusted(issuer, url)])
    authenticator = OidcAuthenticator([trusted(issuer, url)], HttpsFetch(), challenge=metadata.challenge)
    quart = Quart(__name__)
    quart.register_blueprint(identity_routes(metadata, None))
    app, person = Guarded(authenticator, quart), Person()
    wanted = OAuthClientMetadata(
        client_name="the SDK",
        redirect_uris=[AnyUrl(BACK)],
        token_endpoint_auth_method="none",
        application_type="native",
        grant_types=["authorization_code"],
    )
    provider = OAuthClientProvider(url + PATH, wanted, Memory(), person.open, person.came_back)
    async with (
        serving(app, listener),
        httpx2.AsyncClient(auth=provider, trust_env=False, timeout=20) as http,
        Client(streamable_http_client(url + PATH, http_client=http)) as client,
    ):
        answer: Any = await client.call_tool("forecast", {"city": "Oslo"})
    assert answer.content[0].text == "sunny in Oslo"
    assert set(app.callers) == {f"ada@{issuer.removeprefix('http://')}"}
