"""`python -m sidecar -- COMMAND ARGS…`: the command line, and the order in which everything starts and stops."""

import argparse
import asyncio
import contextlib
import ipaddress
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from gateway.wire.hosts import Hosts
from gateway.wire.http1 import Limits
from sidecar import verdicts
from sidecar.app import Face
from sidecar.bridge.calls import TICK
from sidecar.bridge.modern import ModernBridge
from sidecar.household import Household, Timeouts
from sidecar.leaving import Leaving
from sidecar.logs import Log
from sidecar.sessions import Isolation, Sessions
from sidecar.verdicts import Verdicts

_GLANCE = 0.05  # seconds between two looks at whether all calls have ended


class Options(msgspec.Struct, frozen=True):
    """What the command line says. fd: a listening socket that is inherited, in place of host and port."""

    argv: list[str]
    host: str = "127.0.0.1"
    port: int = 8000
    fd: int | None = None
    path: str = "/mcp"
    name: str = ""
    isolation: Isolation = Isolation.PROCESS
    max_sessions: int = 100
    max_body: int = 4 * 1024 * 1024
    timeouts: Timeouts = Timeouts()
    allow_hosts: frozenset[str] = frozenset()
    allow_origins: frozenset[str] = frozenset()
    state: Path | None = None


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(sys.argv[1:] if arguments is None else arguments)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(serve(options))


def parse(arguments: Sequence[str]) -> Options:
    """Exits with 2 and a usage line where they make no sense."""
    parser = argparse.ArgumentParser(
        prog="python -m sidecar", usage="%(prog)s [options] -- COMMAND [ARGS…]", description=__doc__
    )
    default, times = Options([]), Timeouts()
    parser.add_argument("--host", default=default.host, help="address to serve on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=default.port, help="0 for any free one (default: %(default)s)")
    parser.add_argument("--fd", type=int, help="serve on this inherited, listening socket instead")
    parser.add_argument("--path", default=default.path, help="where MCP is served (default: %(default)s)")
    parser.add_argument("--name", default="", help="the adapter's name, for log lines and errors")
    parser.add_argument("--isolation", type=Isolation, choices=list(Isolation), default=default.isolation)
    parser.add_argument("--max-sessions", type=int, default=default.max_sessions, help="(default: %(default)s)")
    parser.add_argument("--max-body", type=int, default=default.max_body, help="bytes (default: %(default)s)")
    parser.add_argument("--idle-timeout", type=float, default=times.idle, help="seconds (default: %(default)s)")
    parser.add_argument(
        "--call-timeout", type=float, default=times.call, help="seconds, 0: none (default: %(default)s)"
    )
    parser.add_argument("--start-timeout", type=float, default=times.start, help="seconds (default: %(default)s)")
    parser.add_argument("--probe-timeout", type=float, default=times.discover, help="seconds (default: %(default)s)")
    parser.add_argument("--allow-host", action="append", default=[], help="also serve this Host; may be repeated")
    parser.add_argument("--allow-origin", action="append", default=[], help="also serve this Origin; may be repeated")
    parser.add_argument("--state", type=Path, help="folder for what servers' eras were found to be")
    parser.add_argument("command", nargs="+", help="the stdio server, after --")
    given = parser.parse_args(arguments)
    return Options(
        argv=given.command,
        host=given.host,
        port=given.port,
        fd=given.fd,
        path=given.path,
        name=given.name,
        isolation=given.isolation,
        max_sessions=given.max_sessions,
        max_body=given.max_body,
        timeouts=Timeouts(
            discover=given.probe_timeout, start=given.start_timeout, call=given.call_timeout, idle=given.idle_timeout
        ),
        allow_hosts=frozenset(given.allow_host),
        allow_origins=frozenset(given.allow_origin),
        state=given.state,
    )


async def serve(options: Options) -> int:
    """Until SIGTERM or SIGINT. The exit status."""
    with contextlib.closing(Log()) as log:
        try:
            listener = listen(options)
        except OSError as error:
            log.say(f"cannot listen: {error.strerror or error}")
            return 1
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        async with asyncio.TaskGroup() as tasks:
            await _run(options, listener, log, tasks=tasks, stop=stop)
    return 0


def listen(options: Options) -> socket.socket:
    if options.fd is not None:
        return socket.socket(fileno=options.fd)
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    return socket.create_server((options.host, options.port), family=family, backlog=1024)


async def _run(
    options: Options, listener: socket.socket, log: Log, *, tasks: asyncio.TaskGroup, stop: asyncio.Event
) -> None:
    name, timeouts = options.name or Path(options.argv[0]).name, options.timeouts
    modern = ModernBridge(log.say, call_ticks=int(timeouts.call / TICK))
    household = Household(
        options.argv,
        log,
        tasks=tasks,
        modern=modern,
        verdicts=Verdicts(options.state or verdicts.default_folder()),
        timeouts=timeouts,
        name=name,
    )
    sessions = Sessions(
        household,
        log,
        tasks=tasks,
        timeouts=timeouts,
        isolation=options.isolation,
        limit=options.max_sessions,
        name=name,
        modern_versions=lambda: modern.versions,
    )
    address = listener.getsockname()
    hosts = Hosts(_is_loopback(address), options.allow_hosts, options.allow_origins)
    limits = Limits(body=options.max_body)
    leaving = Leaving(lambda: modern.under_way + sessions.under_way == 0 and sessions.have_rested)
    face = Face(household, sessions, modern, leaving, path=options.path, hosts=hosts, limits=limits, name=name)
    keep = tasks.create_task(household.keep(), name="keep the server running")
    beat = tasks.create_task(_beat(modern, sessions, leaving), name="tick")
    server = await asyncio.get_running_loop().create_server(face.connect, sock=listener)
    log.say(f"serving {name} at {_url(address)}{options.path}")

    await stop.wait()
    server.close()
    face.close()
    modern.end()
    sessions.finish_streams()
    await _drain(modern, sessions, timeouts.drain)
    keep.cancel()
    beat.cancel()
    modern.abandon("the sidecar stops")
    sessions.end_all("the sidecar stops")
    await household.stop()


async def _beat(modern: ModernBridge, sessions: Sessions, leaving: Leaving) -> None:
    """What time brings: comments on quiet streams, calls given up, idle sessions ended, leave to go."""
    while True:
        await asyncio.sleep(TICK)
        modern.tick()
        sessions.tick()
        leaving.tick()


async def _drain(modern: ModernBridge, sessions: Sessions, seconds: float) -> None:
    """Let the calls under way come to their end, within reason."""
    for _ in range(int(seconds / _GLANCE)):
        if modern.under_way + sessions.under_way == 0:
            return
        await asyncio.sleep(_GLANCE)


def _is_loopback(address: object) -> bool:
    if not isinstance(address, tuple):
        return True  # a unix socket: only this machine reaches it
    return ipaddress.ip_address(address[0].partition("%")[0]).is_loopback


def _url(address: object) -> str:
    if not isinstance(address, tuple):
        return str(address)
    host = f"[{address[0]}]" if ":" in address[0] else address[0]
    return f"http://{host}:{address[1]}"


def _loop_factory() -> "type[asyncio.AbstractEventLoop] | None":
    """uvloop where it is installed: a third less CPU for each call."""
    try:
        import uvloop
    except ImportError:
        return None
    factory: type[asyncio.AbstractEventLoop] = uvloop.Loop
    return factory


if __name__ == "__main__":
    raise SystemExit(main())
