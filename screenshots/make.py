"""Makes the pictures of this folder from the real deck on fixed data: `uv run python screenshots/make.py`.

A clock that stands still, a gateway that is a scene: the same code gives the same SVGs, which a test compares.
"""

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

from msgspec.structs import replace

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER.parent))

from gateway.wire.resources import Phase, WhoAmI  # noqa: E402
from gateway.wire.traffic import Kind, Sender, TrafficMessage  # noqa: E402
from mcpdeck.config.contexts import Context, Contexts  # noqa: E402
from mcpdeck.config.running import Running  # noqa: E402
from mcpdeck.errors import Unreachable  # noqa: E402
from mcpdeck.model.findings import TITLES, Finding, Outcome  # noqa: E402
from mcpdeck.model.pulse import parse_metrics  # noqa: E402
from mcpdeck.model.runs import Stage  # noqa: E402
from mcpdeck.model.state import PulseTaken, SessionsListed  # noqa: E402
from mcpdeck.tui.identity import SignedIn  # noqa: E402
from screenshots.film import Frame, film  # noqa: E402  (only found with the line above)
from screenshots.picture import tidy, to_png  # noqa: E402  (only found with the line above)
from tests.support import said, scenes  # noqa: E402
from tests.support.deck import Driver, deck_on  # noqa: E402
from tests.support.fake_gateway import NOW, Fault, Scene, stored  # noqa: E402
from tests.support.identity import FakeIdentity  # noqa: E402
from tests.support.tool_scenes import Indexing, tooling  # noqa: E402

LATENCY = 0.012
CODE = "Open https://microsoft.com/devicelogin and enter the code F7QK-4XTB"


class Shot(NamedTuple):
    """What is typed before the picture is taken, and what must be seen by then."""

    size: tuple[int, int]
    keys: str
    seen: tuple[str, ...]
    theme: str = "dark"
    scene: Callable[[], Scene] = scenes.team
    surroundings: Callable[[], dict[str, Any]] = dict
    protected: bool = False
    before: Callable[[Driver], Awaitable[None]] | None = None


async def signed_out(deck: Driver) -> None:
    """The gateway no longer knows who asks."""
    deck.gateway.fail("GET", ".*", Fault(401, "the token has expired"))
    deck.gateway.cut_streams()
    await deck.type("<ctrl+r>")
    await deck.sees("does not know you")


def waiting_for_a_code() -> dict[str, Any]:
    """Somebody signs in on another screen, and takes their time."""
    identity = FakeIdentity(told=CODE)
    identity.gate.clear()
    return {"identity": identity}


async def the_tools(deck: Driver) -> None:
    """With the rows among which keys go."""
    await deck.type("2")
    await deck.sees("Quarantined")


async def as_a_reader(deck: Driver) -> None:
    """Somebody who may look and not touch."""
    deck.gateway.scene.whoami = WhoAmI(
        id="tom@example.com", name="Tom Ek", roles=["developers"], permissions=[], authentication="oidc"
    )
    await deck.type("<ctrl+r>")
    await deck.sees("Tom Ek")


async def answer(context: Context) -> float:
    """As if it were asked."""
    if context.name == "lab":
        raise Unreachable("https://10.20.0.7:8443 does not answer in time")
    return {"prod-weu": 0.018, "prod-eus": 0.094}.get(context.name, LATENCY)


def four_gateways() -> dict[str, Any]:
    """Contexts of a team: two to be careful with, one that does not answer."""
    folder = Path(tempfile.mkdtemp())
    book = Contexts(folder / "contexts.yaml", Running(folder / "running"))
    book.add(Context(name="prod-weu", url="https://mcp.example.com", protected=True), use=False)
    book.add(Context(name="prod-eus", url="https://mcp-eus.example.com", protected=True, read_only=True), use=False)
    book.add(Context(name="staging", url="https://mcp.staging.example.com"), use=True)
    book.add(Context(name="lab", url="https://10.20.0.7:8443"), use=False)
    identity = FakeIdentity()
    for context, url in (("prod-weu", "https://mcp.example.com"), ("staging", "https://mcp.staging.example.com")):
        account = identity.plan(context, url, None).account
        identity.keep(SignedIn("ada@example.com", account, {}))
    return {"contexts": book, "reach": answer, "identity": identity}


