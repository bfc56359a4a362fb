"""A client for whatever context the deck is switched to. One that can not be had answers every question with why."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final

import httpx
import msgspec

from mcpdeck.client import GatewayClient
from mcpdeck.config.contexts import BUILT_IN, Context, Contexts
from mcpdeck.control import Ask
from mcpdeck.errors import Misconfigured, Unreachable

USUAL: Final = "http://127.0.0.1:8700"  # where `mcpdeck up` will listen, when it is started while somebody waits


def client_of(
    name: str, *, chosen: Context, contexts: Contexts, open_client: Callable[[Context], GatewayClient]
) -> GatewayClient:
    """To be entered. chosen: the context that the command line means. Raises AuthError for a token that may not travel
    there.
    """
    try:
        context = chosen if chosen.name == name and name not in BUILT_IN else contexts.find(name)
    except Misconfigured as error:
        return _Nowhere(str(error))
    return open_client(context if context.url else msgspec.structs.replace(context, url=USUAL))


class _Nowhere(GatewayClient):
    def __init__(self, sentence: str) -> None:
        super().__init__("http://nowhere.invalid")
        self._sentence = sentence

    async def do[Value](self, ask: Ask[Value]) -> Value:  # noqa: ARG002
        raise Unreachable(self._sentence)

    @asynccontextmanager
    async def _stream(
        self,
        path: str,  # noqa: ARG002
        *,
        accept: str,  # noqa: ARG002
        query: Mapping[str, str] | None = None,  # noqa: ARG002
        headers: Mapping[str, str] | None = None,  # noqa: ARG002
        silence: float | None,  # noqa: ARG002
    ) -> AsyncGenerator[httpx.Response]:
        raise Unreachable(self._sentence)
        yield
