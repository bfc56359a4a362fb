"""What a server sends can not steer the terminal that shows it."""

import msgspec
import pytest

from mcpdeck.model.plain import decode, in_a_row, one_line, plain, plain_json


class _Told(msgspec.Struct):
    text: str
    more: dict[str, str] = {}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain Ärger 東京 🎉", "plain Ärger 東京 🎉"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("\x1b[31mERROR\x1b[0m here", "ERROR here"),
        ("a\x1b]0;title\x07b\x1b]52;c;eA==\x1b\\c", "abc"),
        ("a\x9b31mb\x9d0;t\x9cc", "abc"),
        ("a\x1bPq#0\x1b\\b\x1b_x\x1b\\c", "abc"),
        ("bell\x07 back\x08 \x1b alone \x7f", "bell� back� � alone �"),
        ("windows\r\nline, lone\rreturn", "windows\nline, lone�return"),
        ("turned \u202e round \u2066 and \u061c", "turned � round � and �"),
        ("cut \x1b]52;c;never ended", "cut �]52;c;never ended"),
    ],
)
def test_what_a_terminal_would_obey_goes_and_all_else_stays(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_taking_a_sequence_out_makes_no_new_one() -> None:
    assert "\x1b" not in plain("\x1b\x1b[0m[31m")
    assert "\x9b" not in plain("\x9b\x1b[0m31m"[:1] + "\x1b[0m31m")


@pytest.mark.parametrize("code", [*range(9), *range(11, 32), *range(127, 160), 0x61C, 0x200E, 0x202E, 0x2069])
def test_every_control_character_is_caught_in_json_raw_and_escaped(code: int) -> None:
    raw = '{"text":"a\\u%04xb","more":{"k\\u%04x":"v"}}' % (code, code)  # noqa: UP031
    told = decode(raw.encode(), _Told)
    assert chr(code) not in told.text
    assert chr(code) not in next(iter(told.more))
    if code >= 32:  # JSON has no raw ones below
        assert chr(code) not in decode(msgspec.json.encode(_Told(f"a{chr(code)}b")), _Told).text


def test_shape_is_checked_whether_or_not_anything_was_taken_out() -> None:
    for body in (b'{"text":1}', b'{"text":1,"more":{"a":"\\u001b"}}'):
        with pytest.raises(msgspec.ValidationError):
            decode(body, _Told)
    with pytest.raises(msgspec.DecodeError):
        decode(b"<html>\\u", _Told)


def test_values_that_are_no_text_stay_as_they_are() -> None:
    value = {"a": [1, 2.5, None, True, "x\x1b[0m"], "b\x07": {}}
    assert plain_json(value) == {"a": [1, 2.5, None, True, "x"], "b�": {}}


def test_cell_is_one_line() -> None:
    assert one_line("a\n  b\tc\x1b[0m") == "a b c"


def test_row_of_a_terminal_stays_one_and_as_long() -> None:
    assert in_a_row("a\n  b\tc\u2028d") == "a   b c d"
    assert in_a_row("plain") == "plain"


def test_pictures_that_only_some_terminals_join_stand_side_by_side_in_all_of_them() -> None:
    assert in_a_row("a \N{WOMAN}\u200d\N{GIRL} b") == "a \N{WOMAN}\N{GIRL} b"
    assert in_a_row("\u0915\u094d\u200d\u0937") == "\u0915\u094d\u200d\u0937"  # letters that are joined stay so
