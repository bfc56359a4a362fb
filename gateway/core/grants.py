"""How the gateway comes to the access token that a `url` adapter is called with: a specification's, secret and all.

Asks nobody; `ports.Tokens` does.
"""

import msgspec

from gateway.wire.resources import Authorization, GrantKind


class Grant(msgspec.Struct, frozen=True):
    """One adapter's. Never leaves the routes: its secret is in it."""

    kind: GrantKind
    token_url: str
    client_id: str
    client_secret: str
    scope: str = ""
    resource: str = ""
    audience: str = ""

    def __repr__(self) -> str:
        return f"Grant({self.kind!r}, {self.token_url!r}, {self.client_id!r}, client_secret='…')"

    @property
    def is_for_the_caller(self) -> bool:
        return is_for_the_caller(self.kind)


def grant_of(authorization: Authorization, client_secret: str) -> Grant:
    return Grant(
        authorization.kind,
        authorization.token_url,
        authorization.client_id,
        client_secret,
        authorization.scope,
        authorization.resource,
        authorization.audience,
    )


def is_for_the_caller(kind: GrantKind) -> bool:
    """Whether the token is one caller's, got by showing the issuer the caller's own."""
    return kind is not GrantKind.CLIENT_CREDENTIALS
