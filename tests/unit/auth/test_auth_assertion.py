"""The signed assertion that adapters get, as an adapter verifies it."""

import json

import jwt
import pytest

from gateway.auth.assertion import LIFETIME, MEDIA_TYPE, RENEWED, Assertions
from gateway.auth.claims import Refusal, principal_of
from gateway.auth.issuers import Issuer
from gateway.core.access import Principal
from gateway.core.affinity import new_key
from gateway.wire.names import AdapterName, PrincipalId
from tests.support.oidc.tokens import Clock

GATEWAY = "https://gateway.example"
WEATHER, MAIL = AdapterName("weather"), AdapterName("mail")
ADA = Principal(PrincipalId("ada@idp"), name="Ada", roles=frozenset({"mcp.admin"}), issuer="https://idp")
GRACE = Principal(PrincipalId("grace@idp"))


def verified(
    assertion: bytes, published: bytes, *, adapter: str = "weather", clock: Clock | None = None
) -> dict[str, object]:
    """As an adapter does it with any JWT library; the clock is the test's."""
    key_id = jwt.get_unverified_header(assertion.decode())["kid"]
    key = next(each for each in jwt.PyJWKSet.from_dict(json.loads(published)).keys if each.key_id == key_id)
    audience = f"{GATEWAY}/adapters/{adapter}/mcp"
    options = {"verify_exp": False, "verify_iat": False}
    return dict(jwt.decode(assertion, key, algorithms=["ES256"], audience=audience, issuer=GATEWAY, options=options))  # type: ignore[arg-type]


def test_adapter_learns_who_calls_and_can_verify_it() -> None:
    clock = Clock()
    subject = Assertions([new_key()], GATEWAY, clock=clock)
    claims = verified(subject.assertion(ADA, WEATHER), subject.published())
    assert claims == {
        "iss": GATEWAY,
        "aud": f"{GATEWAY}/adapters/weather/mcp",
        "sub": "ada@idp",
        "name": "Ada",
        "roles": ["mcp.admin"],
        "idp": "https://idp",
        "iat": int(clock.now),
        "exp": int(clock.now) + LIFETIME,
    }


def test_one_adapters_assertion_is_no_good_at_another() -> None:
    subject = Assertions([new_key()], GATEWAY)
    with pytest.raises(jwt.InvalidAudienceError):
        verified(subject.assertion(ADA, MAIL), subject.published())


def test_replicas_that_share_a_key_publish_the_same_ones() -> None:
    shared = new_key()
    one, other = Assertions([shared], GATEWAY), Assertions([shared], GATEWAY)
    assert verified(one.assertion(ADA, WEATHER), other.published())["sub"] == "ada@idp"
    assert Assertions([new_key()], GATEWAY).published() != one.published()


def test_rotated_keys_are_both_published_and_the_newest_signs() -> None:
    old, new = new_key(), new_key()
    before, after = Assertions([old], GATEWAY), Assertions([new, old], GATEWAY)
    assert verified(before.assertion(ADA, WEATHER), after.published())
    with pytest.raises(StopIteration):
        verified(after.assertion(ADA, WEATHER), before.published())


def test_published_keys_hold_nothing_private() -> None:
    keys = json.loads(Assertions([new_key()], GATEWAY).published())["keys"]
    assert {name for key in keys for name in key} == {"kty", "crv", "x", "y", "kid", "use", "alg"}


def test_assertion_is_signed_once_and_renewed_before_it_ends() -> None:
    clock = Clock()
    subject = Assertions([new_key()], GATEWAY, clock=clock)
    first = subject.assertion(ADA, WEATHER)
    clock.now += LIFETIME - RENEWED - 1
    assert subject.assertion(ADA, WEATHER) is first
    clock.now += 1
    assert subject.assertion(ADA, WEATHER) is not first


def test_other_principals_other_roles_and_other_adapters_have_their_own() -> None:
    subject = Assertions([new_key()], GATEWAY)
    demoted = Principal(ADA.id, name="Ada", issuer="https://idp")
    found = {subject.assertion(*each) for each in [(ADA, WEATHER), (GRACE, WEATHER), (ADA, MAIL), (demoted, WEATHER)]}
    assert len(found) == 4


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.auth.assertion.MAX_KEPT", 5)
    subject = Assertions([new_key()], GATEWAY)
    for number in range(20):
        subject.assertion(Principal(PrincipalId(str(number))), WEATHER)
        assert len(subject._kept) <= 5


def test_assertion_sent_to_the_gateway_itself_is_no_access_token() -> None:
    clock = Clock()
    subject = Assertions([new_key()], GATEWAY, clock=clock)
    claims = verified(subject.assertion(ADA, WEATHER), subject.published())
    itself = Issuer(url=GATEWAY, audiences=frozenset({f"{GATEWAY}/adapters/weather/mcp"}))
    assert isinstance(principal_of(claims, {"typ": MEDIA_TYPE}, itself, now=clock.now), Refusal)


def test_clock_that_is_set_back_leaves_no_assertion_from_the_future() -> None:
    clock = Clock()
    subject, right = Assertions([new_key()], GATEWAY, clock=clock), int(clock.now)
    clock.now += 3600
    subject.assertion(ADA, WEATHER)
    clock.now -= 3600
    assert verified(subject.assertion(ADA, WEATHER), subject.published())["iat"] == right
