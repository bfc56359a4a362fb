"""Names that only their parsers mint."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as some

from gateway.wire.names import ADAPTER_NAME_LENGTH, instance_name, parse_adapter_name, split_instance_name

NAMES = some.from_regex(r"[a-z0-9]([a-z0-9-]{0,50}[a-z0-9])?", fullmatch=True)


@pytest.mark.parametrize("text", ["a", "7", "weather", "a-b", "a--b", "x" * ADAPTER_NAME_LENGTH])
def test_a_dns_label_is_an_adapters_name(text: str) -> None:
    assert parse_adapter_name(text) == text


@pytest.mark.parametrize(
    "text", ["", "-a", "a-", "A", "a.b", "a_b", "a/b", "wetter\n", "ä", "x" * (ADAPTER_NAME_LENGTH + 1), "../mcp"]
)
def test_anything_else_is_refused_with_the_rule(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"{text!r} is not a DNS label")):
        parse_adapter_name(text)


@given(NAMES, some.integers(0, 999))
def test_an_instances_name_splits_into_what_it_was_made_of(name: str, ordinal: int) -> None:
    assert split_instance_name(instance_name(parse_adapter_name(name), ordinal)) == (name, ordinal)


@pytest.mark.parametrize(
    "text", ["", "weather", "weather-", "-0", "weather-x", "weather-00", "weather-1_0", "weather-٣"]
)
def test_an_instances_name_without_an_ordinal_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an adapter's name with an ordinal"):
        split_instance_name(text)
