"""What a person does at the deck, against a gateway with scripted delays and faults."""

from pathlib import Path

import msgspec
import pytest

from gateway.wire.resources import AdapterSpec, Phase, WhoAmI
from mcpdeck.model.commands import View
from mcpdeck.tui.cache import Cache
from mcpdeck.tui.deck import Deck
from tests.support import scenes
from tests.support.deck import deck_on
from tests.support.fake_gateway import Fault, Scene, stored


@pytest.fixture
def scene() -> Scene:
    return scenes.team()


async def test_deck_shows_every_adapter_and_how_it_stands(scene: Scene) -> None:
    async with deck_on(scene) as deck:
        await deck.sees("Adapters 14", "● live", "legacy-crm")
        assert "✖ Failed" in deck.line("legacy-crm")
        assert "ImagePullBackOff" in deck.line("legacy-crm")
        assert "2/3" in deck.line("OOMKilled")
        assert "Ada (mcp.admin)" in deck.line("mcpdeck")


async def test_change_at_the_gateway_reaches_the_row(scene: Scene) -> None:
    async with deck_on(scene) as deck:
        healthy = scenes.status(Phase.READY, [scenes.instance("legacy-crm-0")])
        deck.gateway.put_status("legacy-crm", healthy)
        await deck.until(lambda: "● Ready" in deck.line("legacy-crm"))
        deck.gateway.remove("legacy-crm")
        await deck.sees_no("legacy-crm")
        deck.gateway.put(stored(scenes.url("brand-new", "https://example.com/mcp"), owner="kim"))
        await deck.sees("brand-new", "Adapters 14")


async def test_typed_command_and_filter_lead_to_one_adapter(scene: Scene) -> None:
    async with deck_on(scene) as deck:
        await deck.type(":adapters<enter>/weath<enter>")
        await deck.sees("Adapters 1 of 14", "/weath")
        assert deck.app.adapters_view.table.current_key == "weather"
        await deck.type("<esc>")
        await deck.sees("Adapters 14")


async def test_filter_acts_while_it_is_typed_and_escape_brings_the_old_one_back(scene: Scene) -> None:
    async with deck_on(scene) as deck:
        await deck.type("/owner:bea<enter>")
        await deck.sees("3 of 14")
        await deck.type("/ status:rolling")
        await deck.sees("1 of 14")
        await deck.type("<esc>")
        await deck.sees("3 of 14", "/owner:bea")


async def test_lifted_filter_is_remembered(scene: Scene) -> None:
    async with deck_on(scene) as deck:
        await deck.type("/weath<enter><ctrl+f>")
        await deck.sees("Adapters 14", "/weath (off)")
        await deck.type("<ctrl+f>")
        await deck.sees("1 of 14")


async def test_filter_has_alternatives_and_says_what_there_is_where_nothing_stays(scene: Scene) -> None:
    async with deck_on(scene) as deck:
        await deck.type("/status:failed,rea")
        await deck.until(
            lambda: {"weather", "legacy-crm"} <= {row.adapter.name for row in deck.app.adapters_view.table.shown}
        )
        kept = {row.adapter.name for row in deck.app.adapters_view.table.shown}
        await deck.type("<enter><esc>/-status:failed,ready<enter>")
        left = {row.adapter.name for row in deck.app.adapters_view.table.shown}
        assert not kept & left
        assert kept | left == set(scene.adapters)
        await deck.type("<esc>/status:faild<enter>")
        await deck.sees("Nothing matches. Esc clears the filter.", "'status:faild': status is ", "Ready")
        await deck.type("?")
        await deck.sees("Keys in Adapters")
        await deck.type("<end>")
        await deck.sees("status:failed,pending", "fields:")


async def test_tab_completes_a_filters_field_and_its_value(scene: Scene) -> None:
    async with deck_on(scene) as deck:
        await deck.type("/stat")
        await deck.sees("status:")
        await deck.type("<tab>fa")
        await deck.sees("status:failed")
        await deck.type("<tab><enter>")
        assert deck.app.adapters_view.filter_text == "status:failed"


async def test_letters_typed_into_a_filter_are_no_commands(scene: Scene) -> None:
    async with deck_on(scene) as deck:
        await deck.type("/qnlR<enter>")
        await deck.until(lambda: deck.app.adapters_view.filter_text == "qnlR")
        assert deck.app.place.view is View.ADAPTERS
        assert deck.gateway.seen("POST", ".*") == []


