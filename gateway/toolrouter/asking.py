"""What the gateway asks adapters in its own name: one question, one answer, in the words of either era.

Goes through the data plane's door like any client's request. Keeps nothing and reads no lists. Declares all that /mcp
passes on from clients, for there are servers that list a tool only to who could answer what it asks; asked itself, the
gateway has nothing to say.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec import Raw

from gateway.core.access import ADMIN_ROLE, Principal
from gateway.core.ports import AdaptersDoor
from gateway.core.routes import ADAPTERS_PREFIX
from gateway.toolrouter.inner import ACCEPT, JSON, Events, request_to
from gateway.wire import envelope, jsonrpc, mcp, sse
from gateway.wire.http1 import Headers
from gateway.wire.mcp import Era
from gateway.wire.names import AdapterName, PrincipalId

# Who lists what adapters have. It may read all that is registered here; what is offered to whom is decided later.
GATEWAY: Final = Principal(PrincipalId("mcpdeck-gateway"), name="mcpdeck", roles=frozenset({ADMIN_ROLE}))
IDENTITY: Final = {"name": "mcpdeck", "title": "mcpdeck gateway", "version": "1"}
CAPABILITIES: Final[dict[str, Any]] = {
    "elicitation": {"form": {}, "url": {}},
    "sampling": {"context": {}, "tools": {}},
    "roots": {},
    "extensions": {"io.modelcontextprotocol/ui": {"mimeTypes": ["text/html;profile=mcp-app"]}},
}
PATIENCE: Final = 20.0  # seconds for one answer
_NOTHING: Final[dict[str, dict[str, Any]]] = {
    "ping": {},
    "roots/list": {"roots": []},
    "elicitation/create": {"action": "cancel"},
}


class Unanswered(Exception):
    """No result. `code`: of the server's error, 0 where there was none; `status`: of the answer, 0 without one."""

    def __init__(self, sentence: str, *, code: int = 0, status: int = 0) -> None:
        super().__init__(sentence)
        self.code, self.status = code, status


class Asker:
    """Asks one adapter. Made by `open_asker`."""

    def __init__(self, door: AdaptersDoor, adapter: AdapterName, era: Era, *, patience: float = PATIENCE) -> None:
        self._door, self._path, self._patience = door, path_of(adapter), patience
        self.era = era
        self.session: bytes | None = None
        self.version = mcp.MODERN_VERSION if era is Era.MODERN else mcp.LEGACY_VERSIONS[0]
        self.capabilities: envelope.Message = {}
        self._number = 0

    async def ask(self, method: str, params: dict[str, Any] | None = None) -> Raw:
        """The result. Raises Unanswered."""
        self._number += 1
        return await self._answered(self._body(method, params or {}, self._number), method)

    def listen(
        self,
        wanted: dict[str, Any],
        *,
        head: Callable[[int, Headers], None],
        event: Callable[[sse.Event], None],
        over: Callable[[str], None],
    ) -> Events:
        """A stream of what changes, until it is left. wanted: `subscriptions/listen`'s filter; GET has none."""
        if self.era is Era.MODERN:
            self._number += 1
            body = self._body(mcp.LISTEN, {"notifications": wanted}, self._number)
            request = request_to(self._path, body, self._headers(mcp.LISTEN))
        else:
            request = request_to(self._path, b"", self._headers(), method="GET")
        stream = Events(request, event=self._answering(event), over=over, head=head)
        self._door.admit(stream, GATEWAY)
        return stream

    def close(self) -> None:
        """The session is over. What comes of it is of no interest."""
        if self.session is not None:
            request = request_to(self._path, b"", self._headers(), method="DELETE")
            self._door.admit(Events(request, event=_ignored, over=_ignored), GATEWAY)
            self.session = None

    async def begin(self) -> None:
        """Learn what the adapter can. Raises Unanswered."""
        if self.era is Era.MODERN:
            found = envelope.members(await self.ask(mcp.DISCOVER))
        else:
            found = await self._initialize()
        self.capabilities = envelope.members(found.get("capabilities"))

    async def _initialize(self) -> envelope.Message:
        params = {"protocolVersion": self.version, "capabilities": CAPABILITIES, "clientInfo": IDENTITY}
        found = envelope.members(await self.ask(mcp.INITIALIZE, params))
        self.version = envelope.text(found.get("protocolVersion", Raw(b"null"))) or self.version
        self._post(jsonrpc.notification(mcp.INITIALIZED))
        return found

    def _post(self, body: bytes) -> None:
        """What comes of it is of no interest."""
        request = request_to(self._path, body, self._headers())
        self._door.admit(Events(request, event=_ignored, over=_ignored), GATEWAY)

    def _answering(self, event: Callable[[sse.Event], None]) -> Callable[[sse.Event], None]:
        """Questions of a handshake-era server are answered, for it waits; the rest is heard."""

        def heard(each: sse.Event) -> None:
            message = envelope.parse(each.data) if each.data and self.era is Era.LEGACY else None
            if isinstance(message, dict) and "method" in message and envelope.raw_id(message) is not None:
                self._post(_nothing_to_say(message))
            else:
                event(each)

        return heard

    async def _answered(self, body: bytes, method: str) -> Raw:
        answer = _Answer(str(self._number).encode())
        request = request_to(self._path, body, self._headers(method))
        exchange = Events(request, event=self._answering(answer.event), over=answer.over, head=answer.head)
        self._door.admit(exchange, GATEWAY)
        try:
            async with asyncio.timeout(self._patience):
                message = await answer.message
        except TimeoutError:
            raise Unanswered(f"{method} was not answered within {self._patience:g} s") from None
        finally:
            exchange.leave()
        if method == mcp.INITIALIZE:
            self.session = answer.session
        return _result(message, answer.status, method)

    def _body(self, method: str, params: dict[str, Any], number: int) -> bytes:
        if self.era is Era.MODERN:
            params = params | {"_meta": META}
        return jsonrpc.request(number, method, params or None)

    def _headers(self, method: str = "") -> Headers:
        headers = [JSON, ACCEPT]
        if self.era is Era.MODERN:
            return [*headers, (mcp.VERSION_HEADER, self.version.encode()), (mcp.METHOD_HEADER, method.encode())]
        if self.session is not None:
            headers.append((mcp.SESSION_HEADER, self.session))
        if method != mcp.INITIALIZE:
            headers.append((mcp.VERSION_HEADER, self.version.encode()))
        return headers


