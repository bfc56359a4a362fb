"""Tools in the deck: what /mcp offers, what it holds back, registering, locking, calls that wait for a word."""

from pathlib import Path

from msgspec.structs import replace

from gateway.wire.resources import WhoAmI
from mcpdeck.model.commands import View
from tests.support.deck import deck_on
from tests.support.fake_gateway import Fault
from tests.support.tool_scenes import held, offer, tooling

EVIL = "A\x1b]0;PWNED\x07\x1b]52;c;ZXZpbA==\x07\u202eb"


async def test_tools_show_what_is_offered_what_is_held_back_and_why() -> None:
    async with deck_on(tooling(), size=(160, 40)) as deck:
        await deck.type("2")
        await deck.sees("book_room", "● Offered", "✖ Quarantined", "▲ Drifted", "○ Hidden", "2 never called")
        assert "destructive" in deck.line("book_room")
        assert "inputSchema: 'type' must be" in deck.line("export_all")
        assert "19" in deck.line("query ")


async def test_toolset_narrows_and_its_budget_is_warned_of() -> None:
    async with deck_on(tooling(), size=(120, 40)) as deck:
        await deck.type("2")
        await deck.sees("book_room")
        await deck.type("t")
        await deck.sees("of toolset triage", "over 1,000", "search_code")
        assert deck.line("book_room") == ""
        await deck.type("t")
        await deck.sees("book_room")
        await deck.type(":toolset nothing<enter>")
        await deck.sees("there is no toolset 'nothing'; there are triage")


async def test_budget_is_the_gateways() -> None:
    scene = tooling()
    scene.budget = 100
    async with deck_on(scene, size=(120, 40)) as deck:
        await deck.type("2")
        await deck.sees("tokens, over 100")


async def test_list_of_a_gateway_without_a_budget_is_over_none() -> None:
    scene = tooling()
    scene.budget = 0
    async with deck_on(scene, size=(120, 40)) as deck:
        await deck.type("2")
        await deck.sees(" tokens  2 never called")


async def test_gateway_that_does_not_tell_its_costs_offers_its_tools_all_the_same() -> None:
    async with deck_on(tooling(), size=(120, 40)) as deck:
        deck.gateway.faults["GET", "/offers/cost"] = Fault(404, "there is nothing here")
        await deck.type("2")
        await deck.sees("book_room", " tokens  2 never called")


async def test_never_called_is_one_key() -> None:
    async with deck_on(tooling(), size=(120, 40)) as deck:
        await deck.type("2")
        await deck.sees("get_alerts")
        await deck.type("U")
        await deck.sees("2 of 14", "get_alerts")
        await deck.type("U")
        await deck.sees("book_room")


async def test_tool_opens_with_its_description_and_schema() -> None:
    scene = tooling()
    scene.servers["browser"] = scene.servers["/mcp"]
    async with deck_on(scene, size=(120, 60)) as deck:
        await deck.type("2")
        await deck.sees("book_room")
        await deck.type("<enter>")
        await deck.sees("Books a meeting room", "6 members, 2 required", "maximum: 40", "about 214 tokens")
        assert deck.view is View.TOOL
        await deck.type("<esc>")
        await deck.until(lambda: deck.view is View.TOOLS)


async def test_schema_of_a_tool_folds_where_the_cursor_is_and_as_a_whole() -> None:
    scene = tooling()
    scene.servers["browser"] = scene.servers["/mcp"]
    async with deck_on(scene, size=(120, 60)) as deck:
        await deck.type("2/book_room<enter><enter>")
        await deck.sees("Arguments", "▾ properties", "▾ room", 'type: "string"')
        await deck.type("z")
        await deck.sees("▸ room")
        await deck.sees_no('type: "string"')
        await deck.type("z")
        await deck.sees("▾ room")
        view = deck.app.tool_view
        while "▾ properties" not in view.lines.line_text(view.lines._at):
            await deck.type("j")
        await deck.type("<enter>")
        await deck.sees("▸ properties")
        await deck.type("<space>")
        await deck.sees("▾ properties")


async def test_tool_is_taken_along_to_the_playground() -> None:
    async with deck_on(tooling(), size=(120, 40)) as deck:
        await deck.type("2/book_room<enter><enter>6")
        await deck.until(lambda: deck.app.playground_view.subject.name == "book_room")


async def test_definition_that_can_not_be_read_is_told_and_the_rest_is_shown() -> None:
    async with deck_on(tooling(), size=(120, 40)) as deck:
        await deck.type("2")
        await deck.sees("book_room")
        await deck.type("<enter>")
        await deck.sees("Its server does not tell its schema", "about 214 tokens")