async def beating(deck: Driver) -> None:
    """Forty samples at once, since nobody waits eighty seconds for a picture."""
    deck.gateway.hold("GET", "/metrics")
    sessions = dict(deck.app.state.sessions)
    total = failed = out = 0
    for beat in range(45):
        total += 60 + beat * beat * 7 % 53 + (beat % 9) * 5
        failed += beat % 11 == 0
        out += 180_000 + beat * 37_000 % 90_000
        text = (
            f'mcpdeck_requests_total {total}\nmcpdeck_answers_total{{class="5xx"}} {failed}\n'
            f'mcpdeck_answers_total{{class="4xx"}} {total // 90}\nmcpdeck_requests_in_flight {6 + beat * 5 % 11}\n'
            f'mcpdeck_refused_callers_total{{status="401"}} {beat // 13 * 3}\n'
            f'mcpdeck_refused_callers_total{{status="403"}} {beat // 17}\n'
            f"mcpdeck_streams 41\nmcpdeck_bytes_in_total {total * 412}\nmcpdeck_bytes_out_total {out}\n"
        )
        for number, (name, session) in enumerate(sorted(sessions.items())):
            calls = session.calls + (number * 7 + beat) % 5 // (1 + number % 3)
            sessions[name] = replace(session, calls=calls, errors=session.errors + (number == 3 and beat % 9 == 0))
        deck.app.apply(SessionsListed(tuple(sessions.values())))
        deck.app.apply(PulseTaken(NOW + beat * timedelta(seconds=2), parse_metrics(text)))
    await deck.until(lambda: len(deck.app.state.pulse.beats) == 44)


async def changes(deck: Driver) -> None:
    """What a quarter of an hour brings."""
    gateway, team = deck.gateway, deck.gateway.scene
    gateway.put(stored(scenes.stdio("forecasts", "uvx", "mcp-server-weather", "--site", "north"), owner="kim"))
    starting = scenes.status(Phase.STARTING, [scenes.instance("forecasts-0", Phase.STARTING)])
    gateway.put_status("forecasts", starting)
    gateway.put_status("forecasts", scenes.status(Phase.READY, [scenes.instance("forecasts-0")]))
    ids = sorted(team.sessions)
    gateway.put_session(replace(team.sessions[ids[4]], errors=team.sessions[ids[4]].errors + 3))
    gateway.remove_session(ids[7])
    gateway.put(replace(team.adapters["weather"], replica_count=5, etag='"2"'))
    killed = [scenes.instance("search-0", restarts=2), scenes.instance("search-1", Phase.FAILED, restarts=3)]
    gateway.put_status("search", scenes.status(Phase.FAILED, killed, reason="OOMKilled"))
    gateway.put_session(scenes.session(99, "forecasts", "forecasts-0"))
    gateway.remove("memory")
    await deck.until(lambda: "memory" not in deck.app.state.adapters)


async def examination(_context: Context) -> AsyncIterator[Finding]:
    """As the doctor would find it on a day when a token is about to lapse and one adapter is in trouble."""
    for check, outcome, told, fix, seconds in (
        ("name", "ok", "mcp.example.com is 20.50.2.14, 20.50.2.15", "", 0.004),
        ("connection", "ok", "port 443 is open", "", 0.011),
        ("tls", "warning", "mcp.example.com, good for 9d", "have the gateway's certificate renewed", 0.024),
        ("health", "ok", "it is ready", "", 0.013),
        ("discovery", "ok", "https://login.microsoftonline.com/7d1c0c0e-8f0a-4a5e-b7f4-3f1e1b0d2c55/v2.0", "", 0.016),
        ("token", "ok", "of https://login.microsoftonline.com/…/v2.0, for api://mcp-gateway, good for 51m", "", None),
        ("roles", "ok", "Ada Lovelace (ada@example.com), by oidc, with mcp.engineer: may deploy adapters", "", 0.012),
        ("adapters", "warning",
         "2 of 14 adapters in trouble: search (OOMKilled) and legacy-crm (ImagePullBackOff)",
         "mcpdeck adapters status search; mcpdeck logs search", 0.019),
        ("modern", "ok", "browser answers as playwright 1.58.0, 21 tools, protocol 2026-07-28", "", 0.041),
        ("legacy", "ok", "browser answers as playwright 1.58.0, 21 tools, protocol 2025-11-25", "", 0.063),
    ):  # fmt: skip
        title = TITLES[check]
        yield Finding(check=check, title=title, outcome=Outcome(outcome), told=told, fix=fix, seconds=seconds)


