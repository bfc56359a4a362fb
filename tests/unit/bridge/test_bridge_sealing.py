"""What is sealed opens for whom it was sealed, for its use and in its time, and for nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.bridge.sealing import MARK, Sealed, Seals, is_sealed_here
from gateway.core.affinity import Binding, Sealer, new_key
from gateway.wire.names import AdapterName, PrincipalId

A, B = AdapterName("a"), AdapterName("b")
ANN, BOB = PrincipalId("ann"), PrincipalId("bob")
KEY = new_key()
SEALS = Seals([KEY])


class Note(Sealed, frozen=True, array_like=True, kw_only=True):
    text: str = ""


class Other(Sealed, frozen=True, array_like=True, kw_only=True):
    text: str = ""


@given(st.text())
def test_what_is_sealed_opens_again(text: str) -> None:
    sealed = SEALS.seal(Note(text=text, expires_at=2), A, ANN)
    assert all(0x21 <= byte <= 0x7E for byte in sealed)
    assert SEALS.open(Note, sealed, A, ANN, now=1) == Note(text=text, expires_at=2)


def test_it_opens_for_no_other_use_adapter_principal_time_or_key() -> None:
    sealed = SEALS.seal(Note(expires_at=2), A, ANN)
    assert SEALS.open(Other, sealed, A, ANN, now=1) is None
    assert SEALS.open(Note, sealed, B, ANN, now=1) is None
    assert SEALS.open(Note, sealed, A, BOB, now=1) is None
    assert SEALS.open(Note, sealed, A, ANN, now=2) is None
    assert Seals([new_key()]).open(Note, sealed, A, ANN, now=1) is None
    assert Seals([new_key(), KEY]).open(Note, sealed, A, ANN, now=1) is not None


@given(st.binary(max_size=80))
def test_no_bytes_that_anyone_makes_up_open(text: bytes) -> None:
    assert SEALS.open(Note, text, A, ANN, now=1) is None
    assert SEALS.open(Note, MARK + text, A, ANN, now=1) is None


def test_one_changed_character_is_enough() -> None:
    sealed = bytearray(SEALS.seal(Note(text="x", expires_at=2), A, ANN))
    for place in range(len(MARK), len(sealed), 7):
        changed = bytearray(sealed)
        changed[place] ^= 1
        assert SEALS.open(Note, bytes(changed), A, ANN, now=1) is None


def test_ids_of_the_bridge_and_of_affinity_are_told_apart() -> None:
    assert is_sealed_here(SEALS.seal(Note(expires_at=2), A, ANN))
    assert not is_sealed_here(Sealer([KEY]).seal(Binding("uid", b"b.x", 2), A, ANN))
    assert not is_sealed_here(None)


@pytest.mark.parametrize("keys", [[], [b"short"]])
def test_sealing_needs_whole_keys(keys: list[bytes]) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Seals(keys)
