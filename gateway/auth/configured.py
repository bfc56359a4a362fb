"""From an operator's variables to whom the gateway trusts. Every error names the variable and says what it wants."""

import ssl
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from gateway.auth.assertion import Assertions
from gateway.auth.dev import DevAuthenticator
from gateway.auth.fetch import HttpsFetch
from gateway.auth.front.clients import Clients
from gateway.auth.front.flow import SCOPE, Front
from gateway.auth.front.issuer_side import IssuerSide, Upstream
from gateway.auth.front.tokens import Minter
from gateway.auth.issuers import DEFAULT_SCOPE, ENTRA_AUTHORITY, ENTRA_V1, Issuer, entra
from gateway.auth.metadata import LOOPBACK, Metadata, TerminalSignIn, parse_public_url
from gateway.auth.oidc import OidcAuthenticator
from gateway.auth.upstream import UpstreamTokens, origin_of
from gateway.core.errors import Challenge
from gateway.core.ports import Authenticator
from gateway.core.sharing import Vault

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
    "MCPDECK_OIDC_TOKEN_ORIGINS": "where callers' tokens may be exchanged, besides the issuers: https://HOST[:PORT] …",
    "MCPDECK_OIDC_CA_FILE": "a PEM file with the authority of an issuer inside the house; none",
}
OIDC: Final = "oidc"
DEV: Final = "dev"
NAME_AN_ISSUER: Final = ("MCPDECK_ENTRA_TENANT", "MCPDECK_ENTRA_CLIENT_ID", "MCPDECK_OIDC_ISSUERS")
PREFIXES: Final = ("MCPDECK_ENTRA_", "MCPDECK_OIDC_", "MCPDECK_FRONT_")  # a misspelt one must not pass unseen


class Opened(msgspec.Struct, frozen=True):
    """What compose puts in its places: the authenticator for both planes, blueprints for Quart, assertions and tokens
    upstream.

    name: what /whoami calls it. public_url: "" where there is none.
    """

    name: str
    authenticator: Authenticator
    tokens: UpstreamTokens
    assertions: Assertions | None = None
    blueprints: tuple[Any, ...] = ()
    challenge: Challenge | None = None
    public_url: str = ""
    front: Front | None = None

    def share(self, vault: Vault) -> None:
        """Replicas sign people in together from now on."""
        if self.front is not None:
            self.front.share(vault)

    def renew(self, shared_keys: Sequence[bytes]) -> None:
        """Keys were rotated."""
        for each in (self.assertions, self.front):
            if each is not None:
                each.renew(shared_keys)


class Identity(msgspec.Struct, frozen=True):
    """Real authentication as configured, before anything is opened."""

    issuers: tuple[Issuer, ...]
    public_url: str
    ca_file: str = ""
    client_id: str = ""
    token_origins: frozenset[str] = frozenset()  # whose token endpoints may be shown callers' tokens
    upstream: Upstream | None = None  # the front's own client at the first issuer, where there is a front

    @property
    def metadata(self) -> Metadata:
        """Clients are sent to the front alone, where there is one; the terminal always to the issuer."""
        first = self.issuers[0]
        sign_in = TerminalSignIn(self.client_id, first.url, first.scope) if self.client_id else None
        front = Issuer(url=self.public_url, audiences=frozenset({self.public_url}), scope=SCOPE)
        return Metadata(self.public_url, (front,) if self.upstream else self.issuers, sign_in=sign_in)

    def open(self, shared_keys: Sequence[bytes], *, allow_private: bool = False) -> Opened:
        """shared_keys: what session ids are sealed with. allow_private: as UpstreamTokens has it."""
        from gateway.auth.routes import front_routes, identity_routes

        fetch = HttpsFetch(ca_file=self.ca_file or None)
        metadata, assertions = self.metadata, Assertions(shared_keys, self.public_url)
        well_known = identity_routes(metadata, assertions)
        if self.upstream is None:
            authenticator = OidcAuthenticator(self.issuers, fetch, challenge=metadata.challenge)
            tokens = UpstreamTokens(fetch, may_exchange_at=self.token_origins, allow_private=allow_private)
            return Opened(OIDC, authenticator, tokens, assertions, (well_known,), metadata.challenge, self.public_url)
        minter = Minter(shared_keys, self.public_url)
        trusted = (*self.issuers, minter.trusted)
        authenticator = OidcAuthenticator(trusted, minter.fetching(fetch), challenge=metadata.challenge)
        side = IssuerSide(self.upstream, fetch, redirect_uri=f"{self.public_url}/oauth/callback")
        clients = Clients(shared_keys, fetch)
        front = Front(self.public_url, clients, side, authenticator=authenticator, minter=minter)
        tokens = UpstreamTokens(
            fetch,
            may_exchange_at=self.token_origins,
            allow_private=allow_private,
            subject_of=front.subject_of,
            challenge=metadata.challenge,
        )
        blueprints = (well_known, front_routes(front, minter))
        return Opened(OIDC, authenticator, tokens, assertions, blueprints, metadata.challenge, self.public_url, front)


