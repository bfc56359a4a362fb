"""When a sidecar that is to stop may go: once nobody uses it, or its time is over. Who wants to know asks, and waits.

It turns nobody away meanwhile: whoever stops it sees to it that no new sessions come.
"""

import re
from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qs

from gateway.wire.http1 import Exchange
from sidecar.bridge.calls import TICK

LONGEST: Final = 30.0  # seconds, where who asks does not say
_SECONDS: Final = re.compile(r"[0-9]{1,6}")
_HEARD: Final = 1  # ticks until every gateway has heard that this one leaves
_TEXT: Final = ((b"content-type", b"text/plain; charset=utf-8"),)


class Leaving:
    """is_idle: whether no call is under way, and every session has rested."""

    def __init__(self, is_idle: Callable[[], bool]) -> None:
        self._is_idle = is_idle
        self._waiting: dict[Exchange, _Wait] = {}

    def ask(self, exchange: Exchange) -> None:
        """It is answered when the sidecar may go. `?seconds=N`: at most so long."""
        told = parse_qs(exchange.request.query.decode("latin-1")).get("seconds", [""])[0]
        longest = int(told) if _SECONDS.fullmatch(told) else LONGEST
        self._waiting[exchange] = _Wait(max(_HEARD, int(longest / TICK)))
        exchange.on_leave = lambda: self._forget(exchange)

    def tick(self) -> None:
        """Every `calls.TICK` seconds."""
        if not self._waiting:
            return
        is_idle = self._is_idle()
        for exchange, wait in list(self._waiting.items()):
            wait.ticks += 1
            if wait.ticks >= wait.longest or (is_idle and wait.ticks >= _HEARD):
                self._forget(exchange)
                exchange.respond(200, _TEXT, b"nobody uses it\n" if is_idle else b"its time is over\n")

    def _forget(self, exchange: Exchange) -> None:
        self._waiting.pop(exchange, None)


class _Wait:
    __slots__ = ("longest", "ticks")

    def __init__(self, longest: int) -> None:
        self.longest = longest
        self.ticks = -1  # the tick that comes next may come at once
