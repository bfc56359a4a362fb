"""Makes the pictures of this folder from the real deck on fixed data: `uv run python screenshots/make.py`.

A clock that stands still, a gateway that is a scene: the same code gives the same SVGs, which a test compares.
"""

import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

from msgspec.structs import replace

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER.parent))

from gateway.wire.resources import WhoAmI  # noqa: E402
from mcpdeck.config.contexts import Context, Contexts  # noqa: E402
from mcpdeck.config.running import Running  # noqa: E402
from mcpdeck.errors import Unreachable  # noqa: E402
from mcpdeck.tui.identity import SignedIn  # noqa: E402
from screenshots.picture import tidy, to_png  # noqa: E402  (only found with the line above)
from tests.support import scenes  # noqa: E402
from tests.support.deck import Driver, deck_on  # noqa: E402
from tests.support.fake_gateway import Fault, Scene  # noqa: E402
from tests.support.identity import FakeIdentity  # noqa: E402

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


SHOTS = {
    "adapters-80x24": Shot((80, 24), "", ("weather", "● live")),
    "adapters-120x40": Shot((120, 40), "jjjj", ("weather", "● live")),
    "adapters-light-120x40": Shot(
        (120, 40), "/status:ready sessions:>2<enter>jj", ("weather", "● live"), theme="light"
    ),
    "sessions-80x24": Shot((80, 24), ":sessions<enter>jj", ("Sessions 80",)),
    "sessions-120x40": Shot((120, 40), ":sessions /era:legacy status:busy<enter>jj", ("Sessions 11 of 80",)),
    "session-100x30": Shot((100, 30), ":sessions weather<enter>jjjjjjj<enter>", ("Traffic so far",)),
    "end-session-100x30": Shot((100, 30), ":sessions weather<enter>jjjjjjj<ctrl+d>", ("End session",)),
    "describe-100x30": Shot((100, 30), ":describe search<enter>", ("search-2 was killed",)),
    "logs-120x40": Shot(
        (120, 40), ":logs weather<enter>/ERROR|WARN<enter>ht", ("filter:highlights", "time:on", "live")
    ),
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
    "whoami-120x40": Shot((120, 40), "/github<enter>:whoami<enter>", ("Here, for github",), before=as_a_reader),
    "contexts-80x24": Shot((80, 24), "8", ("Silent", "18ms"), surroundings=four_gateways),
    "contexts-120x40": Shot((120, 40), "8jj", ("Silent", "ada@example"), surroundings=four_gateways),
    "protected-100x30": Shot(
        (100, 30), "/weather<enter><ctrl+d>weat", ("Type weather",), surroundings=four_gateways, protected=True
    ),
    "help-120x40": Shot((120, 40), "?", ("Keys in Adapters",)),
}


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
    for name in sys.argv[1:] or SHOTS:
        svg = FOLDER / f"{name}.svg"
        svg.write_text(asyncio.run(take(SHOTS[name])))
        to_png(svg, svg.with_suffix(".png"))


if __name__ == "__main__":
    main()
