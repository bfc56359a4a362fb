"""The deck on a real terminal: what it writes there, and how it leaves it."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from gateway.wire.resources import Phase, WhoAmI
from tests.support import scenes
from tests.support.fake_gateway import FakeGateway, Fault, Scene
from tests.support.terminal import Terminal, terminal

MODULE = ("-m", "tests.support.deck_process")


@asynccontextmanager
async def deck(scene: Scene, folder: Path, **options: object) -> AsyncIterator[tuple[Terminal, FakeGateway]]:
    async with FakeGateway(scene).running() as gateway, terminal(*MODULE, gateway.url, str(folder), **options) as it:  # type: ignore[arg-type]
        yield it, gateway


async def test_deck_leaves_the_terminal_as_it_was(tmp_path: Path) -> None:
    async with deck(scenes.team(), tmp_path) as (it, _):
        await it.sees("● live", "weather")
        assert it.attributes != it.attributes_before
        it.write("\x11")  # ctrl+q
        assert await it.ended() == 0
        assert it.attributes == it.attributes_before
        await it.until(lambda: b"\x1b[?1049l" in it.raw)
        for mode in (b"?25h", b"?1000l", b"?2004l"):  # cursor, mouse, paste: as before
            assert b"\x1b[" + mode in it.raw


async def test_deck_follows_the_size_of_its_terminal(tmp_path: Path) -> None:
    async with deck(scenes.team(), tmp_path, size=(80, 24)) as (it, _):
        await it.sees("● live", "weather")
        assert "SOURCE" not in it.text
        it.resize(140, 40)
        await it.sees("SOURCE", "uvx mcp-server-weather")
        it.resize(50, 10)
        await it.sees("too small")
        it.resize(80, 24)
        await it.sees("weather", "● live")


async def test_escape_goes_back_and_does_not_leave(tmp_path: Path) -> None:
    async with deck(scenes.team(), tmp_path) as (it, _):
        await it.sees("● live", "weather")
        it.write(":describe legacy-crm\r")
        await it.sees("unauthorized")
        it.write("\x1b")
        await it.sees("Adapters 14")
        assert it.process is not None
        assert it.process.returncode is None


async def test_without_colour_nothing_is_coloured(tmp_path: Path) -> None:
    async with deck(scenes.team(), tmp_path, environment={"NO_COLOR": "1"}) as (it, _):
        await it.sees("● live", "✖ Failed")
        told = {code for sequence in re.findall(rb"\x1b\[([0-9;]*)m", bytes(it.raw)) for code in sequence.split(b";")}
        assert b"1" in told  # weight says it instead
        colours = [*range(30, 39), *range(40, 49), *range(90, 98), *range(100, 108)]
        assert not told & {str(code).encode() for code in colours}


async def test_keys_typed_faster_than_the_deck_acts_reach_what_they_were_meant_for(tmp_path: Path) -> None:
    async with deck(scenes.team(), tmp_path) as (it, _):
        await it.sees("● live", "weather")
        it.write("jjl")
        await it.sees("fetch log")
        it.write("q:theme light\r/weath\rl")
        await it.sees("weather log", "240 lines")
        it.write("qnnewone")
        await it.sees("Deploy an adapter", "newone")


async def test_what_is_typed_right_after_escape_is_a_key_of_its_own(tmp_path: Path) -> None:
    async with deck(scenes.team(), tmp_path) as (it, _):
        await it.sees("● live", "weather")
        it.write("4")
        await it.sees("Traffic of all adapters")
        it.write("\x1b\x1b2")
        await it.sees("Nothing is offered at /mcp yet")
        it.write("\x1b:theme light\r")
        await it.sees("Adapters 14")
        it.write("3")
        await it.sees("by age")
        it.write("/vsc\x1bj\x1b")
        await it.sees("Adapters 14")


HOSTILE = "A\x1b]0;PWNED\x07B\x1b]52;c;UFdORUQ=\x1b\\C\x9b31mD\x1b[2J\x1bPq#0\x1b\\E\u202eF"


def hostile() -> Scene:
    """Every text that a server, a user or a log may choose tries to write to the terminal."""
    scene = scenes.team()
    scene.whoami = WhoAmI(
        id="ada", name=HOSTILE, roles=[HOSTILE], permissions=["create", "admin"], authentication="dev"
    )
    scene.adapters = {
        name: msgspec.structs.replace(adapter, description=HOSTILE, created_by=HOSTILE, required_roles=[HOSTILE])
        for name, adapter in scene.adapters.items()
    }
    instances = [scenes.instance("weather-0", Phase.FAILED, reason=HOSTILE, message=HOSTILE)]
    scene.statuses["weather"] = scenes.status(Phase.FAILED, instances, reason=HOSTILE, message=HOSTILE)
    scene.logs["weather"] = [f"[weather-0] 2026-11-24T11:00:00Z {HOSTILE}", HOSTILE]
    return scene


@pytest.mark.parametrize(
    ("keys", "proof"),
    [
        ("", "REASON"),
        (":describe weather\r", "Why"),
        (":yaml weather\r", "createdBy"),
        (":logs weather\r", "2 lines"),
        (":restart sentry\r", "Restart sentry: "),
        (":delete weather\r", "Delete weather?"),
        ("\x10", "adapter: deploy"),
        ("?", "Keys in Adapters"),
    ],
    ids=["table", "description", "yaml", "log", "toast", "dialog", "palette", "help"],
)
async def test_no_escape_sequence_of_a_server_reaches_the_terminal(tmp_path: Path, keys: str, proof: str) -> None:
    async with deck(hostile(), tmp_path, size=(160, 40)) as (it, gateway):
        gateway.fail("POST", ".*", Fault(500, HOSTILE))
        await it.sees("● live", "weather")
        it.write(keys)
        await it.sees(proof)
        shown = re.sub(rb"\x1b\]22;[a-z-]*\x07", b"", bytes(it.raw))  # Textual's own: the shape of the pointer
        assert b"A" in shown
        for sequence in (
            b"\x1b]0;",
            b"\x1b]52",
            b"\x9b31m".decode("latin-1").encode(),
            b"\x1bPq",
            b"\x07",
            "\u202e".encode(),
        ):
            assert sequence not in shown
        assert "PWNED" not in it.screen.title
