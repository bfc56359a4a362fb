"""Sealed session ids: who opens them, and who does not. Where new sessions go."""

import base64
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as some

from gateway.core.affinity import Binding, Sealer, choose, new_key
from gateway.core.ciphers import KEY_BYTES
from gateway.core.rotation import RIPENS
from gateway.core.routes import Endpoint
from gateway.wire import mcp
from gateway.wire.names import AdapterName, InstanceName, PrincipalId

NOW = 1_000_000.0
X, ANN = AdapterName("x"), PrincipalId("ann")
BINDING = Binding("uid-1", b"abc/+~!", int(NOW) + 60)
SEALER = Sealer([new_key()])
SEALED = SEALER.seal(BINDING, X, ANN)  # once: what a property draws depends on it


@given(some.text(), some.binary(), some.text(), some.text())
def test_a_sealed_id_opens_to_what_was_sealed(uid: str, upstream: bytes, adapter: str, principal: str) -> None:
    binding, names = Binding(uid, upstream, int(NOW) + 1), (AdapterName(adapter), PrincipalId(principal))
    sealed = SEALER.seal(binding, *names)
    assert mcp.SESSION_ID.fullmatch(sealed)
    assert SEALER.open(sealed, *names, now=NOW) == binding


@pytest.mark.parametrize(
    ("adapter", "principal"), [("y", "ann"), ("x", "bob"), ("x", "ann\0"), ("", "x\0ann"), ("x\0a", "nn")]
)
def test_another_adapter_or_principal_does_not_open_it(adapter: str, principal: str) -> None:
    sealed = SEALER.seal(BINDING, X, ANN)
    assert SEALER.open(sealed, AdapterName(adapter), PrincipalId(principal), now=NOW) is None


@given(some.data())
def test_one_changed_character_does_not_open(data: some.DataObject) -> None:
    sealed = bytearray(SEALED)
    place = data.draw(some.integers(0, len(sealed) - 2))  # the last one may hold unused bits
    sealed[place] = ord(data.draw(some.sampled_from("ABab01-_!\n\x00").filter(lambda each: ord(each) != sealed[place])))
    assert SEALER.open(bytes(sealed), X, ANN, now=NOW) is None


@given(some.binary(max_size=100))
def test_nothing_that_was_not_sealed_opens(text: bytes) -> None:
    assert SEALER.open(text, X, ANN, now=NOW) is None
    assert SEALER.open(base64.urlsafe_b64encode(text).rstrip(b"="), X, ANN, now=NOW) is None


def test_an_expired_id_does_not_open() -> None:
    sealed = SEALER.seal(BINDING, X, ANN)
    assert SEALER.open(sealed, X, ANN, now=BINDING.expires_at - 1) == BINDING
    assert SEALER.open(sealed, X, ANN, now=BINDING.expires_at) is None


def test_two_seals_of_the_same_differ() -> None:
    assert SEALER.seal(BINDING, X, ANN) != SEALER.seal(BINDING, X, ANN)


def test_a_rotated_key_opens_what_the_old_one_sealed_and_seals_with_the_new() -> None:
    old, new = new_key(), new_key()
    both = Sealer([new, old])
    assert both.open(Sealer([old]).seal(BINDING, X, ANN), X, ANN, now=NOW) == BINDING
    assert Sealer([new]).open(both.seal(BINDING, X, ANN), X, ANN, now=NOW) == BINDING
    assert Sealer([new]).open(Sealer([old]).seal(BINDING, X, ANN), X, ANN, now=NOW) is None


def test_replica_that_reads_a_new_key_first_seals_what_the_others_open() -> None:
    now, old, new = [1000.0], new_key(), new_key()
    ahead, behind = (Sealer([old], clock=lambda: now[0]) for _ in range(2))
    ahead.renew([new, old])
    assert behind.open(ahead.seal(BINDING, X, ANN), X, ANN, now=NOW) == BINDING
    behind.renew([new, old])
    now[0] += RIPENS
    late = ahead.seal(BINDING, X, ANN)
    assert Sealer([old]).open(late, X, ANN, now=NOW) is None
    assert behind.open(late, X, ANN, now=NOW) == BINDING


@pytest.mark.parametrize("keys", [[], [b""], [b"k" * (KEY_BYTES - 1)], [b"k" * KEY_BYTES, b"short"]])
def test_a_key_of_another_length_is_refused(keys: list[bytes]) -> None:
    with pytest.raises(ValueError, match="keys of 32 bytes"):
        Sealer(keys)


def endpoint(name: str) -> Endpoint:
    return Endpoint(InstanceName(name), f"uid-{name}", "127.0.0.1", 1)


A, B, C = endpoint("a"), endpoint("b"), endpoint("c")


def test_nothing_ready_is_no_choice() -> None:
    assert choose([]) is None


def test_the_only_one_is_chosen() -> None:
    assert choose([A], {A.uid: 99}) is A


def test_choices_spread_over_all() -> None:
    chosen = Counter(each.uid for each in (choose([A, B, C]) for _ in range(600)) if each)
    assert all(chosen[each.uid] > 100 for each in (A, B, C)), chosen


def test_the_less_loaded_of_two_is_preferred() -> None:
    chosen = Counter(each.uid for each in (choose([A, B], {A.uid: 10}) for _ in range(600)) if each)
    assert chosen[B.uid] > chosen[A.uid] > 50, chosen  # a is chosen only where it was drawn twice: a quarter


def test_load_evens_out() -> None:
    load: dict[str, int] = {}
    for _ in range(600):
        found = choose([A, B, C], load)
        assert found is not None
        load[found.uid] = load.get(found.uid, 0) + 1
    assert max(load.values()) - min(load.values()) < 30, load
