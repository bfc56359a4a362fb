"""What is hidden in traffic, and what is not."""

from typing import Any

import msgspec
import pytest

from gateway.services.traffic_secrets import headers, revealed, sentence, shown, without_secrets
from gateway.wire.traffic import PAYLOAD

JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl"


def hidden(value: Any) -> Any:
    data = msgspec.json.encode(value)
    return msgspec.json.decode(shown(data, len(data)).payload)


@pytest.mark.parametrize(
    "name", ["password", "apiKey", "API_KEY", "client_secret", "accessToken", "Authorization", "Set-Cookie", "key"]
)
def test_values_under_telling_names_are_hidden_and_their_size_is_told(name: str) -> None:
    assert hidden({"arguments": {name: "hunter2", "city": "Oslo"}}) == {
        "arguments": {name: "[redacted: 7 characters]", "city": "Oslo"}
    }


def test_all_that_lies_within_such_a_value_is_hidden() -> None:
    told = hidden({"credentials": {"user": "ada", "pins": [1234, {"deep": "x"}], "isSet": True, "none": None}})
    assert told == {
        "credentials": {
            "user": "[redacted: 3 characters]",
            "pins": ["[redacted: a number]", {"deep": "[redacted: 1 characters]"}],
            "isSet": True,
            "none": None,
        }
    }


def test_mcps_own_words_stay() -> None:
    for value in (
        {"_meta": {"progressToken": "p-1"}},
        {"maxTokens": 100},
        {"tools": [{"inputSchema": {"properties": {"apiKey": {"type": "string", "description": "of yours"}}}}]},
    ):
        assert hidden(value) == value


def test_a_name_beside_its_value_tells_as_well() -> None:
    assert hidden([{"name": "DB_PASSWORD", "value": "x"}, {"name": "CITY", "value": "Oslo"}]) == [
        {"name": "DB_PASSWORD", "value": "[redacted: 1 characters]"},
        {"name": "CITY", "value": "Oslo"},
    ]


def test_json_in_a_text_is_looked_into() -> None:
    inner = msgspec.json.encode({"rows": [{"token": "abc", "city": "Oslo"}]}).decode()
    (block,) = hidden([{"type": "text", "text": inner}])
    assert msgspec.json.decode(block["text"]) == {"rows": [{"token": "[redacted: 3 characters]", "city": "Oslo"}]}


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        (f"it came with {JWT} and left", JWT),
        ("curl -H 'X: Bearer abcdefgh12345678'", "abcdefgh12345678"),
        ("ghp_abcdefghijklmnopqrstuvwxyz0123456789 is mine", "ghp_abcdefghijklmnopqrstuvwxyz0123456789"),
        ("AKIAABCDEFGHIJKLMNOP", "AKIAABCDEFGHIJKLMNOP"),
        ("https://ada:hunter2@example.com/x", "hunter2"),
        ("https://example.com/x?access_token=hunter2&city=Oslo", "hunter2"),
        ("password = hunter2\ncity = Oslo", "hunter2"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----", "MIIE"),
    ],
)
def test_what_looks_like_a_credential_is_hidden_in_any_text(text: str, gone: str) -> None:
    told = hidden({"text": text})["text"]
    assert gone not in told
    assert "[redacted: " in told
    assert gone not in sentence(text)


def test_a_message_without_secrets_stays_as_it_was_written() -> None:
    data = b'{"jsonrpc": "2.0",  "id": 1.0, "result": {"big": 12345678901234567890123, "text": "m\\u00e9"}}'
    seen = shown(data, len(data))
    assert (seen.payload, seen.redacted) == (data, 0)


def test_line_breaks_between_tokens_become_spaces_since_an_event_has_one_line() -> None:
    data = b'{\r\n  "city":\n"Oslo"\n}'
    assert b"\n" not in shown(data, len(data)).payload
    assert hidden({"city": "Os\nlo"}) == {"city": "Os\nlo"}


def test_how_many_values_are_hidden_is_told() -> None:
    data = msgspec.json.encode({"a": {"token": "x", "password": "y"}, "text": f"{JWT} {JWT}"})
    assert shown(data, len(data)).redacted == 4


def test_escaped_names_tell_as_well() -> None:
    data = b'{"\\u0070assword": "hunter2"}'
    assert b"hunter2" not in shown(data, len(data)).payload


def test_a_large_message_is_an_excerpt_without_its_secrets() -> None:
    data = msgspec.json.encode({"password": "hunter2", "rows": ["x" * 1000] * 100})
    seen = shown(data, len(data))
    assert not seen.payload
    assert len(seen.excerpt) == PAYLOAD
    assert "hunter2" not in seen.excerpt


@pytest.mark.parametrize("value", ['"hun\\"ter2"', "1234", '{"a": "hunter2"}', '["hunter2"', '"hunter2'])
def test_the_beginning_of_a_message_tells_no_secret_though_it_can_not_be_parsed(value: str) -> None:
    data = f'{{"city": "Oslo", "apiKey": {value}'.encode()
    seen = shown(data, 10_000_000)
    assert "Oslo" in seen.excerpt
    assert "ter2" not in seen.excerpt
    assert "1234" not in seen.excerpt


def test_what_is_no_json_is_an_excerpt() -> None:
    seen = shown(b"<html>token=hunter2</html>", 26)
    assert seen.excerpt.startswith("<html>token=[redacted")
    assert revealed(b"<html>", 6).excerpt == "<html>"


def test_what_is_revealed_is_as_it_came() -> None:
    data = b'{"token": "abc"}'
    assert revealed(data, len(data)).payload == data


def test_nesting_without_end_is_hidden_where_it_gets_too_deep() -> None:
    value: Any = {"token": "hunter2"}
    for _ in range(200):
        value = [value]
    told, count = without_secrets(value)
    assert count == 1
    assert "hunter2" not in msgspec.json.encode(told).decode()
    data = b'{"token":' + b"[" * 100_000
    assert shown(data, len(data)).payload == b""


def test_headers_are_chosen_and_credentials_never_told() -> None:
    told = headers(
        [
            (b"authorization", b"Bearer abc"),
            (b"cookie", b"a=b"),
            (b"mcp-session-id", b"xyz"),
            (b"mcp-method", b"tools/call"),
            (b"mcp-param-city", b"Oslo"),
            (b"mcp-param-api-key", b"hunter2"),
            (b"x-secret-thing", b"hunter2"),
            (b"user-agent", b"cursor/2"),
        ]
    )
    assert told == {
        "authorization": "[redacted: 10 characters]",
        "cookie": "[redacted: 3 characters]",
        "mcp-session-id": "[redacted: 3 characters]",
        "mcp-method": "tools/call",
        "mcp-param-city": "Oslo",
        "mcp-param-api-key": "[redacted: 7 characters]",
        "user-agent": "cursor/2",
    }
