"""An MCP server to ask things of, in the era that it speaks: the newest first, the handshake where that is unknown."""

import itertools
from collections.abc import AsyncGenerator, Callable, Mapping
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

_FALL_BACK: Final = frozenset({400, 404, 405, 406, 415, 422, 501})  # of what may be a server of the other era


class ServerInfo(msgspec.Struct, frozen=True, kw_only=True):
    era: Era
    protocol_version: str
    name: str = ""
    version: str = ""
    instructions: str = ""
    capabilities: dict[str, Any] = {}


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
        """The result. headers: besides those that the era wants."""


@asynccontextmanager
async def connected(
    url: str,
    *,
    auth: httpx.Auth | None = None,
    ca_file: str = "",
    era: Era | None = None,
    client: tuple[str, str] = ("mcpdeck", VERSION),
    silence: float = 60.0,
) -> AsyncGenerator[Peer]:
    """era: that one alone. client: the name and version to go by. silence: seconds that an answer may take."""
    async with open_http(url, auth=auth, ca_file=ca_file) as http:
        http.timeout = httpx.Timeout(silence, connect=5.0)
        endpoint = Endpoint(http, url)
        who = {"name": client[0], "version": client[1]}
        if era is not Era.LEGACY:
            modern = _Modern(endpoint, who)
            if await modern.discovered(must=era is Era.MODERN):
                yield modern
                return
        legacy = _Legacy(endpoint, who)
        await legacy.open()
        try:
            yield legacy
        finally:
            await legacy.close()


async def tools(peer: Peer) -> list[dict[str, Any]]:
    """All of a server's tools, page by page."""
    found: list[dict[str, Any]] = []
    params: dict[str, Any] = {}
    while True:
        page = await peer.request("tools/list", params)
        found += [tool for tool in page.get("tools", []) if isinstance(tool, dict)]
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

    def __init__(self, endpoint: Endpoint, who: Mapping[str, str]) -> None:
        self._endpoint = endpoint
        self._ids = itertools.count(1)
        self._meta = {
            mcp.META_VERSION: mcp.MODERN_VERSION,
            mcp.META_CLIENT_CAPABILITIES: {},
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
        number = next(self._ids)
        message = {"jsonrpc": "2.0", "id": number, "method": method, "params": {**params, "_meta": self._meta}}
        result = await _answer(self._endpoint, message, head, hear=hear)
        if result.get("resultType") == "input_required":
            raise McpError(jsonrpc.INTERNAL_ERROR, "the server asks for input, which this client did not offer")
        return result


class _Legacy:
    """Up to 2025-11-25: a handshake, and a session if the server wants one."""

    def __init__(self, endpoint: Endpoint, who: Mapping[str, str]) -> None:
        self._endpoint = endpoint
        self._ids = itertools.count(1)
        self._who = dict(who)
        self._head: dict[str, str] = {}
        self.info = ServerInfo(era=Era.LEGACY, protocol_version=mcp.LEGACY_VERSIONS[0])

    async def open(self) -> None:
        params = {"protocolVersion": mcp.LEGACY_VERSIONS[0], "capabilities": {}, "clientInfo": self._who}
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
        message = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": dict(params)}

        def learn(answer: httpx.Response) -> None:
            if method == mcp.INITIALIZE and (session := answer.headers.get("mcp-session-id")):
                self._head["mcp-session-id"] = session

        return await _answer(self._endpoint, message, self._head, hear=hear, learn=learn, decline=self._decline)

    async def _notify(self, method: str) -> None:
        async with self._endpoint.post({"jsonrpc": "2.0", "method": method}, self._head):
            pass

    async def _decline(self, asked: Message) -> None:
        """A server may ask for what was not offered, and waits for an answer."""
        answer: Message = {"jsonrpc": "2.0", "id": asked["id"]}
        if asked["method"] == "ping":
            answer["result"] = {}
        else:
            answer["error"] = {"code": jsonrpc.METHOD_NOT_FOUND, "message": f"this client has no {asked['method']}"}
        async with self._endpoint.post(answer, self._head):
            pass


async def _answer(
    endpoint: Endpoint,
    message: Message,
    head: Mapping[str, str],
    *,
    hear: Hear | None,
    learn: Callable[[httpx.Response], None] | None = None,
    decline: Callable[[Message], Any] | None = None,
) -> dict[str, Any]:
    """The result of one request; what comes before it is heard, or declined where it is a question."""
    async with endpoint.post(message, head) as answer:
        if learn is not None:
            learn(answer)
        async for each in messages(answer):
            if "method" in each:
                if "id" not in each:
                    if hear is not None:
                        hear(each)
                elif decline is not None:
                    await decline(each)
            elif each.get("id") == message["id"] or each.get("id") is None:
                if isinstance(error := each.get("error"), dict):
                    raise error_of(error, status=answer.status_code)
                result = each.get("result")
                return result if isinstance(result, dict) else {}
    raise Unreachable(f"{endpoint.url} ended its answer to {message['method']} without one")


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
