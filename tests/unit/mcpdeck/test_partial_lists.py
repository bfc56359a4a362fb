"""A list that may lack something says so, and to whoever asked for a note alone."""

import msgspec
import pytest

from gateway.wire.resources import LiveSession
from mcpdeck import control
from mcpdeck.control import Ask, Reply

URL = "http://127.0.0.1:8700"


def reply(**headers: str) -> Reply:
    return Reply(status=200, reason="OK", headers=headers, body=msgspec.json.encode([]))


@pytest.mark.parametrize("make", [control.sessions, control.approvals])
def test_what_may_lack_something_says_why(make: object) -> None:
    told: list[str] = []
    ask: Ask[list[LiveSession]] = make(told.append)  # type: ignore[operator]
    partial = reply(**{"x-mcpdeck-partial": "Redis can't be reached\x1b[2J"})
    assert control.answer(ask, partial, URL) == []
    (sentence,) = told
    assert sentence.startswith("Redis can't be reached")
    assert "\x1b" not in sentence


def test_a_whole_list_says_nothing() -> None:
    told: list[str] = []
    assert control.answer(control.sessions(told.append), reply(), URL) == []
    assert told == []
    assert control.answer(control.sessions(), reply(**{"x-mcpdeck-partial": "away"}), URL) == []
