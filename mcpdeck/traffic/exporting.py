"""Messages as a file's text, by the file's name: JSON lines, an HTTP archive, or a pytest file. Writes none."""

from collections.abc import Iterable, Sequence

import msgspec

from gateway.wire.traffic import TrafficMessage
from mcpdeck import VERSION
from mcpdeck.traffic.har import archive
from mcpdeck.traffic.recording import calls, written
from mcpdeck.traffic.replaying import Left, plan
from mcpdeck.traffic.tests_made import pytest_file


def jsonl(messages: Iterable[TrafficMessage]) -> str:
    return "".join(written(message).decode() for message in messages)


def har(messages: Iterable[TrafficMessage], *, url: str) -> str:
    """url: of the gateway."""
    encoded = msgspec.json.encode(archive(calls(messages), url=url, version=VERSION))
    return msgspec.json.format(encoded).decode() + "\n"


def pytest(messages: Iterable[TrafficMessage], *, url: str, file: str) -> tuple[str, Sequence[Left]]:
    """And what is left out. Raises ValueError where it is not of one adapter, or of none that there can be."""
    kept = list(messages)
    adapters = {message.adapter for message in kept}
    if len(adapters) != 1:
        raise ValueError(f"a pytest file is of one adapter's calls, and these are of {len(adapters)}")
    steps, left = plan(calls(kept))
    return pytest_file(steps, adapter=adapters.pop(), url=url, file=file), left
