"""A client for whatever context the deck is switched to. One that can not be had answers every question with why."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Final

import httpx
import msgspec

from mcpdeck.cli.desk import Desk
from mcpdeck.client import GatewayClient
from mcpdeck.config.contexts import BUILT_IN
from mcpdeck.control import Ask
from mcpdeck.errors import Misconfigured, Unreachable

USUAL: Final = "http://127.0.0.1:8700"  # where `mcpdeck up` will listen, when it is started while somebody waits


def client_of(desk: Desk, name: str) -> GatewayClient:
    """To be entered. Raises AuthError for a token that may not travel there."""
    chosen = desk.target.context
    try:
        context = chosen if chosen.name == name else desk.contexts.find(name)
    except Misconfigured as error:
        return _Nowhere(str(error))
    if not context.url and context.name in BUILT_IN:
        context = msgspec.structs.replace(context, url=desk.running.url_of(name) or USUAL)
    return desk.target_of(context).client()


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