async def conversation(deck: Driver) -> None:
    """What one client and the weather say to each other in half a minute."""
    await deck.type(":sessions weather<enter>jjjjjjj")
    session = deck.app.sessions_view.table.current_key or ""
    await deck.type("<enter>")
    await deck.gateway.watched()
    deck.gateway.say(*said.morning("weather", session))
    await deck.until(lambda: len(deck.app.traffic_view.ledger) == 10)


def recorded() -> Scene:
    """A team whose weather records: what four clients said in twenty minutes, in which its gateway was killed once."""
    scene = scenes.team()
    ids = [it.id for it in scene.sessions.values() if it.adapter == "weather"]
    talks = [
        list(said.morning("weather", ids[n], at=NOW - timedelta(minutes=21 - 5 * n), number=100 * n)) for n in range(4)
    ]
    last = talks[2][-1]
    away = TrafficMessage(
        number=last.number + 1, at=last.at, adapter="weather", sender=Sender.GATEWAY, kind=Kind.GAP, duration=41.0,
        error="the gateway was away; a second before may be missing",
    )  # fmt: skip
    talks.insert(3, [away])
    scene.recordings["weather"] = [message for talk in talks for message in talk]
    return scene


async def a_question(deck: Driver) -> None:
    """A tool was called, and wants to know who pays."""
    view = deck.app.playground_view
    view.fill("/mcp", "tools/call", {"name": "book_room", "arguments": {"room": "Sky", "people": 12, "floor": "roof"}})
    await deck.type("6")
    await deck.until(lambda: view.peer is not None and view.arguments.draft.entries.get("room") == "Sky")
    await deck.type("<ctrl+j>")
    await deck.until(lambda: view.outcome.questions)
    deck.app.clear_notifications()


async def a_call(deck: Driver) -> None:
    """It was answered, and has booked."""
    await a_question(deck)
    [question] = deck.app.playground_view.outcome.questions
    question.answer.set_result({"action": "accept", "content": {"cost_centre": "4711", "agreed": True}})
    view = deck.app.playground_view
    await deck.until(lambda: view.outcome.run is not None and view.outcome.run.stage is Stage.DONE)
    if view.outcome.run is not None:
        view.outcome.run = replace(view.outcome.run, seconds=4.21)
    view.outcome.draw()


def tooling_at_work() -> Scene:
    """A tool that takes its time."""
    scene = tooling()
    scene.servers["/mcp"].flows["reindex"] = Indexing()
    return scene


async def a_long_call(deck: Driver) -> None:
    """It has come to the second of five shelves."""
    view = deck.app.playground_view
    view.fill("/mcp", "tools/call", {"name": "reindex", "arguments": {"collection": "minutes"}})
    await deck.type("6")
    await deck.until(lambda: view.peer is not None and view.subject.name == "reindex")
    await deck.type("<ctrl+j>")
    await deck.until(lambda: view.outcome.run is not None and view.outcome.run.heard)
    view.outcome.began = asyncio.get_running_loop().time() + 100  # so that it shows no seconds
    view.outcome.draw()


async def deeds(deck: Driver) -> None:
    """A few things done, one of them refused."""
    deck.gateway.fail("POST", "/adapters/time/restart", Fault(403, "restarts of time are the platform team's"))
    for number, keys in enumerate(
        (
            ":restart sentry<enter>",
            ":scale sentry 4<enter>",
            ":restart time<enter><right><enter>",
            "/fetch<enter><ctrl+d><right><enter><esc>",
        ),
        1,
    ):
        await deck.type(keys)
        await deck.until(lambda number=number: len(deck.app.state.deeds) == number)
    deck.app.clear_notifications()


