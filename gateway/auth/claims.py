"""From a verified token's claims to a principal, or to the sentence that refuses it. Pure: checks no signature."""

import math
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from gateway.auth.issuers import Issuer
from gateway.core.access import Principal, folded
from gateway.core.routes import resource_of
from gateway.wire.names import PrincipalId

LEEWAY: Final = 60.0  # seconds that two clocks may differ
_VISIBLE = re.compile(r"[!-~]{1,255}")  # ids travel in headers: nothing that could end one
_ROLE = re.compile(r"[^\x00-\x1f\x7f,]{1,128}")  # roles travel as a list with commas
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_ONLY_IN_ID_TOKENS: Final = ("nonce", "at_hash", "c_hash", "s_hash")


class Refusal(msgspec.Struct, frozen=True):
    """Why a token does not do. `scope` names what a better one must hold, where that is all it lacks."""

    reason: str
    scope: str = ""


def principal_of(
    claims: Mapping[str, Any], header: Mapping[str, Any], issuer: Issuer, *, now: float
) -> Principal | Refusal:
    """claims: of a token whose signature and issuer were verified. now: seconds since the epoch."""
    resource = _resource(claims, issuer)
    if resource is None:
        return Refusal("the token is for another audience than this gateway")
    reason = _untimely(claims, now) or _not_an_access_token(claims, header, issuer)
    if not reason and issuer.tenant and claims.get("tid") != issuer.tenant:
        reason = "the token is of another tenant"
    if reason:
        return Refusal(reason)
    scopes = scopes_of(claims)
    if issuer.required_scope and scopes and issuer.required_scope not in scopes:
        lacking = issuer.required_scope
        return Refusal(f"the token lacks the scope {lacking}", scope=issuer.scope or lacking)
    user = _user_id(claims, issuer)
    if user is None:
        return Refusal("the token says no usable user id (oid for Entra, sub else)")
    roles = folded(each for each in _strings(_at(claims, issuer.roles_claim)) if _ROLE.fullmatch(each))
    return Principal(id=user, name=_name(claims), roles=roles, issuer=_issuer(claims, issuer), resource=resource)


def scopes_of(claims: Mapping[str, Any]) -> frozenset[str]:
    """`scp` as Entra and Okta have it, `scope` as the RFCs do; a string with spaces, or a list."""
    return frozenset(
        scope for name in ("scp", "scope") for text in _strings(claims.get(name)) for scope in text.split()
    )


def _resource(claims: Mapping[str, Any], issuer: Issuer) -> str | None:
    """What the token is for: "" the whole gateway, or the path of one resource; None: not us."""
    audiences = _strings(claims.get("aud"))
    if not issuer.audiences.isdisjoint(audiences):
        return ""
    if not issuer.resources_under:
        return None
    under = [each.removeprefix(issuer.resources_under) for each in audiences if each.startswith(issuer.resources_under)]
    return next((path.rstrip("/") for path in under if path.rstrip("/") == resource_of(path)), None)


def _issuer(claims: Mapping[str, Any], issuer: Issuer) -> str:
    """Who vouched for the user in the first place."""
    return str(claims.get("idp", issuer.url)) if issuer.is_ourselves else issuer.url


def _untimely(claims: Mapping[str, Any], now: float) -> str:
    expires: Any = claims.get("exp")
    starts, issued = claims.get("nbf", now), claims.get("iat", now)
    if not all(_is_moment(each) for each in (expires, starts, issued)):
        return "the token's exp, nbf or iat is missing or no number"
    if expires <= now - LEEWAY:
        return "the token has expired"
    if starts > now + LEEWAY or issued > now + LEEWAY:
        return "the token is from the future (or this machine's clock is behind)"
    return ""


def _is_moment(value: Any) -> bool:
    """JSON's true is Python's 1, and Python's JSON knows NaN and Infinity, before which nothing ever expires."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _not_an_access_token(claims: Mapping[str, Any], header: Mapping[str, Any], issuer: Issuer) -> str:
    """An ID token tells a client who signed in; taken as an access token it would let any client in.

    Entra's access tokens name the calling application and carry `scp` or `roles`, its ID tokens do not name it. Others
    follow RFC 9068 (`at+jwt`) or at least name scopes or the client.
    """
    refused = "this is an ID token; send the access token for this gateway"
    if any(name in claims for name in _ONLY_IN_ID_TOKENS):
        return refused
    if claims.get("token_use") == "id" or str(claims.get("typ", "")).casefold() == "id":
        return refused
    if issuer.tenant:
        names_caller = "azp" in claims or "appid" in claims
        return "" if names_caller and ("scp" in claims or "roles" in claims) else refused
    media_type = str(header.get("typ", "")).casefold().removeprefix("application/")
    is_access = media_type == "at+jwt" or any(name in claims for name in ("scope", "scp", "client_id", "cid"))
    return "" if is_access else refused


def _user_id(claims: Mapping[str, Any], issuer: Issuer) -> PrincipalId | None:
    """Unique across issuers: nobody becomes another's user by choosing a name at a second issuer."""
    if issuer.is_ourselves:
        ours = claims.get("sub")
        return PrincipalId(ours) if isinstance(ours, str) and _VISIBLE.fullmatch(ours) else None
    if issuer.tenant:
        user, place = claims.get("oid"), issuer.tenant
    else:
        parts = urlsplit(issuer.url)
        user, place = claims.get("sub"), f"{parts.netloc}{parts.path.rstrip('/')}"
    if not isinstance(user, str) or not _VISIBLE.fullmatch(user):
        return None
    return PrincipalId(f"{user}@{place}")


def _name(claims: Mapping[str, Any]) -> str:
    """For people to read; no decision hangs on it."""
    for claim in ("name", "preferred_username", "upn", "email", "app_displayname", "azp", "appid", "client_id"):
        value = claims.get(claim)
        if isinstance(value, str) and value:
            return _CONTROL.sub("", value)[:128]
    return ""


def _at(claims: Mapping[str, Any], path: str) -> Any:
    """A claim by its name, dots and all (`https://example.org/roles`), else by a dotted path into nested ones."""
    if path in claims:
        return claims[path]
    value: Any = claims
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
