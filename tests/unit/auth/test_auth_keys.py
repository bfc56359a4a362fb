"""Signing keys: what is fetched when, and what is left out of an issuer's document."""

from typing import Any

import pytest

from gateway.auth import keys
from gateway.auth.fetch import FetchFailed
from gateway.auth.issuers import ALGORITHMS, Issuer
from gateway.auth.keys import COOLDOWN, FRESH, STALE_LIMIT, KeyRing, usable_keys
from tests.support.oidc.tokens import Clock, CountingFetch, ec_key, ed_key, jwk, rsa_key

ISSUER = "https://idp.example"
KEYS = "https://keys.example/jwks"
DISCOVERY = f"{ISSUER}/.well-known/openid-configuration"


def ring(*published: Any, **issuer: Any) -> tuple[KeyRing, CountingFetch, Clock]:
    fetch = CountingFetch({DISCOVERY: {"issuer": ISSUER, "jwks_uri": KEYS}, KEYS: {"keys": list(published)}})
    clock = Clock(0.0)
    return KeyRing(Issuer(url=ISSUER, audiences=frozenset({"x"}), **issuer), fetch, clock=clock), fetch, clock


async def test_keys_are_found_by_discovery_and_then_served_from_memory() -> None:
    subject, fetch, _ = ring(jwk(rsa_key(), "a"))
    for _ in range(3):
        assert (await subject.key("a")).algorithms == {"RS256", "PS256"}  # type: ignore[union-attr]
    assert [url for url, _ in fetch.asked] == [DISCOVERY, KEYS]


async def test_configured_address_skips_discovery() -> None:
    subject, fetch, _ = ring(jwk(rsa_key(), "a"), jwks_uri=KEYS)
    await subject.key("a")
    assert fetch.asked == [(KEYS, True)]


async def test_address_that_only_a_document_names_must_be_public_unless_the_host_is_the_issuers() -> None:
    subject, fetch, _ = ring(jwk(rsa_key(), "a"))
    await subject.key("a")
    assert fetch.asked[1] == (KEYS, False)
    own = f"{ISSUER}/jwks"
    subject, fetch, _ = ring()
    fetch.documents |= {DISCOVERY: {"issuer": ISSUER, "jwks_uri": own}, own: {"keys": []}}
    await subject.key("a")
    assert fetch.asked[1] == (own, True)


@pytest.mark.parametrize("document", [{"issuer": "https://evil.example", "jwks_uri": KEYS}, {"issuer": ISSUER}, {}])
async def test_discovery_that_speaks_for_another_or_names_no_keys_is_refused(document: Any) -> None:
    subject, fetch, _ = ring()
    fetch.documents[DISCOVERY] = document
    with pytest.raises(FetchFailed):
        await subject.key("a")


async def test_rotated_key_is_found_at_its_first_token_once_the_cooldown_is_over() -> None:
    subject, fetch, clock = ring(jwk(rsa_key(), "old"))
    await subject.key("old")
    fetch.documents[KEYS] = {"keys": [jwk(rsa_key("two"), "new")]}
    clock.now += COOLDOWN
    assert await subject.key("new") is not None
    assert await subject.key("old") is None


async def test_flood_of_invented_key_ids_costs_the_issuer_one_question_per_cooldown() -> None:
    subject, fetch, clock = ring(jwk(rsa_key(), "a"))
    for number in range(1000):
        assert await subject.key(f"invented-{number}") is None
    assert len(fetch.asked) == 2
    clock.now += COOLDOWN
    assert await subject.key("invented") is None
    assert len(fetch.asked) == 4


async def test_keys_serve_on_while_the_issuer_is_down_but_not_for_ever() -> None:
    subject, fetch, clock = ring(jwk(rsa_key(), "a"))
    await subject.key("a")
    fetch.is_down = True
    clock.now += FRESH + 1
    assert await subject.key("a") is not None
    assert len(fetch.asked) == 3
    clock.now += STALE_LIMIT
    with pytest.raises(FetchFailed):
        await subject.key("a")


async def test_withdrawn_key_stops_working_when_keys_are_refreshed() -> None:
    subject, fetch, clock = ring(jwk(rsa_key(), "a"))
    await subject.key("a")
    fetch.documents[KEYS] = {"keys": [jwk(rsa_key("two"), "b")]}
    clock.now += FRESH + 1
    assert await subject.key("a") is None


async def test_token_without_a_key_id_finds_a_key_only_where_there_is_one() -> None:
    subject, _, _ = ring(jwk(rsa_key(), "a"))
    assert await subject.key("") is not None
    subject, _, _ = ring(jwk(rsa_key(), "a"), jwk(rsa_key("two"), "b"))
    assert await subject.key("") is None


def test_every_kind_of_key_is_bound_to_its_own_algorithms() -> None:
    published = [jwk(rsa_key(), "r"), jwk(ec_key(), "e"), jwk(ed_key(), "d"), jwk(rsa_key(), "p", alg="PS256")]
    found = usable_keys({"keys": published}, ALGORITHMS)
    assert {kid: set(key.algorithms) for kid, key in found.items()} == {
        "r": {"RS256", "PS256"},
        "e": {"ES256"},
        "d": {"EdDSA"},
        "p": {"PS256"},
    }


GOOD = jwk(rsa_key(), "good")


@pytest.mark.parametrize(
    "odd",
    [
        "text",
        None,
        {},
        {"kty": "oct", "kid": "odd", "k": "c2VjcmV0"},
        {**GOOD, "kid": "odd", "use": "enc"},
        {**GOOD, "kid": "odd", "alg": "HS256"},
        {**GOOD, "kid": "odd", "alg": ["RS256"]},
        {**GOOD, "kid": "odd", "d": "AQAB"},
        {**GOOD, "kid": "odd", "n": "x" * 1_000_000},
        {**GOOD, "kid": "odd", "n": "AQAB"},
        {**GOOD, "kid": "odd", "e": "A" * 600 + "QAB" * 40},
        {**GOOD, "kid": "odd", "e": 65537},
        {**GOOD, "kid": "k" * 300},
        {**GOOD, "kid": 7},
        {**jwk(ec_key(), "odd"), "crv": "P-521"},
        {**jwk(ec_key(), "odd"), "y": "AQAB"},
        {**jwk(ed_key(), "odd"), "crv": "Ed448"},
        jwk(rsa_key("weak", 1024), "odd"),
    ],
    ids=[
        "text",
        "null",
        "empty",
        "symmetric",
        "for encryption",
        "named HS256",
        "many algorithms",
        "private",
        "huge modulus",
        "tiny modulus",
        "huge exponent",
        "exponent no text",
        "long id",
        "id no text",
        "P-521",
        "off the curve",
        "Ed448",
        "1024 bits",
    ],
)
def test_odd_key_is_left_out_and_the_others_still_count(odd: Any) -> None:
    assert set(usable_keys({"keys": [odd, GOOD]}, ALGORITHMS)) == {"good"}


def test_document_of_a_thousand_keys_is_read_to_the_limit() -> None:
    found = usable_keys({"keys": [{**GOOD, "kid": str(number)} for number in range(1000)]}, ALGORITHMS)
    assert len(found) == keys.MAX_KEYS


@pytest.mark.parametrize("document", [{}, {"keys": {}}, {"keys": "x"}])
def test_document_without_a_list_of_keys_is_refused(document: Any) -> None:
    with pytest.raises(FetchFailed):
        usable_keys(document, ALGORITHMS)
