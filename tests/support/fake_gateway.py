"""A gateway that keeps what a scene says and does what a test tells it: on a real socket, in this process.

Speaks api.md for adapters, events, logs, sessions and whoami. Runs no adapter.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol
from urllib.parse import parse_qs, urlsplit

import msgspec

from gateway.toolrouter.cost import of_list
from gateway.toolrouter.toolsets import holds
from gateway.wire import sse
from gateway.wire.audit import AuditRecord
from gateway.wire.policies import ApprovalDecision, PendingApproval
from gateway.wire.problems import MEDIA_TYPE, Problem
from gateway.wire.resources import Adapter, AdapterSpec, AdapterStatus, ChangeEvent, LiveSession, WhoAmI, problems_of
from gateway.wire.tools import OfferedTool, Tool, Toolset, ToolSpec
from gateway.wire.tools import problems_of as problems_of_tool
from gateway.wire.traffic import (
    DROPPED,
    END,
    JSONL,
    MESSAGE,
    Dropped,
    Ended,
    Kind,
    RecordingPart,
    RecordingStatus,
    TrafficMessage,
)
from tests.support.fake_mcp import FakeMcp

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


class Request(NamedTuple):
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Fault:
    """What a request gets instead of its answer. `status` 0 cuts the connection without one."""

    status: int = 0
    detail: str = ""
    errors: dict[str, list[str]] = field(default_factory=dict)


@dataclass
class Scene:
    """What there is."""

    whoami: WhoAmI = field(
        default_factory=lambda: WhoAmI(
            id="ada", name="Ada", roles=["mcp.admin"], permissions=["create", "admin"], authentication="dev"
        )
    )
    adapters: dict[str, Adapter] = field(default_factory=dict)
    statuses: dict[str, AdapterStatus] = field(default_factory=dict)
    sessions: dict[str, LiveSession] = field(default_factory=dict)
    logs: dict[str, list[str]] = field(default_factory=dict)
    servers: dict[str, FakeMcp] = field(default_factory=dict)  # what adapters answer at their endpoints
    checks: dict[str, str] = field(default_factory=dict)  # of /readyz: why not, empty when well
    audit: list[AuditRecord] = field(default_factory=list)  # the newest first
    recordings: dict[str, list[TrafficMessage]] = field(default_factory=dict)
    offers: list[OfferedTool] = field(default_factory=list)
    tools: dict[str, Tool] = field(default_factory=dict)
    toolsets: list[Toolset] = field(default_factory=list)
    approvals: list[PendingApproval] = field(default_factory=list)
    budget: int = 20_000  # tokens of a list, where its toolset does not say
    partial: str = ""  # why lists may lack what other gateways have
    metrics: list[str] = field(default_factory=list)  # one for each time it is asked; the last stays


class Cut(Exception):
    """The connection ends here."""


class Weather(Protocol):
    """What comes between a request and its answer. True: the request has got all that it gets."""

    def __call__(self, request: Request, writer: asyncio.StreamWriter, /) -> Awaitable[bool]: ...


class FakeGateway:
    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.requests: list[Request] = []
        self.faults: dict[tuple[str, str], Fault] = {}  # (method, pattern of the path)
        self.gates: dict[tuple[str, str], asyncio.Event] = {}  # an answer waits until its gate opens
        self.weather: Weather | None = None
        self.url = ""
        self._events: list[asyncio.Queue[bytes | None]] = []
        self._followers: dict[str, list[asyncio.Queue[bytes | None]]] = {}
        self._watchers: list[tuple[Mapping[str, str], asyncio.Queue[bytes | None]]] = []  # of traffic, and for what
        self.stamp = "aa"  # of the process, to which alone the numbers of its messages mean anything
        self._writers: set[asyncio.StreamWriter] = set()
        self._readers: dict[asyncio.StreamWriter, asyncio.StreamReader] = {}
        self._serving: set[asyncio.Task[None]] = set()
        self._event_id = 0
        self._history: list[tuple[int, bytes]] = []
        self._arrived = asyncio.Condition()
        self._server: asyncio.Server | None = None

    # What a test does

    @asynccontextmanager
    async def running(self, port: int = 0) -> AsyncIterator["FakeGateway"]:
        await self.start(port)
        try:
            yield self
        finally:
            await self.stop()

    async def start(self, port: int = 0) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        """As a gateway that is killed: every connection is cut."""
        assert self._server is not None
        self._server.close()
        self.cut_streams()
        for writer in list(self._writers):
            writer.transport.abort()
        for task in self._serving:
            task.cancel()
        await self._server.wait_closed()

    def cut_streams(self) -> None:
        """End every open stream; the server stays."""
        followers = [queue for queues in self._followers.values() for queue in queues]
        for queue in [*self._events, *followers, *(queue for _, queue in self._watchers)]:
            queue.put_nowait(None)

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    def fail(self, method: str, path: str, fault: Fault | None) -> None:
        if fault is None:
            self.faults.pop((method, path), None)
        else:
            self.faults[method, path] = fault

    def hold(self, method: str, path: str) -> asyncio.Event:
        """Answers to these wait until the event is set."""
        return self.gates.setdefault((method, path), asyncio.Event())

    async def request(self, method: str, path: str) -> Request:
        """The first such request, once it has come."""
        async with asyncio.timeout(10), self._arrived:
            await self._arrived.wait_for(lambda: self.seen(method, path))
        return self.seen(method, path)[0]

    def seen(self, method: str, path: str) -> list[Request]:
        return [it for it in self.requests if it.method == method and re.fullmatch(path, it.path)]

    def emit(self, change: ChangeEvent) -> None:
        """One change to everybody who listens, and to who asks for it later."""
        self._event_id += 1
        block = sse.encode(msgspec.json.encode(change), "change", str(self._event_id))
        self._history.append((self._event_id, block))
        for queue in self._events:
            queue.put_nowait(block)

    def put(self, adapter: Adapter, status: AdapterStatus | None = None) -> None:
        """An adapter appears or changes."""
        kind = "modified" if adapter.name in self.scene.adapters else "added"
        self.scene.adapters[adapter.name] = adapter
        self.emit(ChangeEvent(type=kind, kind="Adapter", name=adapter.name, resource=msgspec.to_builtins(adapter)))
        if status is not None:
            self.put_status(adapter.name, status)

    def put_status(self, name: str, status: AdapterStatus) -> None:
        self.scene.statuses[name] = status
        self.emit(ChangeEvent(type="status", kind="Adapter", name=name, resource=msgspec.to_builtins(status)))

    def remove(self, name: str) -> None:
        self.scene.adapters.pop(name, None)
        self.scene.statuses.pop(name, None)
        self.emit(ChangeEvent(type="deleted", kind="Adapter", name=name))

    def put_session(self, session: LiveSession) -> None:
        """A live session appears or changes."""
        kind = "modified" if session.id in self.scene.sessions else "added"
        self.scene.sessions[session.id] = session
        self.emit(ChangeEvent(type=kind, kind="Session", name=session.id, resource=msgspec.to_builtins(session)))

    def remove_session(self, session_id: str) -> None:
        self.scene.sessions.pop(session_id, None)
        self.emit(ChangeEvent(type="deleted", kind="Session", name=session_id))

    def write_log(self, adapter: str, *lines: str) -> None:
        """Lines appear in an adapter's log, and reach who follows it."""
        self.scene.logs.setdefault(adapter, []).extend(lines)
        block = "".join(f"{line}\n" for line in lines).encode()
        for queue in self._followers.get(adapter, []):
            queue.put_nowait(block)

    async def followed(self, adapter: str) -> None:
        """Once somebody follows this log."""
        async with asyncio.timeout(10), self._arrived:
            await self._arrived.wait_for(lambda: self._followers.get(adapter))

    def say(self, *messages: TrafficMessage, revealed: bool = False) -> None:
        """Messages pass, and reach who watches their session or adapter."""
        for message in messages:
            block = sse.encode(msgspec.json.encode(message), MESSAGE, f"{self.stamp}-{message.number}")
            for wanted, queue in self._watchers:
                theirs = wanted.get("session", message.session), wanted.get("adapter", message.adapter)
                if theirs == (message.session, message.adapter) and (wanted.get("reveal") == "true") is revealed:
                    queue.put_nowait(block)

    def lose(self, count: int) -> None:
        """Who watches traffic is too slow."""
        for _, queue in self._watchers:
            queue.put_nowait(sse.encode(msgspec.json.encode(Dropped(count)), DROPPED))

    def end_traffic(self, reason: str) -> None:
        for _, queue in self._watchers:
            queue.put_nowait(sse.encode(msgspec.json.encode(Ended(reason)), END))

    @property
    def watchers(self) -> int:
        """How many watch traffic now."""
        return len(self._watchers)

    async def watched(self, count: int = 1) -> None:
        """Once so many watch traffic."""
        async with asyncio.timeout(10), self._arrived:
            await self._arrived.wait_for(lambda: len(self._watchers) == count)

    # HTTP

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        self._readers[writer] = reader
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            while (request := await _read(reader)) is not None:
                self.requests.append(request)
                async with self._arrived:
                    self._arrived.notify_all()
                await self._answer(request, writer)
                await writer.drain()
        except (ConnectionError, Cut):
            writer.transport.abort()
        finally:
            self._serving.discard(task)
            self._writers.discard(writer)
            del self._readers[writer]
            writer.close()

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        for (method, path), gate in list(self.gates.items()):
            if method == request.method and re.fullmatch(path, request.path):
                await gate.wait()
        if self.weather is not None and await self.weather(request, writer):
            return None
        for (method, path), fault in self.faults.items():
            if method == request.method and re.fullmatch(path, request.path):
                if fault.status == 0:
                    raise Cut
                return _problem(writer, fault.status, fault.detail, errors=fault.errors)
        for (method, path), answer in _ROUTES.items():
            if method == request.method and (match := re.fullmatch(path, request.path)):
                await answer(self, request, writer, *match.groups())
                return None
        return _problem(writer, 404, f"no route {request.method} {request.path}")

    # Routes

    async def _ping(self, _request: Request, writer: asyncio.StreamWriter) -> None:
        _respond(writer, 200, b"pong", "text/plain")

    async def _audit(self, _request: Request, writer: asyncio.StreamWriter) -> None:
        _json(writer, 200, self.scene.audit)

    async def _metrics(self, _request: Request, writer: asyncio.StreamWriter) -> None:
        text = self.scene.metrics.pop(0) if len(self.scene.metrics) > 1 else "".join(self.scene.metrics)
        _respond(writer, 200, text.encode(), "text/plain; version=0.0.4")

    async def _whoami(self, _request: Request, writer: asyncio.StreamWriter) -> None:
        _json(writer, 200, self.scene.whoami)

    async def _list(self, _request: Request, writer: asyncio.StreamWriter) -> None:
        _json(writer, 200, list(self.scene.adapters.values()))

    async def _create(self, request: Request, writer: asyncio.StreamWriter) -> None:
        spec = msgspec.json.decode(request.body, type=AdapterSpec)
        if errors := problems_of(spec):
            return _problem(writer, 400, "the adapter is not valid", errors=errors)
        if spec.name in self.scene.adapters:
            return _problem(writer, 409, f"an adapter {spec.name!r} exists")
        adapter = stored(spec, owner=self.scene.whoami.id)
        _json(writer, 201, adapter)
        self.put(adapter)
        return None

    async def _get(self, _request: Request, writer: asyncio.StreamWriter, name: str) -> None:
        if name in self.scene.adapters:
            return _json(writer, 200, self.scene.adapters[name])
        return _problem(writer, 404, f"there is no adapter {name!r}")

    async def _status(self, _request: Request, writer: asyncio.StreamWriter, name: str) -> None:
        if name in self.scene.statuses:
            return _json(writer, 200, self.scene.statuses[name])
        return _problem(writer, 404, f"there is no adapter {name!r}")

    async def _replace(self, request: Request, writer: asyncio.StreamWriter, name: str) -> None:
        self._change(request, writer, name, lambda _old: msgspec.json.decode(request.body))

    async def _patch(self, request: Request, writer: asyncio.StreamWriter, name: str) -> None:
        merge = msgspec.json.decode(request.body)
        self._change(request, writer, name, lambda old: _spec_dict(old) | merge)

    def _change(
        self, request: Request, writer: asyncio.StreamWriter, name: str, new: Callable[[Adapter], dict[str, Any]]
    ) -> None:
        old = self.scene.adapters.get(name)
        if old is None:
            return _problem(writer, 404, f"there is no adapter {name!r}")
        if request.headers.get("if-match", old.etag).strip('"') != old.etag.strip('"'):
            return _problem(writer, 412, f"{name} has changed since you read it")
        spec = msgspec.convert(new(old), AdapterSpec)
        adapter = stored(spec, owner=old.created_by, revision=int(old.etag.strip('"')) + 1)
        _json(writer, 200, adapter)
        self.put(adapter)
        return None

    async def _delete(self, request: Request, writer: asyncio.StreamWriter, name: str) -> None:
        if name not in self.scene.adapters:
            return _problem(writer, 404, f"there is no adapter {name!r}")
        self.remove(name)
        return _respond(writer, 204, b"", "text/plain")

    async def _restart(self, _request: Request, writer: asyncio.StreamWriter, name: str) -> None:
        _json(writer, 202, {"name": name})

    async def _sessions(self, _request: Request, writer: asyncio.StreamWriter) -> None:
        _json(writer, 200, list(self.scene.sessions.values()), partial=self.scene.partial)

    async def _session(self, _request: Request, writer: asyncio.StreamWriter, session_id: str) -> None:
        if session_id in self.scene.sessions:
            return _json(writer, 200, self.scene.sessions[session_id])
        return _problem(writer, 404, f"no live session {session_id!r}")

    async def _end_session(self, _request: Request, writer: asyncio.StreamWriter, session_id: str) -> None:
        if session_id not in self.scene.sessions:
            return _problem(writer, 404, f"no live session {session_id!r}")
        self.remove_session(session_id)
        return _respond(writer, 204, b"", "text/plain")

    async def _logs(self, request: Request, writer: asyncio.StreamWriter, name: str) -> None:
        tail = int(request.query.get("tail", "1000"))
        block = "".join(f"{line}\n" for line in self.scene.logs.get(name, [])[-tail:]).encode()
        if request.query.get("follow") != "true":
            return _respond(writer, 200, block, "text/plain; charset=utf-8")
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._followers.setdefault(name, []).append(queue)
        try:
            await self._stream(writer, "text/plain; charset=utf-8", queue, block)
        finally:
            self._followers[name].remove(queue)
        return None

    async def _adapter_traffic(self, request: Request, writer: asyncio.StreamWriter, name: str) -> None:
        await self._traffic({"adapter": name, **request.query}, writer)

    async def _all_traffic(self, request: Request, writer: asyncio.StreamWriter) -> None:
        await self._traffic(request.query, writer)

    async def _session_traffic(self, request: Request, writer: asyncio.StreamWriter, session_id: str) -> None:
        if session_id not in self.scene.sessions:
            return _problem(writer, 404, f"no live session {session_id!r}")
        await self._traffic({"session": session_id, **request.query}, writer)
        return None

    async def _traffic(self, wanted: Mapping[str, str], writer: asyncio.StreamWriter) -> None:
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._watchers.append((wanted, queue))
        try:
            async with asyncio.TaskGroup() as group:
                leaving = group.create_task(self._leaves(writer, queue))
                with suppress(Cut):
                    await self._stream(writer, "text/event-stream", queue, b": watching\n\n")
                leaving.cancel()
        finally:
            self._watchers.remove((wanted, queue))
            async with self._arrived:
                self._arrived.notify_all()
        raise Cut

    async def _leaves(self, writer: asyncio.StreamWriter, queue: asyncio.Queue[bytes | None]) -> None:
        """The stream ends once its reader has gone."""
        with suppress(ConnectionError):
            await self._readers[writer].read(1)
        queue.put_nowait(None)

    async def _recording(self, _request: Request, writer: asyncio.StreamWriter, name: str) -> None:
        if name not in self.scene.recordings:
            return _problem(writer, 404, f"adapter {name!r} records nothing")
        lines = b"".join(msgspec.json.encode(message) + b"\n" for message in self.scene.recordings[name])
        return _respond(writer, 200, lines, JSONL)

    async def _recording_status(self, _request: Request, writer: asyncio.StreamWriter, name: str) -> None:
        messages = self.scene.recordings.get(name)
        if messages is None:
            return _problem(writer, 404, f"adapter {name!r} records nothing")
        gaps = sum(each.kind is Kind.GAP for each in messages)
        since = messages[0].at if messages else None
        part = RecordingPart(messages=len(messages) - gaps, bytes=1, since=since, gaps=gaps, at_rest=True)
        return _json(writer, 200, RecordingStatus(adapter=name, parts=[part]))

    async def _readyz(self, _request: Request, writer: asyncio.StreamWriter) -> None:
        checks = [{"name": name, "ok": not why, "reason": why} for name, why in self.scene.checks.items()]
        is_ready = not any(self.scene.checks.values())
        _json(writer, 200 if is_ready else 503, {"status": "ready" if is_ready else "not ready", "checks": checks})

    async def _offers(self, _request: Request, writer: asyncio.StreamWriter) -> None:
        _json(writer, 200, self.scene.offers)

    async def _costs(self, _request: Request, writer: asyncio.StreamWriter) -> None:
        offered = [each for each in self.scene.offers if not each.quarantine and not each.drift]
        found = [of_list("", [each.tokens for each in offered], self.scene.budget)]
        for toolset in self.scene.toolsets:
            held = [each.tokens for each in offered if holds(toolset, each.name, each.source, each.original)]
            found.append(of_list(toolset.name, held, toolset.token_budget or self.scene.budget))
        _json(writer, 200, found)

    async def _tools(self, _request: Request, writer: asyncio.StreamWriter) -> None:
        _json(writer, 200, list(self.scene.tools.values()))

    async def _register(self, request: Request, writer: asyncio.StreamWriter) -> None:
        spec = msgspec.json.decode(request.body, type=ToolSpec)
        if errors := problems_of_tool(spec):
            return _problem(writer, 400, "the tool is not valid", errors=errors)
        if request.method == "POST" and spec.name in self.scene.tools:
            return _problem(writer, 409, f"a tool {spec.name!r} exists")
        self.scene.tools[spec.name] = stored_tool(spec, owner=self.scene.whoami.id)
        return _json(writer, 201, self.scene.tools[spec.name])

    async def _patch_tool(self, request: Request, writer: asyncio.StreamWriter, name: str) -> None:
        merge = msgspec.json.decode(request.body)
        locked = {key: value for key, value in (merge.get("locked") or {}).items() if value is not None}
        self.scene.tools[name] = msgspec.structs.replace(self.scene.tools[name], locked=locked)
        self.scene.offers = [
            msgspec.structs.replace(each, drift="") if each.tool == name else each for each in self.scene.offers
        ]
        _json(writer, 200, self.scene.tools[name])

    async def _delete_tool(self, _request: Request, writer: asyncio.StreamWriter, name: str) -> None:
        if self.scene.tools.pop(name, None) is None:
            return _problem(writer, 404, f"no tool {name!r}")
        self.scene.offers = [each for each in self.scene.offers if each.tool != name]
        return _respond(writer, 204, b"", "text/plain")

    async def _toolsets(self, _request: Request, writer: asyncio.StreamWriter) -> None:
        _json(writer, 200, self.scene.toolsets)

    async def _approvals(self, _request: Request, writer: asyncio.StreamWriter) -> None:
        _json(writer, 200, self.scene.approvals, partial=self.scene.partial)

    async def _decide(self, request: Request, writer: asyncio.StreamWriter, approval_id: str) -> None:
        decision = msgspec.json.decode(request.body, type=ApprovalDecision)
        held = next((each for each in self.scene.approvals if each.id == approval_id), None)
        if held is None or held.digest != decision.digest:
            return _problem(writer, 409, "it is not what you have seen")
        self.scene.approvals.remove(held)
        return _json(writer, 200, held)

    async def _own_mcp(self, request: Request, writer: asyncio.StreamWriter, name: str = "") -> None:
        await self._mcp(request, writer, f"/mcp/{name}" if name else "/mcp")

    async def _mcp(self, request: Request, writer: asyncio.StreamWriter, name: str) -> None:
        server = self.scene.servers.get(name)
        if server is None:
            return _problem(writer, 404, f"there is no adapter {name!r}")
        if request.method == "DELETE":
            return _respond(writer, 204, b"", "text/plain")
        message = msgspec.json.decode(request.body)
        flow = server.flows.get((message.get("params") or {}).get("name", ""))
        if message.get("method") == "tools/call" and flow is not None:
            server.called.append(dict(message["params"]))
            return await self._flow(writer, flow(message))
        status, body = server.respond(message, request.headers)
        if body is None:
            return _respond(writer, status, b"", "text/plain")
        return _json(writer, status, body)

    async def _flow(self, writer: asyncio.StreamWriter, messages: AsyncIterator[dict[str, Any]]) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        async for each in messages:
            _chunk(writer, sse.encode(msgspec.json.encode(each)))
            await writer.drain()
        writer.write(b"0\r\n\r\n")

    async def _follow_events(self, request: Request, writer: asyncio.StreamWriter) -> None:
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        last = request.headers.get("last-event-id", "")
        if last.isdecimal():
            begin = b"".join(block for number, block in self._history if number > int(last))
        else:
            begin = self._snapshot()
        self._events.append(queue)
        try:
            await self._stream(writer, "text/event-stream", queue, begin or b": hello\n\n")
        finally:
            self._events.remove(queue)

    def _snapshot(self) -> bytes:
        blocks = []
        for name, adapter in self.scene.adapters.items():
            added = ChangeEvent(type="added", kind="Adapter", name=name, resource=msgspec.to_builtins(adapter))
            blocks.append(sse.encode(msgspec.json.encode(added), "change", str(self._event_id)))
            if status := self.scene.statuses.get(name):
                told = ChangeEvent(type="status", kind="Adapter", name=name, resource=msgspec.to_builtins(status))
                blocks.append(sse.encode(msgspec.json.encode(told), "change", str(self._event_id)))
        blocks.append(sse.encode(b"{}", "synced", str(self._event_id)))
        return b"".join(blocks)

    async def _stream(
        self, writer: asyncio.StreamWriter, media_type: str, queue: asyncio.Queue[bytes | None], begin: bytes
    ) -> None:
        writer.write(f"HTTP/1.1 200 OK\r\ncontent-type: {media_type}\r\ntransfer-encoding: chunked\r\n\r\n".encode())
        _chunk(writer, begin)
        async with self._arrived:
            self._arrived.notify_all()
        while (block := await queue.get()) is not None:
            _chunk(writer, block)
            await writer.drain()
        raise Cut


