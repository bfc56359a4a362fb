"""A 2026-07-28 child that all clients share: stateless requests in, each one's messages back to whom they belong.

Sends to whatever child is attached. While there is none, requests wait for the next one; subscriptions outlive a child,
since it holds no state for them (basic/transports/stdio, Unexpected Termination).
"""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec
from msgspec import Raw

from gateway.wire import envelope, jsonrpc, mcp, mirrored
from gateway.wire.envelope import Message, Unreadable
from gateway.wire.mirrored import Mirrored
from gateway.wire.replies import Reply
from gateway.wire.validation import ModernRequest
from sidecar.bridge.calls import NOT_READING, TOKEN, Call, Calls, Send

type Headers = Sequence[tuple[bytes, bytes]]

_WAITING: Final = 256  # requests that may wait for a child
_WAIT_TICKS: Final = 6
_LIST_TICKS: Final = 3
_PAGES: Final = 100  # of tools/list; a paginator that never ends must not be followed for ever
_LISTEN_KINDS: Final = {
    "toolsListChanged": "notifications/tools/list_changed",
    "promptsListChanged": "notifications/prompts/list_changed",
    "resourcesListChanged": "notifications/resources/list_changed",
}
_OWN_META: Final = {
    mcp.META_VERSION: mcp.MODERN_VERSION,
    mcp.META_CLIENT_CAPABILITIES: {},
    mcp.META_CLIENT_INFO: {"name": "mcpdeck-sidecar", "version": "1"},
}


class _Unchecked:
    """A tools/call that waits for the child's list of tools."""

    def __init__(self, request: ModernRequest, headers: Headers, reply: Reply) -> None:
        self.request, self.headers, self.reply = request, headers, reply
        self.ticks = 0


