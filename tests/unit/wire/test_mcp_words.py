"""MCP's words: eras by version, and header values."""

import pytest
from hypothesis import given
from hypothesis import strategies as some
from mcp.shared import inbound

from gateway.wire import mcp
from gateway.wire.mcp import Era, decode_header_value, encode_header_value, era_of


@pytest.mark.parametrize("version", [None, *mcp.LEGACY_VERSIONS])
def test_no_version_and_handshake_versions_are_legacy(version: str | None) -> None:
    assert era_of(version) is Era.LEGACY


@pytest.mark.parametrize("version", [*mcp.MODERN_VERSIONS, "2099-01-01", "nonsense", ""])
def test_any_other_version_is_modern(version: str) -> None:
    assert era_of(version) is Era.MODERN


@given(some.text())
def test_a_header_value_comes_back_as_the_text_it_was(text: str) -> None:
    assert decode_header_value(encode_header_value(text)) == text


@given(some.text())
def test_a_header_value_is_visible_ascii_and_inner_spaces(text: str) -> None:
    value = encode_header_value(text)
    assert value == value.strip()
    assert all(" " <= each <= "~" for each in value)


@given(some.text(some.characters(codec="utf-8")))
def test_the_sdk_reads_our_header_values_and_we_read_its(text: str) -> None:
    assert inbound.decode_header_value(encode_header_value(text)) == text
    assert decode_header_value(inbound.encode_header_value(text)) == text


@pytest.mark.parametrize("text", ["get_weather", "file:///a b", "a", "=?base64?", "x?="])
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert encode_header_value(text) == text


@pytest.mark.parametrize("text", ["", " a", "a ", "a\tb", "a\nb", "ü", "=?base64?YQ==?=", "=?base64??="])
def test_what_a_header_cannot_hold_is_wrapped(text: str) -> None:
    assert encode_header_value(text).startswith("=?base64?")


@pytest.mark.parametrize("text", ["=?base64?!?=", "=?base64?YQ?=", "=?base64?/w==?=", "=?base64?YQ==\n?="])
def test_a_wrapping_of_anything_but_base64_of_utf8_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="wraps no base64 of UTF-8"):
        decode_header_value(text)


def test_another_spelling_of_the_sentinel_is_plain_text() -> None:
    assert decode_header_value("=?BASE64?YQ==?=") == "=?BASE64?YQ==?="


@pytest.mark.parametrize("session", [b"abc", b"!~", b"a/b+c=", b"x" * 4000])
def test_visible_ascii_is_a_session_id(session: bytes) -> None:
    assert mcp.SESSION_ID.fullmatch(session)


@pytest.mark.parametrize("session", [b"", b"a b", b"a\n", b"\xff", b"\x7f", b"a\tb"])
def test_anything_else_is_no_session_id(session: bytes) -> None:
    assert not mcp.SESSION_ID.fullmatch(session)
