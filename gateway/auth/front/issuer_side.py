"""The front as a client of the issuer: its authorization URL, and codes and refresh tokens against access tokens."""

import asyncio
import base64
import hashlib
from typing import Any
from urllib.parse import urlencode

import msgspec

from gateway.auth.fetch import FetchFailed, HttpsFetch


class Upstream(msgspec.Struct, frozen=True):
    """The front's own registration at the issuer. `scope`: what makes its access tokens be for this gateway."""

    issuer: str
    client_id: str
    client_secret: str
    scope: str
    metadata_url: str = ""  # where it is not the issuer's discovery document

    def __repr__(self) -> str:
        return f"Upstream({self.issuer!r}, {self.client_id!r}, client_secret='…')"


class Endpoints(msgspec.Struct, frozen=True):
    authorization_endpoint: str
    token_endpoint: str
    issuer: str
    authorization_response_iss_parameter_supported: bool = False


class IssuerTokens(msgspec.Struct, frozen=True):
    """refresh_token: "" where the issuer gave none."""

    access_token: str
    refresh_token: str = ""

    def __repr__(self) -> str:
        return "IssuerTokens(…)"


class IssuerRefused(FetchFailed):
    """It was asked about somebody, and says no; 401 would be about ourselves."""


class IssuerSide:
    def __init__(self, upstream: Upstream, fetch: HttpsFetch, *, redirect_uri: str) -> None:
        self.upstream, self._fetch, self._redirect_uri = upstream, fetch, redirect_uri
        self._endpoints: Endpoints | None = None
        self._asking = asyncio.Lock()

    async def endpoints(self) -> Endpoints:
        """Raises FetchFailed."""
        async with self._asking:
            if self._endpoints is None:
                issuer = self.upstream.issuer
                url = self.upstream.metadata_url or f"{issuer.rstrip('/')}/.well-known/openid-configuration"
                document = await self._fetch(url, may_be_private=True)
                try:
                    found = msgspec.convert(document, Endpoints)
                except msgspec.ValidationError as error:
                    raise FetchFailed(f"{url}: {error}") from error
                if found.issuer != issuer:
                    raise FetchFailed(f"{url} speaks for {found.issuer!r}, wanted {issuer!r}")
                self._endpoints = found
            return self._endpoints

    async def authorization_url(self, *, state: str, verifier: str) -> str:
        asked = {
            "response_type": "code",
            "client_id": self.upstream.client_id,
            "redirect_uri": self._redirect_uri,
            "scope": self.upstream.scope,
            "state": state,
            "code_challenge": s256(verifier),
            "code_challenge_method": "S256",
        }
        return f"{(await self.endpoints()).authorization_endpoint}?{urlencode(asked)}"

    async def redeem(self, code: str, *, verifier: str) -> IssuerTokens:
        return await self._tokens(
            grant_type="authorization_code", code=code, redirect_uri=self._redirect_uri, code_verifier=verifier
        )

    async def refresh(self, refresh_token: str) -> IssuerTokens:
        found = await self._tokens(grant_type="refresh_token", refresh_token=refresh_token, scope=self.upstream.scope)
        return msgspec.structs.replace(found, refresh_token=found.refresh_token or refresh_token)

    async def _tokens(self, **form: Any) -> IssuerTokens:
        """Raises FetchFailed, IssuerRefused among them. The issuer's words stay in the log, not in the answer."""
        url = (await self.endpoints()).token_endpoint
        client = {"client_id": self.upstream.client_id, "client_secret": self.upstream.client_secret}
        status, body = await self._fetch.post(url, form | client, may_be_private=True)
        if status != 200:
            kind = IssuerRefused if status in (400, 403) else FetchFailed
            raise kind(f"{url} answered {status}: {body[:200].decode(errors='replace')}")
        try:
            return msgspec.json.decode(body, type=IssuerTokens)
        except msgspec.DecodeError as error:
            raise FetchFailed(f"{url} answered without an access token: {error}") from error


def s256(verifier: str) -> str:
    """RFC 7636's code challenge."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