type _Answer = Callable[..., Awaitable[None]]

_NAME = "([a-z0-9-]+)"
_ROUTES: dict[tuple[str, str], _Answer] = {
    ("GET", "/ping"): FakeGateway._ping,
    ("GET", "/metrics"): FakeGateway._metrics,
    ("GET", "/audit"): FakeGateway._audit,
    ("GET", "/whoami"): FakeGateway._whoami,
    ("GET", "/adapters"): FakeGateway._list,
    ("POST", "/adapters"): FakeGateway._create,
    ("GET", f"/adapters/{_NAME}"): FakeGateway._get,
    ("PUT", f"/adapters/{_NAME}"): FakeGateway._replace,
    ("PATCH", f"/adapters/{_NAME}"): FakeGateway._patch,
    ("DELETE", f"/adapters/{_NAME}"): FakeGateway._delete,
    ("GET", f"/adapters/{_NAME}/status"): FakeGateway._status,
    ("GET", f"/adapters/{_NAME}/logs"): FakeGateway._logs,
    ("GET", f"/adapters/{_NAME}/traffic"): FakeGateway._adapter_traffic,
    ("GET", "/traffic"): FakeGateway._all_traffic,
    ("GET", f"/sessions/live/{_NAME}/traffic"): FakeGateway._session_traffic,
    ("GET", f"/adapters/{_NAME}/recording"): FakeGateway._recording,
    ("GET", f"/adapters/{_NAME}/recording/status"): FakeGateway._recording_status,
    ("POST", f"/adapters/{_NAME}/restart"): FakeGateway._restart,
    ("GET", "/sessions/live"): FakeGateway._sessions,
    ("GET", f"/sessions/live/{_NAME}"): FakeGateway._session,
    ("DELETE", f"/sessions/live/{_NAME}"): FakeGateway._end_session,
    ("GET", "/events"): FakeGateway._follow_events,
    ("GET", "/readyz"): FakeGateway._readyz,
    ("GET", "/offers"): FakeGateway._offers,
    ("GET", "/offers/cost"): FakeGateway._costs,
    ("GET", "/tools"): FakeGateway._tools,
    ("POST", "/tools"): FakeGateway._register,
    ("PUT", f"/tools/{_NAME}"): lambda self, request, writer, _name: self._register(request, writer),
    ("PATCH", f"/tools/{_NAME}"): FakeGateway._patch_tool,
    ("DELETE", f"/tools/{_NAME}"): FakeGateway._delete_tool,
    ("GET", "/toolsets"): FakeGateway._toolsets,
    ("GET", "/approvals"): FakeGateway._approvals,
    ("POST", f"/approvals/{_NAME}"): FakeGateway._decide,
    ("POST", "/mcp"): FakeGateway._own_mcp,
    ("DELETE", "/mcp"): FakeGateway._own_mcp,
    ("POST", f"/mcp/{_NAME}"): FakeGateway._own_mcp,
    ("DELETE", f"/mcp/{_NAME}"): FakeGateway._own_mcp,
    ("POST", f"/adapters/{_NAME}/mcp"): FakeGateway._mcp,
    ("DELETE", f"/adapters/{_NAME}/mcp"): FakeGateway._mcp,
}


