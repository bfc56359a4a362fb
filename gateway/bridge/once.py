"""Hears out an exchange for its one response."""

from collections.abc import Callable

from gateway.core.errors import GatewayError, UpstreamBroke
from gateway.wire import envelope, sse
from gateway.wire.envelope import Message, Unreadable


class Once:
    """`then` is called once, with the response (a result or an error) or with why there is none.

    said: called with every message ahead of the response. needs_response: False where an answer without a body is as
    good, such as to a notification: `then` gets {}.
    """

    def __init__(
        self,
        then: Callable[[Message | GatewayError], None],
        *,
        said: Callable[[Message], None] | None = None,
        needs_response: bool = True,
    ) -> None:
        self.status = 0
        self.session: bytes | None = None
        self._then: Callable[[Message | GatewayError], None] | None = then
        self._said = said
        self._needs_response = needs_response

    def began(self, status: int, session: bytes | None) -> None:
        self.status, self.session = status, session

    def event(self, event: sse.Event) -> None:
        message = message_of(event)
        if message is None or self._then is None:
            return
        if "method" not in message:
            self._tell(message)
        elif self._said is not None:
            self._said(message)

    def ended(self, problem: GatewayError | None, *, was_sent: bool = True) -> None:  # noqa: ARG002 - as Heard has it
        if problem is not None:
            self._tell(problem)
        elif not self._needs_response and self.status < 400:
            self._tell({})
        else:
            self._tell(without_response(self.status))

    @property
    def has_told(self) -> bool:
        return self._then is None

    def _tell(self, what: Message | GatewayError) -> None:
        then, self._then, self._said = self._then, None, None
        if then is not None:
            then(what)


def without_response(status: int) -> UpstreamBroke:
    return UpstreamBroke(f"the adapter answered with HTTP {status} and no JSON-RPC response")


def message_of(event: sse.Event) -> Message | None:
    """The message that an event carries; None in a comment, a priming event, or bytes that are none."""
    if not event.data:
        return None
    message = envelope.parse(event.data)
    return None if isinstance(message, Unreadable) else message


def messages_of(event: sse.Event) -> list[Message]:
    """The same where a server of 2025-03-26 may answer with a batch."""
    if event.data and envelope.is_batch(event.data):
        elements = envelope.parse_batch(event.data)
        return [] if isinstance(elements, Unreadable) else [found for found in map(envelope.members, elements) if found]
    message = message_of(event)
    return [] if message is None else [message]