SHOTS = {
    "adapters-80x24": Shot((80, 24), "", ("weather", "● live")),
    "adapters-120x40": Shot((120, 40), "jjjj", ("weather", "● live")),
    "adapters-light-120x40": Shot(
        (120, 40), "/status:ready sessions:>2<enter>jj", ("weather", "● live"), theme="light"
    ),
    "tools-120x40": Shot((120, 40), "jjjj", ("Quarantined", "Drifted"), scene=tooling, before=the_tools),
    "tools-80x24": Shot((80, 24), "jj", ("Quarantined",), scene=tooling, before=the_tools),
    "playground-120x40": Shot((120, 40), "", ("Sky is yours.",), scene=tooling, before=a_call),
    "playground-80x24": Shot((80, 24), "", ("2 of 5",), scene=tooling_at_work, before=a_long_call),
    "elicitation-120x40": Shot(
        (120, 40), "A4711<tab><space>", ("mcpdeck asks", "[x] yes"), scene=tooling, before=a_question
    ),
    "sessions-80x24": Shot((80, 24), ":sessions<enter>jj", ("Sessions 80",)),
    "sessions-120x40": Shot((120, 40), ":sessions /era:legacy status:busy<enter>jj", ("Sessions 11 of 80",)),
    "session-80x24": Shot((80, 24), ":sessions weather<enter>jjjjjjjd", ("Traffic so far",)),
    "session-100x30": Shot((100, 30), ":sessions weather<enter>jjjjjjjd", ("Traffic so far",)),
    "end-session-100x30": Shot((100, 30), ":sessions weather<enter>jjjjjjj<ctrl+d>", ("End session",)),
    "describe-100x30": Shot((100, 30), ":describe search<enter>", ("search-2 was killed",)),
    "logs-120x40": Shot(
        (120, 40), ":logs weather<enter>/ERROR|WARN<enter>ht", ("filter:highlights", "time:on", "live")
    ),
    "logs-80x24": Shot((80, 24), ":logs weather<enter>/ERROR|WARN<enter>h", ("filter:highlights", "live")),
    "deploy-120x40": Shot(
        (120, 40),
        "nforecasts<tab><tab>uvx mcp-server-weather --site north<tab><bksp>3<tab><tab>REGION=north<tab>ops, developers",
        ("REGION: north", "developers"),
    ),
    "delete-100x30": Shot((100, 30), "/weather<enter><ctrl+d>", ("Delete weather?",)),
    "signed-out-80x24": Shot((80, 24), "", ("signed out",), surroundings=waiting_for_a_code, before=signed_out),
    "sign-in-100x30": Shot((100, 30), "L", ("Sign in?",), surroundings=waiting_for_a_code, before=signed_out),
    "device-code-120x40": Shot(
        (120, 40), ":login device-code<enter>", ("F7QK-4XTB",), surroundings=waiting_for_a_code, before=signed_out
    ),
    "whoami-80x24": Shot((80, 24), "/github<enter>:whoami<enter>", ("Here, for github",), before=as_a_reader),
    "whoami-120x40": Shot((120, 40), "/github<enter>:whoami<enter>", ("Here, for github",), before=as_a_reader),
    "contexts-80x24": Shot((80, 24), "8", ("Silent", "18ms"), surroundings=four_gateways),
    "contexts-120x40": Shot((120, 40), "8jj", ("Silent", "ada@example"), surroundings=four_gateways),
    "protected-100x30": Shot(
        (100, 30), "/weather<enter><ctrl+d>weat", ("Type weather",), surroundings=four_gateways, protected=True
    ),
    "pulse-80x24": Shot((80, 24), "9", ("Busiest",), before=beating),
    "pulse-120x40": Shot((120, 40), "9", ("Busiest",), before=beating),
    "events-120x40": Shot((120, 40), ":events<enter>", ("memory is deleted",), before=changes),
    "events-80x24": Shot((80, 24), ":events<enter>", ("memory is deleted",), before=changes),
    "audit-80x24": Shot((80, 24), ":audit<enter>", ("Audit 4",), before=deeds),
    "audit-120x40": Shot((120, 40), ":audit<enter>", ("Audit 4",), before=deeds),
    "doctor-120x40": Shot(
        (120, 40), ":doctor<enter>", ("MCP handshake", "works; mind"), surroundings=lambda: {"examine": examination}
    ),
    "doctor-80x24": Shot(
        (80, 24), ":doctor<enter>", ("MCP handshake", "works; mind"), surroundings=lambda: {"examine": examination}
    ),
    "xray-120x40": Shot((120, 40), ":xray weather<enter>jjj", ("X-ray of weather", "weather-2")),
    "xray-80x24": Shot((80, 24), ":xray<enter>jjj", ("X-ray of prod-weu", "legacy-crm")),
    "traffic-80x24": Shot((80, 24), "kkk", ("get_forecast", "✖ -32602"), before=conversation),
    "traffic-120x40": Shot((120, 40), "<home>jj<tab>", ("wind NW", "✖ -32602"), before=conversation),
    "traffic-detail-100x30": Shot(
        (100, 30), "<home>jj<enter>jjjj", ("traceparent", "1 value hidden"), before=conversation
    ),
    "recording-120x40": Shot(
        (120, 40),
        ":recording weather /method:tools/*<enter><home>jjjjjjjjj<tab>",
        ("Recording of weather",),
        scene=recorded,
    ),
    "preview-120x40": Shot((120, 40), "p" + "j" * 10, ("Why", "search-2 was killed")),
    "jump-80x24": Shot((80, 24), "<ctrl+o>", (" a browser",)),
    "help-120x40": Shot((120, 40), "?", ("Keys in Adapters",)),
}