async def test_back_leads_the_way_one_came_and_never_out(scene: Scene) -> None:
    async with deck_on(scene) as deck:
        seen = []
        for keys in ("<enter>", "l", "q", "<bksp>", "<esc>q<bksp>"):
            await deck.type(keys)
            seen.append(deck.app.place.view)
        assert seen == [View.DETAIL, View.LOGS, View.DETAIL, View.ADAPTERS, View.ADAPTERS]
        assert deck.app.is_running


async def test_unknown_command_is_answered_with_what_is_near(scene: Scene) -> None:
    async with deck_on(scene) as deck:
        await deck.type(":restrt weather<enter>")
        await deck.sees("did you mean 'restart'?")


async def test_tab_completes_and_enter_runs_what_is_typed(scene: Scene) -> None:
    async with deck_on(scene) as deck:
        await deck.type(":describe leg<tab><enter>")
        await deck.sees("unauthorized")
        assert deck.app.detail_view.crumb == "legacy-crm"


async def test_tab_goes_round_through_what_a_text_may_become(scene: Scene) -> None:
    async with deck_on(scene) as deck:
        typed = deck.app.prompt.input
        await deck.type(":de")
        await deck.sees("describe  deploy  delete")
        seen = []
        for keys in ("<tab>", "<tab>", "<tab>", "<tab>", "<shift+tab>"):
            await deck.type(keys)
            seen.append(typed.value)
        assert seen == ["describe", "deploy", "delete", "de", "delete"]
        await deck.type("<esc>:logs<tab>")
        assert typed.value == f"logs {min(scene.adapters)}"
        await deck.sees(f"{'  '.join(sorted(scene.adapters)[:3])}  ")
        await deck.type("<esc>:scale browser 3")
        await deck.sees("NAME REPLICAS  How many instances should run.")
        await deck.type("<esc>/")
        await deck.sees("text  !not", "status:")


async def test_earlier_command_is_recalled(scene: Scene) -> None:
    async with deck_on(scene) as deck:
        await deck.type(":theme light<enter>")
        await deck.type(":<up>")
        assert deck.app.prompt.input.value == "theme light"
        await deck.type("<esc>")


async def test_delete_asks_with_cancel_focused_and_names_what_is_lost(scene: Scene) -> None:
    async with deck_on(scene) as deck:
        await deck.type("/weather<enter><ctrl+d>")
        await deck.sees("Delete weather?", "12 live sessions will drop", "test")
        assert deck.app.focused is not None
        assert deck.app.focused.id == "cancel"
        await deck.type("<enter>")
        await deck.sees_no("Delete weather?")
        assert deck.gateway.seen("DELETE", ".*") == []


async def test_delete_once_confirmed_takes_the_row_away(scene: Scene) -> None:
    async with deck_on(scene) as deck:
        await deck.type("/weather<enter><ctrl+d><tab><enter>")
        request = await deck.gateway.request("DELETE", "/adapters/weather")
        assert request.headers["if-match"] == scenes.team().adapters["weather"].etag
        await deck.sees("weather is deleted")
        await deck.until(lambda: "weather" not in deck.app.state.adapters)


async def test_marked_adapters_are_deleted_together(scene: Scene) -> None:
    async with deck_on(scene) as deck:
        await deck.type("<space><space>")
        await deck.sees("2 marked")
        await deck.type("<ctrl+d>")
        await deck.sees("Delete 2 adapters?", "browser, everything")
        await deck.type("<tab><enter>")
        await deck.sees("2 adapters are deleted")
        await deck.until(lambda: len(deck.app.state.adapters) == 12)


async def test_restart_without_sessions_does_not_ask(scene: Scene) -> None:
    async with deck_on(scene) as deck:
        await deck.type(":restart sentry<enter>")
        await deck.gateway.request("POST", "/adapters/sentry/restart")
        await deck.sees("sentry restarts")


async def test_restart_with_sessions_asks(scene: Scene) -> None:
    async with deck_on(scene) as deck:
        await deck.type(":restart weather<enter>")
        await deck.sees("12 live sessions will drop")
        assert deck.gateway.seen("POST", ".*") == []
        await deck.type("<right><enter>")
        await deck.gateway.request("POST", "/adapters/weather/restart")


