"""A headless Chromium, driven by its DevTools protocol over the aiohttp that the cluster's client brings along."""

import asyncio
import base64
import re
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pyte

FOUND = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
_SECONDS = 40
_LISTENING = re.compile(rb"DevTools listening on (ws://\S+)")


class Page:
    """One tab. `screen` is what its terminal was sent, drawn as a terminal would."""

    def __init__(self, browser: "Browser", target: str, session: str) -> None:
        self._browser, self.target, self._session = browser, target, session
        self.screen = pyte.Screen(80, 24)
        self._stream = pyte.ByteStream(self.screen)
        self.closed: list[dict[str, Any]] = []
        self.loaded = 0
        self._news = asyncio.Event()

    async def do(self, method: str, **parameters: object) -> dict[str, Any]:
        return await self._browser.do(method, session=self._session, **parameters)

    def hear(self, method: str, told: dict[str, Any]) -> None:
        if method == "Network.webSocketFrameSent":
            if found := re.search(r'"resize",\{"width":(\d+),"height":(\d+)', told["response"]["payloadData"]):
                self.screen.resize(int(found[2]), int(found[1]))
        elif method == "Network.webSocketFrameReceived" and told["response"]["opcode"] == 2:
            self._stream.feed(base64.b64decode(told["response"]["payloadData"]))
        elif method == "Network.webSocketClosed":
            self.closed.append(told)
        elif method == "Page.loadEventFired":
            self.loaded += 1
        self._news.set()

    @property
    def text(self) -> str:
        return "\n".join(self.screen.display)

    async def until(self, condition: Callable[[], object]) -> None:
        try:
            async with asyncio.timeout(_SECONDS):
                while not condition():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"it never came to hold; the terminal shows\n{self.text}") from None

    async def sees(self, *texts: str) -> None:
        await self.until(lambda: all(text in self.text for text in texts))

    async def go(self, url: str) -> None:
        """Until it is loaded, whatever it is."""
        before = self.loaded
        await self.do("Page.navigate", url=url)
        await self.until(lambda: self.loaded > before)

    async def words(self) -> str:
        """What stands on the page besides its terminal."""
        return str(await self.evaluate("document.body.innerText"))

    async def opens(self, websocket: str) -> bool:
        """Whether a script of the page that it shows gets this websocket."""
        script = f"new Promise(done => {{ const it = new WebSocket({websocket!r});"
        script += " it.onopen = () => done(true); it.onerror = () => done(false) })"
        return bool(await self.evaluate(script))

    async def type(self, text: str) -> None:
        """As a keyboard would, through whatever has the focus of the page."""
        for letter in text:
            code = {"code": "Enter", "key": "Enter", "windowsVirtualKeyCode": 13} if letter == "\r" else {"key": letter}
            await self.do("Input.dispatchKeyEvent", type="keyDown", text=letter, **code)
            await self.do("Input.dispatchKeyEvent", type="keyUp", **code)

    async def evaluate(self, script: str) -> Any:
        answer = await self.do("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def picture(self) -> bytes:
        return base64.b64decode((await self.do("Page.captureScreenshot"))["data"])

    async def close(self) -> None:
        await self._browser.do("Target.closeTarget", targetId=self.target)


class Browser:
    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._number = 0
        self._awaited: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._pages: dict[str, Page] = {}

    async def do(self, method: str, *, session: str = "", **parameters: object) -> dict[str, Any]:
        self._number += 1
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._awaited[self._number] = answer
        head = {"id": self._number, "method": method, "params": parameters}
        await self._socket.send_json(head | ({"sessionId": session} if session else {}))
        async with asyncio.timeout(_SECONDS):
            return await answer

    async def listen(self) -> None:
        async for message in self._socket:
            told = message.json()
            if "id" in told:
                waiting = self._awaited.pop(told["id"])
                if "error" in told:
                    waiting.set_exception(AssertionError(told["error"]))
                else:
                    waiting.set_result(told["result"])
            elif page := self._pages.get(told.get("sessionId", "")):
                page.hear(told["method"], told["params"])

    async def page(self, url: str) -> Page:
        """A new tab. What it is sent is heard from its first byte on."""
        target = (await self.do("Target.createTarget", url="about:blank", newWindow=True, width=1200, height=800))[
            "targetId"
        ]
        session = (await self.do("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        page = self._pages[session] = Page(self, target, session)
        for domain in ("Network", "Page", "Runtime"):
            await page.do(f"{domain}.enable")
        await page.go(url)
        return page


@asynccontextmanager
async def chromium(folder: Path) -> AsyncIterator[Browser]:
    """folder: for its profile. It knows no name but this machine's, and has no other network."""
    assert FOUND is not None
    process = await asyncio.create_subprocess_exec(
        *(FOUND, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
        *("--disable-background-networking", "--disable-component-update", "--no-default-browser-check"),
        *("--host-resolver-rules=MAP evil.example 127.0.0.1", "--remote-debugging-port=0"),
        *(f"--user-data-dir={folder}", "about:blank"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(_SECONDS):
            while not (found := _LISTENING.search(await process.stderr.readline())):
                pass
        async with asyncio.TaskGroup() as tasks, aiohttp.ClientSession() as client:
            silence = tasks.create_task(_drain(process.stderr), name="what Chromium says")
            async with client.ws_connect(found[1].decode(), max_msg_size=1 << 26) as socket:
                browser = Browser(socket)
                listening = tasks.create_task(browser.listen(), name="DevTools")
                yield browser
                listening.cancel()
            silence.cancel()
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _drain(stream: asyncio.StreamReader) -> None:
    while await stream.readline():
        pass
