"""An MCP server to ask things of, in the era that it speaks: the newest first, the handshake where that is unknown."""

import asyncio
import itertools
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, Protocol

import httpx
import msgspec

from gateway.wire import jsonrpc, mcp, mirrored
from gateway.wire.mcp import Era
from mcpdeck import VERSION
from mcpdeck.client import open_http
from mcpdeck.errors import ProblemError, Unreachable
from mcpdeck.mcp.exchange import Endpoint, McpError, Message, Refused, error_of, messages

type Hear = Callable[[Message], None]  # a notification that came on the way to an answer
type Answer = Callable[[Message], Awaitable[dict[str, Any]]]
"""What a server asks meanwhile (elicitation/create, sampling/createMessage): its result. Raises Declined."""

ANSWERED: Final[Mapping[str, Any]] = {"elicitation": {"form": {}, "url": {}}, "sampling": {}}  # capabilities
LONGEST_DIALOGUE: Final = 10  # rounds of `input_required` in one request
_DECLINED: Final = -1  # as MCP's sampling has it, "User rejected sampling request"
_LEVEL: Final = "info"  # of the log messages that a modern server may send with an answer
_GOODBYE_SECONDS: Final = 2.0  # for telling a server that nobody waits any more
_ASKED: Final = frozenset({"elicitation/create", "sampling/createMessage"})
_FALL_BACK: Final = frozenset({400, 404, 405, 406, 415, 422, 501})  # of what may be a server of the other era


class ServerInfo(msgspec.Struct, frozen=True, kw_only=True):
    era: Era
    protocol_version: str
    name: str = ""
    version: str = ""
    instructions: str = ""
    capabilities: dict[str, Any] = {}


class Declined(Exception):
    """Whoever was asked does not want to answer."""


class Peer(Protocol):
    """Everything raises McpError, Refused, Unreachable, ProblemError."""

    @property
    def info(self) -> ServerInfo: ...

    async def request(
        self,
        method: str,
        params: Mapping[str, Any],
        *,
        headers: Mapping[str, str] | None = None,
        hear: Hear | None = None,
    ) -> dict[str, Any]:
        """The result. headers: besides those that the era wants. Cancelled, it tells the server.

        hear: asks for progress and log messages, and gets them.
        """


@asynccontextmanager
async def connected(
    url: str,
    *,
    auth: httpx.Auth | None = None,
    ca_file: str = "",
    era: Era | None = None,
    client: tuple[str, str] = ("mcpdeck", VERSION),
    silence: float = 60.0,
    answer: Answer | None = None,
) -> AsyncGenerator[Peer]:
    """era: that one alone. client: the name and version to go by. silence: seconds that an answer may take.

    answer: has this client say that it answers questions (ANSWERED); without it no server asks any.
    """
    async with open_http(url, auth=auth, ca_file=ca_file) as http:
        http.timeout = httpx.Timeout(silence, connect=5.0)
        endpoint = Endpoint(http, url)
        who = {"name": client[0], "version": client[1]}
        if era is not Era.LEGACY:
            modern = _Modern(endpoint, who, answer)
            if await modern.discovered(must=era is Era.MODERN):
                yield modern
                return
        legacy = _Legacy(endpoint, who, answer)
        await legacy.open()
        try:
            async with legacy.listening():
                yield legacy
        finally:
            await legacy.close()


async def tools(peer: Peer) -> list[dict[str, Any]]:
    """All of a server's tools, page by page."""
    return await everything(peer, "tools/list", "tools")


