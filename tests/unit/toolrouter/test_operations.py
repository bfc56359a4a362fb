"""Arguments spread over an HTTP request: where each goes, and that none leaves its place."""

from typing import Any

import pytest

from gateway.toolrouter.operations import Unfit, spread
from gateway.wire.tools import Argument, Operation, Place

PET = Operation(
    method="PUT",
    path="/pets/{petId}",
    arguments={
        "id": Argument(place=Place.PATH, name="petId"),
        "tags": Argument(place=Place.QUERY),
        "dry": Argument(place=Place.QUERY, name="dry-run"),
        "lang": Argument(place=Place.HEADER, name="Accept-Language"),
        "name": Argument(place=Place.BODY),
    },
)


def test_each_argument_goes_to_its_place() -> None:
    given = {"id": 7, "tags": ["a", "b c"], "dry": True, "lang": "en", "name": "Rex", "more": {"x": 1.5}}
    request = spread(PET, given, base="/v1/")
    assert (request.method, request.path) == ("PUT", "/v1/pets/7")
    assert request.query == b"tags=a&tags=b+c&dry-run=true"
    assert request.headers == [(b"accept-language", b"en"), (b"content-type", b"application/json")]
    assert request.body == b'{"name":"Rex","more":{"x":1.5}}'


def test_what_is_not_given_is_not_sent() -> None:
    request = spread(PET, {"id": "x"}, base="/")
    assert (request.path, request.query, request.headers, request.body) == ("/pets/x", b"", [], b"")


@pytest.mark.parametrize(
    ("value", "segment"),
    [
        ("a/b", "a%2Fb"),
        ("../x", "..%2Fx"),
        ("a b?c#d", "a%20b%3Fc%23d"),
        ("ü\r\n", "%C3%BC%0D%0A"),
        ("%2e%2e", "%252e%252e"),
    ],
)
def test_a_segment_stays_one_segment(value: str, segment: str) -> None:
    assert spread(PET, {"id": value}, base="/v1").path == f"/v1/pets/{segment}"


@pytest.mark.parametrize("given", [{"id": ".."}, {"id": "."}, {"id": ""}, {}])
def test_a_segment_that_would_change_the_path_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(Unfit, match="petId: a path needs it"):
        spread(PET, given, base="/v1")


@pytest.mark.parametrize("value", ["a\r\nx-mcp-userid: root", "ü", "\0"])
def test_a_header_holds_one_line_of_ascii(value: str) -> None:
    with pytest.raises(Unfit, match="Accept-Language: a header holds one line"):
        spread(PET, {"id": 1, "lang": value}, base="/")


def test_a_whole_body_is_the_argument_itself() -> None:
    operation = Operation(path="/bulk", arguments={"body": Argument(place=Place.WHOLE)})
    assert spread(operation, {"body": [1, 2]}, base="").body == b"[1,2]"
