"""A team's day at a gateway: `uv run python -m tests.support.load --gateway http://127.0.0.1:8700`.

Forty adapters and three hundred live sessions of both eras, for ten minutes unless told otherwise; some adapters are slow,
some fail, one fails for a single person. What it deployed it deletes again at its end, however it ends.

Clients are two dozen people, each with a program and a version that no other client of the adapter has, so that every one
of them is a session of its own. They are told by `X-Dev-UserId`, or by the tokens in `--people FILE`, one a line (with
the role mcp.user); `MCPDECK_TOKEN` deploys, and is everybody where no file is named.

Adapters are URLs of a stub that this program serves. A gateway in a cluster reaches it where `--stub-host` says (and needs
`--allow-private-urls yes`), or runs `--stdio COMMAND` instead.
"""

import argparse
import asyncio
import contextlib
import os
import random
import shlex
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec
from aiohttp import web

from tests.support.sidecar_process import McpClient

NAMES: Final = ("weather", "search", "github", "jira", "files", "postgres", "browser", "sentry", "crm", "calendar")
CLIENTS: Final = (("claude-code", "2.1.4"), ("vscode", "1.107"), ("cursor", "3.2"), ("codex", "0.61"), ("zed", "1.9"))
TOOLS: Final = ("lookup", "list", "create", "update", "report")
LONGEST: Final = 3600.0  # seconds
DEPLOYING: Final = 4  # adapters at a time
SLOW_EVERY, FAILING_EVERY, MODERN_EVERY = 7, 9, 3
PEOPLE: Final = (
    "anna", "bert", "cleo", "dora", "emil", "finn", "gina", "hugo", "ines", "jens", "kaja", "lars",
    "mona", "nils", "olga", "pete", "quin", "rosa", "sven", "tove", "ulla", "vera", "will", "yuri",
)  # fmt: skip
UNLUCKY: Final = (5, "finn")  # the adapter's number, and whom it does not serve
ROLE: Final = "mcp.user"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """rate: calls a second of each session."""

    gateway: str
    adapters: int = 40
    sessions: int = 300
    seconds: float = 600.0
    rate: float = 0.2
    stub_host: str = "127.0.0.1"
    stdio: tuple[str, ...] = ()
    token: str = ""
    people: tuple[str, ...] = ()  # their tokens

    def __post_init__(self) -> None:
        if not 0 < self.seconds <= LONGEST:
            raise ValueError(
                f"--seconds must be more than 0 and at most {LONGEST:.0f}: a load that never ends is a leak"
            )

    def name(self, number: int) -> str:
        return f"load-{NAMES[number % len(NAMES)]}-{number:02}"

    def persons(self) -> list[dict[str, str]]:
        """Headers that say who calls, of each."""
        if self.people or self.token:
            return [{"authorization": f"Bearer {each}"} for each in self.people or (self.token,)]
        return [{"x-dev-userid": each, "x-dev-name": each, "x-dev-roles": ROLE} for each in PEOPLE]


@dataclass
class Told:
    """What the clients met."""

    outcomes: Counter[str] = field(default_factory=Counter)
    live: int = 0

    def line(self) -> str:
        counted = ", ".join(f"{count} {name}" for name, count in self.outcomes.most_common())
        return f"{self.live} sessions live; {counted or 'no calls yet'}"


# The servers


