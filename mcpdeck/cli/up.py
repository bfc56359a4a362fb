"""`mcpdeck up`: the gateway of this machine, for as long as one leaves it running; with --cluster, a way to another."""

import argparse
import asyncio
import sys
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mcpdeck import direct
from mcpdeck.cli.desk import Desk
from mcpdeck.cli.exits import OK, UNEXPECTED, USAGE, Failure
from mcpdeck.cli.words import port
from mcpdeck.config.contexts import LOCAL
from mcpdeck.control import openapi
from mcpdeck.errors import ProblemError, Unreachable

if TYPE_CHECKING:
    from mcpdeck.cli.words import Words
    from mcpdeck.family import Child

OWN_ROLES = "mcp.admin,mcp.engineer"  # on one's own machine, without an issuer, one may do everything
READY_LINE = r"mcpdeck gateway listening on (https?://\S+)"
_NEXT = """\
  mcpdeck adapters create time --stdio -- uvx mcp-server-time
  mcpdeck connect                   which clients there are, and how they find an adapter
  mcpdeck                           the deck, in another terminal"""


def add_parser(commands: "argparse._SubParsersAction[Words]") -> None:
    line = "Run the gateway on this machine until Ctrl-C. Its adapters are kept."
    up = commands.add_parser("up", help=line, description=line + " What follows -- goes to the gateway itself.")
    up.add_argument("--port", type=port, metavar="PORT", help="8700, with --cluster 8710; 0 finds a free one")
    up.add_argument("--cluster", action="store_true", help="lead to the gateway in a cluster instead, until Ctrl-C")
    up.add_argument("--kube-context", default="", metavar="NAME", help="of your kubeconfig; the current one")
    up.add_argument("--namespace", default="mcpdeck", help="where `mcpdeck install` put the gateway")
    up.set_defaults(run=_up, takes_trailing=True)


def _up(words: argparse.Namespace, desk: Desk) -> int:
    from mcpdeck.family import Family, Stillborn, ended_by_signals

    if words.cluster:
        from mcpdeck.cli.up_cluster import up_cluster

        return up_cluster(words, desk)
    if url := _running(desk):
        desk.printer.tell(f"the gateway of this machine runs already: {url}")
        return OK
    is_calm = sys.stderr.isatty()
    log = desk.places.data / "gateway.log"
    bind = [] if words.port is None else ["--bind", f"127.0.0.1:{words.port}"]
    options = [*bind, "--data-dir", str(desk.places.gateway), "--dev-roles", OWN_ROLES, *(desk.trailing or [])]
    try:
        with ended_by_signals(), Family() as family:
            gateway = family.start("gateway", *options, log=log if is_calm else None)
            url = gateway.hear(READY_LINE)[1]
            desk.running.announce(LOCAL, url)
            desk.printer.tell(f"the gateway is up: {url}\n{_NEXT}" + (f"\n  its log: {log}" if is_calm else ""))
            try:
                return _watch(gateway, url, is_calm=is_calm)
            finally:
                if is_calm:
                    desk.printer.tell("\r\x1b[Kthe gateway ends …")
                desk.running.withdraw(LOCAL)
    except Stillborn as error:
        raise Failure(USAGE if error.code == USAGE else UNEXPECTED, f"the gateway did not start: {error}") from None
    except KeyboardInterrupt:
        return OK


def _running(desk: Desk) -> str:
    """Where a gateway of `mcpdeck up` answers; empty where none does."""
    url = desk.running.url_of(LOCAL)
    try:
        if url:
            direct.do(url, openapi())
    except Unreachable:
        return ""
    except ProblemError:
        return url  # it wants a sign-in, but it is there
    return url


def _watch(gateway: "Child", url: str, *, is_calm: bool) -> int:
    """Until the gateway ends by itself, which is no good end."""
    if is_calm:
        asyncio.run(_status(gateway, url))
    code = gateway.process.wait()
    raise Failure(UNEXPECTED, f"the gateway ended by itself, with {code}")


async def _status(gateway: "Child", url: str) -> None:
    """A line that says how it goes, drawn anew when that changes; until the gateway ends."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()

    def tell() -> None:
        with suppress(RuntimeError):  # Ctrl-C came first, and nobody watches any more
            loop.call_soon_threadsafe(ended.set)

    gateway.on_end(tell)
    async with asyncio.TaskGroup() as tasks:
        drawing = tasks.create_task(_draw(url), name="status line")
        await ended.wait()
        drawing.cancel()


async def _draw(url: str) -> None:
    from mcpdeck.client import GatewayClient, Synced
    from mcpdeck.model.state import Changed, SessionsListed, State, reduce_all

    state, shown = State(), ""
    async with GatewayClient(url) as client:
        with suppress(Unreachable, ProblemError):
            async with aclosing(client.events()) as events:
                state = reduce_all(state, [SessionsListed(tuple(await client.sessions()))])
                async for event in events:
                    if not isinstance(event, Synced):
                        state = reduce_all(state, [Changed(event, datetime.now(UTC))])
                    line = _line(state)
                    if line != shown:
                        shown = line
                        sys.stderr.write(f"\r\x1b[K{line}")
                        sys.stderr.flush()


def _line(state: Any) -> str:
    from mcpdeck.model.formatting import plural

    if not state.adapters:
        return "  no adapters yet; Ctrl-C ends it"
    ready = sum(status.phase == "Ready" for status in state.statuses.values())
    faulty = [name for name, status in state.statuses.items() if status.phase in ("Failed", "Degraded")]
    told = [f"{ready} of {plural(len(state.adapters), 'adapter')} ready", plural(len(state.sessions), "session")]
    told += [f"in trouble: {', '.join(sorted(faulty)[:3])}"] if faulty else []
    return "  " + ", ".join(told) + "; Ctrl-C ends it"
