"""Issue 5's list of attacks on identity, each refused. Those on fetching are in test_auth_fetch, on the front in its own."""

import base64
import hashlib
import hmac
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.auth.issuers import Issuer
from gateway.auth.keys import COOLDOWN, KeyRing
from gateway.auth.oidc import OidcAuthenticator
from gateway.core.access import Principal
from gateway.core.affinity import Binding, Sealer, new_key
from gateway.core.errors import Unauthenticated
from gateway.core.inbound import is_token_in
from gateway.wire.names import AdapterName, PrincipalId
from tests.support.oidc.tokens import (
    NOW,
    OTHER,
    Clock,
    CountingFetch,
    bearer,
    ec_key,
    forge,
    jwk,
    other_claims,
    rsa_key,
    sign,
)

GATEWAY = "https://gateway.example"
KEYS = f"{OTHER}/keys"
SECOND = "https://second.example"
SECOND_KEYS = f"{SECOND}/keys"
PEM = rsa_key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def authenticator(fetch: CountingFetch | None = None) -> OidcAuthenticator:
    """Two issuers, with a key id in common."""
    documents = {
        KEYS: {"keys": [jwk(rsa_key(), "k1"), jwk(ec_key(), "ec")]},
        SECOND_KEYS: {"keys": [jwk(rsa_key("second"), "k1")]},
    }
    issuers = [
        Issuer(url=OTHER, audiences=frozenset({GATEWAY}), jwks_uri=KEYS),
        Issuer(url=SECOND, audiences=frozenset({GATEWAY}), jwks_uri=SECOND_KEYS),
    ]
    return OidcAuthenticator(issuers, fetch or CountingFetch(documents), clock=Clock())


def hmac_signed(secret: bytes, alg: str = "HS256") -> str:
    head = forge({"alg": alg, "kid": "k1", "typ": "JWT"}, other_claims()).rpartition(".")[0]
    signature = hmac.digest(secret, head.encode(), "sha256")
    return f"{head}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def genuine() -> list[str]:
    return sign(other_claims()).split(".")


def with_header(**header: Any) -> str:
    """Signed with the issuer's real key, so that only the header can be what is refused."""
    return jwt.PyJWS().encode(json.dumps(other_claims()).encode(), rsa_key(), algorithm="RS256", headers=header)


FORGED = {
    "alg none": forge({"alg": "none", "kid": "k1"}, other_claims()),
    "alg None": forge({"alg": "None", "kid": "k1"}, other_claims()),
    "alg nONE with a signature": forge({"alg": "nONE", "kid": "k1"}, other_claims(), b"x"),
    "no alg": forge({"kid": "k1"}, other_claims()),
    "alg is a list": forge({"alg": ["RS256"], "kid": "k1"}, other_claims()),
    "HS256 with the public key as secret": hmac_signed(PEM),
    "HS256 with the JWK as secret": hmac_signed(json.dumps(jwk(rsa_key(), "k1")).encode()),
    "HS256 with an empty secret": hmac_signed(b""),
    "HS256 that says RS256": hmac_signed(PEM, "RS256"),
    "RS256 with an EC key's id": sign(other_claims(), kid="ec"),
    "ES256 with an RSA key's id": sign(other_claims(), ec_key(), alg="ES256"),
    "RS512, not on the list": sign(other_claims(), alg="RS512"),
    "the key of another issuer with the same id": sign(other_claims(), rsa_key("second")),
    "the key of nobody": sign(other_claims(), rsa_key("nobody")),
    "a key of its own in the header": sign(other_claims(), rsa_key("nobody"), jwk=jwk(rsa_key("nobody"), "k1")),
    "a key's address in the header": sign(other_claims(), rsa_key("nobody"), jku="https://evil.example/keys"),
    "a certificate's address in the header": sign(other_claims(), rsa_key("nobody"), x5u="https://evil.example/c"),
    "unknown critical extension": with_header(kid="k1", crit=["exp2"], exp2=1),
    "signature cut off": ".".join([*genuine()[:2], ""]),
    "signature of another token": ".".join([*genuine()[:2], sign(other_claims(sub="eve")).split(".")[2]]),
    "other claims under the signature": ".".join(
        [genuine()[0], forge({}, other_claims(sub="admin")).split(".")[1], genuine()[2]]
    ),
    "kid is a path": sign(other_claims(), kid="../../etc/passwd"),
    "kid is huge": sign(other_claims(), kid="k" * 5000),
    "kid is SQL": sign(other_claims(), kid="' OR 1=1 --"),
    "issuer with a slash more": sign(other_claims(iss=f"{OTHER}/")),
    "issuer with other case": sign(other_claims(iss=OTHER.upper())),
    "issuer is a list": forge({"alg": "RS256", "kid": "k1"}, other_claims(iss=[OTHER])),
    "audience is a prefix of ours": sign(other_claims(aud="https://gateway.exampl")),
    "audience has ours as prefix": sign(other_claims(aud=f"{GATEWAY}.evil.example")),
    "audience is an object": forge({"alg": "RS256", "kid": "k1"}, other_claims(aud={GATEWAY: 1})),
    "expired": sign(other_claims(exp=NOW - 61)),
    "from the future": sign(other_claims(nbf=NOW + 61)),
    "expires never": sign(other_claims(exp=None)),
    "expires at infinity": jwt.PyJWS().encode(
        json.dumps(other_claims(exp=float("inf"))).encode(), rsa_key(), algorithm="RS256", headers={"kid": "k1"}
    ),
    "begins at NaN": jwt.PyJWS().encode(
        json.dumps(other_claims(nbf=float("nan"))).encode(), rsa_key(), algorithm="RS256", headers={"kid": "k1"}
    ),
    "claims nested a thousand deep": ".".join(
        [genuine()[0], base64.urlsafe_b64encode(b'{"a":' * 5000 + b"1" + b"}" * 5000).decode().rstrip("="), "x"]
    ),
    "claims are a list": ".".join([genuine()[0], base64.urlsafe_b64encode(b"[]").decode().rstrip("="), genuine()[2]]),
    "five parts (encrypted)": "a.b.c.d.e",
    "empty": "",
}