async def _answer(request: web.Request) -> web.Response:
    """An MCP server of 2025-11-25. Its number decides how slow it is and how often it fails."""
    number = int(request.match_info["number"])
    if request.method != "POST":
        return web.Response(status=200 if request.method == "DELETE" else 405)
    message = msgspec.json.decode(await request.read())
    if "id" not in message:
        return web.Response(status=202)
    headers = {"mcp-session-id": f"s-{random.getrandbits(64):016x}"} if message["method"] == "initialize" else {}
    body: dict[str, Any] = {"jsonrpc": "2.0", "id": message["id"]}
    match message["method"]:
        case "initialize":
            info = {"name": f"stub-{number}", "version": "1.0"}
            body["result"] = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": info}
        case "tools/list":
            tools = [{"name": tool, "inputSchema": {"type": "object"}, "description": f"{tool} it"} for tool in TOOLS]
            body["result"] = {"tools": tools}
        case "tools/call" if (number, request.headers.get("x-mcp-username")) == UNLUCKY:
            text = f"{UNLUCKY[1]} has no account here: ask for one"
            body["result"] = {"content": [{"type": "text", "text": text}], "isError": True}
        case "tools/call" if number % FAILING_EVERY == 1 and random.random() < 0.3:
            body["error"] = {"code": -32602, "message": "unknown argument 'town'"}
        case "tools/call":
            await asyncio.sleep(random.expovariate(1 / 1.5 if number % SLOW_EVERY == 3 else 1 / 0.04))
            body["result"] = {"content": [{"type": "text", "text": "x" * random.randint(20, 4000)}]}
        case _:
            body["result"] = {}
    return web.json_response(body, headers=headers)


