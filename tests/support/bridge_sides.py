"""A server's side of the bridge as lists: what it was sent, and what a test lets it say."""

from collections.abc import Sequence
from typing import Any

import msgspec

from gateway.bridge.sides import Header, Heard
from gateway.core.errors import GatewayError
from gateway.wire import sse


class Posted:
    """One exchange with the server. `stream` for a GET, whose body is empty."""

    def __init__(self, body: bytes, headers: Sequence[Header], heard: Heard, *, target: str = "", after: float = 0.0):
        self.body, self.headers, self.heard = body, dict(headers), heard
        self.target, self.after = target, after
        self.is_closed = self.has_ended = False

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def meta(self) -> Any:
        return self.json["params"]["_meta"]

    def close(self) -> None:
        self.is_closed = True

    def begins(self, status: int = 200, session: bytes | None = None) -> None:
        self.heard.began(status, session)

    def says(self, message: Any, event_id: str | None = None) -> None:
        self.heard.event(sse.Event(msgspec.json.encode(message), "message", event_id))

    def notes(self, **fields: Any) -> None:
        """An event that carries no message."""
        self.heard.event(sse.Event(**fields))

    def ends(self, problem: GatewayError | None = None, *, was_sent: bool = True) -> None:
        self.has_ended = True
        self.heard.ended(problem, was_sent=was_sent)

    def answers(self, status: int = 200, *, session: bytes | None = None, **message: Any) -> None:
        """The whole response: `result=` or `error=`."""
        self.begins(status, session)
        self.says({"jsonrpc": "2.0", "id": self.json["id"], **message})
        self.ends()

    def accepts(self, status: int = 202) -> None:
        self.begins(status)
        self.ends()


class FakeServer:
    """One instance. With `breaks` set, every exchange ends with that before it began."""

    def __init__(self) -> None:
        self.posted: list[Posted] = []
        self.streams: list[Posted] = []
        self.deleted: list[dict[bytes, bytes]] = []
        self.breaks: GatewayError | None = None

    def post(self, body: bytes, headers: Sequence[Header], heard: Heard, *, target: str = "") -> Posted:
        return self._keep(self.posted, Posted(body, headers, heard, target=target))

    def stream(self, headers: Sequence[Header], heard: Heard, *, after: float = 0.0) -> Posted:
        return self._keep(self.streams, Posted(b"", headers, heard, after=after))

    def delete(self, headers: Sequence[Header]) -> None:
        self.deleted.append(dict(headers))

    def last(self) -> Posted:
        return self.posted[-1]

    def _keep(self, kept: list[Posted], posted: Posted) -> Posted:
        kept.append(posted)
        if self.breaks is not None:
            posted.ends(self.breaks, was_sent=False)
        return posted
