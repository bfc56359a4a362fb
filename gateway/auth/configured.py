"""From an operator's variables to whom the gateway trusts. Every error names the variable and says what it wants."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from gateway.auth.assertion import Assertions
from gateway.auth.fetch import HttpsFetch
from gateway.auth.front.clients import Clients
from gateway.auth.front.flow import SCOPE, Front
from gateway.auth.front.issuer_side import IssuerSide, Upstream
from gateway.auth.front.tokens import Minter
from gateway.auth.issuers import DEFAULT_SCOPE, ENTRA_AUTHORITY, ENTRA_V1, Issuer, entra
from gateway.auth.metadata import Metadata, TerminalSignIn, parse_public_url
from gateway.auth.oidc import OidcAuthenticator
from gateway.core.errors import Challenge

VARIABLES: Final = {
    "MCPDECK_PUBLIC_URL": "the gateway as clients see it: https://HOST[:PORT]",
    "MCPDECK_ENTRA_TENANT": "the tenant's id (a GUID)",
    "MCPDECK_ENTRA_CLIENT_ID": "the API's application (client) id",
    "MCPDECK_ENTRA_APP_ID_URI": "the API's Application ID URI; api://CLIENT_ID",
    "MCPDECK_ENTRA_SCOPE": "a scope of the API that users' tokens must hold; none in particular",
    "MCPDECK_ENTRA_AUTHORITY": f"another sign-in host, for sovereign clouds; {ENTRA_AUTHORITY}",
    "MCPDECK_ENTRA_V1_ISSUER": f"the host of version 1 issuers there; {ENTRA_V1}",
    "MCPDECK_OIDC_ISSUERS": "other issuers' URLs, with spaces between",
    "MCPDECK_OIDC_AUDIENCES": "what `aud` of their tokens must be: any of these, with spaces between; the public URL",
    "MCPDECK_OIDC_JWKS_URI": "where the keys are, if the one issuer has no discovery",
    "MCPDECK_OIDC_ROLES_CLAIM": "the claim with roles, or a dotted path to it; roles",
    "MCPDECK_OIDC_SCOPE": "the scope that clients ask for and their tokens must hold; none",
    "MCPDECK_OIDC_CLIENT_ID": "the public client that `mcpdeck login` signs in as; none",
    "MCPDECK_FRONT_CLIENT_ID": "the front's own confidential client at the first issuer; no front",
    "MCPDECK_FRONT_CLIENT_SECRET_FILE": "the file with its secret",
    "MCPDECK_OIDC_CA_FILE": "a PEM file with the authority of an issuer inside the house; none",
}
PREFIXES: Final = ("MCPDECK_ENTRA_", "MCPDECK_OIDC_", "MCPDECK_FRONT_")  # a misspelt one must not pass unseen


class Opened(msgspec.Struct, frozen=True):
    """What compose puts in its places: the authenticator for both planes, blueprints for Quart, assertions upstream."""

    authenticator: OidcAuthenticator
    assertions: Assertions
    blueprints: tuple[Any, ...]
    challenge: Challenge


class Identity(msgspec.Struct, frozen=True):
    """Real authentication as configured, before anything is opened."""

    issuers: tuple[Issuer, ...]
    public_url: str
    ca_file: str = ""
    client_id: str = ""
    upstream: Upstream | None = None  # the front's own client at the first issuer, where there is a front

    @property
    def metadata(self) -> Metadata:
        """Clients are sent to the front alone, where there is one; the terminal always to the issuer."""
        first = self.issuers[0]
        sign_in = TerminalSignIn(self.client_id, first.url, first.scope) if self.client_id else None
        front = Issuer(url=self.public_url, audiences=frozenset({self.public_url}), scope=SCOPE)
        return Metadata(self.public_url, (front,) if self.upstream else self.issuers, sign_in=sign_in)

    def open(self, shared_keys: Sequence[bytes], fetch: HttpsFetch | None = None) -> Opened:
        """shared_keys: what session ids are sealed with. fetch: another way to issuers' documents."""
        from gateway.auth.routes import front_routes, identity_routes

        fetching = fetch or HttpsFetch(ca_file=self.ca_file or None)
        metadata, assertions = self.metadata, Assertions(shared_keys, self.public_url)
        well_known = identity_routes(metadata, assertions)
        if self.upstream is None:
            authenticator = OidcAuthenticator(self.issuers, fetching, challenge=metadata.challenge)
            return Opened(authenticator, assertions, (well_known,), metadata.challenge)
        minter = Minter(shared_keys, self.public_url)
        trusted = (*self.issuers, minter.trusted)
        authenticator = OidcAuthenticator(trusted, minter.fetching(fetching), challenge=metadata.challenge)
        side = IssuerSide(self.upstream, fetching, redirect_uri=f"{self.public_url}/oauth/callback")
        clients = Clients(shared_keys[0], fetching)
        front = Front(self.public_url, clients, side, authenticator=authenticator, minter=minter)
        return Opened(authenticator, assertions, (well_known, front_routes(front, minter)), metadata.challenge)