def identity(variables: Mapping[str, str]) -> Identity | None:
    """None where no issuer is configured. Raises ValueError."""
    _refuse_unknown(variables)
    if not any(variables.get(name) for name in NAME_AN_ISSUER):
        _refuse_ineffective(variables)
        return None
    public_url = _wanted(variables, "MCPDECK_PUBLIC_URL", because="clients are told it, and tokens are bound to it")
    issuers = (*_entra(variables), *_others(variables))
    return Identity(
        issuers,
        parse_public_url(public_url),
        ca_file=_authority(variables),
        client_id=variables.get("MCPDECK_OIDC_CLIENT_ID", ""),
        token_origins=frozenset((*(origin_of(each.url) for each in issuers), *_token_origins(variables))),
        upstream=_upstream(variables, issuers[0]),
    )


def opened_dev(variables: Mapping[str, str], roles: Sequence[str], *, allow_private: bool) -> Opened:
    """Where no issuer is configured: whoever calls is believed, and has no token to show. Raises ValueError."""
    fetch = HttpsFetch(ca_file=_authority(variables) or None)
    tokens = UpstreamTokens(fetch, allow_private=allow_private)
    return Opened(DEV, DevAuthenticator(roles), tokens)


def _authority(variables: Mapping[str, str]) -> str:
    path = variables.get("MCPDECK_OIDC_CA_FILE", "")
    if path:
        try:
            ssl.create_default_context().load_verify_locations(path)
        except OSError as error:  # ssl.SSLError is one, where the file is no certificate
            reason = "holds no PEM certificate" if isinstance(error, ssl.SSLError) else error.strerror
            raise ValueError(f"MCPDECK_OIDC_CA_FILE={path}: {reason}") from error
    return path


def _token_origins(variables: Mapping[str, str]) -> Iterator[str]:
    for origin in variables.get("MCPDECK_OIDC_TOKEN_ORIGINS", "").split():
        if origin_of(origin) != origin.lower().rstrip("/") or not origin.startswith("https://"):
            raise ValueError(f"MCPDECK_OIDC_TOKEN_ORIGINS: {origin}: wanted https://HOST[:PORT] and nothing behind it")
        yield origin_of(origin)


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
    for url in urls:
        parts = urlsplit(url)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
            raise ValueError(f"MCPDECK_OIDC_ISSUERS: {url}: wanted an https URL, to the letter as its tokens' `iss`")
    jwks_uri = variables.get("MCPDECK_OIDC_JWKS_URI", "")
    if jwks_uri and len(urls) != 1:
        raise ValueError("MCPDECK_OIDC_JWKS_URI is for exactly one issuer in MCPDECK_OIDC_ISSUERS")
    public_url = parse_public_url(variables["MCPDECK_PUBLIC_URL"])
    audiences = variables.get("MCPDECK_OIDC_AUDIENCES", "") or public_url
    scope = variables.get("MCPDECK_OIDC_SCOPE", "")
    return tuple(
        Issuer(
            url=url,
            audiences=frozenset(audiences.split()),
            jwks_uri=jwks_uri,
            roles_claim=variables.get("MCPDECK_OIDC_ROLES_CLAIM", "roles"),
            scope=scope,
            required_scope=scope,
            resources_under=public_url,
        )
        for url in urls
    )


def _wanted(variables: Mapping[str, str], name: str, *, because: str) -> str:
    if not variables.get(name):
        raise ValueError(f"{name} is missing ({VARIABLES[name]}): {because}")
    return variables[name]


def _refuse_ineffective(variables: Mapping[str, str]) -> None:
    """A gateway whose issuer was forgotten would believe anyone."""
    idle = sorted(name for name in variables if name in VARIABLES and name.startswith(PREFIXES) and variables[name])
    if idle := [name for name in idle if name != "MCPDECK_OIDC_CA_FILE"]:
        raise ValueError(
            f"{', '.join(idle)}: of no use without an issuer: MCPDECK_ENTRA_TENANT or MCPDECK_OIDC_ISSUERS"
        )


def _refuse_unknown(variables: Mapping[str, str]) -> None:
    unknown = [name for name in variables if name.startswith(PREFIXES) and name not in VARIABLES]
    if unknown:
        raise ValueError(f"{', '.join(sorted(unknown))}: no such setting; known are {', '.join(VARIABLES)}")
