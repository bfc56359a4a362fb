"""The front's steps: authorize, consent, callback, token. Decides, and knows nothing of HTTP but what answers say.

Against the confused deputy (MCP's security practices): a person consents to every sign-in of every client, before the
issuer is asked; the state that the issuer returns is made only then, serves once, and only for the browser that
consented; redirect URIs are exact; each answer says whose it is (RFC 9207).
"""

import hashlib
import hmac
import logging
import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import msgspec

from gateway.auth.fetch import FetchFailed
from gateway.auth.front.behind import Behind
from gateway.auth.front.clients import ClientRefused, Clients, describe
from gateway.auth.front.families import Families, SignedIn, Turn
from gateway.auth.front.issuer_side import IssuerRefused, IssuerSide, IssuerTokens, s256
from gateway.auth.front.memory import MemoryVault
from gateway.auth.front.once import Once
from gateway.auth.front.tokens import LIFETIME, Minter
from gateway.auth.oidc import OidcAuthenticator
from gateway.core.access import Principal
from gateway.core.errors import IssuerUnreachable
from gateway.core.routes import resource_of
from gateway.core.sharing import Apart, Unreachable, Vault

SCOPE: Final = "mcp"
CODE_LIFETIME: Final = 60.0  # seconds
MAX_WANTED: Final = 4096  # characters of what a client asked for, which are kept while somebody signs in
LATER: Final = "temporarily_unavailable"
_S256: Final = re.compile(r"[A-Za-z0-9_-]{43}")  # what SHA-256 comes to in base64url (RFC 7636, section 4.2)

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

    client_id: str
    redirect_uri: str
    challenge: str
    resource: str
    state: str

    @property
    def size(self) -> int:
        return sum(map(len, msgspec.structs.astuple(self)))


class Asked(msgspec.Struct, frozen=True):
    """Someone looks at the consent page; `browser` is the digest of the cookie they must come back with."""

    wanted: Wanted
    browser: bytes


class AtIssuer(msgspec.Struct, frozen=True):
    """Someone is at the issuer now; `browser` as above."""

    wanted: Wanted
    verifier: str
    browser: bytes


class Granted(msgspec.Struct, frozen=True):
    """Behind a code of ours."""

    wanted: Wanted
    principal: Principal
    tokens: IssuerTokens


_NOT_NOW: Final = Reply(503, {"error": LATER, "error_description": "try again in a moment with the same request"})