TOUR = "tour-100x30"
TOUR_STEPS = (  # what is typed, what must be seen by then, and for how many seconds it stands
    ("", ("Adapters 14", "● live"), 2.4),
    ("j", (), 0.25),
    ("j", (), 0.25),
    ("j", (), 0.5),
    ("/", (), 0.6),
    ("s", (), 0.3),
    ("e", (), 0.3),
    ("a", ("Adapters 1 of 14",), 0.9),
    ("<enter>", ("/sea",), 0.5),
    ("d", ("search-2 was killed",), 3.2),
    ("q", ("Adapters 1 of 14",), 0.6),
    ("x", ("X-ray of search", "search-2"), 1.6),
    ("j", (), 0.25),
    ("j", (), 0.25),
    ("j", (), 1.2),
    ("q", ("Adapters 1 of 14",), 0.5),
    ("3", ("Sessions 80",), 1.8),
    ("/", (), 0.4),
    ("state:busy", ("of 80",), 1.2),
    ("<enter>", (), 0.8),
    (":", (), 0.4),
    ("logs weather", (), 0.9),
    ("<enter>", ("weather log", "live"), 2.2),
    (":adapters<enter>", ("Adapters 1 of 14",), 0.5),
    ("<esc>", ("Adapters 14",), 1.0),
)


async def tour() -> str:
    """The SVG that moves."""
    frames = []
    async with deck_on(scenes.team(), size=(100, 30), theme="dark", context="prod-weu") as deck:
        for keys, seen, seconds in TOUR_STEPS:
            await deck.type(keys)
            await deck.sees(*seen)
            await _settle(deck)
            frames.append(Frame(tidy(deck.app.export_screenshot(title="mcpdeck")), seconds))
    return film(frames)


async def take(shot: Shot) -> str:
    """The SVG of one shot."""
    world = shot.surroundings()
    async with deck_on(shot.scene(), size=shot.size, theme=shot.theme, context="prod-weu", surroundings=world) as deck:
        await _settle(deck)
        if shot.before is not None:
            await shot.before(deck)
            await _settle(deck)
        await deck.type(shot.keys)
        await deck.sees(*shot.seen)
        await _settle(deck)
        return tidy(deck.app.export_screenshot(title="mcpdeck"))


async def _settle(deck: Driver) -> None:
    """What depends on this machine and this moment says the same everywhere."""
    deck.app.state = replace(deck.app.state, url="https://mcp.example.com", latency=LATENCY)
    deck.app.show_state()
    await deck.pilot.pause()


def main() -> None:
    for name in sys.argv[1:] or (*SHOTS, TOUR):
        svg = FOLDER / f"{name}.svg"
        svg.write_text(asyncio.run(tour() if name == TOUR else take(SHOTS[name])))
        to_png(svg, svg.with_suffix(".png"))


if __name__ == "__main__":
    main()
