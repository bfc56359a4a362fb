"""Access tokens of Entra ID and of other issuers, as the gateway judges them. Real signatures, no network."""

import asyncio
from typing import Any

import pytest

from gateway.auth import oidc
from gateway.auth.issuers import Issuer, entra
from gateway.auth.oidc import OidcAuthenticator
from gateway.core.access import Principal
from gateway.core.errors import Challenge, InsufficientScope, IssuerUnreachable, Unauthenticated
from tests.support.oidc.tokens import (
    CLIENT,
    ENTRA_KEYS,
    ENTRA_V2,
    NOW,
    OTHER,
    TENANT,
    Clock,
    CountingFetch,
    bearer,
    ec_key,
    ed_key,
    entra_claims,
    jwk,
    other_claims,
    rsa_key,
    sign,
)

GATEWAY = "https://gateway.example"
OTHER_KEYS = f"{OTHER}/keys"


class Gate:
    """An authenticator over Entra and one other issuer, with its fetch and clock at hand."""

    def __init__(self, **other: Any) -> None:
        keys = [jwk(rsa_key(), "k1"), jwk(ec_key(), "ec"), jwk(ed_key(), "ed")]
        self.fetch = CountingFetch(
            {
                ENTRA_KEYS: {"keys": [jwk(rsa_key(), "k1", x5t="a thumbprint", issuer=ENTRA_V2)]},
                f"{OTHER}/.well-known/openid-configuration": {"issuer": OTHER, "jwks_uri": OTHER_KEYS},
                OTHER_KEYS: {"keys": keys},
            }
        )
        self.clock, self.steady = Clock(), Clock(0.0)
        issuers = (*entra(TENANT, CLIENT), Issuer(url=OTHER, audiences=frozenset({GATEWAY}), **other))
        challenge = Challenge(public_url=GATEWAY, scope="mcp")
        self.authenticator = OidcAuthenticator(
            issuers, self.fetch, challenge=challenge, clock=self.clock, steady=self.steady
        )

    async def principal(self, token: str) -> Principal:
        found = await self.authenticator.verify(bearer(token))
        assert isinstance(found, Principal), found
        return found

    async def refusal(self, token: str) -> Unauthenticated:
        found = await self.authenticator.verify(bearer(token))
        assert isinstance(found, Unauthenticated), found
        return found


@pytest.mark.parametrize("version", [1, 2])
async def test_entra_user_token_of_either_version_names_the_user_by_oid_and_tenant(version: int) -> None:
    principal = await Gate().principal(sign(entra_claims(version)))
    assert principal.id == f"99999999-0000-0000-0000-000000000001@{TENANT}"
    assert principal.name == "Ada Lovelace"
    assert principal.is_admin


async def test_entra_application_token_carries_roles_without_scopes() -> None:
    principal = await Gate().principal(sign(entra_claims(scp=None, name=None, roles=["mcp.engineer"], idtyp="app")))
    assert principal.roles == {"mcp.engineer"}


@pytest.mark.parametrize(
    ("alg", "kid", "key"), [("PS256", "k1", rsa_key()), ("ES256", "ec", ec_key()), ("EdDSA", "ed", ed_key())]
)
async def test_another_issuer_may_sign_with_any_algorithm_of_the_list(alg: str, kid: str, key: Any) -> None:
    principal = await Gate().principal(sign(other_claims(), key, kid=kid, alg=alg))
    assert principal.id == "ada@idp.example/realms/team"


async def test_entra_signs_with_rs256_and_nothing_else() -> None:
    refusal = await Gate().refusal(sign(entra_claims(), alg="PS256"))
    assert "not allowed here: PS256" in refusal.detail


@pytest.mark.parametrize(
    ("path", "claims"),
    [
        ("realm_access.roles", {"realm_access": {"roles": ["Operators", "x,mcp.admin"]}}),
        ("https://example.org/roles", {"https://example.org/roles": ["operators", "mcp\r\nadmin"]}),
        ("group", {"group": "operators"}),
    ],
)
async def test_roles_come_from_the_configured_claim_and_none_can_break_out_of_a_header(path: str, claims: Any) -> None:
    principal = await Gate(roles_claim=path).principal(sign(other_claims(**claims)))
    assert principal.roles == {"operators"}


async def test_same_subject_at_two_issuers_is_two_people() -> None:
    gate = Gate()
    other = await gate.principal(sign(other_claims(sub="99999999-0000-0000-0000-000000000001")))
    ours = await gate.principal(sign(entra_claims()))
    assert other.id != ours.id


@pytest.mark.parametrize("sub", ["a b", "a\r\nX-Mcp-Roles: mcp.admin", "", "é", "x" * 300])
async def test_user_id_that_could_break_a_header_is_refused(sub: Any) -> None:
    claims = other_claims()
    claims["sub"] = sub
    assert "user id" in (await Gate().refusal(_signed_raw(claims))).detail


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"aud": "another-app"}, "another audience"),
        ({"aud": None}, "does not verify"),
        ({"exp": NOW - 61}, "expired"),
        ({"exp": None}, "does not verify"),
        ({"exp": True}, "no number"),
        ({"exp": "tomorrow"}, "no number"),
        ({"nbf": NOW + 61}, "future"),
        ({"iat": NOW + 61}, "future"),
        ({"tid": "another-tenant"}, "another tenant"),
        ({"tid": None}, "another tenant"),
        ({"iss": "https://login.microsoftonline.com/another/v2.0"}, "not one of those trusted"),
        ({"iss": ENTRA_V2 + "/"}, "not one of those trusted"),
        ({"azp": None}, "ID token"),
        ({"scp": None, "roles": None}, "ID token"),
        ({"nonce": "n-0S6"}, "ID token"),
    ],
)
async def test_entra_token_that_is_not_for_us_is_refused_with_the_reason(changes: Any, reason: str) -> None:
    refusal = await Gate().refusal(_signed_raw(entra_claims(**changes)))
    assert reason in refusal.detail
    assert refusal.challenge.error == "invalid_token"
    assert refusal.status == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"at_hash": "x"},
        {"token_use": "id"},
        {"typ": "ID"},
        {"client_id": None, "scope": None},
    ],
)
async def test_id_token_of_another_issuer_is_refused(changes: Any) -> None:
    assert "ID token" in (await Gate().refusal(sign(other_claims(**changes)))).detail


