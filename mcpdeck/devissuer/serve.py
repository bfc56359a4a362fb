"""Runs the local issuer over TLS on loopback, in this process. Prints nothing."""

import asyncio
import socket
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from hypercorn.asyncio import serve
from hypercorn.config import Config

from mcpdeck.devissuer.app import Issuer, make_app
from mcpdeck.devissuer.certificates import CertificateFiles, make_certificate
from mcpdeck.devissuer.tokens import LIFETIME, Minter, User

TENANT: Final = "00000000-0000-4000-8000-00000000dec0"
AUDIENCE: Final = "api://mcpdeck-dev"
USERS: Final = (User("ada", ("mcp.admin",)), User("grace", ("mcp.engineer",)), User("linus"))


@asynccontextmanager
async def running_issuer(
    folder: Path,
    *,
    port: int = 0,
    users: Sequence[User] = USERS,
    audience: str = AUDIENCE,
    secrets_of: Mapping[str, str] | None = None,
    auto: str | None = None,
    lifetime: int = LIFETIME,
) -> AsyncIterator[tuple[Issuer, CertificateFiles]]:
    """An issuer that answers until the block ends; its certificate files stand in `folder`."""
    files = await asyncio.to_thread(make_certificate, folder)
    listener = socket.create_server(("127.0.0.1", port))
    base = f"https://localhost:{listener.getsockname()[1]}"
    minter = Minter(f"{base}/{TENANT}/v2.0", TENANT, audience, lifetime=lifetime)
    issuer = Issuer(base, minter, users, secrets_of=secrets_of, auto=auto)
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        config = _config(listener, files)
        group.create_task(serve(make_app(issuer), config, shutdown_trigger=stop.wait), name="dev-issuer")
        try:
            yield issuer, files
        finally:
            stop.set()


def _config(listener: socket.socket, files: CertificateFiles) -> Config:
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.certfile, config.keyfile = str(files.certificate), str(files.key)
    config.graceful_timeout = 1.0
    config.accesslog = config.errorlog = None
    return config


@asynccontextmanager
async def temporary_issuer(**options: object) -> AsyncIterator[tuple[Issuer, CertificateFiles]]:
    """As `running_issuer`, with a folder that goes when it stops."""
    with tempfile.TemporaryDirectory(prefix="mcpdeck-issuer-") as folder:
        async with running_issuer(Path(folder), **options) as running:  # type: ignore[arg-type]
            yield running