@asynccontextmanager
async def _stub(host: str) -> AsyncIterator[str]:
    """Where the adapters' servers are: `URL/NUMBER/mcp`."""
    app = web.Application()
    app.router.add_route("*", "/{number:\\d+}/mcp", _answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1" if host == "127.0.0.1" else "0.0.0.0", 0)
    await site.start()
    try:
        yield f"http://{host}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


# The adapters


@asynccontextmanager
async def _deployed(plan: Plan, http: httpx.AsyncClient, stub: str) -> AsyncIterator[list[str]]:
    """Their names, once all are asked for. They are deleted however the block ends."""
    names = [plan.name(number) for number in range(plan.adapters)]
    free = asyncio.Semaphore(DEPLOYING)

    async def deploy(number: int) -> None:
        spec: dict[str, Any] = {"name": names[number], "description": "of the load script", "requiredRoles": [ROLE]}
        if plan.stdio:
            spec["stdio"] = {"command": plan.stdio[0], "args": list(plan.stdio[1:])}
        else:
            spec["url"] = f"{stub}/{number}/mcp"
        async with free:
            answer = await http.post("/adapters", json=spec)
        if answer.status_code not in (201, 409):
            raise RuntimeError(f"{names[number]} was not deployed: {answer.status_code} {answer.text}")

    async def delete(name: str) -> None:
        async with free:
            with contextlib.suppress(httpx.HTTPError):
                await http.delete(f"/adapters/{name}")

    try:
        async with asyncio.TaskGroup() as tasks:
            for number in range(plan.adapters):
                tasks.create_task(deploy(number))
        yield names
    finally:
        async with asyncio.TaskGroup() as tasks:
            for name in names:
                tasks.create_task(delete(name))


# The clients


class _Client(McpClient):
    """Says who it is, in the era that it speaks. place: among the adapter's clients, so that no two are alike."""

    def __init__(self, http: httpx.AsyncClient, url: str, number: int, place: int) -> None:
        super().__init__(http, url)
        name, version = CLIENTS[place % len(CLIENTS)]
        self.info = {"name": name, "version": f"{version}.{place}"}
        self.is_modern = number % MODERN_EVERY == 0

    async def begin(self) -> str:
        """What came of it; empty if it may call."""
        if self.is_modern:
            return ""
        params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": self.info}
        answer = await self.post(self.request("initialize", params))
        if "mcp-session-id" not in answer.headers:
            return f"initialize {answer.status_code}"
        told = {"mcp-session-id": answer.headers["mcp-session-id"], "mcp-protocol-version": "2025-11-25"}
        self.session = told
        await self.post({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return ""

    async def ask(self) -> str:
        tool = random.choice(TOOLS)
        if self.is_modern:
            meta = {"io.modelcontextprotocol/clientInfo": self.info}
            answer = await self.modern_call(tool, meta=meta, city="Oslo")
        else:
            answer = await self.call(tool, city="Oslo")
        if answer.status_code == 404:
            self.session = {}
        return (
            "ok" if answer.status_code == 200 and b'"error"' not in answer.content else f"failed {answer.status_code}"
        )

    async def leave(self) -> None:
        if self.session:
            with contextlib.suppress(httpx.HTTPError):
                await self.http.delete(self.url, headers=self.session)


async def _live(client: _Client, plan: Plan, told: Told) -> None:
    """Until it is cancelled; then it takes leave, as a client should."""
    is_in = False
    try:
        while True:
            try:
                if not client.is_modern and not client.session:
                    trouble = await client.begin()
                    if trouble:
                        told.outcomes[trouble] += 1
                        await asyncio.sleep(2.0)
                        continue
                told.live += not is_in
                is_in = True
                told.outcomes[await client.ask()] += 1
            except httpx.HTTPError as error:
                told.outcomes[type(error).__name__] += 1
            await asyncio.sleep(random.expovariate(plan.rate))
    finally:
        told.live -= is_in
        await asyncio.shield(client.leave())


def _http(plan: Plan, headers: dict[str, str]) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=plan.sessions)
    return httpx.AsyncClient(base_url=plan.gateway, headers=headers, limits=limits, timeout=60, trust_env=False)


def _client(plan: Plan, people: Sequence[httpx.AsyncClient], number: int, *, name: str) -> _Client:
    """Each adapter's first client is another person than the adapter's before."""
    place = number // plan.adapters
    http = people[(number + place) % len(people)]
    return _Client(http, f"{plan.gateway}/adapters/{name}/mcp", number, place)


async def run(plan: Plan, *, ended: asyncio.Event, tell: float = 10.0) -> Told:
    """The load, until its time is over or `ended` is set. Everything it made is gone when it returns."""
    told = Told()
    async with contextlib.AsyncExitStack() as stack:
        stub = await stack.enter_async_context(_stub(plan.stub_host))
        deployer = {"authorization": f"Bearer {plan.token}"} if plan.token else {}
        names = await stack.enter_async_context(
            _deployed(plan, await stack.enter_async_context(_http(plan, deployer)), stub)
        )
        people = [await stack.enter_async_context(_http(plan, headers)) for headers in plan.persons()]
        until = time.monotonic() + plan.seconds
        async with asyncio.TaskGroup() as tasks:
            clients = [
                _client(plan, people, number, name=names[number % len(names)]) for number in range(plan.sessions)
            ]
            living = [tasks.create_task(_live(client, plan, told)) for client in clients]
            while (left := until - time.monotonic()) > 0 and not ended.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(left, tell)):
                        await ended.wait()
                print(told.line(), file=sys.stderr, flush=True)
            for each in living:
                each.cancel()
    return told


def _plan(argv: list[str]) -> Plan:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--gateway", required=True, metavar="URL")
    parser.add_argument("--adapters", type=int, default=Plan.adapters)
    parser.add_argument("--sessions", type=int, default=Plan.sessions)
    parser.add_argument("--seconds", type=float, default=Plan.seconds, help=f"at most {LONGEST:.0f}")
    parser.add_argument("--rate", type=float, default=Plan.rate, help="calls a second of each session")
    parser.add_argument("--stub-host", default=Plan.stub_host, help="where the gateway reaches this machine")
    parser.add_argument("--people", type=Path, metavar="FILE", help="tokens of those who call, one a line")
    parser.add_argument("--stdio", default="", metavar="COMMAND", help="stdio adapters with this command, not the stub")
    words = parser.parse_args(argv)
    try:
        return Plan(
            gateway=words.gateway.rstrip("/"), adapters=words.adapters, sessions=words.sessions, seconds=words.seconds,
            rate=words.rate, stub_host=words.stub_host, stdio=tuple(shlex.split(words.stdio)),
            token=os.environ.get("MCPDECK_TOKEN", ""), people=_tokens(words.people),
        )  # fmt: skip
    except ValueError as error:
        parser.error(str(error))


def _tokens(file: Path | None) -> tuple[str, ...]:
    return tuple(file.read_text(encoding="utf-8").split()) if file else ()


async def _main(plan: Plan) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    print((await run(plan, ended=ended)).line())


if __name__ == "__main__":
    asyncio.run(_main(_plan(sys.argv[1:])))
