"""`python -m gateway`: from the command line to a serving gateway, and from a signal to a quiet end."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence

from gateway import compose, server
from gateway.core.errors import GatewayError
from gateway.dataplane.certificates import Tls
from gateway.settings import Misconfigured, Settings, read
from gateway.wire.http1 import Limits

FAILED = 1
USAGE = 2

log = logging.getLogger("gateway")


def main(arguments: Sequence[str] | None = None) -> int:
    try:
        settings = read(sys.argv[1:] if arguments is None else arguments)
        _log_to_stderr(settings.log_level)
        server.run(serve(settings))
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


async def serve(settings: Settings) -> None:
    """Until SIGTERM or SIGINT."""
    stop, renew = asyncio.Event(), asyncio.Event()
    certificate, key = settings.tls_certificate, settings.tls_key
    tls = Tls(certificate, key) if certificate and key else None
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    for number in _hang_up():
        asyncio.get_running_loop().add_signal_handler(number, (stop if tls is None else renew).set)
    listeners = server.listen(settings.host, settings.port)
    limits = Limits(head=settings.max_head, header_count=settings.max_headers, body=settings.max_body)
    async with compose.opened(settings, os.environ) as house:
        await server.serve(
            listeners,
            house.pipeline,
            house.app,
            stop=stop,
            on_serving=lambda: _announce(listeners[0].getsockname(), is_tls=tls is not None),
            on_stopping=house.on_stopping,
            tls=tls,
            renew=renew,
            limits=limits,
            bounds=compose.bounds_of(settings),
            patience=server.Patience(notice=settings.notice, drain=settings.drain),
        )


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