async def test_genuine_token_is_accepted_so_that_the_refusals_mean_something() -> None:
    assert isinstance(await authenticator().verify(bearer(".".join(genuine()))), Principal)


@pytest.mark.parametrize("attack", FORGED)
async def test_forged_token_is_refused(attack: str) -> None:
    subject = authenticator()
    headers = bearer(FORGED[attack])
    refused = await subject.verify(headers)
    assert isinstance(refused, Unauthenticated), attack
    assert refused.challenge.error == "invalid_token"
    assert subject.known(headers) is None


async def test_refused_token_is_named_by_its_reason_and_never_repeated() -> None:
    token = FORGED["the key of nobody"]
    refused = await authenticator().verify(bearer(token))
    assert isinstance(refused, Unauthenticated)
    assert token.rpartition(".")[2] not in repr(refused) + refused.detail + refused.challenge.description


async def test_flood_of_key_ids_reaches_the_issuer_once_and_locks_nobody_out() -> None:
    fetch = CountingFetch({KEYS: {"keys": [jwk(rsa_key(), "k1")]}})
    subject = authenticator(fetch)
    for number in range(200):
        assert isinstance(await subject.verify(bearer(sign(other_claims(), kid=f"invented-{number}"))), Unauthenticated)
    assert isinstance(await subject.verify(bearer(sign(other_claims()))), Principal)
    assert len(fetch.asked) == 1


async def test_flood_does_not_keep_a_rotated_key_out_for_longer_than_the_cooldown() -> None:
    fetch, clock = CountingFetch({KEYS: {"keys": [jwk(rsa_key(), "old")]}}), Clock(0.0)
    ring = KeyRing(Issuer(url=OTHER, audiences=frozenset({GATEWAY}), jwks_uri=KEYS), fetch, clock=clock)
    await ring.key("old")
    fetch.documents[KEYS] = {"keys": [jwk(rsa_key("two"), "new")]}
    for second in range(int(COOLDOWN) + 1):
        clock.now = float(second)
        await ring.key(f"invented-{second}")
    assert await ring.key("new") is not None


async def test_issuer_with_huge_keys_serves_the_sane_ones() -> None:
    odd = [{"kty": "RSA", "kid": f"huge-{n}", "n": "A" * 400_000, "e": "AQAB"} for n in range(20)]
    subject = authenticator(CountingFetch({KEYS: {"keys": [*odd, jwk(rsa_key(), "k1")]}}))
    assert isinstance(await subject.verify(bearer(sign(other_claims()))), Principal)


def test_session_id_of_another_user_is_no_session() -> None:
    sealer, weather = Sealer([new_key()]), AdapterName("weather")
    sealed = sealer.seal(Binding("uid", b"upstream", int(NOW) + 60), weather, PrincipalId("ada@idp"))
    assert sealer.open(sealed, weather, PrincipalId("ada@idp"), now=NOW) is not None
    for thief in ("eve@idp", "ada@other", "ada", ""):
        assert sealer.open(sealed, weather, PrincipalId(thief), now=NOW) is None
    assert sealer.open(sealed, AdapterName("mail"), PrincipalId("ada@idp"), now=NOW) is None


def test_forged_session_id_is_no_session() -> None:
    sealer, weather, ada = Sealer([new_key()]), AdapterName("weather"), PrincipalId("ada@idp")
    sealed = sealer.seal(Binding("uid", b"upstream", int(NOW) + 60), weather, ada)
    raw = base64.urlsafe_b64decode(sealed + b"=" * (-len(sealed) % 4))
    for place in range(len(raw)):
        forged = base64.urlsafe_b64encode(raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :])
        assert sealer.open(forged, weather, ada, now=NOW) is None
    assert Sealer([new_key()]).open(sealed, weather, ada, now=NOW) is None
    assert sealer.open(sealed, weather, ada, now=NOW + 61) is None


@pytest.mark.parametrize(
    "query", [b"access_token=x", b"a=b&access_token=x", b"Access_Token=x", b"session_id=1&ACCESS_TOKEN="]
)
def test_token_in_a_query_string_is_seen(query: bytes) -> None:
    assert is_token_in(query)


def test_token_in_a_query_string_signs_nobody_in() -> None:
    """The authenticator sees headers alone; and a query without a token is none."""
    assert isinstance(
        authenticator().known({b":query": b"access_token=" + sign(other_claims()).encode()}), Unauthenticated
    )
    assert not is_token_in(b"session_id=access_tokens")


def test_hash_of_a_token_is_all_that_is_kept_of_it() -> None:
    import asyncio

    subject = authenticator()
    headers = bearer(sign(other_claims()))
    asyncio.run(subject.verify(headers))
    assert set(subject._verified) == {hashlib.sha256(headers[b"authorization"]).digest()}