def stored_tool(spec: ToolSpec, *, owner: str, created_at: datetime = NOW) -> Tool:
    """A registration as the gateway returns it."""
    fields: dict[str, Any] = {name: getattr(spec, name) for name in ToolSpec.__struct_fields__}
    more: dict[str, Any] = {
        "id": spec.name,
        "created_by": owner,
        "created_at": created_at,
        "last_updated_at": created_at,
        "etag": '"1"',
    }
    return Tool(**fields, **more)


def stored(spec: AdapterSpec, *, owner: str, created_at: datetime = NOW, revision: int = 1) -> Adapter:
    """A specification as the gateway returns it."""
    fields = {name: getattr(spec, name) for name in AdapterSpec.__struct_fields__}
    return Adapter(
        **fields,
        id=spec.name,
        created_by=owner,
        created_at=created_at,
        last_updated_at=created_at,
        etag=f'"{revision}"',
    )


def _spec_dict(adapter: Adapter) -> dict[str, Any]:
    fields = {name: getattr(adapter, name) for name in AdapterSpec.__struct_fields__}
    spec: dict[str, Any] = msgspec.to_builtins(AdapterSpec(**fields))
    return spec


async def _read(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    first, *lines = head.split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    parts = urlsplit(target)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    return Request(method, parts.path, query, headers, body)


def _respond(writer: asyncio.StreamWriter, status: int, body: bytes, media_type: str) -> None:
    head = f"HTTP/1.1 {status} X\r\ncontent-type: {media_type}\r\n"
    if status != 204:
        head += f"content-length: {len(body)}\r\n"
    writer.write(head.encode() + b"\r\n" + body)


def _json(writer: asyncio.StreamWriter, status: int, value: Any, *, partial: str = "") -> None:
    media_type = "application/json" + (f"\r\nx-mcpdeck-partial: {partial}" if partial else "")
    _respond(writer, status, msgspec.json.encode(value), media_type)


def _problem(
    writer: asyncio.StreamWriter, status: int, detail: str, *, errors: dict[str, list[str]] | None = None
) -> None:
    problem = Problem(title=f"Problem {status}", status=status, detail=detail, errors=errors or {})
    _respond(writer, status, msgspec.json.encode(problem), MEDIA_TYPE)


def _chunk(writer: asyncio.StreamWriter, data: bytes) -> None:
    if data:  # an empty chunk would be the end
        writer.write(b"%x\r\n%b\r\n" % (len(data), data))
