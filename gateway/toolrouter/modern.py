"""The face of 2026-07-28: each request stands for itself, and what an adapter answers passes as it comes.

Lists, discovery and subscriptions are answered here; calls, prompts, resources and completions by whose they are.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import msgspec
from msgspec import Raw

from gateway.core.errors import NotFound
from gateway.core.ports import Exchange, nothing
from gateway.toolrouter import replies, resources, weighing
from gateway.toolrouter.backstage import Backstage, to_adapter
from gateway.toolrouter.calls import Answered, Caller, Ready, Refused, prepare
from gateway.toolrouter.catalog import Thing
from gateway.toolrouter.inner import JSON, Passing
from gateway.toolrouter.listening import Listening
from gateway.wire import envelope, jsonrpc, mcp, validation
from gateway.wire.http1 import Headers, Request
from gateway.wire.mcp import Era
from gateway.wire.media import accepts, is_json
from gateway.wire.names import AdapterName
from gateway.wire.validation import ModernNotification, ModernRequest, Refusal

CAPABILITIES: Final[dict[str, Any]] = {
    "tools": {"listChanged": True},
    "prompts": {"listChanged": True},
    "resources": {"listChanged": True, "subscribe": True},
    "completions": {},
    "logging": {},
}
LISTS: Final = {  # a method: the kind of what it lists
    "tools/list": "tools",
    "prompts/list": "prompts",
    "resources/list": "resources",
    "resources/templates/list": "templates",
}
INSTRUCTIONS: Final = "Tools of several servers behind one gateway."


class ModernFace:
    def __init__(self, backstage: Backstage) -> None:
        self._backstage = backstage
        self._methods: dict[str, Callable[[Exchange, Caller, ModernRequest], None]] = {
            mcp.DISCOVER: self._discover,
            mcp.LISTEN: self._listen,
            "tools/call": self._call,
            "prompts/get": self._prompt,
            "resources/read": self._resource,
            "completion/complete": self._complete,
            **dict.fromkeys(LISTS, self._list),
        }

    def serve(self, exchange: Exchange, caller: Caller) -> None:
        """A POST with a version header that is no handshake version's."""
        request = exchange.request
        if not is_json(request.header(b"content-type")):
            replies.bare(exchange, 415, "the body must be application/json")
        elif accepts(request.header(b"accept")) != (True, True):
            replies.bare(exchange, 406, "Accept must list application/json and text/event-stream")
        else:
            self._examined(exchange, caller)

    def _examined(self, exchange: Exchange, caller: Caller) -> None:
        match validation.examine(exchange.request.body, exchange.request.headers, mcp.MODERN_VERSIONS):
            case ModernRequest() as call:
                method = self._methods.get(call.method)
                if method is None:
                    sentence = f"there is no method {call.method!r} in {mcp.MODERN_VERSION} here"
                    self._error(exchange, call, jsonrpc.METHOD_NOT_FOUND, sentence)
                else:
                    method(exchange, caller, call)
            case ModernNotification():
                replies.bare(exchange, 202)
            case Refusal() as refusal:
                exchange.respond(refusal.status, (JSON,), refusal.body())

    # answered here

    def _discover(self, exchange: Exchange, caller: Caller, call: ModernRequest) -> None:
        found = {
            "supportedVersions": [*mcp.MODERN_VERSIONS, *mcp.LEGACY_VERSIONS],
            "capabilities": CAPABILITIES,
            "instructions": instructions(caller),
            "ttlMs": 0,
            "cacheScope": "private",
        }
        replies.result(exchange, call.raw_id, replies.own_result(Era.MODERN, found))

    def _list(self, exchange: Exchange, caller: Caller, call: ModernRequest) -> None:
        cursor = envelope.members(call.message.get("params")).get("cursor")
        if cursor is not None and bytes(cursor) != b"null":
            self._error(exchange, call, jsonrpc.INVALID_PARAMS, "no list here has a second page: leave cursor out")
            return
        kind = LISTS[call.method]
        found = self._backstage.sight.listed(caller.principal, kind, Era.MODERN, caller.toolset)
        replies.result(exchange, call.raw_id, found)

    def _listen(self, exchange: Exchange, caller: Caller, call: ModernRequest) -> None:
        Listening(self._backstage, exchange, caller, call).begin()

    # answered by an adapter

    def _call(self, exchange: Exchange, caller: Caller, call: ModernRequest) -> None:
        headers = exchange.request.headers
        sight = self._backstage.sight
        match prepare(sight, caller, call.message, body=exchange.request.body, headers=headers):
            case Refused(code, sentence):
                self._error(exchange, call, code, sentence)
            case Answered(result):
                replies.result(exchange, call.raw_id, result)
            case Ready() as ready:
                guard, go = self._backstage.guard, partial(self._go, caller, call, ready)
                if not guard.has_policies:
                    go(exchange, nothing)
                    return
                token = call.meta.token if bytes(call.meta.token) else None
                state = weighing.state_of(envelope.members(call.message.get("params")))
                weighed = weighing.offered(
                    guard.outlooks,
                    sight.catalog,
                    caller,
                    ready,
                    raw_id=call.raw_id,
                    token=token,
                    state=envelope.text(state) if isinstance(state, Raw) else state,
                )
                guard.admit(exchange, weighed, go)

    def _go(
        self, caller: Caller, call: ModernRequest, ready: Ready, exchange: Exchange, release: Callable[[], None]
    ) -> None:
        offer, raw_id = ready.offer, call.raw_id
        refusal = self._backstage.refusal(offer.source)
        if refusal is not None:
            release()
            replies.refuse(exchange, refusal, raw_id)
        elif offer.is_server:

            def say(found: bytes) -> None:
                replies.result(exchange, raw_id, _complete(found))

            self._backstage.call_server(exchange, caller.principal, ready, release=release, say=say)
        else:
            request = to_adapter(offer.source, ready.body, ready.headers, exchange.request)
            passing = Passing(exchange, request, self._backstage.watched(offer, release))
            self._backstage.admit(passing, caller.principal)

    def _prompt(self, exchange: Exchange, caller: Caller, call: ModernRequest) -> None:
        name = envelope.text(call.params.name) or ""
        prompt = self._backstage.sight.prompt(caller.principal, name)
        if prompt is None:
            self._error(exchange, call, jsonrpc.INVALID_PARAMS, f"there is no prompt {name!r} here that you may use")
        else:
            self._pass_renamed(exchange, caller, call, prompt)

    def _pass_renamed(self, exchange: Exchange, caller: Caller, call: ModernRequest, thing: Thing) -> None:
        body, headers = exchange.request.body, exchange.request.headers
        if thing.key != thing.original:
            body = renamed(call.message, thing.original)
            name = (mcp.NAME_HEADER, mcp.encode_header_value(thing.original).encode())
            headers = [*(pair for pair in headers if pair[0] != mcp.NAME_HEADER), name]
        self._pass(exchange, caller, call, [thing.source], body=body, headers=headers)

    def _resource(self, exchange: Exchange, caller: Caller, call: ModernRequest) -> None:
        uri = envelope.text(call.params.uri) or ""
        owners = resources.owners(self._backstage.sight, caller.principal, uri)
        if not owners:
            self._no_resource(exchange, call, uri)
        else:
            request = exchange.request
            self._pass(exchange, caller, call, owners, body=request.body, headers=request.headers)

    def _complete(self, exchange: Exchange, caller: Caller, call: ModernRequest) -> None:
        found = completed(self._backstage, caller, call.message)
        if found is None:
            self._error(
                exchange, call, jsonrpc.INVALID_PARAMS, "params.ref names no prompt or template that you may use"
            )
            return
        source, message = found
        body = exchange.request.body if message is call.message else envelope.line(message)
        self._pass(exchange, caller, call, [source], body=body, headers=exchange.request.headers)

    def _pass(
        self,
        exchange: Exchange,
        caller: Caller,
        call: ModernRequest,
        sources: list[AdapterName],
        *,
        body: bytes,
        headers: Headers,
    ) -> None:
        """To the first of these adapters that is not out of order, and on to the next where one knows of nothing."""
        source, *others = sources
        refusal = self._backstage.refusal(source)
        if refusal is not None:
            if others:
                self._pass(exchange, caller, call, others, body=body, headers=headers)
            else:
                replies.refuse(exchange, refusal, call.raw_id)
            return
        request = to_adapter(source, body, headers, exchange.request)

        def judged(status: int, _: bytes) -> None:
            self._backstage.judged(source, status)

        if not others:
            self._backstage.admit(Passing(exchange, request, judged), caller.principal)
            return

        def next_one() -> None:
            self._pass(exchange, caller, call, others, body=body, headers=headers)

        self._backstage.admit(Trial(exchange, request, judged, otherwise=next_one), caller.principal)

    def _no_resource(self, exchange: Exchange, call: ModernRequest, uri: str) -> None:
        sentence = f"there is no resource {uri!r} here that you may read"
        replies.rpc_error(exchange, Era.MODERN, call.raw_id, jsonrpc.INVALID_PARAMS, sentence, {"uri": uri})

    def _error(self, exchange: Exchange, call: ModernRequest, code: int, sentence: str) -> None:
        replies.rpc_error(exchange, Era.MODERN, call.raw_id, code, sentence)


