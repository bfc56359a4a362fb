"""The deck in a real browser: who gets in, what is shown there, and what ends with a tab."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support import scenes
from tests.support.browser import FOUND, Browser, chromium
from tests.support.fake_gateway import FakeGateway
from tests.support.programs import PYTHON, Program, gone, program

pytestmark = pytest.mark.skipif(FOUND is None, reason="no Chromium on this machine (Debian: apt install chromium)")


@asynccontextmanager
async def served(tmp_path: Path, *options: str) -> AsyncIterator[tuple[Browser, str, Program]]:
    """A browser, and the address that the command printed."""
    environ = {name: str(tmp_path / name) for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME")}
    async with FakeGateway(scenes.team()).running() as gateway:
        command = [PYTHON, "-m", "mcpdeck", "--gateway", gateway.url, "serve", "--port", "0", *options]
        async with program(command, env=environ) as server, chromium(tmp_path / "profile") as browser:
            url = (await server.hear(r"http://127\.0\.0\.1:\d+/\?token=\S+"))[0]
            yield browser, url, server


def tab_of(url: str) -> str:
    """The websocket of a tab, at the server with this address."""
    return url.partition("?")[0].replace("http", "ws") + "tab"


async def test_a_tab_shows_the_rows_and_obeys_keys_and_its_deck_ends_with_it(tmp_path: Path) -> None:
    async with served(tmp_path) as (browser, url, server):
        page = await browser.page(url)
        await page.sees("● live", "weather", "Adapters 14")
        assert page.screen.columns > 100
        assert "token" not in await page.evaluate("location.href")
        assert await page.evaluate("document.cookie") == ""
        await page.type(":describe legacy-crm\r")
        await page.sees("unauthorized")
        await page.type("q")
        await page.sees("Adapters 14")
        assert len(await page.picture()) > 15_000  # as a PNG; a page with nothing on it is a third of that
        decks = server.children()
        assert len(decks) == 1
        await page.close()
        assert not await gone(decks)
        assert server.process.returncode is None


async def test_without_the_token_nothing_opens(tmp_path: Path) -> None:
    async with served(tmp_path) as (browser, url, server):
        for wrong in (url.partition("?")[0], url + "x"):
            page = await browser.page(wrong)
            assert "401: not without its token" in await page.words()
            assert not await page.opens(tab_of(url))
        assert not server.children()


async def test_another_sites_page_is_let_in_by_no_cookie(tmp_path: Path) -> None:
    """Under its own name for this machine, and from a page of another port."""
    async with served(tmp_path) as (browser, url, _server):
        page = await browser.page(url)
        await page.sees("● live")
        assert await page.opens(tab_of(url))
        rebound = await browser.page(url.replace("127.0.0.1", "evil.example"))
        assert "421: not under this name" in await rebound.words()
        elsewhere = await browser.page("about:blank")
        assert not await elsewhere.opens(tab_of(url))


async def test_no_more_tabs_than_were_allowed_and_all_end_with_the_server(tmp_path: Path) -> None:
    async with served(tmp_path, "--most", "1") as (browser, url, server):
        first = await browser.page(url)
        await first.sees("● live")
        second = await browser.page(url)
        await second.sees("1 decks are open")
        decks = server.children()
        assert len(decks) == 1
        assert await server.stop() == 0
        assert not await gone(decks)


async def test_an_editor_is_refused_with_the_reason(tmp_path: Path) -> None:
    async with served(tmp_path) as (browser, url, _program):
        page = await browser.page(url)
        await page.sees("● live")
        await page.type("/sentry\re")
        await page.sees("in a browser there is no terminal")
