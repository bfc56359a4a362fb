"""A real gateway process for tests, and what is asked of it over HTTP."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec

from gateway.wire import sse
from gateway.wire.resources import ChangeEvent
from tests.support.programs import PATIENCE, PYTHON, Program, program

ROLES = "mcp.admin,mcp.dev"


class Gateway:
    """A gateway that listens. `client` speaks to its control plane as an administrator."""

    def __init__(self, url: str, running: Program, client: httpx.AsyncClient) -> None:
        self.url = url
        self.program = running
        self.client = client

    def mcp(self, adapter: str) -> str:
        return f"{self.url}/adapters/{adapter}/mcp"

    async def deploy(self, name: str, **spec: Any) -> str:
        """Create an adapter and wait until all its instances are ready. Its MCP URL."""
        answer = await self.client.post("/adapters", json={"name": name, **spec})
        assert answer.status_code == 201, answer.text
        await self.ready(name, replicas=spec.get("replicaCount", 1))
        return self.mcp(name)

    async def ready(self, name: str, *, replicas: int = 1) -> dict[str, Any]:
        """Wait for that many ready instances, by /events. The status."""
        try:
            async with asyncio.timeout(PATIENCE):
                async for status in self._statuses(name):
                    if status["readyReplicas"] == replicas == len(status["instances"]):
                        return status
        except TimeoutError:
            now = await self.status(name)
            raise AssertionError(f"{name} is not ready in {PATIENCE} s: {now}\n{self.program.said}") from None
        raise AssertionError(f"/events ended before {name} was ready:\n{self.program.said}")

    async def failed(self, name: str) -> dict[str, Any]:
        """Wait until it has failed, by /events. The status."""
        async with asyncio.timeout(PATIENCE):
            async for status in self._statuses(name):
                if status["phase"] == "Failed":
                    return status
        raise AssertionError(f"/events ended before {name} had failed:\n{self.program.said}")

    async def _statuses(self, name: str) -> AsyncIterator[dict[str, Any]]:
        decoder = sse.Decoder()
        async with self.client.stream("GET", "/events", timeout=None) as answer:
            assert answer.status_code == 200, await answer.aread()
            async for chunk in answer.aiter_bytes():
                for event in decoder.feed(chunk):
                    if event.event != "change" or event.data is None:
                        continue
                    change = msgspec.json.decode(event.data, type=ChangeEvent)
                    if change.type == "status" and change.name == name and change.resource is not None:
                        yield change.resource

    async def status(self, name: str) -> dict[str, Any]:
        answer = await self.client.get(f"/adapters/{name}/status")
        assert answer.status_code == 200, answer.text
        status: dict[str, Any] = answer.json()
        return status

    async def logs(self, name: str) -> str:
        return (await self.client.get(f"/adapters/{name}/logs", params={"instance": "all"})).text


@asynccontextmanager
async def gateway(
    data: Path,
    *options: str,
    bind: str = "127.0.0.1:0",
    env: Mapping[str, str] | None = None,
    within: Callable[[list[str]], list[str]] = list,
) -> AsyncIterator[Gateway]:
    """data: where it keeps its state; a second gateway on the same folder takes up what the first one left.

    within: the command that runs it where its surroundings are others.
    """
    argv = [PYTHON, "-m", "gateway", "--bind", bind, "--data-dir", str(data), "--dev-roles", ROLES, *options]
    async with program(within(argv), env=env) as running:
        url = (await running.hear(r"mcpdeck gateway listening on (http://\S+)"))[1]
        async with httpx.AsyncClient(base_url=url, timeout=30, trust_env=False) as client:
            yield Gateway(url, running, client)
