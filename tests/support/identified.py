"""A real gateway process that knows callers by a real issuer over TLS, behind a port that clients knew before it ran."""

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from mcpdeck.devissuer.app import Issuer
from mcpdeck.devissuer.certificates import CertificateFiles
from mcpdeck.devissuer.serve import AUDIENCE, temporary_issuer
from mcpdeck.devissuer.tokens import User
from tests.support.forwarder import Forwarder, forwarder
from tests.support.gateways import Gateway
from tests.support.programs import PYTHON, program

ADA, GRACE, LINUS = User("ada", ("mcp.admin",)), User("grace", ("mcp.engineer",)), User("linus")
OPERATOR = User("olga", ("Operators",))
USERS = (ADA, GRACE, LINUS, OPERATOR)
WEATHER = {"command": PYTHON, "args": ["-m", "mcpdeck.samples.weather"]}
TERMINAL = "mcpdeck-terminal"
SECRETS = {"front": "s3cret", "gateway": "s3cret"}  # confidential clients at the issuer


class Identified:
    """url: as clients know it, and as it calls itself. audit: its file. doors: where processes listen, in order."""

    def __init__(self, issuer: Issuer, files: CertificateFiles, front: Forwarder, variables: Mapping[str, str]) -> None:
        self.issuer, self.files, self.variables = issuer, files, variables
        self.front = front
        self.url = front.url
        self.doors: list[str] = []
        self.gateway: Gateway
        self.audit: Path

    @property
    def trust(self) -> ssl.SSLContext:
        """Of who signs in at the issuer."""
        return ssl.create_default_context(cafile=str(self.files.authority))

    def token(self, user: User | None, **changes: Any) -> str:
        """As the issuer gives one. user: None for a program."""
        return self.issuer.minter.access_token(user, "some-client", ("mcp",), **changes)

    def client(self, user: User | None, **changes: Any) -> httpx.AsyncClient:
        """Of the whole gateway, as somebody who is signed in."""
        return self.bare(authorization=f"Bearer {self.token(user, **changes)}")

    def bare(self, **headers: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=30, trust_env=False)

    def principal(self, user: User) -> str:
        return f"{user.name}@{self.issuer.minter.issuer.removeprefix('https://')}"

    @asynccontextmanager
    async def running(self, data: Path, *options: str) -> AsyncIterator[Gateway]:
        """The process; a second one on the same folder takes up what the first one left."""
        self.audit = data.with_suffix(".audit")
        argv = [PYTHON, "-m", "gateway", "--bind", "127.0.0.1:0", "--data-dir", str(data)]
        argv += ["--audit", str(self.audit), *options]
        async with program(argv, env=self.variables) as running:
            url = (await running.hear(r"mcpdeck gateway listening on (http://\S+)"))[1]
            self.front.point(url)
            self.doors.append(url)
            async with self.client(ADA) as administrator:
                self.gateway = Gateway(self.url, running, administrator)
                yield self.gateway

    async def deploy(self, name: str = "weather", **spec: Any) -> str:
        """As an administrator. Its MCP URL."""
        return await self.gateway.deploy(name, **({"stdio": WEATHER} | spec if "url" not in spec else spec))


@asynccontextmanager
async def identified(
    data: Path, *options: str, auto: str | None = "ada", front: bool = False, entra: bool = False, **variables: str
) -> AsyncIterator[Identified]:
    """auto: who signs in at the issuer without being asked. front: with the authorization-server front. entra: the
    issuer counts as a tenant of Entra ID. variables: more of the gateway's environment."""
    async with AsyncExitStack() as stack:
        issuer, files = await stack.enter_async_context(temporary_issuer(users=USERS, secrets_of=SECRETS, auto=auto))
        port = await stack.enter_async_context(forwarder())
        told = {
            "MCPDECK_PUBLIC_URL": port.url,
            "MCPDECK_OIDC_CA_FILE": str(files.authority),
            "MCPDECK_OIDC_CLIENT_ID": TERMINAL,
        }
        told |= _entra(issuer) if entra else _oidc(issuer)
        if front:
            issuer.registered["front"] = [f"{port.url}/oauth/callback"]
            secret = Path(files.authority).with_name("front-secret")
            secret.write_text(f"{SECRETS['front']}\n")
            told |= {"MCPDECK_FRONT_CLIENT_ID": "front", "MCPDECK_FRONT_CLIENT_SECRET_FILE": str(secret)}
        house = Identified(issuer, files, port, told | variables)
        await stack.enter_async_context(house.running(data, *options))
        yield house


def _oidc(issuer: Issuer) -> dict[str, str]:
    return {
        "MCPDECK_OIDC_ISSUERS": issuer.minter.issuer,
        "MCPDECK_OIDC_AUDIENCES": AUDIENCE,
        "MCPDECK_OIDC_SCOPE": "mcp",
    }


def _entra(issuer: Issuer) -> dict[str, str]:
    return {
        "MCPDECK_ENTRA_TENANT": issuer.minter.tenant,
        "MCPDECK_ENTRA_CLIENT_ID": AUDIENCE.removeprefix("api://"),
        "MCPDECK_ENTRA_AUTHORITY": issuer.base,
    }