class ModernBridge:
    """log: for people. call_ticks: after how many ticks a call is given up, 0 for never."""

    def __init__(self, log: Callable[[str], None], *, call_ticks: int = 0) -> None:
        self.versions: tuple[str, ...] = mcp.MODERN_VERSIONS
        self._log = log
        self._send: Send | None = None
        self._calls = Calls(limit=call_ticks)
        self._waiting: list[Call] = []
        self._tools: dict[str, tuple[Mirrored, ...]] | None = None  # None: not known yet
        self._listing: dict[str, tuple[Mirrored, ...]] | None = None
        self._pages = self._listing_ticks = 0
        self._unchecked: list[_Unchecked] = []
        self._may_relist = False
        self._lists_tools = True

    @property
    def under_way(self) -> int:
        """Clients' requests; the sidecar's own do not count, nor subscriptions, which have no end of their own."""
        calls = sum(call.settle is None and not call.is_listen for call in self._calls)
        return calls + len(self._waiting) + len(self._unchecked)

    # the children's side

    def attach(self, send: Send, discovered: Raw) -> None:
        """A child that answered server/discover, with what it said."""
        self._send = send
        found = envelope.members(discovered)
        self.versions = supported_versions(found)
        capabilities = envelope.members(found.get("capabilities"))
        self._tools = self._listing = None
        self._lists_tools, self._may_relist = True, False
        if "tools" in capabilities and mcp.MODERN_VERSION in self.versions:
            self._list_tools()
            if bytes(envelope.members(capabilities["tools"]).get("listChanged", Raw(b"false"))) == b"true":
                self._watch_tools()
        else:
            self._tools_are({})
        waiting, self._waiting = self._waiting, []
        for call in waiting:
            self._calls.renumber(call)
            send(envelope.line(call.message))

    def lost(self, reason: str) -> None:
        """The child is gone: what it was doing fails, what it was only watching for goes on with the next one."""
        self._send = None
        self._tools = self._listing = None
        for call in self._calls.drain():
            if call.is_listen and call.reply is not None and call.reply.is_open:
                call.ticks = 0
                self._waiting.append(call)
            elif call.reply is not None:
                call.fail(envelope.own_error(bytes(call.raw_id), jsonrpc.INTERNAL_ERROR, reason, "server-exited"))

    def received(self, line: bytes) -> None:
        message = envelope.parse(line)
        if isinstance(message, Unreadable):
            self._log(f"skipped a line on the server's stdout that is no message ({message.sentence}): {line[:200]!r}")
        elif "method" not in message:
            self._response(message)
        elif "id" in message and envelope.raw_id(message) is not None:
            self._refuse_request(message)
        else:
            self._notification(message)

    # the clients' side

    def request(self, request: ModernRequest, headers: Headers, reply: Reply) -> None:
        """A request whose headers agree with its body; `Mcp-Param-*` is checked here, by the child's tools."""
        if request.method == "tools/call" and not self._is_checked(request, headers, reply):
            return
        call = self._calls.begin(request.message, reply, request.raw_id)
        call.wants_logs = bool(bytes(request.meta.log_level))
        call.is_listen = request.method == mcp.LISTEN
        reply.on_leave = lambda: self._left(call)
        if self._send is not None:
            if not self._send(envelope.line(request.message)):
                self._calls.drop(call)
                self._give_up(call, NOT_READING)
        elif len(self._waiting) < _WAITING:
            self._calls.drop(call)
            self._waiting.append(call)
        else:
            self._calls.drop(call)
            self._give_up(call, "no server process is running, and too many requests wait for one")

    def tick(self) -> None:
        """Every `calls.TICK` seconds."""
        self._may_relist = self._lists_tools
        for call in self._calls.tick():
            self._calls.drop(call)
            self._cancel(call, "it took too long")
            self._give_up(call, "the server did not answer in time", status=504)
        for call in tuple(self._waiting):
            call.ticks += 1
            if call.ticks >= _WAIT_TICKS:
                self._waiting.remove(call)
                self._give_up(call, "no server process is running")
            elif call.reply is not None:
                call.reply.tick()
        self._tick_unchecked()

    def _tick_unchecked(self) -> None:
        if self._listing is not None:
            self._listing_ticks += 1
            if self._listing_ticks >= _LIST_TICKS:  # header checks must not break calls that work
                self._log("the server did not list its tools; their Mcp-Param headers are not checked")
                self._lists_tools = self._may_relist = False
                self._tools_are({})
        for unchecked in tuple(self._unchecked):
            unchecked.ticks += 1
            if unchecked.ticks >= _WAIT_TICKS:
                self._unchecked.remove(unchecked)
                self._refuse(unchecked, "no server process is running")
            else:
                unchecked.reply.tick()

    def end(self) -> None:
        """The sidecar stops: subscriptions end as the specification has it, so that clients take them up elsewhere."""
        for call in (*self._calls, *self._waiting):
            if call.is_listen and call.reply is not None:
                self._calls.drop(call)
                result = {"resultType": "complete", "_meta": {mcp.META_SUBSCRIPTION_ID: call.raw_id}}
                call.reply.final(jsonrpc.response(call.raw_id, result))
        self._waiting = [call for call in self._waiting if not call.is_listen]

    def abandon(self, reason: str) -> None:
        """What is still under way fails."""
        waiting, self._waiting = self._waiting, []
        for call in (*self._calls.drain(), *waiting):
            self._give_up(call, reason)
        unchecked, self._unchecked = self._unchecked, []
        for held in unchecked:
            self._refuse(held, reason)

    # messages from the child

    def _response(self, message: Message) -> None:
        call = self._calls.take(message)
        if call is None:
            return  # a cancelled call's, mostly
        if call.settle is not None:
            call.settle(message)
            return
        assert call.reply is not None  # noqa: S101 - a call has a reply, or somebody to settle it
        message["id"] = call.raw_id
        if call.is_listen:
            self._retag(message, "result", call)
        call.reply.final(envelope.line(message), _status(message))

    def _notification(self, message: Message) -> None:
        method = envelope.method(message)
        params = envelope.members(message.get("params"))
        if method == mcp.PROGRESS:
            call = self._calls.get(envelope.number_of(params.get(TOKEN)))
            if call is not None and call.token is not None:
                params[TOKEN] = call.token
                self._pass_on(call, message, params)
        elif method == mcp.CANCELLED:
            call = self._calls.get(envelope.number_of(params.get("requestId")))
            if call is not None:
                params["requestId"] = call.raw_id
                self._pass_on(call, message, params)
        elif (raw := envelope.members(params.get("_meta")).get(mcp.META_SUBSCRIPTION_ID)) is not None:
            call = self._calls.get(envelope.number_of(raw))
            if call is not None:
                self._subscribed(call, message, method)
        elif method == "notifications/message":
            self._log_message(message, params)

    def _subscribed(self, call: Call, message: Message, method: str | None) -> None:
        if call.settle is not None:
            call.settle(message)
        elif method == mcp.ACKNOWLEDGED and call.is_acknowledged:
            self._resumed(call, envelope.members(message.get("params")))
        elif call.reply is not None:
            call.is_acknowledged |= method == mcp.ACKNOWLEDGED
            self._retag(message, "params", call)
            call.reply.event(envelope.line(message))

    def _resumed(self, call: Call, acknowledged: Message) -> None:
        """The next child took a subscription over. What changed in between nobody knows, so everything may have."""
        honoured = envelope.members(acknowledged.get("notifications"))
        for kind, method in _LISTEN_KINDS.items():
            if call.reply is not None and bytes(honoured.get(kind, Raw())) == b"true":
                params = {"_meta": {mcp.META_SUBSCRIPTION_ID: call.raw_id}}
                call.reply.event(jsonrpc.notification(method, params))

    def _log_message(self, message: Message, params: Message) -> None:
        """On a shared channel nothing says whose it is: it is passed on only where there is no doubt."""
        asking = [call for call in self._calls if call.wants_logs]
        if len(asking) == 1:
            self._pass_on(asking[0], message, params)

    def _pass_on(self, call: Call, message: Message, params: Message) -> None:
        message["params"] = envelope.raw(params)
        if call.reply is not None and call.reply.accepts_stream:
            call.reply.event(envelope.line(message))

    def _retag(self, message: Message, member: str, call: Call) -> None:
        if member in message:
            message[member], _ = envelope.swap_meta(message[member], mcp.META_SUBSCRIPTION_ID, call.raw_id)

    def _refuse_request(self, message: Message) -> None:
        self._log(f"the server sent a request ({envelope.method(message)}), which 2026-07-28 does not allow")
        if self._send is not None:
            self._send(jsonrpc.error(message["id"], jsonrpc.METHOD_NOT_FOUND, "a server sends no requests"))

    # calls

    def _left(self, call: Call) -> None:
        """A client that closes its stream cancels (2026-07-28): the child is told, what it still says is dropped."""
        if call in self._waiting:
            self._waiting.remove(call)
        elif self._calls.get(call.number) is call:
            self._calls.drop(call)
            self._cancel(call, "the client left")

    def _cancel(self, call: Call, reason: str) -> None:
        if self._send is not None:
            self._send(jsonrpc.notification(mcp.CANCELLED, {"requestId": call.number, "reason": reason}))

    def _give_up(self, call: Call, reason: str, *, status: int = 503) -> None:
        call.fail(envelope.own_error(bytes(call.raw_id), jsonrpc.INTERNAL_ERROR, reason, "not-running"), status)

    def _refuse(self, unchecked: _Unchecked, reason: str) -> None:
        error = envelope.own_error(unchecked.request.raw_id, jsonrpc.INTERNAL_ERROR, reason, "not-running")
        unchecked.reply.final(error, 503)

    # the child's tools

    def _is_checked(self, request: ModernRequest, headers: Headers, reply: Reply) -> bool:
        """Whether the call may go on now. Otherwise it was answered, or waits for the child's list of tools."""
        name = envelope.text(request.params.name)
        if name is None:
            return True
        if self._tools is not None and name not in self._tools and self._may_relist and self._send is not None:
            self._may_relist = False  # a tool may have come since; ask once, and not for every name that is made up
            self._tools = None
            self._list_tools()
        if self._tools is None:
            if len(self._unchecked) >= _WAITING:
                self._refuse(_Unchecked(request, headers, reply), "too many requests wait for the server's tools")
            else:
                self._unchecked.append(_Unchecked(request, headers, reply))
            return False
        declared = self._tools.get(name)
        if not declared:
            return True
        arguments = msgspec.json.decode(request.params.arguments) if bytes(request.params.arguments) else None
        problem = mirrored.mismatch(declared, arguments, headers)
        if problem is None:
            return True
        status = mcp.HTTP_STATUS_OF_CODE[mcp.HEADER_MISMATCH]
        reply.final(jsonrpc.error(request.raw_id, mcp.HEADER_MISMATCH, problem), status)
        return False

    def _list_tools(self, cursor: Raw | None = None) -> None:
        if cursor is None:
            self._listing, self._pages, self._listing_ticks = {}, 0, 0
        params: dict[str, object] = {"_meta": _OWN_META}
        if cursor is not None:
            params["cursor"] = cursor
        self._ask("tools/list", params, self._listed)

    def _listed(self, message: Message) -> None:
        listing, self._pages = self._listing, self._pages + 1
        if listing is None:
            return
        result = envelope.members(message.get("result"))
        tools = msgspec.json.decode(result["tools"]) if "tools" in result else None
        for tool in tools if isinstance(tools, list) else ():
            if isinstance(tool, dict) and isinstance(tool.get("name"), str):
                listing[tool["name"]] = mirrored.declarations(tool.get("inputSchema"))
        cursor = result.get("nextCursor")
        if cursor is not None and bytes(cursor) != b"null" and self._pages < _PAGES:
            self._list_tools(cursor)
        else:
            self._tools_are(listing)

    def _tools_are(self, tools: dict[str, tuple[Mirrored, ...]]) -> None:
        self._tools, self._listing = tools, None
        unchecked, self._unchecked = self._unchecked, []
        for held in unchecked:
            if held.reply.is_open:
                self.request(held.request, held.headers, held.reply)

    def _watch_tools(self) -> None:
        params = {"_meta": _OWN_META, "notifications": {"toolsListChanged": True}}
        self._ask(mcp.LISTEN, params, self._tools_changed)

    def _tools_changed(self, message: Message) -> None:
        if envelope.method(message) == _LISTEN_KINDS["toolsListChanged"] and self._listing is None:
            self._list_tools()

    def _ask(self, method: str, params: dict[str, object], settle: Callable[[Message], None]) -> None:
        """A request of the sidecar's own."""
        message = {"jsonrpc": Raw(b'"2.0"'), "method": envelope.raw(method), "params": envelope.raw(params)}
        call = self._calls.begin(message, None)
        call.settle = settle
        call.is_listen = method == mcp.LISTEN
        if self._send is not None:
            self._send(envelope.line(message))


def supported_versions(discovered: Message) -> tuple[str, ...]:
    """The modern versions in a DiscoverResult."""
    versions = msgspec.json.decode(discovered.get("supportedVersions", Raw(b"[]")))
    found = [version for version in versions if isinstance(version, str)] if isinstance(versions, list) else []
    return tuple(version for version in found if mcp.era_of(version) is mcp.Era.MODERN)


def _status(message: Message) -> int:
    code = envelope.error_code(message)
    return 200 if code is None else mcp.HTTP_STATUS_OF_CODE.get(code, 200)
