"""A person with a browser, for clients that need one: opens what is to be opened, consents, and comes back."""

import re
import ssl
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import httpx2
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata
from pydantic import AnyUrl

from tests.support.oidc.memory import Memory

BACK = "http://127.0.0.1:49152/callback"  # nobody listens: the person reads the redirect instead


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
        raise AssertionError(f"never came back: {page.status_code} {page.text[:200]}")

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


async def called(url: str, trust: ssl.SSLContext, **call: Any) -> tuple[str, Person, Memory]:
    """What a tool said to the SDK's client that began with nothing but the URL. call: the tool's name and arguments."""
    person, memory = Person(trust), Memory()
    metadata = OAuthClientMetadata(
        client_name="the SDK", redirect_uris=[AnyUrl(BACK)], token_endpoint_auth_method="none"
    )
    provider = OAuthClientProvider(url, metadata, memory, person.open, person.came_back)
    async with (
        httpx2.AsyncClient(auth=provider, verify=trust, trust_env=False, timeout=20) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        answer: Any = await client.call_tool(call["name"], call["arguments"])
    return answer.content[0].text, person, memory
