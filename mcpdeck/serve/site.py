"""The pages of a served deck and the websocket of each tab. Decides nothing that `gate` does not."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from importlib.resources import files
from typing import Any, Final

import msgspec
from quart import Quart, Response, request, websocket

from mcpdeck.model.plain import plain
from mcpdeck.serve.gate import Gate
from mcpdeck.serve.tab import Tab, bounded

type Open = Callable[[int, int], AbstractAsyncContextManager[Tab]]

_TOO_MANY: Final = 1013  # RFC 6455's registry: try again later
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "font-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_TERMINAL: Final = {  # of textual-serve, by the name that the page has for it
    "terminal.js": ("js/textual.js", "text/javascript"),
    "terminal.css": ("css/xterm.css", "text/css"),
    "mono.ttf": ("fonts/RobotoMono-VariableFont_wght.ttf", "font/ttf"),
}
_OWN: Final = {"deck.css": "text/css", "deck.js": "text/javascript"}

log = logging.getLogger(__name__)


class Tabs:
    """How many there are, no more than that, and none once `ending` is set."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.open = 0
        self.ending = asyncio.Event()

    @property
    def are_all_taken(self) -> bool:
        return self.open >= self.most


def site(gate: Gate, open_tab: Open, tabs: Tabs) -> Quart:
    app = Quart("mcpdeck.serve", static_folder=None)

    @app.before_request
    def only_by_its_own_name() -> Response | None:
        if gate.knows_host(request.host):
            return None
        return _page("stranger.html", 421)

    @app.after_request
    def guarded(response: Response) -> Response:
        response.headers.update(_HEADERS)
        return response

    @app.get("/")
    def deck() -> Any:
        if given := request.args.get("token"):
            return _admitted(gate) if gate.takes_token(given) else _page("refused.html", 401)
        if not gate.takes_pass(request.cookies.get(gate.cookie, "")):
            return _page("refused.html", 401)
        return _page("deck.html")

    @app.get("/files/<name>")
    def file(name: str) -> Response:
        """Of anybody's, like the programs that everybody may install."""
        if name in _OWN:
            return Response(_own(name), mimetype=_OWN[name])
        if name not in _TERMINAL:
            return Response("there is no such file", 404, mimetype="text/plain")
        path, kind = _TERMINAL[name]
        return Response(files("textual_serve").joinpath("static", path).read_bytes(), mimetype=kind)

    @app.websocket("/tab")
    async def tab() -> Any:
        host, origin = websocket.host, websocket.headers.get("Origin", "")
        if not gate.is_own(origin, host) or not gate.takes_pass(websocket.cookies.get(gate.cookie, "")):
            return Response("only for the page of this server, with its token", 403, mimetype="text/plain")
        await websocket.accept()
        await _live(open_tab, tabs)
        return None

    return app


async def _live(open_tab: Open, tabs: Tabs) -> None:
    """A tab, from its beginning to its end."""
    if tabs.are_all_taken:
        await _tell(f"{tabs.most} decks are open, as many as `mcpdeck serve --most` allows. Close one and reload.")
        await websocket.close(_TOO_MANY, "too many decks")
        return
    tabs.open += 1
    try:
        async with open_tab(_length("width", 80), _length("height", 24)) as it:
            await _between(it, tabs.ending)
    finally:
        tabs.open -= 1


def _admitted(gate: Gate) -> Response:
    """A page that goes on by itself: were it a redirect, a strict cookie would not follow a link from another site."""
    response = _page("enter.html")
    response.set_cookie(gate.cookie, gate.pass_, httponly=True, samesite="Strict", secure=request.scheme == "https")
    return response


def _page(name: str, status: int = 200) -> Response:
    return Response(_own(name), status, mimetype="text/html")


def _own(name: str) -> bytes:
    return files("mcpdeck.serve").joinpath("pages", name).read_bytes()


def _length(name: str, otherwise: int) -> int:
    text = websocket.args.get(name, "")
    return bounded(int(text)) if text.isdecimal() and len(text) < 5 else otherwise


async def _between(tab: Tab, ending: asyncio.Event) -> None:
    """Keys one way and the screen the other, until one of the two ends, or the server does."""
    async with asyncio.TaskGroup() as tasks:
        hearing = tasks.create_task(_hear(tab), name="keys of a tab")
        waiting = tasks.create_task(_end_with(ending, tab), name="end of the server")
        try:
            await _show(tab)
        finally:
            hearing.cancel()
            waiting.cancel()


async def _end_with(ending: asyncio.Event, tab: Tab) -> None:
    await ending.wait()
    await tab.end()


async def _hear(tab: Tab) -> None:
    while True:
        message = await websocket.receive()
        match _decoded(message):
            case ["stdin", str(keys)]:
                await tab.type(keys)
            case ["resize", {"width": int(width), "height": int(height)}]:
                await tab.resize(width, height)
            case ["focus"]:
                await tab.look(away=False)
            case ["blur"]:
                await tab.look(away=True)
            case ["ping", str(sent)]:
                await websocket.send(msgspec.json.encode(["pong", sent]).decode())
            case other:
                log.debug("no message of a terminal: %r", other)


def _decoded(message: str | bytes) -> object:
    try:
        return msgspec.json.decode(message)
    except msgspec.DecodeError:
        return None


async def _show(tab: Tab) -> None:
    drawn = False
    async for packet in tab.packets():
        if packet.is_data:
            drawn = True
            await websocket.send(packet.payload)
        elif packet.kind == b"M":
            await _obey(packet.told)
    if not drawn:
        await _tell(tab.last_words or "the deck did not begin, and did not say why")
    await websocket.close(1000, "the deck has ended")


async def _obey(told: Mapping[str, Any]) -> None:
    """The one wish that a deck has of its browser. Nothing but a web page is opened."""
    url = str(told.get("url", ""))
    if told.get("type") == "open_url" and url.startswith(("https://", "http://")):
        await websocket.send(msgspec.json.encode(["open_url", {"url": url, "new_tab": True}]).decode())


async def _tell(sentence: str) -> None:
    await websocket.send(plain(sentence).replace("\n", "\r\n").encode())