def identity(variables: Mapping[str, str]) -> Identity | None:
    """None where no issuer is configured. Raises ValueError."""
    _refuse_unknown(variables)
    issuers = (*_entra(variables), *_others(variables))
    if not issuers:
        return None
    public_url = _wanted(variables, "MCPDECK_PUBLIC_URL", because="clients are told it, and tokens are bound to it")
    return Identity(
        issuers,
        parse_public_url(public_url),
        ca_file=variables.get("MCPDECK_OIDC_CA_FILE", ""),
        client_id=variables.get("MCPDECK_OIDC_CLIENT_ID", ""),
        upstream=_upstream(variables, issuers[0]),
    )


def _upstream(variables: Mapping[str, str], issuer: Issuer) -> Upstream | None:
    client_id = variables.get("MCPDECK_FRONT_CLIENT_ID", "")
    if not client_id:
        return None
    path = _wanted(variables, "MCPDECK_FRONT_CLIENT_SECRET_FILE", because="MCPDECK_FRONT_CLIENT_ID is set")
    try:
        secret = Path(path).read_text().strip()
    except OSError as error:
        raise ValueError(f"MCPDECK_FRONT_CLIENT_SECRET_FILE={path}: {error.strerror}") from error
    return Upstream(issuer.url, client_id, secret, f"{issuer.scope} offline_access".strip())


def _entra(variables: Mapping[str, str]) -> tuple[Issuer, ...]:
    tenant, client_id = variables.get("MCPDECK_ENTRA_TENANT", ""), variables.get("MCPDECK_ENTRA_CLIENT_ID", "")
    if not tenant and not client_id:
        return ()
    return entra(
        _wanted(variables, "MCPDECK_ENTRA_TENANT", because="MCPDECK_ENTRA_CLIENT_ID is set"),
        _wanted(variables, "MCPDECK_ENTRA_CLIENT_ID", because="MCPDECK_ENTRA_TENANT is set"),
        app_id_uri=variables.get("MCPDECK_ENTRA_APP_ID_URI", ""),
        authority=variables.get("MCPDECK_ENTRA_AUTHORITY", ENTRA_AUTHORITY),
        v1_issuer=variables.get("MCPDECK_ENTRA_V1_ISSUER", ENTRA_V1),
        scope=variables.get("MCPDECK_ENTRA_SCOPE", DEFAULT_SCOPE),
    )


def _others(variables: Mapping[str, str]) -> tuple[Issuer, ...]:
    urls = variables.get("MCPDECK_OIDC_ISSUERS", "").split()
    jwks_uri = variables.get("MCPDECK_OIDC_JWKS_URI", "")
    if jwks_uri and len(urls) != 1:
        raise ValueError("MCPDECK_OIDC_JWKS_URI is for exactly one issuer in MCPDECK_OIDC_ISSUERS")
    public_url = variables.get("MCPDECK_PUBLIC_URL", "")
    audiences = variables.get("MCPDECK_OIDC_AUDIENCES", "") or (public_url and parse_public_url(public_url))
    scope = variables.get("MCPDECK_OIDC_SCOPE", "")
    return tuple(
        Issuer(
            url=url,
            audiences=frozenset(audiences.split()),
            jwks_uri=jwks_uri,
            roles_claim=variables.get("MCPDECK_OIDC_ROLES_CLAIM", "roles"),
            scope=scope,
            required_scope=scope,
            resources_under=public_url and parse_public_url(public_url),
        )
        for url in urls
    )


def _wanted(variables: Mapping[str, str], name: str, *, because: str) -> str:
    if not variables.get(name):
        raise ValueError(f"{name} is missing ({VARIABLES[name]}): {because}")
    return variables[name]


def _refuse_unknown(variables: Mapping[str, str]) -> None:
    unknown = [name for name in variables if name.startswith(PREFIXES) and name not in VARIABLES]
    if unknown:
        raise ValueError(f"{', '.join(sorted(unknown))}: no such setting; known are {', '.join(VARIABLES)}")
