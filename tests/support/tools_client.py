"""Raw requests to /mcp in either era: what a test sends is what goes out, and what comes back is what it sees."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import msgspec

from gateway.wire import mcp, sse

type Json = dict[str, Any]

ACCEPT = "application/json, text/event-stream"
META: Json = {mcp.META_VERSION: mcp.MODERN_VERSION, mcp.META_CLIENT_CAPABILITIES: {}}


class Answer(msgspec.Struct, frozen=True):
    status: int
    headers: httpx.Headers
    messages: list[Json]

    @property
    def message(self) -> Json:
        """The last: the response."""
        return self.messages[-1]

    @property
    def result(self) -> Json:
        assert "result" in self.message, self.message
        found: Json = self.message["result"]
        return found

    @property
    def error(self) -> Json:
        assert "error" in self.message, self.message
        found: Json = self.message["error"]
        return found

    @property
    def text(self) -> str:
        """Of a tool's result."""
        return str(self.result["content"][0]["text"])


class ToolsClient:
    """as_: `X-Dev-UserId`, with roles. session: of the handshake era, once `initialize` has given one."""

    def __init__(self, http: httpx.AsyncClient, url: str, user: str, roles: str) -> None:
        self.http, self.url = http, url
        self.identity = {"X-Dev-UserId": user, "X-Dev-Roles": roles}
        self.session = ""

    async def modern(self, method: str, params: Json | None = None, **headers: str) -> Answer:
        name = {} if mcp.NAME_OF_METHOD.get(method) is None else self._named(method, params or {})
        said = {"MCP-Protocol-Version": mcp.MODERN_VERSION, "Mcp-Method": method, **name, **headers}
        return await self._post(method, {"_meta": META} | (params or {}), said)

    async def legacy(self, method: str, params: Json | None = None, *, request_id: Any = 1, **headers: str) -> Answer:
        """request_id None: a notification."""
        said = {"Mcp-Session-Id": self.session} if self.session else {}
        answer = await self._post(method, params, said | headers, request_id)
        if method == "initialize" and "mcp-session-id" in answer.headers:
            self.session = answer.headers["mcp-session-id"]
        return answer

    async def initialize(self, version: str = "2025-11-25", **capabilities: Any) -> Answer:
        info = {"name": "test", "version": "1"}
        params = {"protocolVersion": version, "capabilities": capabilities, "clientInfo": info}
        answer = await self.legacy("initialize", params)
        await self.legacy("notifications/initialized", request_id=None)
        return answer

    async def call(self, name: str, arguments: Json | None = None, **headers: str) -> Answer:
        return await self.modern("tools/call", {"name": name, "arguments": arguments or {}}, **headers)

    async def names(self) -> list[str]:
        return [each["name"] for each in (await self.modern("tools/list")).result["tools"]]

    @asynccontextmanager
    async def listen(self, **notifications: Any) -> AsyncIterator[AsyncIterator[Json]]:
        """`subscriptions/listen`, message by message."""
        said = {"MCP-Protocol-Version": mcp.MODERN_VERSION, "Mcp-Method": mcp.LISTEN}
        params = {"_meta": META, "notifications": notifications}
        body = {"jsonrpc": "2.0", "id": "listen", "method": mcp.LISTEN, "params": params}
        async with self._stream("POST", said, json=body) as messages:
            yield messages

    @asynccontextmanager
    async def get(self, **headers: str) -> AsyncIterator[AsyncIterator[Json]]:
        """The handshake era's own stream."""
        async with self._stream("GET", {"Mcp-Session-Id": self.session} | headers) as messages:
            yield messages

    @asynccontextmanager
    async def _stream(self, method: str, headers: dict[str, str], **more: Any) -> AsyncIterator[AsyncIterator[Json]]:
        said = {"Accept": ACCEPT, **self.identity, **headers}
        async with self.http.stream(method, self.url, headers=said, timeout=None, **more) as answer:
            assert answer.status_code == 200, await answer.aread()
            yield _messages(answer)

    def _named(self, method: str, params: Json) -> dict[str, str]:
        return {"Mcp-Name": mcp.encode_header_value(str(params[mcp.NAME_OF_METHOD[method]]))}

    async def _post(self, method: str, params: Json | None, headers: dict[str, str], request_id: Any = 1) -> Answer:
        body: Json = {"jsonrpc": "2.0", "method": method}
        if request_id is not None:
            body["id"] = request_id
        if params is not None:
            body["params"] = params
        return await self.send(body, headers)

    async def send(self, body: Json, headers: dict[str, str]) -> Answer:
        said = {"Accept": ACCEPT, **self.identity, **headers}
        answer = await self.http.post(self.url, json=body, headers=said)
        if answer.headers.get("content-type", "").startswith("text/event-stream"):
            events = sse.Decoder().feed(answer.content)
            found = [msgspec.json.decode(event.data) for event in events if event.data]
        else:
            found = [answer.json()] if answer.content[:1] == b"{" else []
        return Answer(answer.status_code, answer.headers, found)


async def _messages(answer: httpx.Response) -> AsyncIterator[Json]:
    decoder = sse.Decoder()
    async for chunk in answer.aiter_bytes():
        for event in decoder.feed(chunk):
            if event.data:
                yield msgspec.json.decode(event.data)


@asynccontextmanager
async def tools_client(url: str, user: str = "dev", roles: str = "") -> AsyncIterator[ToolsClient]:
    async with httpx.AsyncClient(timeout=30, trust_env=False) as http:
        yield ToolsClient(http, url, user, roles)