class Trial(Passing):
    """Passes a result on; where there is none, something else is tried."""

    def __init__(
        self, outer: Exchange, request: Request, done: Callable[[int, bytes], None], *, otherwise: Callable[[], None]
    ) -> None:
        super().__init__(outer, request, done)
        self._otherwise = otherwise

    def whole(self, status: int, headers: Headers, body: bytes) -> None:
        message = envelope.parse(body)
        if 200 <= status < 300 and isinstance(message, dict) and "result" in message:
            super().whole(status, headers, body)
        else:
            self._tell(status, body)
            if not self._outer.has_ended:
                self._otherwise()


def completed(
    backstage: Backstage, caller: Caller, message: envelope.Message
) -> tuple[AdapterName, envelope.Message] | None:
    """Whose completion this is, and the message with the prompt's own name. None where nobody's."""
    params = envelope.members(message.get("params"))
    ref = envelope.members(params.get("ref"))
    sight = backstage.sight
    if "name" in ref:
        prompt = sight.prompt(caller.principal, envelope.text(ref["name"]) or "")
        if prompt is None:
            return None
        if prompt.key == prompt.original:
            return prompt.source, message
        params["ref"] = envelope.raw(ref | {"name": envelope.raw(prompt.original)})
        return prompt.source, message | {"params": envelope.raw(params)}
    uri = envelope.text(ref.get("uri", Raw(b"null"))) or ""
    thing = sight.template(caller.principal, uri) or sight.resource(caller.principal, uri)
    return (thing.source, message) if thing is not None else None


def renamed(message: envelope.Message, original: str) -> bytes:
    params = envelope.members(message.get("params")) | {"name": envelope.raw(original)}
    return envelope.line(message | {"params": envelope.raw(params)})


def instructions(caller: Caller) -> str:
    toolset = caller.toolset
    return toolset.spec.description if toolset is not None and toolset.spec.description else INSTRUCTIONS


def no_toolset(name: str) -> NotFound:
    return NotFound(f"there is no toolset {name!r} here that you may use")


def _complete(result: bytes) -> bytes:
    return replies.own_result(Era.MODERN, msgspec.json.decode(result))
