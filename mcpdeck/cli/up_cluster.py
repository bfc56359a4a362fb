"""`mcpdeck up --cluster`: a port of this machine that leads to the gateway in a cluster, until Ctrl-C."""

import argparse
import asyncio
import contextlib
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from urllib.parse import urlsplit

import msgspec

from mcpdeck.auth.errors import AuthError, SignInNeeded
from mcpdeck.cli.desk import Desk
from mcpdeck.cli.exits import OK, UNEXPECTED, UNREACHABLE, Failure
from mcpdeck.config.contexts import BUILT_IN, Context, Contexts
from mcpdeck.errors import ProblemError, Unreachable

PORT: Final = 8710  # 8700 is the gateway's own, which may run here too
_LOOPBACK: Final = ("127.0.0.1", "localhost")


def up_cluster(words: argparse.Namespace, desk: Desk) -> int:
    """Prints what to do next, signs in where the gateway asks for it, and leads on until it is interrupted."""
    from mcpdeck.family import ended_by_signals
    from mcpdeck.install.cluster import context_of

    try:
        with ended_by_signals(), _led(words, desk) as url:
            name = keep_context(desk.contexts, context_of(words.kube_context), url)
            who = _who(desk, name, url)
            desk.printer.tell(f"the gateway of the cluster is here: {url}\n{_next(name, who)}")
            threading.Event().wait()
    except KeyboardInterrupt:
        desk.printer.tell("the way to the cluster ends; the gateway and its adapters go on")
    return OK


def keep_context(contexts: Contexts, cluster: str, url: str) -> str:
    """Its name. One that the reader has given to another gateway stays as it is."""
    name = "".join(each if each.isalnum() or each in "._-" else "-" for each in cluster).strip("._-")[:50] or "cluster"
    known = {each.name: each for each in contexts.all()}
    if name in BUILT_IN or (name in known and urlsplit(known[name].url).hostname not in _LOOPBACK):
        name = f"{name}-forwarded"
    context = msgspec.structs.replace(known.get(name, Context(name=name, url=url)), url=url, is_forwarded=True)
    if context != known.get(name):
        contexts.add(context, use=False)
    return name


@contextmanager
def _led(words: argparse.Namespace, desk: Desk) -> Iterator[str]:
    """The URL, while a thread of its own leads there: signing in may keep this one waiting."""
    way = _Way(words, desk)
    thread = threading.Thread(target=way.run, name="the way to the cluster", daemon=True)
    thread.start()
    try:
        yield way.url()
    finally:
        way.end()
        thread.join()


class _Way:
    """An event loop in a thread, with a port that leads to the cluster."""

    def __init__(self, words: argparse.Namespace, desk: Desk) -> None:
        self._words, self._desk = words, desk
        self._is_up = threading.Event()
        self._url = ""
        self._error: Exception | None = None
        self._loop = asyncio.new_event_loop()
        self._over = asyncio.Event()

    def run(self) -> None:
        with contextlib.closing(self._loop):
            try:
                self._loop.run_until_complete(self._lead())
            except Exception as error:  # noqa: BLE001 - told by the thread that waits for the URL
                self._error = error
            finally:
                self._is_up.set()

    def url(self) -> str:
        """Once it leads to a gateway. Raises what kept it from that."""
        self._is_up.wait()
        if self._error is not None:
            raise self._error
        return self._url

    def end(self) -> None:
        with contextlib.suppress(RuntimeError):  # it has ended by itself
            self._loop.call_soon_threadsafe(self._over.set)

    async def _lead(self) -> None:
        from mcpdeck.install.cluster import Refused, opened
        from mcpdeck.install.forward import Forward, forwarded

        place = self._words.namespace
        async with opened(self._words.kube_context) as cluster:
            forward = Forward(cluster, place, lambda sentence: self._desk.printer.tell(f"  {sentence}"))
            try:
                pod = await forward.pod()
            except Refused as error:
                raise Failure(UNEXPECTED, str(error)) from error
            if not pod:
                hint = "mcpdeck install --wait; or say where it is with --namespace"
                raise Failure(UNREACHABLE, f"no gateway is ready in namespace {place}", hint=hint)
            async with forwarded(forward, PORT if self._words.port is None else self._words.port) as self._url:
                self._is_up.set()
                await self._over.wait()


def _who(desk: Desk, name: str, url: str) -> str:
    """Whom the gateway takes the reader for, who is signed in first where it asks for that; or why it takes him not."""
    from mcpdeck.control import whoami

    target = desk.target_of(desk.contexts.find(name))
    try:
        try:
            who = target.do(whoami())
        except (ProblemError, SignInNeeded) as error:
            if not _asks(error) or not sys.stdin.isatty() or not _signed_in(desk, name, url):
                raise
            who = target.do(whoami())
    except (ProblemError, SignInNeeded) as error:
        again = f"mcpdeck login --context {name} (in another terminal), or set MCPDECK_TOKEN"
        return f"it wants to know you: {again}" if _asks(error) else f"it does not serve you: {error}"
    except (Unreachable, AuthError) as error:
        return f"it does not answer yet: {error}"
    return f"you are {who.name or who.id}, {', '.join(who.roles) or 'without a role'}"


def _asks(error: ProblemError | SignInNeeded) -> bool:
    return isinstance(error, SignInNeeded) or error.problem.status == 401


def _signed_in(desk: Desk, name: str, url: str) -> bool:
    """The gateway is believed, whatever it calls itself in public: the way to it is the cluster's own."""
    from mcpdeck.auth.account import Accounts
    from mcpdeck.cli import identity

    aim = identity.Aim(name, url, is_forwarded=True)
    return identity.sign_in(aim, Accounts(desk.places.accounts_file)) == OK


def _next(name: str, who: str) -> str:
    return f"""\
  {who}
  mcpdeck --context {name}                            the deck, in another terminal
  mcpdeck --context {name} adapters create time --stdio -- uvx mcp-server-time
  mcpdeck contexts use {name}                         mean it from now on"""