async def test_at_jwt_needs_no_other_sign_of_being_an_access_token() -> None:
    await Gate().principal(sign(other_claims(client_id=None, scope=None), typ="at+jwt"))


async def test_clocks_may_differ_by_a_minute() -> None:
    gate = Gate()
    await gate.principal(sign(other_claims(exp=NOW - 50)))
    await gate.principal(sign(other_claims(nbf=NOW + 50, iat=NOW + 50)))


async def test_token_without_the_wanted_scope_is_told_which_it_lacks() -> None:
    refusal = await Gate(required_scope="mcp.use").refusal(sign(other_claims(scope="openid")))
    assert isinstance(refusal, InsufficientScope)
    assert (refusal.status, refusal.challenge.error, refusal.challenge.scope) == (403, "insufficient_scope", "mcp.use")


async def test_verified_token_is_known_without_another_look_until_it_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate()
    headers = bearer(sign(entra_claims()))
    assert gate.authenticator.known(headers) is None
    principal = await gate.principal(sign(entra_claims()))
    monkeypatch.setattr(oidc, "_decode", None)  # a second look would raise
    assert gate.authenticator.known(headers) is principal
    gate.clock.now = NOW + 3600 + 61
    assert gate.authenticator.known(headers) is None


async def test_long_lived_token_is_judged_again_every_hour_so_that_a_withdrawn_key_ends_it() -> None:
    gate = Gate()
    headers = bearer(sign(other_claims(exp=NOW + 10**9)))
    assert isinstance(await gate.authenticator.verify(headers), Principal)
    gate.steady.now += 3599
    assert isinstance(gate.authenticator.known(headers), Principal)
    gate.steady.now += 2
    assert gate.authenticator.known(headers) is None


async def test_clock_that_is_set_back_makes_no_token_known_for_longer() -> None:
    gate = Gate()
    headers = bearer(sign(other_claims(exp=NOW + 10**9)))
    assert isinstance(await gate.authenticator.verify(headers), Principal)
    gate.clock.now -= 86400
    gate.steady.now += 3601
    assert gate.authenticator.known(headers) is None


async def test_many_requests_with_one_new_token_verify_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    gate, looks, decode = Gate(), [], oidc._decode

    def counted(*args: Any) -> Any:
        looks.append(args)
        return decode(*args)

    monkeypatch.setattr(oidc, "_decode", counted)
    token = sign(entra_claims())
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(gate.principal(token)) for _ in range(50)]
    assert len({id(task.result()) for task in tasks}) == 1
    assert len(looks) == 1
    assert len(gate.fetch.asked) == 1


async def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oidc, "MAX_KNOWN", 10)
    gate = Gate()
    for number in range(25):
        await gate.principal(sign(other_claims(jti=str(number))))
        assert len(gate.authenticator._verified) <= 10


async def test_no_header_is_answered_at_once_with_a_challenge_that_claims_no_error() -> None:
    refusal = Gate().authenticator.known({})
    assert isinstance(refusal, Unauthenticated)
    assert refusal.challenge == Challenge(public_url=GATEWAY, scope="mcp")


@pytest.mark.parametrize(
    "authorization", [b"Basic YTpi", b"Bearer", b"Bearer \xff", b"Bearer a.b.c", b"Bearer " + b"x" * 20_000]
)
async def test_what_is_no_bearer_token_is_refused(authorization: bytes) -> None:
    found = await Gate().authenticator.verify({b"authorization": authorization})
    assert isinstance(found, Unauthenticated)


async def test_token_that_cannot_be_judged_is_not_called_invalid() -> None:
    gate = Gate()
    gate.fetch.is_down = True
    for _ in range(2):  # the second finds the failure in memory
        with pytest.raises(IssuerUnreachable):
            await gate.authenticator.verify(bearer(sign(entra_claims())))
    assert len(gate.fetch.asked) == 1


def test_issuer_without_an_audience_cannot_be_configured() -> None:
    with pytest.raises(ValueError, match="needs an audience"):
        Issuer(url=OTHER, audiences=frozenset())


@pytest.mark.parametrize("algorithm", ["none", "HS256", "RS1"])
def test_weak_algorithm_cannot_be_configured(algorithm: str) -> None:
    with pytest.raises(ValueError, match=algorithm):
        Issuer(url=OTHER, audiences=frozenset({GATEWAY}), algorithms=frozenset({algorithm}))


@pytest.mark.parametrize("tenant", ["common", "organizations", "contoso.onmicrosoft.com"])
def test_tenant_that_no_token_names_cannot_be_configured(tenant: str) -> None:
    with pytest.raises(ValueError, match="tenant's id"):
        entra(tenant, CLIENT)


def _signed_raw(claims: dict[str, Any]) -> str:
    """Signed as the bytes are: PyJWT's encode would refuse the odd claims."""
    import json

    import jwt

    return jwt.PyJWS().encode(json.dumps(claims).encode(), rsa_key(), algorithm="RS256", headers={"kid": "k1"})
