"""What a client may be answered with, and what it sent."""

import pytest

from gateway.wire.media import accepts, is_json


@pytest.mark.parametrize(
    ("accept", "json", "stream"),
    [
        (None, True, True),
        (b"*/*", True, True),
        (b"application/json", True, False),
        (b"Application/JSON; q=0.5, text/html", True, False),
        (b"application/*,text/*", True, True),
        (b"text/event-stream;charset=utf-8", False, True),
        (b"text/html", False, False),
        (b"", False, False),
    ],
)
def test_accept_names_what_may_be_answered_with(accept: bytes | None, json: bool, stream: bool) -> None:
    assert accepts(accept) == (json, stream)


@pytest.mark.parametrize(
    ("content_type", "is_it"),
    [
        (b"application/json", True),
        (b"Application/JSON ; charset=utf-8", True),
        (b"application/json-patch+json", False),
        (b"text/plain", False),
        (None, False),
    ],
)
def test_a_body_is_json_where_its_type_says_so(content_type: bytes | None, is_it: bool) -> None:
    assert is_json(content_type) is is_it