class Front:
    """A gateway's authorization server. `authenticator` judges the issuer's tokens as it does any client's.

    What waits between two steps is in a vault: this process's own, until replicas `share` one.
    """

    def __init__(
        self, public_url: str, clients: Clients, issuer: IssuerSide, *, authenticator: OidcAuthenticator, minter: Minter
    ) -> None:
        self.public_url = public_url
        self._clients, self._issuer, self._authenticator, self._minter = clients, issuer, authenticator, minter
        self.share(MemoryVault())

    def share(self, vault: Vault) -> None:
        """Before anybody signs in: what waits elsewhere is forgotten."""
        self._asked = Once(vault, "asked", Asked)
        self._at_issuer = Once(vault, "at-issuer", AtIssuer)
        self._codes = Once(vault, "code", Granted, lifetime=CODE_LIFETIME)
        self._families, self._behind = Families(vault), Behind(vault)

    def renew(self, shared_keys: Sequence[bytes]) -> None:
        """Keys were rotated."""
        self._minter.renew(shared_keys)
        self._clients.renew(shared_keys)

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
        wanted = Wanted(client.id, redirect_uri, query.get("code_challenge", ""), resource, query.get("state", ""))
        is_pkce = query.get("code_challenge_method") == "S256" and _S256.fullmatch(wanted.challenge)
        if query.get("response_type") != "code" or not is_pkce:
            return self._back(wanted, error="invalid_request", error_description="wanted code with PKCE S256")
        if wanted.size > MAX_WANTED:
            wanted = msgspec.structs.replace(wanted, state="")
            return self._back(wanted, error="invalid_request", error_description="wanted shorter parameters")
        if not self._is_ours(resource):
            return self._back(wanted, error="invalid_target", error_description="resource is not served here")
        browser = browser or secrets.token_urlsafe(32)
        try:
            ticket = await self._asked.put(Asked(wanted, _digest(browser)))
        except Apart as apart:
            return self._later(wanted, apart)
        return Ask(ticket, browser, client.name, resource, describe(client, redirect_uri))

    async def consent(self, form: Mapping[str, str], *, browser: str) -> Redirect | Sorry:
        """Somebody pressed a button of the page."""
        try:
            asked = await self._asked.take(form.get("ticket", ""))
        except Apart as apart:
            return _sorry(apart)
        if asked is None or not browser or not hmac.compare_digest(asked.browser, _digest(browser)):
            return Sorry("this page is too old, was used already, or belongs to another browser; start again")
        wanted = asked.wanted
        if form.get("decision") != "allow":
            return self._back(wanted, error="access_denied")
        verifier = secrets.token_urlsafe(48)
        try:
            state = await self._at_issuer.put(AtIssuer(wanted, verifier, asked.browser))
            return Redirect(await self._issuer.authorization_url(state=state, verifier=verifier))
        except (FetchFailed, Apart) as failure:
            return self._later(wanted, failure)

    async def callback(self, query: Mapping[str, str], *, browser: str) -> Redirect | Sorry:
        """The issuer sends somebody back."""
        try:
            waiting = await self._at_issuer.take(query.get("state", ""))
        except Apart as apart:
            return _sorry(apart)
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
        try:
            return self._back(wanted, code=await self._codes.put(Granted(wanted, principal, tokens)))
        except Apart as apart:
            return self._later(wanted, apart)

    async def token(self, form: Mapping[str, str]) -> Reply:
        try:
            match form.get("grant_type"):
                case "authorization_code":
                    return await self._for_code(form)
                case "refresh_token":
                    return await self._for_refresh_token(form)
                case _:
                    return Reply(400, {"error": "unsupported_grant_type"})
        except Apart as apart:
            log.warning("front: %s", apart)
            return _NOT_NOW

    async def _for_code(self, form: Mapping[str, str]) -> Reply:
        granted = await self._codes.take(form.get("code", ""))
        if granted is None:
            return Reply(400, {"error": "invalid_grant"})
        wanted = granted.wanted
        is_theirs = (form.get("client_id"), form.get("redirect_uri", wanted.redirect_uri)) == (
            wanted.client_id,
            wanted.redirect_uri,
        )
        if not is_theirs or not hmac.compare_digest(s256(form.get("code_verifier", "")), wanted.challenge):
            return Reply(400, {"error": "invalid_grant"})
        if form.get("resource", wanted.resource).rstrip("/") != wanted.resource:
            return Reply(400, {"error": "invalid_target"})
        signed_in = SignedIn(wanted.client_id, wanted.resource, granted.tokens.refresh_token)
        refresh_token = await self._families.start(signed_in) if signed_in.upstream else None
        return await self._answer(granted.principal, signed_in, granted.tokens, refresh_token)

    async def _for_refresh_token(self, form: Mapping[str, str]) -> Reply:
        """The issuer is asked each time: who was disabled there, or lost a role, has no more of it here."""
        presented = form.get("refresh_token", "")
        turn = await self._families.take(presented, client_id=form.get("client_id", ""))
        if turn is None:
            return Reply(400, {"error": "invalid_grant"})
        try:
            tokens = await self._issuer.refresh(turn.signed_in.upstream)
            principal = await self._principal(tokens.access_token)
        except IssuerRefused as refused:
            log.warning("front: %s", refused)
            return await self._end(turn)
        except (FetchFailed, IssuerUnreachable) as failure:
            log.warning("front: %s", failure)
            await self._families.give_back(turn, presented)
            return _NOT_NOW
        if principal is None:
            return await self._end(turn)
        signed_in = msgspec.structs.replace(turn.signed_in, upstream=tokens.refresh_token)
        refresh_token = await self._families.go_on(turn, signed_in)
        return await self._answer(principal, signed_in, tokens, refresh_token)

    async def _end(self, turn: Turn) -> Reply:
        await self._families.end(turn)
        return Reply(400, {"error": "invalid_grant"})

    async def subject_of(self, token: str) -> str:
        """A verified token as the issuer knows it: itself, or what the issuer gave behind one of ours.

        "" where there is none (any more). Raises Unreachable.
        """
        if not self._minter.is_ours(token):
            return token
        try:
            return await self._behind.find(token)
        except Apart as apart:
            raise Unreachable(f"the token that the issuer gave for you can't be had now: {apart}") from apart

    async def _principal(self, access_token: str) -> Principal | None:
        found = await self._authenticator.verify({b"authorization": b"Bearer " + access_token.encode()})
        if isinstance(found, Principal) and not found.resource:
            return found
        log.warning("front: the issuer's own token does not do: %s", found)
        return None

    async def _answer(
        self, principal: Principal, signed_in: SignedIn, tokens: IssuerTokens, refresh_token: str | None
    ) -> Reply:
        token = self._minter.mint(principal, client_id=signed_in.client_id, resource=signed_in.resource, scope=SCOPE)
        await self._behind.keep(token, tokens.access_token)
        said = {"access_token": token, "token_type": "Bearer", "expires_in": LIFETIME, "scope": SCOPE}
        return Reply(200, said | ({"refresh_token": refresh_token} if refresh_token else {}))

    def _is_ours(self, resource: str) -> bool:
        path = resource.removeprefix(self.public_url)
        return resource.startswith(self.public_url) and path == resource_of(path)

    def _later(self, wanted: Wanted, failure: Exception) -> Redirect:
        log.warning("front: %s", failure)
        return self._back(wanted, error=LATER)

    def _back(self, wanted: Wanted, **said: str) -> Redirect:
        answer = said | {"iss": self.public_url} | ({"state": wanted.state} if wanted.state else {})
        joint = "&" if urlsplit(wanted.redirect_uri).query else "?"
        return Redirect(f"{wanted.redirect_uri}{joint}{urlencode(answer)}")


def _sorry(apart: Apart) -> Sorry:
    """Nobody knows yet whom to send back, nor where."""
    log.warning("front: %s", apart)
    return Sorry("what was begun here can't be looked up just now; try again in a moment", status=503)


def _digest(browser: str) -> bytes:
    return hashlib.sha256(browser.encode()).digest()
