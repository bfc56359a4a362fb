"""What a gateway says about signing in (RFC 9728), read once at login. Believes little of it.

A gateway that lies must not get a token that is good elsewhere: the person sees issuer and scope before signing in,
they are kept in the account, and a later change of the gateway's mind changes nothing.
"""

from typing import Final
from urllib.parse import urlsplit

import msgspec

from mcpdeck.auth.account import origin_of
from mcpdeck.auth.errors import AuthError, GatewayAway, NothingPublished
from mcpdeck.errors import Misconfigured, plainly
from mcpdeck.trust import trust_in

PATH: Final = "/.well-known/oauth-protected-resource"
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class SignIn(msgspec.Struct, frozen=True):
    """The gateway's own word on how the terminal signs in: where, as which client, for what."""

    client_id: str
    issuer: str
    scope: str = ""


class Offer(msgspec.Struct, frozen=True):
    """How the gateway would have one sign in."""

    resource: str
    authorization_servers: list[str] = []
    scopes_supported: list[str] = []
    sign_in: SignIn | None = msgspec.field(default=None, name="mcpdeck_sign_in")


def discover(gateway_url: str, *, ca_file: str = "", is_forwarded: bool = False) -> Offer:
    """ca_file: one more authority to trust as the gateway's. is_forwarded: a way that is trusted leads there, so that
    it may call itself by its public URL. Raises AuthError, NothingPublished among them.
    """
    import httpx

    origin = origin_of(gateway_url)
    require_safe(origin)
    try:
        answer = httpx.get(origin + PATH, verify=trust_in(ca_file), follow_redirects=False, timeout=10.0)
    except Misconfigured as error:
        raise AuthError(str(error)) from error
    except httpx.HTTPError as error:
        raise GatewayAway(f"{origin} can not be reached: {plainly(error)}") from error
    if answer.status_code == 404:
        raise NothingPublished(
            f"{origin} publishes nothing about signing in; it may need none, or give --issuer and --client-id"
        )
    if answer.status_code != 200:
        raise AuthError(f"{origin}{PATH} answered {answer.status_code}, wanted 200")
    try:
        offer = msgspec.json.decode(answer.content, type=Offer)
    except msgspec.DecodeError as error:
        raise AuthError(f"{origin}{PATH} is not as RFC 9728 has it: {error}") from error
    if origin_of(offer.resource) != origin and not is_forwarded:
        raise AuthError(f"{origin} calls itself {offer.resource}; use that URL, or have its public URL corrected")
    return offer


def require_safe(origin: str) -> None:
    """Tokens travel over TLS, or stay on this machine. Raises AuthError."""
    parts = urlsplit(origin)
    if parts.scheme != "https" and parts.hostname not in LOOPBACK:
        raise AuthError(f"{origin} is not https: a token sent there could be read on the way")
