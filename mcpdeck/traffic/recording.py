"""A recording as a whole: messages by their numbers, and calls with what came of them. Reads and writes JSON lines."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import msgspec

from gateway.wire.traffic import Kind, Sender, TrafficMessage
from mcpdeck.model.plain import decode


class Call(msgspec.Struct, frozen=True):
    """A client's request and its response; None where none was recorded."""

    request: TrafficMessage
    response: TrafficMessage | None

    @property
    def params(self) -> dict[str, Any]:
        payload = self.request.payload
        params = payload.get("params") if isinstance(payload, dict) else None
        return params if isinstance(params, dict) else {}

    @property
    def is_whole(self) -> bool:
        """Whether the request is there as it was sent."""
        return self.request.payload is not None and not self.request.redacted

    @property
    def ended_at(self) -> datetime:
        return (self.response or self.request).at


def read(lines: Iterable[bytes]) -> Iterator[TrafficMessage]:
    """Raises ValueError with the line that is none."""
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                yield decode(line, TrafficMessage)
            except msgspec.DecodeError as error:
                raise ValueError(f"line {number} is no recorded message: {error}") from error


def written(message: TrafficMessage) -> bytes:
    return msgspec.json.encode(message) + b"\n"


def calls(messages: Iterable[TrafficMessage]) -> list[Call]:
    """In the order in which they were asked."""
    kept = list(messages)
    responses = {(each.replica, each.answers): each for each in kept if each.answers}  # each replica numbers by itself
    return [
        Call(each, responses.get((each.replica, each.number)))
        for each in kept
        if each.kind is Kind.REQUEST and each.sender is Sender.CLIENT
    ]