META: Final = {
    mcp.META_VERSION: mcp.MODERN_VERSION,
    mcp.META_CLIENT_CAPABILITIES: CAPABILITIES,
    mcp.META_CLIENT_INFO: IDENTITY,
}


async def open_asker(door: AdaptersDoor, adapter: AdapterName, *, patience: float = PATIENCE) -> Asker:
    """In whatever era the adapter speaks, the newer one first. Raises Unanswered; of `close` its caller takes care."""
    modern = Asker(door, adapter, Era.MODERN, patience=patience)
    try:
        await modern.begin()
    except Unanswered as problem:
        if problem.status >= 500:  # whatever it speaks, it does not now
            raise
    else:
        return modern
    legacy = Asker(door, adapter, Era.LEGACY, patience=patience)
    await legacy.begin()
    return legacy


def path_of(adapter: AdapterName) -> str:
    return f"{ADAPTERS_PREFIX}{adapter}/mcp"


def _nothing_to_say(asked: envelope.Message) -> bytes:
    result = _NOTHING.get(envelope.method(asked) or "")
    if result is not None:
        return jsonrpc.response(asked["id"], result)
    return jsonrpc.error(asked["id"], jsonrpc.METHOD_NOT_FOUND, "the gateway reads lists; nobody is here to answer")


class _Answer:
    """What came of one question, until its response is there."""

    def __init__(self, raw_id: bytes) -> None:
        self.message: asyncio.Future[envelope.Message] = asyncio.get_running_loop().create_future()
        self.status = 0
        self.session: bytes | None = None
        self._raw_id = raw_id

    def head(self, status: int, headers: Headers) -> None:
        self.status = status
        self.session = next((value for name, value in headers if name == mcp.SESSION_HEADER), None)

    def event(self, event: sse.Event) -> None:
        if not event.data or self.message.done():
            return
        message = envelope.parse(event.data)
        if isinstance(message, dict) and "method" not in message and envelope.raw_id(message) in (self._raw_id, None):
            self.message.set_result(message)

    def over(self, problem: str) -> None:
        if not self.message.done():
            self.message.set_exception(Unanswered(problem or f"no answer (HTTP {self.status})", status=self.status))


class _Error(msgspec.Struct):
    code: int = 0
    message: str = ""


def _result(message: envelope.Message, status: int, method: str) -> Raw:
    if "result" in message:
        return message["result"]
    try:
        error = msgspec.json.decode(message.get("error", Raw(b"{}")), type=_Error)
    except msgspec.DecodeError:
        error = _Error()
    sentence = f"{method} was answered with an error: {error.message or 'none that is one'}"
    raise Unanswered(sentence, code=error.code, status=status)


def _ignored(_: object) -> None:
    """Of no interest."""