async def test_scale_opens_the_prompt_with_the_number_ready_to_be_replaced(scene: Scene) -> None:
    async with deck_on(scene) as deck:
        await deck.type("/sentry<enter>S")
        assert deck.app.prompt.input.value == "scale sentry 2"
        await deck.type("5<enter>")
        request = await deck.gateway.request("PATCH", "/adapters/sentry")
        assert msgspec.json.decode(request.body) == {"replicaCount": 5}
        await deck.until(lambda: deck.app.state.adapters["sentry"].replica_count == 5)


async def test_scale_to_nonsense_is_told_and_sent_nowhere(scene: Scene) -> None:
    async with deck_on(scene) as deck:
        await deck.type(":scale sentry lots<enter>")
        await deck.sees("'lots' is not a number of replicas")
        assert deck.gateway.seen("PATCH", ".*") == []


async def test_deploying_shows_the_new_adapter_under_the_cursor(scene: Scene) -> None:
    async with deck_on(scene) as deck:
        await deck.type("nnewone<tab><tab>uvx mcp-server-new --fast<ctrl+s>")
        request = await deck.gateway.request("POST", "/adapters")
        assert msgspec.json.decode(request.body) == {
            "name": "newone",
            "stdio": {"command": "uvx", "args": ["mcp-server-new", "--fast"]},
        }
        await deck.until(lambda: deck.app.adapters_view.table.current_key == "newone")
        await deck.sees("newone is deployed")


async def test_form_tells_what_is_wrong_at_the_field_and_sends_nothing(scene: Scene) -> None:
    async with deck_on(scene) as deck:
        await deck.type("nNot A Name<ctrl+s>")
        await deck.sees("is not a DNS label", "is needed, such as")
        assert deck.gateway.seen("POST", ".*") == []


async def test_servers_field_errors_stand_at_their_fields(scene: Scene) -> None:
    async with deck_on(scene) as deck:
        deck.gateway.fail("POST", "/adapters", Fault(400, "not valid", {"stdio.command": ["is not on the allow-list"]}))
        await deck.type("nnewone<tab><tab>rm -rf<ctrl+s>")
        await deck.sees("is not on the allow-list")
        assert deck.app.focused is not None
        assert deck.app.focused.id == "location"


async def test_taken_name_is_told_at_the_name(scene: Scene) -> None:
    async with deck_on(scene) as deck:
        await deck.type("nweather<tab><tab>uvx x<ctrl+s>")
        await deck.sees("an adapter 'weather' exists")
        assert deck.app.focused is not None
        assert deck.app.focused.id == "name"


async def test_form_left_is_a_draft_that_comes_back(scene: Scene) -> None:
    async with deck_on(scene) as deck:
        await deck.type("nhalf<esc>")
        await deck.sees_no("Deploy an adapter")
        await deck.type("n")
        await deck.sees("half")


async def test_form_becomes_yaml_and_back(scene: Scene) -> None:
    async with deck_on(scene) as deck:
        await deck.type("nnewone<tab><tab>uvx x<ctrl+e>")
        await deck.sees("name: newone", "command: uvx")
        await deck.type("<ctrl+e>")
        await deck.sees("Deploy an adapter", "newone")
        await deck.type("<ctrl+e><ctrl+s>")
        await deck.gateway.request("POST", "/adapters")


async def test_not_allowed_is_told_and_greys_the_verb(scene: Scene) -> None:
    async with deck_on(scene) as deck:
        deck.gateway.fail("POST", "/adapters/sentry/restart", Fault(403, "restarts need mcp.engineer"))
        await deck.type(":restart sentry<enter>")
        await deck.sees("restarts need mcp.engineer")
        deck.gateway.fail("POST", "/adapters/sentry/restart", None)
        await deck.type(":restart sentry<enter>")
        await deck.pilot.pause()
        assert len(deck.gateway.seen("POST", "/adapters/sentry/restart")) == 1
        assert ("adapter.restart", "sentry") in deck.app._refused


async def test_reader_may_not_change_and_is_told_why(scene: Scene) -> None:
    scene.whoami = WhoAmI(id="tom", name="Tom", roles=[], permissions=[], authentication="dev")
    async with deck_on(scene) as deck:
        await deck.type(":delete weather<enter>")
        await deck.sees("weather belongs to ada")
        await deck.type("n")
        await deck.sees("may not create adapters")
        assert deck.gateway.seen("DELETE", ".*") == []


async def test_read_only_deck_changes_nothing(scene: Scene) -> None:
    async with deck_on(scene, read_only=True) as deck:
        await deck.sees("read-only")
        await deck.type("<ctrl+d>")
        await deck.sees("this deck is read-only")
        assert deck.gateway.seen("DELETE", ".*") == []


