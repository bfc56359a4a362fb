"""The certificate that clients see, read again when its files change, without a connection being lost.

Asks nobody for a certificate and judges none: who renews the files, and whether clients trust them, is the operator's.
"""

import asyncio
import contextlib
import logging
import ssl
from pathlib import Path
from typing import Final

import msgspec

PERIOD: Final = 5.0  # seconds between two looks at the files

log = logging.getLogger(__name__)


class Tls(msgspec.Struct, frozen=True):
    """Two PEM files: the chain, and its private key."""

    certfile: Path
    keyfile: Path

    def context(self) -> ssl.SSLContext:
        """Raises OSError, ssl.SSLError among them."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.certfile, self.keyfile)
        context.set_alpn_protocols(["h2", "http/1.1"])
        return context


class Certificate:
    """What is served at present. `context` stays the same one: connections made from now on see what it holds."""

    def __init__(self, tls: Tls, *, period: float = PERIOD) -> None:
        self._tls, self._period = tls, period
        self._seen = self._stamp()
        self.context = tls.context()

    async def keep_current(self, again: asyncio.Event) -> None:
        """Reads the files when they have changed, and when `again` is set. Until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._period):
                    await again.wait()
            stamp = self._stamp()
            if again.is_set() or stamp != self._seen:
                again.clear()
                self._seen = stamp
                self._read()

    def _read(self) -> None:
        """Half of a new pair is no pair: what was served is served on, until the files change again."""
        tls = self._tls
        try:
            tls.context()
            self.context.load_cert_chain(tls.certfile, tls.keyfile)
        except (OSError, ValueError) as error:
            log.warning("%s with %s can't be served, the certificate before is: %s", tls.certfile, tls.keyfile, error)
        else:
            log.info("new connections get the certificate that %s holds now", tls.certfile)

    def _stamp(self) -> tuple[object, ...]:
        """What changes with the files, links that are turned elsewhere included, as a cluster's secrets are."""
        found: list[object] = []
        for path in (self._tls.certfile, self._tls.keyfile):
            try:
                status = path.stat()
            except OSError:
                found.append(None)
            else:
                found.append((status.st_ino, status.st_mtime_ns, status.st_size))
        return tuple(found)
