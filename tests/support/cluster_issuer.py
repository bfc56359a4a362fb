"""An OpenID Connect issuer on this machine that the test cluster's pods reach, by the node's own address."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from hypercorn.asyncio import serve
from hypercorn.config import Config

from mcpdeck.devissuer.app import Issuer, make_app
from mcpdeck.devissuer.certificates import make_certificate
from mcpdeck.devissuer.tokens import Minter, User

NODE = "10.245.0.1"
AUDIENCE = "api://mcpdeck-test"
_TENANT = "test"


class Running(msgspec.Struct, frozen=True):
    url: str
    authority: Path
    minter: Minter

    def headers(self, name: str = "ada", *roles: str) -> dict[str, str]:
        token = self.minter.access_token(User(name, roles or ("mcp.admin",)), "test", ())
        return {"authorization": f"Bearer {token}"}


@asynccontextmanager
async def running_issuer(folder: Path) -> AsyncIterator[Running]:
    files = await asyncio.to_thread(make_certificate, folder, hosts=(NODE, "localhost"))
    listener = socket.create_server((NODE, 0))
    base = f"https://{NODE}:{listener.getsockname()[1]}"
    minter = Minter(f"{base}/{_TENANT}/v2.0", _TENANT, AUDIENCE)
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.certfile, config.keyfile = str(files.certificate), str(files.key)
    config.graceful_timeout = 1.0
    config.accesslog = config.errorlog = None
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(serve(make_app(Issuer(base, minter, ())), config, shutdown_trigger=stop.wait))
        try:
            yield Running(minter.issuer, files.authority, minter)
        finally:
            stop.set()