async def test_gateway_error_is_a_toast_and_the_deck_goes_on(scene: Scene) -> None:
    async with deck_on(scene) as deck:
        deck.gateway.fail("POST", ".*/restart", Fault(500, "the store is full"))
        await deck.type(":restart sentry<enter>")
        await deck.sees("the store is full")
        await deck.sees("● live")


async def test_change_by_somebody_else_is_not_overwritten(scene: Scene) -> None:
    def edited(_deck: Deck, text: str) -> str:
        return text.replace("replicaCount: 2", "replicaCount: 4")

    async with deck_on(scene, surroundings={"edit_text": edited}) as deck:
        deck.gateway.scene.adapters["sentry"] = msgspec.structs.replace(scene.adapters["sentry"], etag='"7"')
        await deck.type(":edit sentry<enter><enter>")
        await deck.sees("✖ Edit sentry: sentry has changed since you read it")
        assert deck.gateway.scene.adapters["sentry"].replica_count == 2


async def test_edit_applies_what_was_saved(scene: Scene) -> None:
    def edited(_deck: Deck, text: str) -> str:
        return text.replace("replicaCount: 2", "replicaCount: 4")

    async with deck_on(scene, surroundings={"edit_text": edited}) as deck:
        await deck.type(":edit sentry<enter>")
        await deck.sees("Change sentry?", "-replicaCount: 2", "+replicaCount: 4")
        await deck.type("<enter>")
        request = await deck.gateway.request("PUT", "/adapters/sentry")
        assert msgspec.json.decode(request.body, type=AdapterSpec).replica_count == 4
        await deck.sees("sentry is changed")


async def test_edit_comes_back_with_what_is_wrong_until_it_is_right(scene: Scene) -> None:
    seen: list[str] = []

    def edited(_deck: Deck, text: str) -> str:
        seen.append(text)
        wrong = text.replace("replicaCount: 2", "replicaCount: 200")
        return wrong if len(seen) == 1 else text.replace("replicaCount: 200", "replicaCount: 3")

    async with deck_on(scene, surroundings={"edit_text": edited}) as deck:
        await deck.type(":edit sentry<enter><enter>")
        await deck.gateway.request("PUT", "/adapters/sentry")
        assert "# replicaCount: must be 0 to 100" in seen[1]
        await deck.until(lambda: deck.app.state.adapters["sentry"].replica_count == 3)


async def test_edit_that_is_cancelled_sends_nothing(scene: Scene) -> None:
    def edited(_deck: Deck, text: str) -> str:
        return text.replace("replicaCount: 2", "replicaCount: 4")

    async with deck_on(scene, surroundings={"edit_text": edited}) as deck:
        await deck.type(":edit sentry<enter>")
        await deck.sees("Change sentry?")
        await deck.type("<esc>")
        await deck.sees_no("Change sentry?")
        assert deck.gateway.seen("PUT", ".*") == []


async def test_edit_without_a_change_sends_nothing(scene: Scene) -> None:
    async with deck_on(scene, surroundings={"edit_text": lambda _deck, text: text}) as deck:
        await deck.type(":edit sentry<enter>")
        await deck.sees("sentry is unchanged")
        assert deck.gateway.seen("PUT", ".*") == []


async def test_lost_gateway_leaves_everything_visible_and_dimmed(scene: Scene) -> None:
    async with deck_on(scene) as deck:
        port = deck.gateway.port
        await deck.gateway.stop()
        await deck.sees("offline", "as of")
        assert deck.app.adapters_view.table.is_stale
        assert "weather" in deck.text
        await deck.type("n")
        await deck.sees("the gateway does not answer")
        await deck.gateway.start(port)
        await deck.type("<ctrl+r>")
        await deck.sees("● live")
        assert not deck.app.adapters_view.table.is_stale


async def test_stream_that_breaks_is_resumed_where_it_was(scene: Scene) -> None:
    async with deck_on(scene) as deck:
        deck.gateway.put(stored(scenes.url("first", "https://example.com/mcp"), owner="kim"))
        await deck.sees("first")
        deck.gateway.cut_streams()
        await deck.sees("offline")
        deck.gateway.put(stored(scenes.url("meanwhile", "https://example.com/mcp"), owner="kim"))
        await deck.type("<ctrl+r>")
        await deck.sees("meanwhile", "● live")
        assert len(deck.app.state.adapters) == 16


