"""Tools found by words: which come, in which order, and that no query breaks the index."""

import pytest

from gateway.toolrouter.search import Entry, Index, entry


def found(query: str, *entries: Entry) -> list[str]:
    index = Index(entries)
    try:
        return list(index.search(query))
    finally:
        index.close()


WEATHER = Entry("get_forecast", "Weather forecast", "Tells the weather of the coming days")
ISSUE = Entry("createIssue", "", "Opens a ticket", "summary assignee")
LIST = Entry("list_issues", "", "Lists the tickets of a project")


def test_a_name_is_found_by_its_parts_and_as_a_whole() -> None:
    assert found("issue", WEATHER, ISSUE) == ["createIssue"]
    assert found("createIssue", WEATHER, ISSUE) == ["createIssue"]
    assert found("get_forecast", WEATHER, ISSUE) == ["get_forecast"]


def test_a_name_ranks_above_a_description() -> None:
    other = Entry("report", "", "Mentions the forecast in passing")
    assert found("forecast", other, WEATHER) == ["get_forecast", "report"]


def test_words_are_found_in_other_forms_and_by_their_beginnings() -> None:
    assert found("creating tickets", WEATHER, ISSUE, LIST)[0] == "createIssue"
    assert found("weath", WEATHER, ISSUE) == ["get_forecast"]


def test_more_matching_words_rank_higher() -> None:
    assert found("list issues project", ISSUE, LIST)[0] == "list_issues"


def test_arguments_are_indexed_by_name_and_description_however_deep() -> None:
    schema = {
        "type": "object",
        "properties": {
            "place": {"type": "object", "properties": {"zipCode": {"type": "string", "description": "Postleitzahl"}}},
            "days": {"type": "array", "items": {"properties": {"holiday": True}}},
        },
    }
    tool = entry({"name": "t", "inputSchema": schema})
    for word in ("place", "zip", "postleitzahl", "holiday"):
        assert found(word, tool, WEATHER) == ["t"]


@pytest.mark.parametrize("query", ["", "  ", '"', "a OR b AND NEAR(", "name:x", "*", "-", "' OR 1=1 --", "\0"])
def test_no_query_is_an_error(query: str) -> None:
    assert isinstance(found(query, WEATHER), list)


def test_accents_and_other_scripts_are_found() -> None:
    assert found("meteo", Entry("x", "", "Météo"), WEATHER) == ["x"]
    assert found("天気", Entry("y", "", "天気 予報"), WEATHER) == ["y"]
