"""What a translation needs of its two sides: an answer to write to a client, and exchanges with a server.

Protocols alone. The data plane's driver implements them over sockets, tests over lists.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from gateway.core.errors import GatewayError
from gateway.wire import sse

type Header = tuple[bytes, bytes]


class Answer(Protocol):
    """The answer to one request of a client's. What is said once the client has left is dropped.

    accepts_stream: whether the client takes text/event-stream; without it only `final` reaches it. on_leave is called
    once when the client goes before its answer ended. headers: beside the content type's. `gateway.wire.replies.Reply`
    is one.
    """

    accepts_stream: bool
    headers: tuple[Header, ...]
    on_leave: Callable[[], None] | None

    @property
    def is_open(self) -> bool: ...

    def event(self, message: bytes) -> None:
        """A message ahead of the response, or on a stream that has none."""

    def final(self, message: bytes, status: int = 200) -> None:
        """The response, and the end."""

    def open_stream(self) -> None:
        """Begin the stream before there is anything to say on it."""

    def finish(self) -> None:
        """The stream is complete without a response."""

    def bare(self, status: int) -> None:
        """An answer without a body."""

    def tick(self) -> None:
        """A while has passed; who waits is told that all is well."""


class Heard(Protocol):
    """Who is told what comes back of one exchange with a server."""

    def began(self, status: int, session: bytes | None) -> None:
        """The head. session: the server's Mcp-Session-Id, where it sent one."""

    def event(self, event: sse.Event) -> None:
        """A message, or what a stream says besides. A JSON body comes as one event."""

    def ended(self, problem: GatewayError | None, *, was_sent: bool = True) -> None:
        """Always last, and once, unless it was closed from here; perhaps before `post` or `stream` returns.

        problem: why it broke off; None where it is complete. was_sent: False where the server never got the request,
        so that sending it again does no harm.
        """


class Exchange(Protocol):
    """One HTTP request to a server, under way."""

    def close(self) -> None:
        """Break it off; nothing is heard of it any more. To a server of 2026-07-28 that cancels the request."""


class Server(Protocol):
    """One instance of an adapter."""

    def post(self, body: bytes, headers: Sequence[Header], heard: Heard, *, target: str = "") -> Exchange:
        """target: another path (with its query) than the endpoint's own, which HTTP+SSE asks for."""

    def stream(self, headers: Sequence[Header], heard: Heard, *, after: float = 0.0) -> Exchange:
        """A GET for text/event-stream. after: seconds to wait first."""

    def delete(self, headers: Sequence[Header]) -> None:
        """Tell it that a session is over, and care no further."""