async def test_registering_an_adapter_is_a_name_and_a_key() -> None:
    async with deck_on(tooling(), size=(120, 40)) as deck:
        await deck.type("2")
        await deck.sees("book_room")
        await deck.type("n<ctrl+a><ctrl+k>time<ctrl+s>")
        await deck.sees("time is registered")
        assert deck.gateway.scene.tools["time"].is_all
        assert deck.app.state.deeds[-1].line.endswith("tools register -f time.yaml")


async def test_what_is_not_right_stays_in_the_dialog_with_the_gateways_words() -> None:
    async with deck_on(tooling(), size=(120, 40)) as deck:
        await deck.type("2")
        await deck.sees("book_room")
        await deck.type("n<ctrl+a><ctrl+k>weather<ctrl+s>")
        await deck.sees("a tool 'weather' exists")
        await deck.type("<ctrl+a><ctrl+k>No Name<ctrl+s>")
        await deck.sees("name:")
        await deck.type("<esc>")
        await deck.sees_no("Register tools")


async def test_deleting_names_what_clients_lose() -> None:
    async with deck_on(tooling(), size=(120, 40)) as deck:
        await deck.type(":tools /refund<enter>")
        await deck.sees("1 of 14")
        await deck.type("<ctrl+d>")
        await deck.sees("Delete score?", "Clients lose 1 tool at once")
        await deck.type("<right><enter>")
        await deck.sees("score is deleted")
        assert "score" not in deck.gateway.scene.tools


async def test_locking_shows_what_it_accepts_and_then_what_has_changed(tmp_path: Path) -> None:
    scene = tooling()
    scene.servers["postgres-read"] = scene.servers["/mcp"]
    async with deck_on(scene, size=(120, 50), surroundings={"locks": tmp_path}) as deck:
        await deck.type(":tools /^query<enter>")
        await deck.sees("▲ Drifted")
        await deck.type("P")
        await deck.sees("Accept what query now says?", "+  description: Read-only SQL.")
        await deck.type("<enter>")
        await deck.sees("postgres-read is locked: query", "● Offered")
        tools = scene.servers["/mcp"].tools
        place = next(number for number, each in enumerate(tools) if each["name"] == "query")
        tools[place] = {**tools[place], "description": "Also writes."}
        scene.offers = [replace(each, drift="changed") if each.name == "query" else each for each in scene.offers]
        await deck.sees("▲ Drifted")
        await deck.type("P")
        await deck.sees("-  description: Read-only SQL.", "+  description: Also writes.")


async def test_reader_sees_greyed_verbs_that_say_why() -> None:
    scene = tooling()
    scene.whoami = WhoAmI(id="tom", name="Tom", roles=[], permissions=[], authentication="dev")
    async with deck_on(scene, size=(120, 40)) as deck:
        await deck.type("2")
        await deck.sees("book_room")
        await deck.type("P")
        await deck.sees("browser belongs to ada")
        await deck.type("n")
        await deck.sees("may not create")


async def test_waiting_call_is_noticed_anywhere_and_approved_with_the_digest_that_was_seen() -> None:
    scene = tooling()
    scene.approvals = [held()]
    async with deck_on(scene, size=(120, 40)) as deck:
        await deck.sees("Bea waits to call refund")
        await deck.type(":approvals<enter>")
        await deck.sees("careful", '"amount":250.0')
        await deck.type("a")
        await deck.sees("Let refund go out?")
        await deck.type("<right><enter>")
        await deck.sees("refund by Bea goes out")
        request = await deck.gateway.request("POST", "/approvals/a1")
        assert b'"approve":true' in request.body
        assert b"sha256:0af1" in request.body


async def test_denying_needs_no_question() -> None:
    scene = tooling()
    scene.approvals = [held()]
    async with deck_on(scene, size=(120, 40)) as deck:
        await deck.type(":approvals<enter>")
        await deck.sees('"amount":250.0')
        await deck.type("x")
        await deck.sees("refund by Bea is not approved", "No call waits")


async def test_catalogue_that_can_not_be_read_dims_what_was_and_says_so() -> None:
    async with deck_on(tooling(), size=(120, 40)) as deck:
        await deck.type("2")
        await deck.sees("book_room")
        deck.gateway.fail("GET", "/offers", Fault(503, "the store is away"))
        await deck.until(lambda: deck.app.tools_view.table.is_stale)
        await deck.sees("book_room")


async def test_nothing_that_a_server_calls_its_tool_reaches_the_terminal() -> None:
    scene = tooling()
    scene.offers.append(offer(EVIL, "weather", 3, quarantine=EVIL))
    async with deck_on(scene, size=(160, 40)) as deck:
        await deck.type("2")
        await deck.sees("Quarantined")
        assert "\x1b" not in deck.text
        assert "\u202e" not in deck.text
        assert "PWNED" not in deck.text
