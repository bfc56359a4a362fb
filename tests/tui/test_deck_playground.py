"""The playground: arguments as a form and as JSON, calls that take their time, ask, fail, are given up, are kept."""

from pathlib import Path
from typing import Any

import msgspec
from textual.widgets import Input

from mcpdeck.calls import CallBook
from mcpdeck.model.commands import View
from mcpdeck.model.runs import Stage
from tests.support.deck import Driver, deck_on
from tests.support.fake_gateway import Fault, Scene
from tests.support.tool_scenes import PIXEL, Indexing, tooling

EVIL = "gone\x1b]0;PWNED\x07 \u202e away"


async def opened(deck: Driver, filter_text: str) -> None:
    """At the tool that a filter leaves alone."""
    await deck.type("6")
    await deck.until(lambda: deck.app.playground_view.peer is not None)
    await deck.type(f"/{filter_text}<enter>")
    await deck.until(lambda: len(deck.app.playground_view.table.shown) == 1)


def kept(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def called(deck: Driver) -> list[dict[str, Any]]:
    return [each["arguments"] for each in deck.gateway.scene.servers["/mcp"].called]


def stage(deck: Driver) -> Stage | None:
    run = deck.app.playground_view.outcome.run
    return run.stage if run else None


async def test_form_is_made_of_the_schema_and_sends_what_it_says() -> None:
    async with deck_on(tooling(), size=(120, 40)) as deck:
        await opened(deck, "book_room")
        await deck.sees("* room", "* people", "whole number, 1", "false", "As the plan of the house has it")
        await deck.type("<enter>Blue<tab>12<ctrl+j>")
        await deck.sees("✓ Done", "Blue is yours.", "structuredContent", "note: null")
        assert called(deck) == [{"room": "Blue", "people": 12, "floor": "first", "catering": False}]


async def test_playground_of_an_adapter_is_one_key_away_from_its_row() -> None:
    async with deck_on(tooling(), size=(120, 40)) as deck:
        await deck.until(lambda: bool(deck.app.place.adapter_names))
        name = deck.app.place.adapter_names[0]
        await deck.type("i")
        await deck.until(lambda: deck.app.place.view is View.PLAYGROUND)
        assert deck.app.playground_view.endpoint == name


async def test_what_is_typed_in_one_go_with_the_key_that_runs_is_sent() -> None:
    async with deck_on(tooling(), size=(120, 40)) as deck:
        await opened(deck, "summary")
        await deck.type("<enter>")
        field = deck.app.playground_view.arguments.form.query(Input).first()
        with deck.app.playground_view.prevent(Input.Changed):  # the news of it is on its way
            field.value = "today"
        await deck.type("<ctrl+j>")
        await deck.sees("✓ Done", "Tell me of today.")


async def test_what_is_not_right_is_told_under_its_field_and_nothing_is_sent() -> None:
    async with deck_on(tooling(), size=(120, 40)) as deck:
        await opened(deck, "book_room")
        await deck.type("<enter>Blue<tab>90<ctrl+j>")
        await deck.sees("must be at most 40")
        await deck.type("<bksp><bksp>many<ctrl+j>")
        await deck.sees("is no whole number")
        assert called(deck) == []


async def test_json_and_back_loses_neither_null_nor_nesting_nor_what_no_field_is_for() -> None:
    async with deck_on(tooling(), size=(120, 40)) as deck:
        await opened(deck, "book_room")
        view = deck.app.playground_view
        arguments = {
            "room": "null",
            "people": 3,
            "until": None,
            "equipment": {"a": [1, None, {"b": ""}]},
            "beyond": None,
        }
        view.arguments.put(arguments)
        await deck.type("<f2>")
        assert msgspec.json.decode(view.arguments.json.text) == arguments
        await deck.type("<f2>")
        assert view.arguments.values() == arguments
        await deck.type("<ctrl+j>")
        await deck.until(lambda: called(deck) == [arguments])


async def test_json_that_no_form_can_say_stays_json() -> None:
    async with deck_on(tooling(), size=(120, 40)) as deck:
        await opened(deck, "book_room")
        view = deck.app.playground_view
        await deck.type("<f2>")
        view.arguments.json.text = '{"people": "three"}'
        await deck.type("<f2>")
        await deck.sees("the form can not say this")
        assert view.arguments.draft.as_json


async def test_progress_is_drawn_and_a_call_can_be_cancelled() -> None:
    scene = tooling()
    scene.servers["/mcp"].flows["reindex"] = Indexing()
    async with deck_on(scene, size=(120, 40)) as deck:
        await opened(deck, "reindex")
        await deck.type("<ctrl+j>")
        await deck.sees("40%  2 of 5  shelf 2", "3 documents have no title", "ctrl+x cancels")
        await deck.type("<ctrl+j>")
        await deck.sees("a call is under way")
        await deck.type("<ctrl+x>")
        await deck.sees("○ Cancelled")
        await deck.type("<ctrl+x>")
        await deck.sees("nothing is under way")


async def test_what_the_server_asks_is_answered_in_a_form_and_the_call_goes_on() -> None:
    async with deck_on(tooling(), size=(120, 40)) as deck:
        await opened(deck, "book_room")
        deck.app.playground_view.arguments.put({"room": "Sky", "people": 2, "floor": "roof"})
        await deck.type("<ctrl+j>")
        await deck.sees("Who pays?", "A answers")
        await deck.type("A")
        await deck.sees("mcpdeck asks", "* Cost centre", "Four digits")
        await deck.type("<ctrl+j>")
        await deck.sees("is required")
        await deck.type("4711<tab><space><ctrl+j>")
        await deck.sees("✓ Done", "Sky is yours.")
        said = deck.gateway.scene.servers["/mcp"].called[-1]
        assert said["inputResponses"]["who"] == {"action": "accept", "content": {"cost_centre": "4711", "agreed": True}}
        assert said["requestState"] == "sealed"


async def test_question_can_wait_be_declined_and_is_dismissed_with_its_call() -> None:
    async with deck_on(tooling(), size=(120, 40)) as deck:
        await opened(deck, "book_room")
        deck.app.playground_view.arguments.put({"room": "Sky", "people": 2, "floor": "roof"})
        await deck.type("<ctrl+j>")
        await deck.sees("A answers")
        await deck.type("A<esc>")
        await deck.sees("A answers")
        await deck.type("<ctrl+x>")
        await deck.sees("○ Cancelled")
        await deck.until(lambda: len(called(deck)) == 2)
        assert deck.gateway.scene.servers["/mcp"].called[-1]["inputResponses"] == {"who": {"action": "cancel"}}
        assert deck.app.playground_view.outcome.questions == []


async def test_tools_own_failure_and_the_protocols_are_told_apart() -> None:
    async with deck_on(tooling(), size=(120, 40)) as deck:
        await opened(deck, "refund")
        await deck.type("<ctrl+j>")
        await deck.sees("▲ The tool failed", "no such order")
        await deck.type("<esc>/^any<enter>")
        await deck.until(lambda: len(deck.app.playground_view.table.shown) == 1)
        deck.app.playground_view.arguments.put({"method": "nothing/there", "params": {}})
        await deck.type("<ctrl+j>")
        await deck.sees("✖ Protocol error", "-32601")


async def test_refusals_of_the_gateway_are_told_with_what_helps() -> None:
    async with deck_on(tooling(), size=(120, 40)) as deck:
        await opened(deck, "floor_plan")
        deck.gateway.fail("POST", "/mcp", Fault(403, "not on weekends"))
        await deck.type("<ctrl+j>")
        await deck.sees("✖ No answer", "403")
        deck.gateway.fail("POST", "/mcp", Fault(0))
        await deck.type("<ctrl+j>")
        await deck.until(lambda: stage(deck) is Stage.BROKEN)


async def test_images_and_links_are_described_and_kept_as_files(tmp_path: Path) -> None:
    import base64

    async with deck_on(tooling(), size=(120, 40), surroundings={"dump_folder": tmp_path}) as deck:
        await opened(deck, "floor_plan")
        await deck.type("<ctrl+j>")
        await deck.sees("image, image/png, 7", "resource_link, file:///plans", "W keeps it as a file")
        await deck.type("W")
        await deck.until(lambda: len(kept(tmp_path)) == 2)
        [picture] = [path for path in kept(tmp_path) if path.suffix == ".png"]
        assert picture.read_bytes() == base64.b64decode(PIXEL)


async def test_pictures_open_on_the_desktop_where_there_is_one() -> None:
    import base64

    opened_files: list[Path] = []

    def open_file(path: Path) -> bool:
        opened_files.append(path)
        return len(opened_files) == 1

    async with deck_on(tooling(), size=(120, 40), surroundings={"open_file": open_file}) as deck:
        await opened(deck, "floor_plan")
        await deck.type("o")
        await deck.sees("there is no result yet")
        await deck.type("<ctrl+j>")
        await deck.sees("image, image/png")
        await deck.type("o")
        await deck.until(lambda: opened_files)
        [picture] = opened_files
        assert (picture.suffix, picture.read_bytes()) == (".png", base64.b64decode(PIXEL))
        await deck.type("o")
        await deck.sees("there is no desktop here")
        for path in opened_files:
            path.unlink()
            path.parent.rmdir()


async def test_calls_are_remembered_kept_and_taken_up_again(tmp_path: Path) -> None:
    book = CallBook(tmp_path)
    async with deck_on(tooling(), size=(120, 40), surroundings={"calls": book}) as deck:
        await opened(deck, "book_room")
        await deck.type("<enter>Blue<tab>12<ctrl+j>")
        await deck.sees("✓ Done")
        await deck.type("<ctrl+s>")
        await deck.sees("Keep this call")
        await deck.type("blue room<enter>")
        await deck.until(lambda: "blue room" in book.saved())
        await deck.until(lambda: len(book.history()) == 1)
        deck.app.playground_view.arguments.put({"room": "Red", "people": 1})
        await deck.type("<esc><ctrl+up>")
        await deck.until(lambda: deck.app.playground_view.arguments.draft.entries["room"] == "Blue")
        deck.app.playground_view.arguments.put({"room": "Red", "people": 1})
        await deck.type("S")
        await deck.sees("Kept calls", "blue room")
        await deck.type("<enter>")
        await deck.until(lambda: deck.app.playground_view.arguments.draft.entries["room"] == "Blue")


async def test_traffic_hands_over_a_request_as_it_was_made() -> None:
    async with deck_on(tooling(), size=(120, 40)) as deck:
        deck.app.playground_view.fill(
            "/mcp", "tools/call", {"name": "book_room", "arguments": {"room": "Old", "people": 9}}
        )
        deck.app.go(View.PLAYGROUND)
        await deck.sees("Old", "Books a meeting room")
        deck.app.playground_view.fill("/mcp", "completion/complete", {"ref": {"type": "ref/prompt", "name": "x"}})
        await deck.sees("completion/complete")


async def test_prompts_and_templates_are_tried_in_the_same_place() -> None:
    async with deck_on(tooling(), size=(120, 40)) as deck:
        await opened(deck, "summary")
        await deck.type("<enter>today<ctrl+j>")
        await deck.sees("user:", "Tell me of today.")
        await deck.type("<esc><esc>")
        await opened(deck, "room://")
        await deck.type("<enter>roof<tab>a b<ctrl+j>")
        await deck.sees("It has a view.")
        read = [it for it in deck.gateway.seen("POST", "/mcp") if b"resources/read" in it.body]
        assert b"room://roof/a%20b" in read[-1].body


async def test_endpoint_that_is_not_there_says_so_and_another_can_be_chosen() -> None:
    async with deck_on(tooling(), size=(120, 40)) as deck:
        await deck.type(":playground github<enter>")
        await deck.sees("no adapter 'github'")
        await deck.type(":playground /mcp<enter>")
        await deck.sees("book_room")


async def test_calling_from_the_tools_view_leads_here() -> None:
    async with deck_on(tooling(), size=(120, 40)) as deck:
        await deck.type("2")
        await deck.sees("book_room")
        await deck.type("c")
        await deck.sees("Books a meeting room", "* room")
        assert deck.view is View.PLAYGROUND


async def test_nothing_that_a_server_says_reaches_the_terminal_or_is_markup() -> None:
    scene = tooling()
    server = scene.servers["/mcp"]
    server.tools.append({"name": EVIL, "title": "[bold]x", "description": f"[red]{EVIL}", "inputSchema": {
        "type": "object", "properties": {EVIL: {"description": EVIL, "enum": [EVIL, "[b]"]}, "y": {"title": EVIL}}}})  # fmt: skip
    server.answer = lambda _name, _arguments: {
        "content": [{"type": "text", "text": EVIL}],
        "structuredContent": {EVIL: EVIL},
    }
    async with deck_on(scene, size=(120, 40)) as deck:
        await opened(deck, "gone")
        await deck.sees("[red]gone")
        await deck.type("<ctrl+j>")
        await deck.sees("✓ Done")
        for word in ("\x1b", "\u202e", "PWNED"):
            assert word not in deck.text


def completions(deck: Driver) -> list[dict[str, Any]]:
    sent = [msgspec.json.decode(each.body) for each in deck.gateway.seen("POST", "/mcp")]
    return [each["params"] for each in sent if each.get("method") == "completion/complete"]


def completing() -> Scene:
    scene = tooling()
    server = scene.servers["/mcp"]
    server.capabilities["completions"] = {}
    server.results["completion/complete"] = {"completion": {"values": ["ground", "green \x1b]0;PWNED\x07floor"]}}
    return scene


async def test_what_is_typed_is_completed_by_the_server_that_knows() -> None:
    async with deck_on(completing(), size=(120, 40)) as deck:
        await opened(deck, "room://")
        await deck.type("<enter>gr")
        await deck.sees("ground", "green")
        await deck.type("<right><tab>a")
        await deck.until(lambda: deck.app.playground_view.arguments.draft.entries["floor"] == "ground")
        await deck.until(lambda: completions(deck)[-1]["argument"] == {"name": "name", "value": "a"})
        first, *_, last = completions(deck)
        assert first["ref"] == {"type": "ref/resource", "uri": "room://{floor}/{name}"}
        assert first["argument"] == {"name": "floor", "value": "gr"}, "a key that another follows asks nothing"
        assert "context" not in first
        assert last["context"] == {"arguments": {"floor": "ground"}}
        assert "PWNED" not in deck.text


async def test_a_server_that_completes_nothing_is_not_asked_again() -> None:
    scene = completing()
    del scene.servers["/mcp"].results["completion/complete"]
    async with deck_on(scene, size=(120, 40)) as deck:
        await opened(deck, "summary")
        await deck.type("<enter>to")
        await deck.until(lambda: len(completions(deck)) == 1)
        await deck.until(lambda: "prompt:summary" in deck.app.playground_view._uncompleted)
        await deck.type("day<ctrl+j>")
        await deck.sees("✓ Done", "Tell me of today.")
        assert len(completions(deck)) == 1


async def test_a_server_that_offers_no_completions_is_not_asked() -> None:
    async with deck_on(tooling(), size=(120, 40)) as deck:
        await opened(deck, "summary")
        await deck.type("<enter>today<ctrl+j>")
        await deck.sees("✓ Done")
        assert completions(deck) == []


async def test_a_result_that_breaks_its_tools_promise_is_told() -> None:
    scene = tooling()
    schema = {"type": "object", "properties": {"hits": {"type": "integer"}}, "required": ["hits"]}
    scene.servers["/mcp"].tools.append({"name": "counted", "inputSchema": {"type": "object"}, "outputSchema": schema})
    scene.servers["/mcp"].answer = lambda _name, _arguments: {"content": [], "structuredContent": {"hits": "many"}}
    async with deck_on(scene, size=(120, 40)) as deck:
        await opened(deck, "counted")
        await deck.type("<ctrl+j>")
        await deck.sees("✓ Done", 'does not fit its output schema: hits: "many"', 'is not of type "integer"')


async def test_a_result_says_whose_it_is_while_something_else_is_looked_at() -> None:
    async with deck_on(tooling(), size=(120, 40)) as deck:
        await opened(deck, "refund")
        await deck.type("<ctrl+j>")
        await deck.sees("no such order")
        assert "Result of" not in deck.text
        deck.app.playground_view.set_filter("floor")
        await deck.sees("Result of refund")
        deck.app.playground_view.set_filter("refund")
        await deck.sees_no("Result of refund")


async def test_who_is_signed_out_meanwhile_is_told_how_to_come_back() -> None:
    async with deck_on(tooling(), size=(120, 40)) as deck:
        await opened(deck, "floor_plan")
        deck.gateway.fail("POST", "/mcp", Fault(401, "the token has expired"))
        await deck.type("<ctrl+j>")
        await deck.sees("✖ No answer", "401", "L signs in.")


async def test_arguments_go_through_the_editor_and_results_to_the_pager() -> None:
    edited: list[str] = []
    paged: list[str] = []

    def edit(_app: Any, text: str) -> str | None:
        edited.append(text)
        return {1: '{"room": "Green", "people": 4}', 2: "{no", 3: None}[len(edited)]

    own = {"edit_json": edit, "page_text": lambda _app, text: paged.append(text)}
    async with deck_on(tooling(), size=(120, 40), surroundings=own) as deck:
        await opened(deck, "book_room")
        await deck.type("<f3>")
        await deck.sees("there is no result yet")
        await deck.type("<enter>Blue<f4>")
        assert msgspec.json.decode(edited[0])["room"] == "Blue"
        assert deck.app.playground_view.arguments.draft.entries["room"] == "Green"
        await deck.type("<ctrl+j>")
        await deck.sees("Green is yours.")
        await deck.type("<f3>")
        assert msgspec.json.decode(paged[0])["structuredContent"]["people"] == 4
        await deck.type("<f4>")
        await deck.sees("no JSON object yet")
        assert deck.app.playground_view.arguments.draft.text == "{no"
        await deck.type("<f4>")
        assert deck.app.playground_view.arguments.draft.text == "{no", (
            "who leaves the editor without saving changes nothing"
        )
