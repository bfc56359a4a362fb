"""`mcpdeck serve`: the deck in a browser, on this machine, for as long as one leaves it running."""

import argparse
import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from mcpdeck.cli import tui
from mcpdeck.cli.desk import Desk
from mcpdeck.cli.exits import OK, USAGE, Failure
from mcpdeck.cli.words import count, port
from mcpdeck.errors import plainly

if TYPE_CHECKING:
    from mcpdeck.cli.words import Words

PORT: Final = 8710
MOST: Final = 8
_TOLD: Final = """\
  The deck, for whoever has this address. Each tab is a process of its own, and ends with it; Ctrl-C ends them all."""
_FAR: Final = """\
{host} is no loopback address: this is plain HTTP, and whoever is between can read the token and everything else.
  Better leave it on 127.0.0.1, behind a proxy with TLS and a sign-in, or `ssh -L {port}:127.0.0.1:{port}`."""


def add_parser(commands: "argparse._SubParsersAction[Words]") -> None:
    line = "The deck in a browser: served on this machine alone, to whoever has the address that is printed."
    serve = commands.add_parser("serve", help=line, description=line)
    serve.add_argument("--host", default="127.0.0.1", help="the address to listen at; 127.0.0.1 unless you know better")
    serve.add_argument("--port", type=port, default=PORT, help=f"{PORT}; 0 finds a free one")
    serve.add_argument("--name", action="append", default=[], metavar="HOST[:PORT]",
                       help="a name by which a proxy before it is reached; repeat")  # fmt: skip
    serve.add_argument("--most", type=count, default=MOST, metavar="N", help=f"tabs at a time, a process each; {MOST}")
    tui.add_options(serve)
    serve.set_defaults(run=_serve)


def _serve(words: argparse.Namespace, desk: Desk) -> int:
    try:
        asyncio.run(_until_stopped(words, desk))
    except OSError as error:
        told = f"{words.host}:{words.port} can not be listened at: {plainly(error)}"
        raise Failure(USAGE, told, hint="--port 0 finds a free port") from None
    return OK


async def _until_stopped(words: argparse.Namespace, desk: Desk) -> None:
    from gateway.wire.hosts import is_loopback_name
    from mcpdeck.family import endings
    from mcpdeck.serve.serving import served

    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in endings():
        with contextlib.suppress(NotImplementedError):  # on Windows, where Ctrl-C raises
            loop.add_signal_handler(number, stopped.set)
    running = served(arguments(words), host=words.host, port=words.port, names=words.name, most=words.most)
    async with running as url:
        if not is_loopback_name(words.host):
            desk.printer.tell(_FAR.format(host=words.host, port=words.port))
        print(url, flush=True)
        desk.printer.tell(_TOLD)
        await stopped.wait()


def arguments(words: argparse.Namespace) -> list[str]:
    """The command line of each tab's deck: what was said here of the gateway and of the deck."""
    valued = {name: getattr(words, name, "") for name in ("context", "gateway", "view", "adapter", "filter", "theme")}
    said = [f"--{name}={value}" for name, value in valued.items() if value]
    flags = [f"--{name.replace('_', '-')}" for name in ("read_only", "ascii") if getattr(words, name)]
    return ["tui", *said, *flags]
