"""Every input that was found interesting once, again; and edits of it that are the same at each run."""

import random
from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"
EDITS = 60


def inputs(target: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted((CORPUS / target).iterdir())]


def edited(data: bytes, dice: random.Random) -> bytes:
    """Something put in, taken out or doubled, once to three times."""
    for _ in range(dice.randint(1, 3)):
        place, length = dice.randint(0, len(data)), dice.choice((0, 0, 1, 2, 9))
        put = dice.choice((b"", b"\0", b"\r", b"\n", b"\r\n", b" ", b"\xff", b'"', b"0", b"x" * 70, data[place:]))
        data = data[:place] + put + data[place + length :]
    return data[:4096]


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_comes_out_of_the_corpus_that_never_may(target: str) -> None:
    found = inputs(target)
    assert found, "a target without a corpus begins from nothing"
    for data in (b"", b"\0", *found):
        TARGETS[target](data)


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_comes_out_of_what_is_nearly_the_corpus_that_never_may(target: str) -> None:
    dice = random.Random(target)
    for data in inputs(target):
        for _ in range(EDITS):
            TARGETS[target](edited(data, dice))
