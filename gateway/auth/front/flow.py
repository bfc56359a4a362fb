"""The front's steps: authorize, consent, callback, token. Decides, and knows nothing of HTTP but what answers say.

Against the confused deputy (MCP's security practices): a person consents to every sign-in of every client, before the
issuer is asked; the state that the issuer returns is made only then, serves once, and only for the browser that
consented; redirect URIs are exact; each answer says whose it is (RFC 9207).
"""

import hashlib
import hmac
import logging
import secrets
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec

from gateway.auth.fetch import FetchFailed
from gateway.auth.front.behind import Behind
from gateway.auth.front.clients import Client, ClientRefused, Clients, describe
from gateway.auth.front.families import Families, SignedIn
from gateway.auth.front.issuer_side import IssuerSide, IssuerTokens, s256
from gateway.auth.front.once import Once
from gateway.auth.front.tokens import LIFETIME, Minter
from gateway.auth.oidc import OidcAuthenticator
from gateway.core.access import Principal
from gateway.core.errors import IssuerUnreachable
from gateway.core.routes import resource_of

SCOPE = "mcp"
CODE_LIFETIME = 60.0  # seconds

log = logging.getLogger(__name__)


class Redirect(msgspec.Struct, frozen=True):
    url: str


class Sorry(msgspec.Struct, frozen=True):
    """A page for a person whom we can't send back: there is no address that we may trust."""

    reason: str
    status: int = 400


class Ask(msgspec.Struct, frozen=True):
    """The consent page. `browser` goes into its cookie, `ticket` into its form."""

    ticket: str
    browser: str
    client_name: str
    resource: str
    lines: Sequence[str]


class Reply(msgspec.Struct, frozen=True):
    """JSON for a client."""

    status: int
    body: dict[str, Any]


class Wanted(msgspec.Struct, frozen=True):
    """What a client asked for, once checked."""

    client: Client
    redirect_uri: str
    challenge: str
    resource: str
    state: str


class AtIssuer(msgspec.Struct, frozen=True):
    """Someone is at the issuer now; `browser` is the digest of the cookie they must come back with."""

    wanted: Wanted
    verifier: str
    browser: bytes


class Granted(msgspec.Struct, frozen=True):
    """Behind a code of ours."""

    wanted: Wanted
    principal: Principal
    tokens: IssuerTokens


