"""Sidecars as real processes, and a plain HTTP client to talk to them with."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import msgspec
import psutil

ROOT = Path(__file__).resolve().parents[2]
SCRIPTED = str(Path(__file__).parent / "stdio_servers" / "scripted.py")
SDK_SERVER = str(Path(__file__).parent / "stdio_servers" / "sdk_server.py")
BOTH = "application/json, text/event-stream"
MODERN = "2026-07-28"


def scripted(*flags: str) -> list[str]:
    return [sys.executable, "-S", "-E", SCRIPTED, *flags]


class SidecarProcess:
    """`log` grows with what the sidecar writes to stderr."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.process = process
        self.base = f"http://127.0.0.1:{port}"
        self.url = f"{self.base}/mcp"
        self.log: list[str] = []
        self._said = asyncio.Condition()

    async def read_log(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            async with self._said:
                self.log.append(line.decode().rstrip())
                self._said.notify_all()

    async def says(self, words: str, *, times: int = 1) -> None:
        """Wait until so many lines hold these words."""
        async with asyncio.timeout(30), self._said:
            await self._said.wait_for(lambda: sum(words in line for line in self.log) >= times)

    @property
    def children(self) -> list[int]:
        return children_of(self.process.pid)

    async def stop(self) -> int:
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(30):
            return await self.process.wait()


@contextlib.asynccontextmanager
async def sidecar(
    command: Sequence[str], *options: str, state: Path, ready: bool = True
) -> AsyncIterator[SidecarProcess]:
    """On an inherited socket, as the process backend starts it. ready: wait until it knows the server's era."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        os.set_inheritable(listener.fileno(), True)
        arguments = ["-m", "sidecar", "--fd", str(listener.fileno()), "--state", str(state), *options, "--", *command]
        process = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, cwd=ROOT, stderr=asyncio.subprocess.PIPE, pass_fds=[listener.fileno()]
        )
        found = SidecarProcess(process, listener.getsockname()[1])
    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(found.read_log())
        try:
            if ready:
                await found.says(" protocol")
            yield found
        finally:
            await found.stop()
            await reading


def children_of(pid: int) -> list[int]:
    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


async def gone(pids: Sequence[int]) -> None:
    """Until none of these processes is there any more."""
    async with asyncio.timeout(30):
        while any(_is_running(pid) for pid in pids):  # noqa: ASYNC110 - no one signals the end of a stranger
            await asyncio.sleep(0.02)


def _is_running(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


class McpClient:
    """Speaks to one URL in either era, and hides nothing: answers are httpx responses."""

    def __init__(self, http: httpx.AsyncClient, url: str) -> None:
        self.http, self.url = http, url
        self.session: dict[str, str] = {}
        self._last = 0

    async def post(self, message: Any, **headers: str) -> httpx.Response:
        body = message if isinstance(message, bytes) else msgspec.json.encode(message)
        told = {"content-type": "application/json", "accept": BOTH} | self.session | _named(headers)
        return await self.http.post(self.url, content=body, headers=told)

    async def initialize(self, version: str = "2025-06-18") -> httpx.Response:
        self.session = {}
        params = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
        answer = await self.post(self.request("initialize", params))
        if "mcp-session-id" in answer.headers:
            self.session = {"mcp-session-id": answer.headers["mcp-session-id"], "mcp-protocol-version": version}
            await self.post({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return answer

    def request(self, method: str, params: Any = None) -> dict[str, Any]:
        self._last += 1
        return {"jsonrpc": "2.0", "id": self._last, "method": method, "params": params or {}}

    async def call(self, tool: str, _meta: dict[str, Any] | None = None, **arguments: Any) -> httpx.Response:
        params = {"name": tool, "arguments": arguments} | ({"_meta": _meta} if _meta else {})
        return await self.post(self.request("tools/call", params))

    async def modern(
        self, method: str, params: dict[str, Any] | None = None, *, meta: dict[str, Any] | None = None, **headers: str
    ) -> httpx.Response:
        return await self.http.post(self.url, **self.modern_parts(method, params, meta=meta, **headers))

    def modern_parts(
        self, method: str, params: dict[str, Any] | None = None, *, meta: dict[str, Any] | None = None, **headers: str
    ) -> Any:
        params = {"_meta": modern_meta() | (meta or {})} | (params or {})
        told = {"content-type": "application/json", "accept": BOTH, "mcp-protocol-version": MODERN}
        told["mcp-method"] = method
        if "name" in params:
            told["mcp-name"] = params["name"]
        told |= _named(headers)
        kept = {name: value for name, value in told.items() if value}
        return {"content": msgspec.json.encode(self.request(method, params)), "headers": kept}

    async def modern_call(self, tool: str, *, meta: dict[str, Any] | None = None, **arguments: Any) -> httpx.Response:
        return await self.modern("tools/call", {"name": tool, "arguments": arguments}, meta=meta)


@contextlib.asynccontextmanager
async def client(url: str) -> AsyncIterator[McpClient]:
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(timeout=60, limits=limits, trust_env=False) as http:
        yield McpClient(http, url)


def modern_meta() -> dict[str, Any]:
    return {
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    }


def events(response: httpx.Response) -> list[Any]:
    """The messages of an answer that came as a stream."""
    assert response.headers["content-type"] == "text/event-stream", response.text
    lines = response.text.splitlines()
    return [msgspec.json.decode(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]


async def next_event(lines: AsyncIterator[str]) -> Any:
    """The next message on an open stream."""
    async with asyncio.timeout(30):
        async for line in lines:
            if line.startswith("data: "):
                return msgspec.json.decode(line.removeprefix("data: "))
    raise AssertionError("the stream ended")


def text_of(message: Any) -> str:
    said: str = message["result"]["content"][0]["text"]
    return said


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
