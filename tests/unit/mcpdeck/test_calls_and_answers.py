"""Calls that are kept, and answers that were prepared for what a server asks."""

import stat
from pathlib import Path
from typing import Any

import pytest

from mcpdeck.calls import CAPACITY, CallBook
from mcpdeck.cli.answers import from_file
from mcpdeck.cli.exits import Failure
from mcpdeck.mcp.peer import Declined
from mcpdeck.model.playground import Call, Request
from mcpdeck.model.uri_template import expanded
from tests.support.fake_gateway import NOW

FORM = {"method": "elicitation/create", "params": {"message": "Who?"}}
SAMPLING = {"method": "sampling/createMessage", "params": {"messages": []}}


def call(number: int, name: str = "") -> Call:
    request = Request(
        endpoint="/mcp", method="tools/call", params={"name": "x", "arguments": {"n": number, "none": None}}
    )
    return Call(request=request, at=NOW, name=name)


def test_calls_are_remembered_up_to_a_bound_for_their_owner_alone(tmp_path: Path) -> None:
    book = CallBook(tmp_path / "new")
    for number in range(2 * CAPACITY + 5):
        book.remember(call(number))
    history = book.history()
    assert len(history) <= CAPACITY
    assert history[-1] == call(2 * CAPACITY + 4)
    assert stat.S_IMODE((tmp_path / "new" / "calls.jsonl").stat().st_mode) == 0o600


def test_kept_calls_have_names_are_replaced_and_forgotten(tmp_path: Path) -> None:
    book = CallBook(tmp_path)
    book.save(call(1, "a"))
    book.save(call(2, "a"))
    assert book.saved() == {"a": call(2, "a")}
    assert book.forget("a")
    assert not book.forget("a")
    (tmp_path / "saved-calls.json").write_text("{")
    with pytest.raises(ValueError, match="can not be read"):
        book.saved()


async def test_prepared_answers_come_one_after_the_other_then_questions_are_declined(tmp_path: Path) -> None:
    file = tmp_path / "answers.yaml"
    file.write_text("- {name: Ada}\n- {action: cancel}\n- hello\n")
    told: list[str] = []
    answer = from_file(str(file), told.append)
    assert await answer(FORM) == {"action": "accept", "content": {"name": "Ada"}}
    assert await answer(FORM) == {"action": "cancel"}
    assert (await answer(SAMPLING))["content"] == {"type": "text", "text": "hello"}
    assert await answer(FORM) == {"action": "decline"}
    with pytest.raises(Declined):
        await answer(SAMPLING)
    assert told[0] == f"the server asks: Who?; answered from {file}"


async def test_one_answer_is_good_for_every_question(tmp_path: Path) -> None:
    file = tmp_path / "answer.json"
    file.write_text('{"ok": true}')
    answer = from_file(str(file), lambda _line: None)
    for _ in range(3):
        assert await answer(FORM) == {"action": "accept", "content": {"ok": True}}


def test_file_of_answers_that_is_not_there_is_told_before_anything_is_called(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="No such file"):
        from_file(str(tmp_path / "none.yaml"), lambda _line: None)


@pytest.mark.parametrize(
    ("template", "values", "uri"),
    [
        ("room://{floor}/{name}", {"floor": "roof", "name": "a b/c"}, "room://roof/a%20b%2Fc"),
        ("file:///{+path}", {"path": "a/b c"}, "file:///a/b%20c"),
        ("s://x{?q,page}", {"q": "a&b", "page": "2"}, "s://x?q=a%26b&page=2"),
        ("s://x{?q}", {}, "s://x"),
        ("s://x{/part}{#frag}", {"part": "p", "frag": "f/g"}, "s://x/p#f/g"),
    ],
)
def test_templates_expand_as_rfc_6570_says(template: str, values: dict[str, Any], uri: str) -> None:
    assert expanded(template, values) == uri
