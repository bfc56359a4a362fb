"""From what a person said, and what the gateway offers, to the account to sign in with. Signs nobody in."""

import re
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from mcpdeck.auth.account import Account, Method, origin_of
from mcpdeck.auth.discovery import Offer
from mcpdeck.auth.errors import AuthError

ENTRA_HOSTS: Final = frozenset(
    {"login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn"}
)
_ENTRA_PATH = re.compile(r"/([0-9a-fA-F-]{36})(?:/v2\.0)?/?")


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What the person gave on the command line; "" for what the gateway shall say."""

    method: Method = Method.BROWSER
    issuer: str = ""
    tenant: str = ""
    authority: str = ""
    client_id: str = ""
    scope: str = ""
    ca_file: str = ""
    token_file: str = ""

    @property
    def needs_the_gateway(self) -> bool:
        """Whether the gateway must be asked: something is missing that only it, or the person, knows."""
        is_known = bool(self.issuer or self.tenant) and bool(self.scope)
        return not (is_known and (self.client_id or not self.method.asks_a_person))


def account_of(context: str, gateway_url: str, wish: Wish, offer: Offer | None) -> Account:
    """offer: None where the gateway was not asked. Raises AuthError with what to give."""
    issuer = wish.issuer or ("" if wish.tenant else _only_issuer(offer))
    tenant, authority = (wish.tenant, wish.authority) if wish.tenant else _entra(issuer)
    scope = wish.scope or _offered_scope(gateway_url, offer, is_entra=bool(tenant))
    client_id = wish.client_id or (offer.sign_in.client_id if offer and offer.sign_in else "")
    if wish.method.asks_a_person and not client_id:
        raise AuthError("the gateway names no client for the terminal; give --client-id (see docs/entra.md)")
    if tenant and not wish.method.asks_a_person:
        client_id, scope = wish.client_id, f"{scope.rpartition('/')[0]}/.default"  # what machines ask Entra for
    return Account(
        context=context,
        gateway=origin_of(gateway_url),
        method=wish.method,
        client_id=client_id,
        scope=scope,
        ca_file=wish.ca_file,
        token_file=wish.token_file,
        **_where(issuer, tenant, authority),
    )


def _where(issuer: str, tenant: str, authority: str) -> dict[str, Any]:
    if not tenant:
        return {"issuer": issuer}
    return {"tenant": tenant} | ({"authority": authority} if authority else {})


def _only_issuer(offer: Offer | None) -> str:
    if offer and offer.sign_in:
        return offer.sign_in.issuer
    servers = offer.authorization_servers if offer else []
    if len(servers) == 1:
        return servers[0]
    named = ": " + ", ".join(servers) if servers else ""
    raise AuthError(f"the gateway trusts {len(servers)} issuers{named}; give --issuer or --tenant")


def _entra(issuer: str) -> tuple[str, str]:
    """Tenant and authority, where an issuer is Entra's; else nothing."""
    parts = urlsplit(issuer)
    found = _ENTRA_PATH.fullmatch(parts.path)
    if parts.hostname not in ENTRA_HOSTS or found is None:
        return "", ""
    return found[1], f"https://{parts.hostname}"


def _offered_scope(gateway_url: str, offer: Offer | None, *, is_entra: bool) -> str:
    """A gateway may not have one sign in for somebody else's API: Azure's, Graph's, another gateway's."""
    scopes = offer.scopes_supported if offer else []
    if offer and offer.sign_in:
        scopes = offer.sign_in.scope.split()
    own = ("api://", f"{origin_of(gateway_url)}/")
    if is_entra and (foreign := [scope for scope in scopes if not scope.startswith(own)]):
        raise AuthError(f"the gateway asks for {', '.join(foreign)}, which is not its own; give --scope if you mean it")
    return " ".join(scopes)