async def everything(peer: Peer, method: str, member: str) -> list[dict[str, Any]]:
    """All that a list method lists, page by page; what is no object is left out."""
    found: list[dict[str, Any]] = []
    params: dict[str, Any] = {}
    while True:
        page = await peer.request(method, params)
        listed = page.get(member)
        found += [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
        if page.get("nextCursor") is None:
            return found
        params = {"cursor": page["nextCursor"]}


async def call(
    peer: Peer, tool: Mapping[str, Any], arguments: Mapping[str, Any], *, hear: Hear | None = None
) -> dict[str, Any]:
    """A tool's result; `isError` is in it, not raised. tool: as `tools` gave it."""
    params = {"name": tool["name"], "arguments": dict(arguments)}
    declared = mirrored.declarations(tool.get("inputSchema"))
    headers = {name.decode(): value.decode() for name, value in mirrored.headers_of(declared, arguments)}
    return await peer.request("tools/call", params, headers=headers, hear=hear)


class _Modern:
    """2026-07-28: every request says all of itself, and there is no session."""

    def __init__(self, endpoint: Endpoint, who: Mapping[str, str], ask: Answer | None) -> None:
        self._endpoint = endpoint
        self._ask = ask
        self._ids = itertools.count(1)
        self._meta = {
            mcp.META_VERSION: mcp.MODERN_VERSION,
            mcp.META_CLIENT_CAPABILITIES: dict(ANSWERED) if ask is not None else {},
            mcp.META_CLIENT_INFO: dict(who),
        }
        self.info = ServerInfo(era=Era.MODERN, protocol_version=mcp.MODERN_VERSION)

    async def discovered(self, *, must: bool) -> bool:
        """Whether the server speaks this era. must: raise what it says if it does not."""
        try:
            told = await self.request(mcp.DISCOVER, {})
        except McpError as error:
            if must or _is_final(error):
                raise
            return False
        except Refused as error:
            if must or error.status not in _FALL_BACK:
                raise
            return False
        if mcp.MODERN_VERSION not in told.get("supportedVersions", [mcp.MODERN_VERSION]):
            return False
        server = (told.get("_meta") or {}).get(mcp.META_SERVER_INFO) or {}
        self.info = ServerInfo(era=Era.MODERN, protocol_version=mcp.MODERN_VERSION, **_described(server, told))
        return True

    async def request(
        self,
        method: str,
        params: Mapping[str, Any],
        *,
        headers: Mapping[str, str] | None = None,
        hear: Hear | None = None,
    ) -> dict[str, Any]:
        head = {"mcp-protocol-version": mcp.MODERN_VERSION, "mcp-method": method, **(headers or {})}
        if (key := mcp.NAME_OF_METHOD.get(method)) and isinstance(name := params.get(key), str):
            head["mcp-name"] = mcp.encode_header_value(name)
        said: dict[str, Any] = {}
        for _ in range(LONGEST_DIALOGUE):
            message = self._message(method, {**params, **said}, is_heard=hear is not None)
            result = await _answer(self._endpoint, message, head, hear=hear)
            if result.get("resultType") != "input_required":
                return result
            try:
                said = await self._answered(result)
            except asyncio.CancelledError:
                await self._call_off(method, {**params, **_dismissing(result)}, head)
                raise
            except Declined as error:
                await self._call_off(method, {**params, **_dismissing(result)}, head)
                raise McpError(_DECLINED, str(error) or "what the server asked was not answered") from error
        raise McpError(jsonrpc.INTERNAL_ERROR, f"the server asked more than {LONGEST_DIALOGUE} times")

    def _message(self, method: str, params: Mapping[str, Any], *, is_heard: bool) -> Message:
        number = next(self._ids)
        heard = {"progressToken": number, mcp.META_LOG_LEVEL: _LEVEL} if is_heard else {}
        meta = self._meta | _own_meta(params) | heard
        return {"jsonrpc": "2.0", "id": number, "method": method, "params": {**params, "_meta": meta}}

    async def _call_off(self, method: str, params: Mapping[str, Any], head: Mapping[str, str]) -> None:
        """A server that waits for answers waits for long: it is told that there will be none."""
        with suppress(Unreachable, ProblemError, McpError, Refused, TimeoutError):
            async with asyncio.timeout(_GOODBYE_SECONDS):
                await _answer(self._endpoint, self._message(method, params, is_heard=False), head, hear=None)

    async def _answered(self, result: Mapping[str, Any]) -> dict[str, Any]:
        """What the next round adds to the request (basic/patterns/mrtr). Raises Declined."""
        if self._ask is None:
            raise McpError(jsonrpc.INTERNAL_ERROR, "the server asks for input, which this client did not offer")
        asked = result.get("inputRequests")
        said: dict[str, Any] = {}
        if isinstance(asked, dict) and asked:
            said["inputResponses"] = {name: await self._ask(question) for name, question in asked.items()}
        if "requestState" in result:
            said["requestState"] = result["requestState"]
        return said


class _Legacy:
    """Up to 2025-11-25: a handshake, and a session if the server wants one."""

    def __init__(self, endpoint: Endpoint, who: Mapping[str, str], ask: Answer | None) -> None:
        self._endpoint = endpoint
        self._ask = ask
        self._ids = itertools.count(1)
        self._who = dict(who)
        self._head: dict[str, str] = {}
        self.info = ServerInfo(era=Era.LEGACY, protocol_version=mcp.LEGACY_VERSIONS[0])

    async def open(self) -> None:
        capabilities = dict(ANSWERED) if self._ask is not None else {}
        params = {"protocolVersion": mcp.LEGACY_VERSIONS[0], "capabilities": capabilities, "clientInfo": self._who}
        told = await self.request(mcp.INITIALIZE, params)
        version = str(told.get("protocolVersion", ""))
        if version not in mcp.LEGACY_VERSIONS:
            raise Unreachable(f"the server speaks MCP {version!r}, which this client does not")
        self._head["mcp-protocol-version"] = version
        self.info = ServerInfo(
            era=Era.LEGACY, protocol_version=version, **_described(told.get("serverInfo") or {}, told)
        )
        await self._notify(mcp.INITIALIZED)

    async def close(self) -> None:
        if "mcp-session-id" in self._head:
            with suppress(Unreachable, ProblemError):  # it ends by itself then, later
                await self._endpoint.delete(self._head)

    async def request(
        self,
        method: str,
        params: Mapping[str, Any],
        *,
        headers: Mapping[str, str] | None = None,
        hear: Hear | None = None,
    ) -> dict[str, Any]:
        del headers  # nothing is mirrored in this era
        number = next(self._ids)
        meta = _own_meta(params) | ({} if hear is None else {"progressToken": number})
        told = {**params, "_meta": meta} if meta else dict(params)
        message = {"jsonrpc": "2.0", "id": number, "method": method, "params": told}

        def learn(answer: httpx.Response) -> None:
            if method == mcp.INITIALIZE and (session := answer.headers.get("mcp-session-id")):
                self._head["mcp-session-id"] = session

        try:
            return await _answer(self._endpoint, message, self._head, hear=hear, learn=learn, reply=self._reply)
        except asyncio.CancelledError:
            await self._give_up(number)
            raise

    async def _give_up(self, number: int) -> None:
        """Closing the stream says nothing in this era: the server is told, if it listens at once."""
        with suppress(Unreachable, ProblemError, McpError, Refused, TimeoutError):
            async with asyncio.timeout(_GOODBYE_SECONDS):
                await self._notify(mcp.CANCELLED, {"requestId": number, "reason": "nobody waits for it any more"})

    async def _notify(self, method: str, params: Mapping[str, Any] | None = None) -> None:
        message: Message = {"jsonrpc": "2.0", "method": method} | ({"params": dict(params)} if params else {})
        async with self._endpoint.post(message, self._head):
            pass

    async def _reply(self, asked: Message) -> None:
        """A server may ask for what was not offered, and waits for an answer."""
        answer: Message = {"jsonrpc": "2.0", "id": asked["id"]}
        if asked["method"] == "ping":
            answer["result"] = {}
        elif self._ask is None or asked["method"] not in _ASKED:
            answer["error"] = {"code": jsonrpc.METHOD_NOT_FOUND, "message": f"this client has no {asked['method']}"}
        else:
            try:
                answer["result"] = await self._ask(asked)
            except Declined as error:
                answer["error"] = {"code": _DECLINED, "message": str(error) or "the user does not answer"}
        async with self._endpoint.post(answer, self._head):
            pass

    @asynccontextmanager
    async def listening(self) -> AsyncGenerator[None]:
        """Hears what the server asks apart from any answer, if anything it asks may be answered."""
        if self._ask is None:
            yield
            return
        try:
            async with asyncio.TaskGroup() as group:
                listener = group.create_task(self._listen(group))
                try:
                    yield
                finally:
                    listener.cancel()
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None  # the body's own: a listener raises nothing

    async def _listen(self, group: asyncio.TaskGroup) -> None:
        with suppress(Unreachable, ProblemError, McpError, Refused):  # many servers have no such stream
            async with self._endpoint.stream(self._head) as answer:
                async for each in messages(answer):
                    if "method" in each and "id" in each:
                        group.create_task(self._reply_quietly(each))

    async def _reply_quietly(self, asked: Message) -> None:
        with suppress(Unreachable, ProblemError, McpError, Refused):  # the call that it belongs to tells of it
            await self._reply(asked)


async def _answer(
    endpoint: Endpoint,
    message: Message,
    head: Mapping[str, str],
    *,
    hear: Hear | None,
    learn: Callable[[httpx.Response], None] | None = None,
    reply: Callable[[Message], Awaitable[None]] | None = None,
) -> dict[str, Any]:
    """The result of one request; what comes before it is heard, or replied to where it is a question."""
    try:
        async with endpoint.post(message, head) as answer, asyncio.TaskGroup() as group:
            if learn is not None:
                learn(answer)
            found = await _until_answered(answer, message["id"], group, hear=hear, reply=reply)
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    if found is None:
        raise Unreachable(f"{endpoint.url} ended its answer to {message['method']} without one")
    if isinstance(error := found.get("error"), dict):
        raise error_of(error, status=answer.status_code)
    result = found.get("result")
    return result if isinstance(result, dict) else {}


async def _until_answered(
    answer: httpx.Response,
    number: int,
    group: asyncio.TaskGroup,
    *,
    hear: Hear | None,
    reply: Callable[[Message], Awaitable[None]] | None,
) -> Message | None:
    """The message that answers. What a person is asked is replied to meanwhile: it holds up nothing that comes."""
    replying: list[asyncio.Task[None]] = []
    async for each in messages(answer):
        if "method" not in each and each.get("id") in (number, None):
            for task in replying:
                task.cancel()  # an answer that nobody waits for any more
            return each
        if "method" in each and "id" not in each and hear is not None:
            hear(each)
        elif "method" in each and "id" in each and reply is not None:
            if each["method"] in _ASKED:
                replying.append(group.create_task(_replied(reply, each)))
            else:
                await reply(each)
    return None


async def _replied(reply: Callable[[Message], Awaitable[None]], asked: Message) -> None:
    await reply(asked)


def _dismissing(result: Mapping[str, Any]) -> dict[str, Any]:
    """A round in which nothing is answered: forms are dismissed; of a model's answer it is no result, which refuses."""
    asked = result.get("inputRequests")
    said = {name: {"action": "cancel"} for name in asked} if isinstance(asked, dict) else {}
    return {"inputResponses": said} | ({"requestState": result["requestState"]} if "requestState" in result else {})


def _own_meta(params: Mapping[str, Any]) -> dict[str, Any]:
    meta = params.get("_meta")
    return dict(meta) if isinstance(meta, dict) else {}


def _is_final(error: McpError) -> bool:
    """Whether there is no older version to fall back to."""
    if error.code != mcp.UNSUPPORTED_VERSION or not isinstance(error.data, dict):
        return False
    supported = error.data.get("supported")
    return isinstance(supported, list) and bool(supported) and not set(mcp.LEGACY_VERSIONS) & set(map(str, supported))


def _described(server: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    capabilities = told.get("capabilities")
    return {
        "name": str(server.get("name", "")),
        "version": str(server.get("version", "")),
        "instructions": str(told.get("instructions") or ""),
        "capabilities": capabilities if isinstance(capabilities, dict) else {},
    }
