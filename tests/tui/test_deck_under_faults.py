"""Every fault of a gateway against every view: the deck stands, obeys, says what is wrong, waits, and comes back."""

import asyncio
from collections import defaultdict
from datetime import timedelta
from typing import Final, NamedTuple

import pytest

from gateway.wire.resources import ChangeEvent
from mcpdeck.client import GatewayClient
from mcpdeck.tui.patience import FIRST, LONGEST, Patience
from tests.support import scenes, weather
from tests.support.deck import Driver, deck_on
from tests.support.fake_gateway import NOW, FakeGateway, Scene, Weather
from tests.support.tool_scenes import held, offer, server

QUICK: Final = 0.2  # seconds, for what takes seconds


class Trouble(NamedTuple):
    """told: what the masthead or the line below it says. is_whole: nothing at all is known any more."""

    weather: Weather
    told: str
    is_whole: bool = True
    silence: float = 40.0


def scene() -> Scene:
    made = scenes.empty()
    scenes.add(made, scenes.stdio("weather", "uvx", "weather"), "ada", scenes.DAY)
    scenes.add(made, scenes.stdio("time", "uvx", "time"), "bea", scenes.DAY)
    for number in range(3):
        session = scenes.session(number, "weather", "weather-0")
        made.sessions[session.id] = session
    made.offers = [offer("get_forecast", "weather", 173, calls=12)]
    made.approvals = [held()]
    made.logs["weather"] = scenes.weather_log(20)
    made.servers["/mcp"] = server()
    return made


BUSY: Final = weather.problem(503, "busy", retry_after="7")
TROUBLES: Final = {
    "black hole": Trouble(weather.hang, "does not answer in time"),
    "cut": Trouble(weather.cut, "broke off: it closed the connection"),
    "no web server": Trouble(weather.other_protocol, "speaks no HTTP"),
    "token expired": Trouble(weather.problem(401, "the token has expired"), "the token has expired"),
    "too many requests": Trouble(weather.problem(429, "too many requests", retry_after="7"), "too many requests"),
    "defect": Trouble(weather.problem(500, "it fell over"), "it fell over"),
    "bad gateway without words": Trouble(weather.Answers(502), "GET /whoami at http"),
    "page of a proxy": Trouble(weather.Answers(503, weather.HTML, "text/html"), "a page, '502 Bad Gateway'"),
    "page in place of an answer": Trouble(weather.Answers(200, weather.HTML, "text/html"), "no gateway of this"),
    "redirect": Trouble(weather.Answers(302, headers={"location": "https://login.example"}), "gave 302: it leads"),
    "invalid JSON": Trouble(weather.Answers(200, b'{"id": '), "no gateway of this version"),
    "cut body": Trouble(weather.Answers(200, b'{"id": "ada"', promised=99), "broke off"),
    "JSON of another shape": Trouble(weather.Answers(200, b'{"what": 1}'), "missing required field"),
    "stream ends at once": Trouble(weather.Events(b": hello\n\n"), "the gateway ended the stream"),
    "stream ends after its snapshot": Trouble(
        weather.Events(weather.snapshot(scene())), "the gateway ended the stream"
    ),
    "half-dead stream": Trouble(
        weather.Events(b": hello\n\n", goes_on=True), "has said nothing for 0.3 s", silence=0.3
    ),
    "garbage": Trouble(
        weather.Events(b"\x00\xff\x1b[31m\n\nevent: change\ndata: {{\n\n", goes_on=True), "can not read"
    ),
    "overlong event": Trouble(weather.Events(b"data: " + b"x" * weather.LONGEST, goes_on=True), "exceeds"),
    "forbidden but for the stream": Trouble(
        weather.Only(weather.problem(403, "role mcp.admin is missing")), "", is_whole=False
    ),
    "older gateway": Trouble(weather.Only(weather.problem(404, "no such route")), "", is_whole=False),
    "busy but for the stream": Trouble(weather.Only(BUSY), "", is_whole=False),
    "pages but for the stream": Trouble(
        weather.Only(weather.Answers(200, weather.HTML, "text/html")), "", is_whole=False
    ),
    "one adapter of another shape": Trouble(
        weather.Events(weather.snapshot(scene()) + weather.change({"name": 3}), goes_on=True), "", is_whole=False
    ),
}
VIEWS: Final = {
    "adapters": "1",
    "tools": "2",
    "tool": "2<enter>",
    "approvals": ":approvals<enter>",
    "sessions": "3",
    "session": "3d",
    "traffic": ":traffic<enter>",
    "logs": ":logs weather<enter>",
    "playground": ":playground<enter>",
    "contexts": ":contexts<enter>",
    "pulse": ":pulse<enter>",
    "events": ":events<enter>",
    "audit": ":audit<enter>",
    "xray": ":xray<enter>",
    "detail": ":describe weather<enter>",
}
OF_THEIR_OWN: Final = {
    "tools": "tried again",
    "approvals": "tried again",
    "sessions": "tried again",
}


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> dict[int, list[float]]:
    """Seconds are hundredths here; how long each waited in truth, by who waited."""
    waited: dict[int, list[float]] = defaultdict(list)

    async def wait(self: Patience, seconds: float) -> None:
        waited[id(self)].append(seconds)
        self._hurry.clear()
        try:
            async with asyncio.timeout(QUICK):
                await self._hurry.wait()
        except TimeoutError:
            pass

    monkeypatch.setattr(Patience, "wait", wait)
    monkeypatch.setattr("mcpdeck.client.ANSWER_SECONDS", 0.5)
    monkeypatch.setattr("mcpdeck.tui.tools.SECONDS", QUICK)
    monkeypatch.setattr("mcpdeck.tui.tools.WAITING_SECONDS", QUICK)
    monkeypatch.setattr("mcpdeck.tui.pulse.SECONDS", QUICK)
    return waited


