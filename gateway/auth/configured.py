"""From an operator's variables to whom the gateway trusts. Every error names the variable and says what it wants."""

from collections.abc import Mapping
from typing import Final

import msgspec

from gateway.auth.fetch import Fetch, HttpsFetch
from gateway.auth.issuers import DEFAULT_SCOPE, ENTRA_AUTHORITY, ENTRA_V1, Issuer, entra
from gateway.auth.metadata import Metadata, parse_public_url
from gateway.auth.oidc import OidcAuthenticator

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
    "MCPDECK_OIDC_CA_FILE": "a PEM file with the authority of an issuer inside the house; none",
}
PREFIXES: Final = ("MCPDECK_ENTRA_", "MCPDECK_OIDC_")  # a misspelt one must not pass unseen


class Identity(msgspec.Struct, frozen=True):
    """Real authentication as configured, before anything is opened."""

    issuers: tuple[Issuer, ...]
    metadata: Metadata
    public_url: str
    ca_file: str = ""

    def authenticator(self, fetch: Fetch | None = None) -> OidcAuthenticator:
        """fetch: another way to issuers' documents; over HTTPS without."""
        fetching = fetch or HttpsFetch(ca_file=self.ca_file or None)
        return OidcAuthenticator(self.issuers, fetching, challenge=self.metadata.challenge)


def identity(variables: Mapping[str, str]) -> Identity | None:
    """None where no issuer is configured. Raises ValueError."""
    _refuse_unknown(variables)
    issuers = (*_entra(variables), *_others(variables))
    if not issuers:
        return None
    public_url = _wanted(variables, "MCPDECK_PUBLIC_URL", because="clients are told it, and tokens are bound to it")
    metadata = Metadata(public_url, issuers, client_id=variables.get("MCPDECK_OIDC_CLIENT_ID", ""))
    return Identity(issuers, metadata, metadata.public_url, variables.get("MCPDECK_OIDC_CA_FILE", ""))


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
