"""Who may come in to a served deck, and what goes between it and its tab."""

import asyncio

import pytest

from gateway.wire.hosts import is_loopback_name
from mcpdeck.cli.main import parser
from mcpdeck.cli.serve import arguments
from mcpdeck.serve import packets
from mcpdeck.serve.gate import Gate
from mcpdeck.serve.tab import Tab, opened

GATE = Gate(port=8710, names=["deck.example.com", "box:8443"])


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8710", "localhost:8710", "[::1]:8710", "10.0.0.7", "deck.example.com", "Deck.Example.com:443", "box:8443"]
)  # fmt: skip
def test_it_answers_where_a_reader_would_look_for_it(host: str) -> None:
    assert GATE.knows_host(host)


@pytest.mark.parametrize(
    "host", ["evil.example:8710", "127.0.0.1.evil.example", "localhost.evil.example", "box", "", "[::1", "user@127.0.0.1.x"]
)  # fmt: skip
def test_a_name_that_may_have_been_made_to_point_here_is_none_of_its_own(host: str) -> None:
    assert not GATE.knows_host(host)


@pytest.mark.parametrize(
    ("origin", "is_own"),
    [
        ("http://127.0.0.1:8710", True),
        ("https://127.0.0.1:8710", True),  # of a proxy before it
        ("http://127.0.0.1:8711", False),
        ("http://localhost:8710", False),
        ("http://evil.example", False),
        ("null", False),
        ("", False),
        ("file://127.0.0.1:8710", False),
    ],
)
def test_only_its_own_page_gets_a_websocket(origin: str, is_own: bool) -> None:
    assert GATE.is_own(origin, "127.0.0.1:8710") is is_own


def test_token_and_pass_are_two_secrets_of_each_start() -> None:
    other = Gate(port=8710)
    assert GATE.takes_token(GATE.token)
    assert GATE.takes_pass(GATE.pass_)
    for wrong in ("", "é", other.token, GATE.token + "x", GATE.pass_):
        assert not GATE.takes_token(wrong)
    for wrong in ("", GATE.token, other.pass_):
        assert not GATE.takes_pass(wrong)


@pytest.mark.parametrize(
    ("address", "near"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False)]
)
def test_a_warning_is_for_addresses_that_others_reach(address: str, near: bool) -> None:
    assert is_loopback_name(address) is near


async def test_packets_come_out_as_they_went_in_also_when_the_stream_breaks_off() -> None:
    stream = asyncio.StreamReader()
    stream.feed_data(packets.data("héllo\x1b[A") + packets.meta("resize", width=90, height=30) + b"D\0\0")
    stream.feed_eof()
    first, second = [packet async for packet in packets.packets_of(stream)]
    assert (first.is_data, first.payload.decode()) == (True, "héllo\x1b[A")
    assert first.told == {}
    assert second.told == {"type": "resize", "width": 90, "height": 30}


async def test_a_packet_without_end_is_not_waited_for() -> None:
    stream = asyncio.StreamReader()
    stream.feed_data(b"D\xff\xff\xff\xff")
    assert [packet async for packet in packets.packets_of(stream)] == []


def test_what_is_said_to_serve_is_said_to_each_tab() -> None:
    words = parser("serve").parse_args(
        ["serve", "--context", "prod", "--view", "logs", "--filter", "-x y", "--read-only", "--most", "2"]
    )
    assert arguments(words) == ["tui", "--context=prod", "--view=logs", "--filter=-x y", "--read-only"]


async def test_a_deck_that_does_not_begin_leaves_its_words() -> None:
    async with opened(["--gateway", "nonsense", "tui", "--view=nowhere"], {}, width=80, height=24) as tab:
        assert [packet async for packet in tab.packets()] == []
        await tab.type("nobody hears this")
    assert isinstance(tab, Tab)
    assert "nowhere" in tab.last_words
