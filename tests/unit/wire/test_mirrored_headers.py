"""Which arguments a schema mirrors into headers, and when a header does not tell what the body does."""

from typing import Any

import pytest

from gateway.wire.mirrored import declarations, headers_of, mismatch


def schema(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def annotated(kind: str = "string", header: Any = "Region") -> dict[str, Any]:
    return {"type": kind, "x-mcp-header": header}


def check(arguments: Any, *headers: tuple[bytes, bytes], kind: str = "string") -> str | None:
    return mismatch(declarations(schema(region=annotated(kind))), arguments, headers)


HEADER = b"mcp-param-region"


def test_nested_properties_are_found() -> None:
    (found,) = declarations(schema(where=schema(region=annotated())))
    assert (found.path, found.header) == (("where", "region"), HEADER)


@pytest.mark.parametrize(
    "broken",
    [
        schema(a=annotated("number")),
        schema(a=annotated("array")),
        schema(a=annotated(header="")),
        schema(a=annotated(header="no spaces")),
        schema(a=annotated(header=5)),
        schema(a=annotated(), b=annotated(header="REGION")),
        schema(a={"type": "array", "items": annotated()}),
        schema() | {"anyOf": [schema(a=annotated())]},
        schema() | {"$defs": {"d": annotated()}},
        schema() | {"x-mcp-header": "Root", "type": "string"},
        None,
        5,
    ],
)
def test_schema_that_breaks_the_rules_mirrors_nothing(broken: Any) -> None:
    assert declarations(broken) == ()


def test_annotation_that_is_data_is_no_annotation() -> None:
    assert declarations(schema(a={"default": annotated(), "enum": [annotated()], "$ref": "#/x"})) == ()


@pytest.mark.parametrize(
    ("kind", "value", "header"),
    [
        ("string", "eu", b"eu"),
        ("string", "süd", b"=?base64?c8O8ZA==?="),
        ("boolean", True, b"true"),
        ("integer", 42, b"42"),
        ("integer", 42, b"42.0"),
        ("integer", 42.0, b"42"),
        ("integer", 2**60 + 1, str(2**60 + 1).encode()),
    ],
)
def test_headers_that_agree(kind: str, value: Any, header: bytes) -> None:
    assert check({"region": value}, (HEADER, header), kind=kind) is None


@pytest.mark.parametrize(
    ("kind", "arguments", "headers", "words"),
    [
        ("string", {"region": "eu"}, [], "is missing"),
        ("string", {}, [b"eu"], "is there without"),
        ("string", {"region": None}, [b"eu"], "is there without"),
        ("string", {"region": ["eu"]}, [b"eu"], "is there without"),
        ("string", "no object", [b"eu"], "is there without"),
        ("string", {"region": "eu"}, [b"EU"], "does not match"),
        ("string", {"region": "eu"}, [b"eu", b"eu"], "more than once"),
        ("string", {"region": "eu"}, [b"=?base64?!?="], "no valid text"),
        ("string", {"region": "eu"}, [b"\xff"], "no valid text"),
        ("integer", {"region": 42}, [b"42.5"], "does not match"),
        ("integer", {"region": 42}, [b"4.2e1"], "does not match"),
        ("integer", {"region": True}, [b"1"], "does not match"),
        ("integer", {"region": 1}, [b"1" * 100_000], "does not match"),
    ],
)
def test_headers_that_do_not_agree(kind: str, arguments: Any, headers: list[bytes], words: str) -> None:
    problem = check(arguments, *((HEADER, header) for header in headers), kind=kind)
    assert problem is not None
    assert words in problem


def test_nothing_there_on_either_side_agrees() -> None:
    assert check({}) is None
    assert check(None) is None
    assert check({}, (b"mcp-param-unknown", b"x")) is None


def test_headers_made_for_arguments_are_the_ones_that_match_them() -> None:
    declared = declarations(schema(region=annotated(), count=annotated("integer", "Count"), none=annotated(header="N")))
    arguments = {"region": "süd", "count": 3}
    made = headers_of(declared, arguments)
    assert sorted(made) == [(b"mcp-param-count", b"3"), (HEADER, b"=?base64?c8O8ZA==?=")]
    assert mismatch(declared, arguments, made) is None