class Front:
    """One gateway's authorization server. `authenticator` judges the issuer's tokens as it does any client's."""

    def __init__(
        self, public_url: str, clients: Clients, issuer: IssuerSide, *, authenticator: OidcAuthenticator, minter: Minter
    ) -> None:
        self.public_url = public_url
        self._clients, self._issuer, self._authenticator, self._minter = clients, issuer, authenticator, minter
        self._asked: Once[tuple[Wanted, bytes]] = Once()
        self._at_issuer: Once[AtIssuer] = Once()
        self._codes: Once[Granted] = Once(CODE_LIFETIME)
        self._families = Families()
        self._behind = Behind()

    def metadata(self) -> dict[str, Any]:
        """RFC 8414."""
        return {
            "issuer": self.public_url,
            "authorization_endpoint": f"{self.public_url}/oauth/authorize",
            "token_endpoint": f"{self.public_url}/oauth/token",
            "registration_endpoint": f"{self.public_url}/oauth/register",
            "jwks_uri": f"{self.public_url}/oauth/keys",
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none"],
            "scopes_supported": [SCOPE],
            "client_id_metadata_document_supported": True,
            "authorization_response_iss_parameter_supported": True,
        }

    def register(self, wanted: Any) -> Reply:
        """RFC 7591."""
        try:
            client = self._clients.register(wanted if isinstance(wanted, dict) else {})
        except ClientRefused as refused:
            return Reply(400, {"error": "invalid_client_metadata", "error_description": str(refused)})
        said = {
            "client_id": client.id,
            "client_name": client.name,
            "redirect_uris": list(client.redirect_uris),
            "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
        }
        return Reply(201, said)

    async def authorize(self, query: Mapping[str, str], *, browser: str) -> Ask | Redirect | Sorry:
        """browser: its cookie so far, "" for a new one."""
        try:
            client = await self._clients.find(query.get("client_id", ""))
        except ClientRefused as refused:
            return Sorry(str(refused))
        redirect_uri = query.get("redirect_uri", "")
        if not client.may_redirect(redirect_uri):
            return Sorry("redirect_uri is not one of the client's, to the letter")
        resource = query.get("resource", self.public_url).rstrip("/")
        wanted = Wanted(client, redirect_uri, query.get("code_challenge", ""), resource, query.get("state", ""))
        if query.get("response_type") != "code" or query.get("code_challenge_method") != "S256" or not wanted.challenge:
            return self._back(wanted, error="invalid_request", error_description="wanted code with PKCE S256")
        if not self._is_ours(resource):
            return self._back(wanted, error="invalid_target", error_description="resource is not served here")
        browser = browser or secrets.token_urlsafe(32)
        ticket = self._asked.put((wanted, _digest(browser)))
        return Ask(ticket, browser, client.name, resource, describe(client, redirect_uri))

    async def consent(self, form: Mapping[str, str], *, browser: str) -> Redirect | Sorry:
        """Somebody pressed a button of the page."""
        asked = self._asked.take(form.get("ticket", ""))
        if asked is None or not browser or not hmac.compare_digest(asked[1], _digest(browser)):
            return Sorry("this page is too old, was used already, or belongs to another browser; start again")
        wanted, browser_digest = asked
        if form.get("decision") != "allow":
            return self._back(wanted, error="access_denied")
        verifier = secrets.token_urlsafe(48)
        state = self._at_issuer.put(AtIssuer(wanted, verifier, browser_digest))
        try:
            return Redirect(await self._issuer.authorization_url(state=state, verifier=verifier))
        except FetchFailed as failure:
            log.warning("front: %s", failure)
            return self._back(wanted, error="temporarily_unavailable")

    async def callback(self, query: Mapping[str, str], *, browser: str) -> Redirect | Sorry:
        """The issuer sends somebody back."""
        waiting = self._at_issuer.take(query.get("state", ""))
        if waiting is None or not browser or not hmac.compare_digest(waiting.browser, _digest(browser)):
            return Sorry("this sign-in is too old, was used already, or began in another browser; start again")
        wanted = waiting.wanted
        try:
            endpoints = await self._issuer.endpoints()
            if query.get("iss", endpoints.issuer) != endpoints.issuer or (
                endpoints.authorization_response_iss_parameter_supported and "iss" not in query
            ):
                return Sorry("the answer is not from the issuer that was asked")  # RFC 9207: say nothing to the client
            if "code" not in query:
                return self._back(wanted, error="access_denied")
            tokens = await self._issuer.redeem(query["code"], verifier=waiting.verifier)
            principal = await self._principal(tokens.access_token)
        except (FetchFailed, IssuerUnreachable) as failure:
            log.warning("front: %s", failure)
            return self._back(wanted, error="server_error")
        if principal is None:
            return self._back(wanted, error="access_denied")
        return self._back(wanted, code=self._codes.put(Granted(wanted, principal, tokens)))

    async def token(self, form: Mapping[str, str]) -> Reply:
        match form.get("grant_type"):
            case "authorization_code":
                return self._for_code(form)
            case "refresh_token":
                return await self._for_refresh_token(form)
            case _:
                return Reply(400, {"error": "unsupported_grant_type"})

    def _for_code(self, form: Mapping[str, str]) -> Reply:
        granted = self._codes.take(form.get("code", ""))
        if granted is None:
            return Reply(400, {"error": "invalid_grant"})
        wanted = granted.wanted
        is_theirs = (form.get("client_id"), form.get("redirect_uri", wanted.redirect_uri)) == (
            wanted.client.id,
            wanted.redirect_uri,
        )
        if not is_theirs or not hmac.compare_digest(s256(form.get("code_verifier", "")), wanted.challenge):
            return Reply(400, {"error": "invalid_grant"})
        if form.get("resource", wanted.resource).rstrip("/") != wanted.resource:
            return Reply(400, {"error": "invalid_target"})
        signed_in = SignedIn(wanted.client.id, wanted.resource, granted.tokens.refresh_token)
        refresh_token = self._families.start(signed_in) if signed_in.upstream else None
        return self._answer(granted.principal, signed_in, granted.tokens, refresh_token)

    async def _for_refresh_token(self, form: Mapping[str, str]) -> Reply:
        """The issuer is asked each time: who was disabled there, or lost a role, has no more of it here."""
        taken = self._families.take(form.get("refresh_token", ""), client_id=form.get("client_id", ""))
        if taken is None:
            return Reply(400, {"error": "invalid_grant"})
        family, signed_in = taken
        try:
            tokens = await self._issuer.refresh(signed_in.upstream)
            principal = await self._principal(tokens.access_token)
        except (FetchFailed, IssuerUnreachable) as failure:
            log.warning("front: %s", failure)
            return Reply(400, {"error": "invalid_grant"})
        if principal is None:
            return Reply(400, {"error": "invalid_grant"})
        signed_in = msgspec.structs.replace(signed_in, upstream=tokens.refresh_token)
        return self._answer(principal, signed_in, tokens, self._families.go_on(family, signed_in))

    def subject_of(self, token: str) -> str:
        """A verified token as the issuer knows it: itself, or what the issuer gave behind one of ours; "" where that
        is not to be had."""
        return self._behind.find(token) if self._minter.is_ours(token) else token

    async def _principal(self, access_token: str) -> Principal | None:
        found = await self._authenticator.verify({b"authorization": b"Bearer " + access_token.encode()})
        if isinstance(found, Principal) and not found.resource:
            return found
        log.warning("front: the issuer's own token does not do: %s", found)
        return None

    def _answer(
        self, principal: Principal, signed_in: SignedIn, tokens: IssuerTokens, refresh_token: str | None
    ) -> Reply:
        token = self._minter.mint(principal, client_id=signed_in.client_id, resource=signed_in.resource, scope=SCOPE)
        self._behind.keep(token, tokens.access_token)
        said = {"access_token": token, "token_type": "Bearer", "expires_in": LIFETIME, "scope": SCOPE}
        return Reply(200, said | ({"refresh_token": refresh_token} if refresh_token else {}))

    def _is_ours(self, resource: str) -> bool:
        path = resource.removeprefix(self.public_url)
        return resource.startswith(self.public_url) and path == resource_of(path)

    def _back(self, wanted: Wanted, **said: str) -> Redirect:
        answer = said | {"iss": self.public_url} | ({"state": wanted.state} if wanted.state else {})
        joint = "&" if urlsplit(wanted.redirect_uri).query else "?"
        return Redirect(f"{wanted.redirect_uri}{joint}{urlencode(answer)}")


def _digest(browser: str) -> bytes:
    return hashlib.sha256(browser.encode()).digest()