async def test_sign_in_is_asked_for_and_data_stays(scene: Scene) -> None:
    async with deck_on(scene) as deck:
        deck.gateway.fail("GET", "/whoami", Fault(401, "no token"))
        deck.gateway.cut_streams()
        await deck.type("<ctrl+r>")
        await deck.sees("L Sign in", "weather")


async def test_gateway_that_is_down_from_the_start_blocks_nothing(scene: Scene) -> None:
    async with deck_on(scene, ready=False) as deck:
        await deck.gateway.stop()
        await deck.type("?")
        await deck.sees("Keys in Adapters")
        await deck.type("<esc>:theme light<enter>")
        assert deck.app.theme == "light"
        await deck.gateway.start()


async def test_answer_that_takes_long_holds_up_no_key(scene: Scene) -> None:
    async with deck_on(scene) as deck:
        gate = deck.gateway.hold("POST", "/adapters/sentry/restart")
        await deck.type(":restart sentry<enter>jj")
        assert deck.app.adapters_view.table.current_key == "fetch"
        gate.set()
        await deck.sees("sentry restarts")


async def test_help_is_made_of_the_registry(scene: Scene) -> None:
    async with deck_on(scene, size=(120, 50)) as deck:
        await deck.type("?")
        await deck.sees("Keys in Adapters", ":scale NAME REPLICAS", "ctrl+d")
        await deck.type("q")
        await deck.sees_no("Keys in Adapters")


async def test_palette_runs_commands_by_name(scene: Scene) -> None:
    async with deck_on(scene) as deck:
        await deck.type("<ctrl+p>")
        await deck.sees("adapter: deploy")
        await deck.type("theme lig")
        await deck.sees("theme: light")
        await deck.type("<enter><enter>")
        await deck.until(lambda: deck.app.theme == "light")


async def test_faults_only(scene: Scene) -> None:
    async with deck_on(scene) as deck:
        await deck.type("<ctrl+z>")
        await deck.sees("faults only", "Adapters 2 of 14")
        await deck.type("/no-such-adapter<enter>")
        await deck.sees("Nothing matches. Esc clears the filter.", "Only faults are shown; :faults shows the rest.")
        await deck.type("<escape>")
        await deck.type("<ctrl+z>")
        await deck.sees("Adapters 14")


async def test_last_list_is_there_at_once_and_marked_stale(scene: Scene, tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    async with deck_on(scene, surroundings={"cache": cache}):
        pass
    scene = scenes.team()
    async with deck_on(scene, ready=False, surroundings={"cache": cache}) as deck:
        assert len(deck.app.state.adapters) == 14
        assert deck.app.state.is_stale
        await deck.until(lambda: not deck.app.state.is_stale)


async def test_cache_holds_no_secret(tmp_path: Path) -> None:
    scene = scenes.empty()
    spec = scenes.stdio("x", "server", environment_variables={"TOKEN": "s3cret"})
    scenes.add(scene, spec, "ada", scenes.DAY)
    async with deck_on(scene, surroundings={"cache": Cache(tmp_path)}):
        pass
    [file] = tmp_path.iterdir()  # noqa: ASYNC240
    assert "TOKEN" in file.read_text()
    assert "s3cret" not in file.read_text()
    assert file.stat().st_mode & 0o077 == 0


async def test_empty_gateway_says_how_to_begin() -> None:
    async with deck_on(scenes.empty()) as deck:
        await deck.sees("No adapters yet.", "n deploys the first one.")


async def test_terminal_too_small_says_so_and_recovers(scene: Scene) -> None:
    async with deck_on(scene) as deck:
        await deck.pilot.resize_terminal(40, 10)
        await deck.sees("too small")
        await deck.pilot.resize_terminal(110, 30)
        await deck.sees("weather")


async def test_ascii_deck_draws_nothing_else(scene: Scene) -> None:
    async with deck_on(scene, ascii=True) as deck:
        await deck.sees("[OK] Ready")
        assert deck.text.isascii()


@pytest.mark.parametrize("theme", ["dark", "light", "high-contrast", "deuteranopia", "tritanopia", "ansi", "mono"])
async def test_every_theme_draws_everything(scene: Scene, theme: str) -> None:
    async with deck_on(scene, theme=theme) as deck:
        await deck.sees("● Ready", "✖ Failed")
        await deck.type("n")
        await deck.sees("Deploy an adapter")
