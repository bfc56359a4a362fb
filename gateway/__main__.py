"""`python -m gateway`: from the command line to a serving gateway, and from a signal to a quiet end."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, cast

import msgspec

from gateway import compose, server
from gateway.core.errors import GatewayError
from gateway.dataplane.certificates import Tls
from gateway.settings import Misconfigured, Settings, read
from gateway.wire.http1 import Limits
from gateway.workers.parent import Parent, Worker

FAILED = 1
USAGE = 2
_LAST_WAIT = 10.0  # seconds beyond what a stop may take, before workers are killed

log = logging.getLogger("gateway")


def main(arguments: Sequence[str] | None = None) -> int:
    try:
        settings = read(sys.argv[1:] if arguments is None else arguments)
    except Misconfigured as error:
        print(f"mcpdeck gateway: {error}", file=sys.stderr)
        return USAGE
    _log_to_stderr(settings.log_level)
    if settings.workers == 1:
        return _serving(serve(settings, lambda address: _announce(address, is_tls=_tls(settings) is not None)))
    return _supervise(settings)


def _serving(serving: Coroutine[None, None, None]) -> int:
    """Until it ends; the exit status."""
    try:
        server.run(serving)
    except asyncio.CancelledError:
        return 0  # stopped while it started
    except Misconfigured as error:
        print(f"mcpdeck gateway: {error}", file=sys.stderr)
        return USAGE
    except GatewayError as error:
        print(f"mcpdeck gateway: {error.detail or error.title}", file=sys.stderr)
        return FAILED
    except OSError as error:
        print(f"mcpdeck gateway: {error}", file=sys.stderr)
        return FAILED
    return 0


def _supervise(settings: Settings) -> int:
    """Several workers on one port. This process serves nothing itself."""
    is_tls = _tls(settings) is not None
    try:
        with _listening(settings):
            held = server.reserve(settings.host, settings.port)
    except Misconfigured as error:
        print(f"mcpdeck gateway: {error}", file=sys.stderr)
        return USAGE
    address = held[0].getsockname()
    settings = msgspec.structs.replace(settings, port=address[1])
    with tempfile.TemporaryDirectory(prefix="mcpdeck-") as folder, contextlib.ExitStack() as sockets:
        for each in held:
            sockets.callback(each.close)
        parent = Parent(
            settings.workers,
            lambda worker: _serving(serve(settings, lambda _: _say_ready(worker), worker)),
            folder=Path(folder),
            on_ready=lambda: _announce(address, is_tls=is_tls),
            patience=settings.notice + 2 * settings.drain + _LAST_WAIT,
            is_reloading=is_tls,
        )
        return parent.run()


@contextlib.contextmanager
def _listening(settings: Settings) -> Iterator[None]:
    """A port that can not be had is a setting that is not right. Raises Misconfigured."""
    try:
        yield
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        raise Misconfigured(f"--bind {where}: {error.strerror}; port 0 is any that is free") from error


async def serve(settings: Settings, announce: Callable[[Any], None], worker: Worker | None = None) -> None:
    """Until SIGTERM or SIGINT. worker: which one of several this is."""
    stop, renew = asyncio.Event(), asyncio.Event()
    tls, loop = _tls(settings), asyncio.get_running_loop()
    this = cast("asyncio.Task[Any]", asyncio.current_task())

    def heed(end: Callable[[], object]) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, end)
        for number in _hang_up():
            loop.add_signal_handler(number, end if tls is None else renew.set)
        if worker is not None:
            loop.add_reader(worker.alive, _once, loop, worker.alive, end)  # what comes is the parent's end

    heed(this.cancel)  # nothing is served yet that would have to end well
    with _listening(settings):
        listeners = server.listen(settings.host, settings.port, is_shared=worker is not None)
    async with _house(settings, worker) as house:
        heed(stop.set)
        await server.serve(
            listeners,
            house.pipeline,
            house.app,
            stop=stop,
            on_serving=lambda: announce(listeners[0].getsockname()),
            on_stopping=house.on_stopping,
            tls=tls,
            renew=renew,
            limits=Limits(head=settings.max_head, header_count=settings.max_headers, body=settings.max_body),
            bounds=compose.bounds_of(settings),
            patience=server.Patience(notice=settings.notice, drain=settings.drain),
            onward=house.onward,
            inner=house.inner,
        )
        if worker is not None:
            loop.remove_reader(worker.alive)
        await house.settled(settings.drain)


def _once(loop: asyncio.AbstractEventLoop, descriptor: int, end: Callable[[], object]) -> None:
    loop.remove_reader(descriptor)
    end()


def _house(settings: Settings, worker: Worker | None) -> AbstractAsyncContextManager[compose.House]:
    if worker is None or worker.is_lead:
        return compose.opened(settings, os.environ, meeting=worker.folder if worker is not None else None)
    return compose.following(settings, os.environ, number=worker.number, meeting=worker.folder)


def _say_ready(worker: Worker) -> None:
    os.write(worker.ready, b".")
    os.close(worker.ready)


def _tls(settings: Settings) -> Tls | None:
    certificate, key = settings.tls_certificate, settings.tls_key
    return Tls(certificate, key) if certificate and key else None


def _hang_up() -> list[signal.Signals]:
    """A terminal that is closed ends what it started; a gateway with a certificate reads that again instead."""
    return [signal.SIGHUP] if hasattr(signal, "SIGHUP") else []


def _announce(address: tuple[str, int], *, is_tls: bool) -> None:
    """On stdout, for who started this and wants to know where it is."""
    host = f"[{address[0]}]" if ":" in address[0] else address[0]
    print(f"mcpdeck gateway listening on {'https' if is_tls else 'http'}://{host}:{address[1]}", flush=True)


def _log_to_stderr(level: str) -> None:
    logging.basicConfig(
        level=level.upper(), stream=sys.stderr, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s"
    )
    for chatty in ("httpx", "httpcore", "hypercorn.error", "asyncio"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.getLogger().level))


if __name__ == "__main__":
    raise SystemExit(main())
