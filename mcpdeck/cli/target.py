"""The gateway that a command speaks to: which it is, as whom, and by which way. Understands no answer."""

from collections.abc import Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from gateway.wire.resources import ChangeEvent
from mcpdeck import direct
from mcpdeck.auth.account import TOKEN_VARIABLE, Accounts, origin_of
from mcpdeck.cli.exits import FORBIDDEN, UNREACHABLE, USAGE, Failure
from mcpdeck.config.contexts import DEMO, Context
from mcpdeck.control import Ask

if TYPE_CHECKING:
    import httpx

    from mcpdeck.auth.sources import TokenSource
    from mcpdeck.client import GatewayClient


OWN: Final = "/mcp"


class Target:
    """One gateway, as the caller who is signed in there. Everything raises Failure and what the client raises."""

    def __init__(self, context: Context, accounts: Accounts, environ: Mapping[str, str]) -> None:
        self.context = context
        self._accounts = accounts
        self._environ = environ

    @property
    def url(self) -> str:
        if not self.context.url:
            raise none_runs(self.context.name)
        return self.context.url

    def mcp_url(self, adapter: str) -> str:
        """Of an adapter; of the gateway's own server where it is `/mcp` or `/mcp/TOOLSET`."""
        if adapter == OWN or adapter.startswith(f"{OWN}/"):
            return f"{self.url}{adapter}"
        if "/" in adapter:
            raise Failure(USAGE, f"{adapter!r} is no place: wanted an adapter's name, /mcp or /mcp/TOOLSET")
        return f"{self.url}/adapters/{adapter}/mcp"

    def must_be_writable(self) -> None:
        if self.context.read_only:
            raise Failure(FORBIDDEN, f"context {self.context.name!r} is read-only: nothing is changed through it")

    def do[Value](self, ask: Ask[Value]) -> Value:
        """One question, one answer."""
        url = self.url
        if not direct.reaches(url):
            import asyncio

            return asyncio.run(self._do(ask))
        source = self._source()
        if source is None:
            return direct.do(url, ask)
        return direct.do(url, ask, token=lambda is_stale: source.token(is_stale=is_stale).text)

    async def _do[Value](self, ask: Ask[Value]) -> Value:
        async with self.client() as client:
            return await client.do(ask)

    def snapshot(self) -> list[ChangeEvent]:
        """Everything that the caller may see, as the event stream names it first."""
        url = self.url
        if direct.reaches(url) and self._source() is None:
            return list(direct.snapshot(url))
        import asyncio

        return asyncio.run(self._snapshot())

    async def _snapshot(self) -> list[ChangeEvent]:
        from mcpdeck.client import Synced

        found: list[ChangeEvent] = []
        async with self.client() as client, aclosing(client.events()) as events:
            async for event in events:
                if isinstance(event, Synced):
                    break
                found.append(event)
        return found

    def client(self) -> "GatewayClient":
        """For what streams; to be entered."""
        from mcpdeck.client import GatewayClient

        return GatewayClient(self.url, auth=self.auth(), ca_file=self.context.ca_file)

    def auth(self) -> "httpx.Auth | None":
        """What puts the caller's token on requests; None where nobody is signed in."""
        source = self._source()
        if source is None:
            return None
        from mcpdeck.auth.session import BearerAuth

        return BearerAuth(source, self.url)

    def _source(self) -> "TokenSource | None":
        name, url = self.context.name, self.url
        if not self._environ.get(TOKEN_VARIABLE) and self._accounts.find(name, origin_of(url)) is None:
            return None  # the usual on one's own machine, where httpx need not load
        from mcpdeck.auth.session import source_of

        return source_of(name, url, self._environ, self._accounts)


def none_runs(context: str) -> Failure:
    """Of a gateway of this machine that is not here now."""
    verb = "demo" if context == DEMO else "up"
    hint = f"mcpdeck {verb} starts one; mcpdeck contexts list shows what else there is"
    return Failure(UNREACHABLE, f"no gateway of `mcpdeck {verb}` runs on this machine", hint=hint)
