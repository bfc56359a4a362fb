"""A client of 2026-07-28: no session, each request with the headers that its body says; a cancelled one is cut."""

from typing import Final

import msgspec

from gateway.wire import jsonrpc, mcp
from gateway.wire.mirrored import Mirrored
from mcpdeck.front.client_side import ClientSide
from mcpdeck.front.messages import Line, answers, declared_in, modern_headers
from mcpdeck.front.upstream import Upstream, code_of, messages


class _Page(msgspec.Struct):
    next_cursor: str | None = msgspec.field(name="nextCursor", default=None)


_OWN_ID: Final = "mcpdeck-tools"


def _page(result: msgspec.Raw) -> _Page:
    try:
        return msgspec.json.decode(result, type=_Page)
    except msgspec.DecodeError:  # an error, or nothing of its own
        return _Page()


class ModernSide:
    def __init__(self, upstream: Upstream, client: ClientSide) -> None:
        self._upstream = upstream
        self._client = client
        self._declared: dict[str, tuple[Mirrored, ...]] = {}  # by tool

    def take(self, line: Line) -> None:
        if line.method == mcp.CANCELLED:
            self._client.cancel(line.params.request_id)
        else:
            self._client.start(line, self._exchange(line))

    async def _exchange(self, line: Line) -> None:
        if await self._was_passed_on(line, is_last=line.method != "tools/call"):
            return
        await self._learn_tools(line)
        await self._was_passed_on(line, is_last=True)

    async def _was_passed_on(self, line: Line, *, is_last: bool) -> bool:
        """False: the headers do not match what the tool's schema mirrors, and it is worth looking that up."""

        def note(message: bytes) -> None:
            if line.method == "tools/list":
                self._declared |= declared_in(jsonrpc.decode(message).result)

        async with self._upstream.post(line.body, modern_headers(line, self._declared)) as answer:
            if answer.is_success:
                await self._client.pass_on(line, answer, note=note)
                return True
            body = await answer.aread()
            if code_of(body) == mcp.HEADER_MISMATCH and not is_last:
                return False
            await self._client.refused(line, answer, body)
            return True

    async def _learn_tools(self, line: Line) -> None:
        """A client may call without having listed; then what its arguments mirror is still unknown here."""
        meta = {mcp.META_VERSION: line.params.meta.version, mcp.META_CLIENT_CAPABILITIES: {}}
        params: dict[str, object] = {"_meta": meta}
        while True:
            body = jsonrpc.request(_OWN_ID, "tools/list", params)
            head = {"mcp-protocol-version": line.params.meta.version, "mcp-method": "tools/list"}
            page = _Page()
            async with self._upstream.post(body, head) as answer:
                async for told in messages(answer):
                    if told.message and answers(told.message, _OWN_ID):
                        result = jsonrpc.decode(told.message).result
                        self._declared |= declared_in(result)
                        page = _page(result)
            if page.next_cursor is None:
                return
            params["cursor"] = page.next_cursor