async def walk(deck: Driver, trouble: Trouble) -> None:
    """Through every view: each obeys a key while the fault lasts, and tells no lie of it."""
    for view, keys in VIEWS.items():
        await deck.type(keys)
        assert deck.view == view
        await deck.type("?")
        await deck.sees("Keys in")
        await deck.type("<esc>")
        await deck.sees_no("Keys in")
        if trouble.is_whole:
            await deck.sees(trouble.told, "as of")
        else:
            await deck.sees("● live")
        if not trouble.told and view in OF_THEIR_OWN and isinstance(trouble.weather, weather.Only):
            await deck.sees(OF_THEIR_OWN[view])
            assert deck.app.table_place.table.is_stale
        assert "a defect of the deck" not in deck.text


def grows(waited: list[float]) -> bool:
    """Each is at least half of twice the one before, up to the longest."""
    return all(seconds >= min(LONGEST, FIRST * 2.0**number) / 2 for number, seconds in enumerate(waited))


@pytest.mark.parametrize("name", TROUBLES)
async def test_every_view_stands_obeys_and_says_so_and_the_deck_comes_back_by_itself(
    name: str, waits: dict[int, list[float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    trouble, made = TROUBLES[name], scene()
    monkeypatch.setattr("mcpdeck.client.SILENCE_SECONDS", trouble.silence)
    async with deck_on(made, size=(150, 30)) as deck:
        await deck.type("2")
        await deck.sees("get_forecast")
        deck.gateway.weather = trouble.weather
        deck.gateway.cut_streams()
        if trouble.is_whole:
            await deck.until(lambda: trouble.told in deck.text and len(waits) and deck.app.state.is_stale)
        await walk(deck, trouble)
        feed = waits[id(deck.app._connection._patience)]
        assert grows(feed)
        if name == "too many requests":
            assert min(feed[1:]) >= 7  # the first was the end of the stream

        deck.gateway.weather = None
        monkeypatch.setattr("mcpdeck.client.SILENCE_SECONDS", 40.0)
        deck.gateway.cut_streams()
        await deck.until(lambda: not deck.app.state.is_stale and deck.app.state.are_sessions_listed)
        await deck.until(lambda: not deck.app.state.sessions_trouble and not deck.app.state.approvals_trouble)
        assert deck.app.state.adapters.keys() == made.adapters.keys()
        assert deck.app.state.sessions.keys() == made.sessions.keys()
        await deck.type("2")
        await deck.until(lambda: not deck.app.tools_view.table.is_stale)
        await deck.type(":logs weather<enter>")
        await deck.until(lambda: deck.app.logs_view.standing == "live")
        texts = [line.text for line in deck.app.logs_view.book if line.kind != "gap"]
        assert len(texts) == len(made.logs["weather"])


async def test_gateway_that_is_connected_but_says_nothing_is_live() -> None:
    """What is taken up again where it was may bring nothing for long."""
    async with deck_on(scene()) as deck:
        deck.gateway.cut_streams()
        await deck.sees("offline")
        await deck.sees("● live")
        assert len(deck.gateway.seen("GET", "/events")) == 2
        assert deck.gateway.seen("GET", "/events")[1].headers["last-event-id"] == "0"


async def test_gateway_that_falls_silent_on_an_open_stream_is_not_told_as_live() -> None:
    now = [NOW]
    async with deck_on(scene(), surroundings={"clock": lambda: now[0]}) as deck:
        now[0] += timedelta(seconds=8)
        deck.gateway.emit(ChangeEvent(type="deleted", kind="Adapter", name="time"))
        await deck.until(lambda: deck.app.state.fresh_at == now[0])
        now[0] += timedelta(seconds=12)
        deck.app.show_shell()
        await deck.sees("● live")
        now[0] += timedelta(seconds=15)
        deck.app.show_shell()
        await deck.sees("silent for 27s")


async def test_machine_that_slept_asks_anew_and_says_so() -> None:
    now = [NOW]
    async with deck_on(scene()) as deck:
        deck.app.surroundings.clock = lambda: now[0]
        await deck.until(lambda: deck.app._ticked_at is not None)
        now[0] += timedelta(minutes=5)
        await deck.sees("the deck stood still for 5m")
        await deck.until(lambda: len(deck.gateway.seen("GET", "/events")) == 2)
        await deck.sees("● live")


async def test_log_that_may_have_died_is_read_again_without_repeating_once_the_gateway_is_back() -> None:
    now = [NOW]
    made = scene()
    async with deck_on(made, surroundings={"clock": lambda: now[0]}) as deck:
        await deck.type(":logs weather<enter>")
        await deck.gateway.followed("weather")
        await deck.sees("20 lines")
        now[0] += timedelta(seconds=5)
        deck.gateway.remove("time")
        await deck.until(lambda: deck.app.state.fresh_at == now[0])
        for queue in list(deck.gateway._events):
            queue.put_nowait(None)
        await deck.sees("no word of the gateway")
        await deck.until(lambda: len(deck.gateway.seen("GET", "/adapters/weather/logs")) == 2)
        assert "since" in deck.gateway.seen("GET", "/adapters/weather/logs")[1].query
        deck.gateway.write_log("weather", f"[weather-0] {NOW:%Y-%m-%dT%H:%M:%S}.900Z a new one")
        await deck.sees("a new one", "reconnected after")
        assert deck.app.logs_view.book.total == 22


async def test_log_of_one_context_does_not_go_on_with_anothers_lines() -> None:
    other = scenes.empty()
    scenes.add(other, scenes.stdio("weather", "uvx", "weather"), "ada", scenes.DAY)
    other.logs["weather"] = ["[weather-0] 2026-11-24T12:00:00.000Z from elsewhere"]
    async with FakeGateway(other).running() as elsewhere, deck_on(scene()) as deck:
        await deck.type(":logs weather<enter>")
        await deck.sees("20 lines")
        deck.app.surroundings.connect = lambda _context: GatewayClient(elsewhere.url)
        deck.app.switch("elsewhere")
        await deck.sees("● live", "Adapters 1")
        await deck.type(":logs weather<enter>")
        await deck.sees("from elsewhere", "1 line")


async def test_change_that_is_under_way_is_not_cut_by_asking_anew() -> None:
    async with deck_on(scene()) as deck:
        gate = deck.gateway.hold("POST", "/adapters/time/restart")
        await deck.type(":restart time<enter>")
        await deck.gateway.request("POST", "/adapters/time/restart")
        await deck.type("<ctrl+r>")
        await deck.until(lambda: len(deck.gateway.seen("GET", "/events")) == 2)
        gate.set()
        await deck.sees("time restarts")
