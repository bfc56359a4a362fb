"""Whom the gateway trusts: one value per issuer, and Entra ID's two as its tenants publish them. Fetches nothing."""

from typing import Final

import msgspec

ENTRA_AUTHORITY: Final = "https://login.microsoftonline.com"
ENTRA_V1: Final = "https://sts.windows.net"
DEFAULT_SCOPE: Final = ".default"  # whatever the client was granted; asks for no scope in particular
ALGORITHMS: Final = frozenset({"RS256", "PS256", "ES256", "EdDSA"})


class Issuer(msgspec.Struct, frozen=True, kw_only=True):
    """One trusted issuer. `url` is the `iss` claim, to the letter.

    tenant: the `tid` a token must carry, for Entra; it also makes `oid` the user's id. jwks_uri: where the keys are,
    else discovery says. roles_claim: a claim's name, or a dotted path into nested ones (`realm_access.roles`).
    scope: what clients are told to ask for. required_scope: what `scp` or `scope` of a token that a user delegated must
    hold then; Entra's are asked for with the API's URI before them, and come back without.
    """

    url: str
    audiences: frozenset[str]
    tenant: str = ""
    jwks_uri: str = ""
    roles_claim: str = "roles"
    scope: str = ""
    required_scope: str = ""
    algorithms: frozenset[str] = ALGORITHMS
    resources_under: str = (
        ""  # the gateway's public URL: `aud` may then be it, or one protected resource of it (RFC 8707)
    )
    is_ourselves: bool = False  # our own front: its `sub` is a user id of ours already
    authorization_server: str = ""  # what clients are sent to, where that is not `url` (Entra v1)

    def __post_init__(self) -> None:
        if not self.audiences or "" in self.audiences:
            raise ValueError(f"issuer {self.url} needs an audience: without one any of its tokens would do")
        if unknown := self.algorithms - ALGORITHMS:
            raise ValueError(f"{', '.join(sorted(unknown))}: not allowed; known are {', '.join(sorted(ALGORITHMS))}")


def entra(
    tenant: str,
    client_id: str,
    *,
    app_id_uri: str = "",
    authority: str = ENTRA_AUTHORITY,
    v1_issuer: str = ENTRA_V1,
    scope: str = DEFAULT_SCOPE,
) -> tuple[Issuer, ...]:
    """Both issuers of a tenant: the API's manifest, not the endpoint, decides which version its tokens have.

    tenant: its id, a GUID; a domain name or `common` never appears in a token. authority: another in sovereign clouds.
    """
    if tenant in ("common", "organizations", "consumers") or "." in tenant:
        raise ValueError(f"tenant {tenant!r}: give the tenant's id (a GUID); names and 'common' can't be checked")
    base = f"{authority.rstrip('/')}/{tenant}"
    uri = app_id_uri or f"api://{client_id}"
    v2 = Issuer(
        url=f"{base}/v2.0",
        audiences=frozenset({client_id, uri}),
        tenant=tenant,
        jwks_uri=f"{base}/discovery/v2.0/keys",
        scope=f"{uri}/{scope}",
        required_scope="" if scope == DEFAULT_SCOPE else scope,
        algorithms=frozenset({"RS256"}),
    )
    v1 = msgspec.structs.replace(v2, url=f"{v1_issuer.rstrip('/')}/{tenant}/", authorization_server=v2.url)
    return v2, v1
