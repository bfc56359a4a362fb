"""Exported names: what they look like, who gets which, and that nothing but the set of tools decides it."""

import re

from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.toolnames import EXPORTED, LONGEST, Exported, Naming, Origin, export, fit


def names(*origins: Origin) -> dict[str, str]:
    return {f"{each.source}/{each.original}": found.name for each, found in export(origins).items()}


def test_a_name_that_nobody_else_has_stays_as_it_is() -> None:
    assert export([Origin("github", "create_issue")]) == {
        Origin("github", "create_issue"): Exported("create_issue", Naming.OWN)
    }


def test_tools_of_one_name_all_bear_their_adapters() -> None:
    assert names(Origin("jira", "search"), Origin("wiki-2", "search"), Origin("jira", "create")) == {
        "jira/search": "jira_search",
        "wiki-2/search": "wiki_2_search",
        "jira/create": "create",
    }


def test_a_rename_ends_a_collision() -> None:
    found = export([Origin("jira", "search"), Origin("wiki", "search", "search_wiki")])
    assert [(each.name, each.naming) for each in found.values()] == [
        ("search", Naming.OWN),
        ("search_wiki", Naming.RENAMED),
    ]


def test_a_prefixed_name_never_takes_the_name_that_another_tool_has_by_itself() -> None:
    found = names(Origin("a", "b_c"), Origin("x", "b_c"), Origin("y", "a_b_c"))
    assert found["y/a_b_c"] == "a_b_c"
    assert re.fullmatch(r"a_b_c_[0-9a-f]{8}", found["a/b_c"])
    assert found["x/b_c"] == "x_b_c"


def test_names_that_only_fitting_makes_equal_are_told_apart_by_hashes() -> None:
    found = names(Origin("a", "x.y"), Origin("a", "x-y"))
    assert len(set(found.values())) == 2
    assert all(re.fullmatch(r"a_x_y_[0-9a-f]{8}", name) for name in found.values())


def test_characters_that_clients_refuse_become_underscores_and_a_letter_comes_first() -> None:
    assert fit("weather.get-forecast/v2") == "weather_get_forecast_v2"
    assert fit("2fa") == "t_2fa"
    assert fit("") == "t_"
    assert fit("_private") == "t__private"


def test_a_long_name_is_cut_and_ends_in_a_hash_of_all_of_it() -> None:
    first, second = fit("a" * 60), fit("a" * 61)
    assert len(first) == len(second) == LONGEST
    assert first != second


ORIGINS = st.lists(st.builds(Origin, st.text("ab-", min_size=1, max_size=3), st.text("xy._", max_size=4)), unique=True)


@given(ORIGINS, st.randoms())
def test_names_are_fit_unique_and_the_same_in_any_order(origins: list[Origin], random: object) -> None:
    found = export(origins)
    assert all(EXPORTED.fullmatch(each.name) for each in found.values())
    assert len({each.name for each in found.values()}) == len(origins)
    assert export(sorted(origins, key=lambda each: (each.original, each.source))) == found


ANY = st.text(min_size=1, max_size=90)


@given(st.lists(st.builds(Origin, ANY, ANY), unique=True, max_size=8))
def test_whatever_a_server_calls_its_tools_clients_get_names_that_all_of_them_take(origins: list[Origin]) -> None:
    found = export(origins)
    assert all(EXPORTED.fullmatch(each.name) and len(each.name) <= LONGEST for each in found.values())
    assert len({each.name for each in found.values()}) == len(origins)


@given(ORIGINS)
def test_a_tool_that_shares_nothing_with_others_renames_none_of_them(origins: list[Origin]) -> None:
    before = export(origins)
    after = export([*origins, Origin("other", "nothing_alike")])
    assert {origin: after[origin] for origin in origins} == before
    assert after[Origin("other", "nothing_alike")].name == "nothing_alike"
