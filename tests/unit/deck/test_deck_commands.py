"""The registry of commands, and what may stand in a command's way."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from gateway.wire.resources import WhoAmI
from mcpdeck.model.commands import (
    CHANGES,
    COMMAND_AREAS,
    MAIN_VIEWS,
    Command,
    Situation,
    Takes,
    View,
    key_name,
    obstacle,
)
from mcpdeck.model.prompt import Misunderstood, Order, hint, parse, resolve, ways
from mcpdeck.model.registry import BY_ID, COMMANDS, clashes, commands_of, footer_of
from mcpdeck.model.shell import banner, foot, length, masthead, strip
from mcpdeck.model.state import Link, Standing, State
from mcpdeck.model.words import UNICODE
from tests.support import scenes
from tests.support.fake_gateway import NOW

ADA = WhoAmI(id="ada", name="Ada", roles=["mcp.engineer"], permissions=["create"], authentication="dev")
LIVE = State(principal=ADA, link=Link(standing=Standing.LIVE), adapters=scenes.team().adapters)


def why(command: str, adapter: str | None = "weather", state: State = LIVE, **fields: object) -> str:
    named = state.adapters[adapter] if adapter else None
    situation = Situation(state=state, view=View.ADAPTERS, adapter=named, **fields)  # type: ignore[arg-type]
    return obstacle(BY_ID[command], situation)


def test_no_key_means_two_things_in_one_view() -> None:
    assert clashes(COMMANDS) == []


def test_clash_is_noticed() -> None:
    twin = replace(BY_ID["adapter.restart"], id="adapter.other")
    assert clashes([BY_ID["adapter.restart"], twin]) == [
        "R in adapters: adapter.restart and adapter.other",
        "R in detail: adapter.restart and adapter.other",
    ]


def test_ids_and_typed_words_are_unique() -> None:
    assert len(BY_ID) == len(COMMANDS)
    words = [word for command in COMMANDS for word in command.words]
    assert len(set(words)) == len(words)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.id)
def test_every_command_has_a_title_an_area_a_way_to_it_and_a_short_help(command: Command) -> None:
    assert command.title
    assert command.area in COMMAND_AREAS
    assert command.keys or command.words
    assert 0 < len(command.help) <= 41
    assert command.views


@pytest.mark.parametrize("view", View)
def test_every_foot_fits_eighty_columns_and_keeps_help(view: View) -> None:
    parts = foot(view, width=80, obstacle=lambda _command: "")
    text = "".join(part.text for part in parts)
    assert length(parts) <= 80
    assert "? Help" in text
    assert ": Command" in text


def test_foot_shows_more_where_there_is_room() -> None:
    wide = "".join(part.text for part in foot(View.ADAPTERS, width=200, obstacle=lambda _command: ""))
    assert all(command.title in wide for command in footer_of(View.ADAPTERS))


def test_every_view_can_be_left_and_has_help() -> None:
    for view in View:
        assert {"deck.back", "deck.help", "deck.command", "deck.quit"} <= {it.id for it in commands_of(view)}


def test_owner_may_change_their_own_adapter_and_not_another_ones() -> None:
    assert why("adapter.restart", "weather") == ""
    assert why("adapter.restart", "github") == "github belongs to bea; only they or mcp.admin may change it"


def test_admin_may_change_everything() -> None:
    admin = replace(LIVE, principal=replace(ADA, permissions=["admin"]))
    assert why("adapter.delete", "github", admin) == ""


def test_creating_needs_the_role_and_the_sentence_says_which() -> None:
    reader = replace(LIVE, principal=replace(ADA, permissions=[]))
    assert "may not create adapters; ask for a role" in why("adapter.deploy", None, reader)
    assert why("adapter.deploy", None) == ""


def test_nothing_is_changed_while_the_gateway_does_not_answer() -> None:
    offline = replace(LIVE, link=Link(standing=Standing.RETRYING, reason="connection refused"))
    assert "connection refused" in why("adapter.restart", state=offline)
    assert why("adapter.describe", state=offline) == ""


def test_what_the_gateway_refused_before_stays_refused_with_its_words() -> None:
    refused = {("adapter.restart", "weather"): "not on weekends"}
    assert why("adapter.restart", refused=refused) == "not on weekends"
    assert why("adapter.restart", "time", refused=refused) == ""


def test_read_only_deck_changes_nothing() -> None:
    for command in COMMANDS:
        changes = bool(command.needs & CHANGES)
        assert (why(command.id, read_only=True) == "this deck is read-only") is changes


def test_verbs_need_an_adapter() -> None:
    assert why("adapter.logs", None) == "no adapter is selected"


def test_keys_are_told_as_people_call_them() -> None:
    assert [key_name(key) for key in ("question_mark", "ctrl+d", "shift+right", "escape", "n")] == [
        "?", "ctrl+d", "shift+→", "esc", "n",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "command", "arguments", "wanted", "context"),
    [
        ("adapters", "view.adapters", (), None, None),
        (":adapters /status:failed", "view.adapters", (), "status:failed", None),
        ("logs weather /5\\d\\d | 4", "view.logs", ("weather",), "5\\d\\d | 4", None),
        ("scale weather 3", "adapter.scale", ("weather", "3"), None, None),
        ("q", "deck.quit", (), None, None),
        ("@prod-weu", "context.switch", ("prod-weu",), None, None),
        ("adapters @prod /x", "view.adapters", (), "x", "prod"),
        ("theme 'high-contrast'", "deck.theme", ("high-contrast",), None, None),
    ],
)
def test_what_is_typed_is_understood(
    text: str, command: str, arguments: tuple[str, ...], wanted: str | None, context: str | None
) -> None:
    assert parse(text) == Order(command=BY_ID[command], arguments=arguments, filter=wanted, context=context)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("restrt weather", "there is no 'restrt'; did you mean 'restart'?"),
        ("ses", "there is no 'ses'; did you mean 'sessions'?"),
        ("xyzzy", "there is no 'xyzzy'; ? shows every command"),
        ("nonsense", "there is no 'nonsense'; ? shows every command"),
        ("", "type a view or a verb; ? shows them all"),
        ("@a @b", "name one context only"),
        ("logs 'open", '"logs \'open": No closing quotation'),
    ],
)
def test_what_is_not_understood_is_told_with_what_is_near(text: str, sentence: str) -> None:
    assert parse(text) == Misunderstood(sentence)


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("resta", "restart"),
        ("end 9e", "end 9e3779b97f4a7c15"),
        ("adapters @p", "adapters @prod"),
        ("restart we", "restart weather"),
        ("scale weather ", None),
        ("theme hi", "theme high-contrast"),
        ("logs weather /x", None),
        ("adapters", None),
        ("", None),
        ("xyz", None),
        ("sca", "scale time 2"),  # typed before
    ],
)
def test_ghost_text_goes_on_as_one_would(text: str, whole: str | None) -> None:
    known = {
        Takes.ADAPTER: ["weather", "time"],
        Takes.SESSION: ["9e3779b97f4a7c15"],
        Takes.THEME: ["dark", "high-contrast"],
        Takes.CONTEXT: ["prod"],
    }
    assert next(iter(ways(text, values=lambda kind: known[kind], history=["scale time 2"])), None) == whole


def test_every_way_that_a_text_may_go_on_is_told_what_was_typed_before_first() -> None:
    known = {Takes.ADAPTER: ["weather", "web", "time"], Takes.CONTEXT: ["prod"]}

    def told(text: str) -> list[str]:
        return list(ways(text, values=lambda kind: known[kind], history=["delete web", "logs time", "delete web"]))

    assert told("de") == ["delete web", "describe", "deploy", "delete"]
    assert told("logs ") == ["logs time", "logs weather", "logs web"]
    assert told("logs we") == ["logs weather", "logs web"]
    assert told("adapters @") == ["adapters @prod"]


def test_what_a_command_wants_is_told_once_it_is_known() -> None:
    assert hint("scale weather") == "NAME REPLICAS  How many instances should run."
    assert hint("sca") == hint("") == ""


def test_named_adapter_must_be_there() -> None:
    order = Order(command=BY_ID["adapter.restart"], arguments=("nowhere",))
    assert resolve(order, LIVE) == Misunderstood("there is no adapter 'nowhere' that you may read")
    known = Order(command=BY_ID["adapter.restart"], arguments=("weather",))
    assert resolve(known, LIVE) is known


def test_session_is_named_by_the_beginning_of_its_id() -> None:
    state = replace(LIVE, sessions={it: scenes.session(0, "weather", "weather-0", id=it) for it in ("ab1", "ab2", "c")})
    end = BY_ID["session.end"]
    assert resolve(Order(command=end, arguments=("c",)), state) == Order(command=end, arguments=("c",))
    assert resolve(Order(command=end, arguments=("ab2",)), state) == Order(command=end, arguments=("ab2",))
    assert resolve(Order(command=end, arguments=("ab",)), state) == Misunderstood(
        "2 sessions' ids begin with 'ab'; give more of it"
    )
    assert resolve(Order(command=end, arguments=("x",)), state) == Misunderstood(
        "there is no live session 'x' that you may see"
    )


@pytest.mark.parametrize(
    ("principal", "adapter", "sentence"),
    [
        ("ada", "github", ""),  # the caller's own
        ("kim", "weather", ""),  # of the caller's adapter
        ("kim", "github", "the session is Kim's; only they, github's owner or mcp.admin may end it"),
    ],
)
def test_session_is_ended_by_its_user_its_adapters_owner_or_an_admin(
    principal: str, adapter: str, sentence: str
) -> None:
    session = scenes.session(1, adapter, f"{adapter}-0", principal=principal, principal_name=principal.capitalize())
    situation = Situation(state=LIVE, view=View.SESSIONS, session=session)
    assert obstacle(BY_ID["session.end"], situation) == sentence


def test_verb_of_a_table_says_where_there_is_one() -> None:
    situation = Situation(state=LIVE, view=View.LOGS)
    assert (
        obstacle(BY_ID["table.faults"], situation) == "only in Adapters, Tools, Sessions, Contexts, Audit and Approvals"
    )


def told(state: State, width: int = 120) -> str:
    left, right = masthead(state, now=NOW, glyphs=UNICODE, width=width, read_only=False)
    return "".join(part.text for part in (*left, *right))


def test_masthead_says_whether_what_is_shown_is_true() -> None:
    assert "● live 12ms" in told(replace(LIVE, latency=0.012))
    retrying = Link(standing=Standing.RETRYING, attempt=3, retry_at=NOW, reason="refused")
    text = told(replace(LIVE, link=retrying, fresh_at=NOW))
    assert "offline, try 3 now" in text
    assert "as of 0s ago" in text
    later = replace(retrying, retry_at=NOW + timedelta(seconds=4))
    assert "offline, try 3 in 4s" in told(replace(LIVE, link=later, fresh_at=NOW))
    assert "signed out" in told(replace(LIVE, link=Link(standing=Standing.SIGN_IN)))


def test_masthead_fits_eighty_columns_at_its_worst() -> None:
    worst = replace(
        LIVE, context="production-west-europe", link=Link(standing=Standing.RETRYING, attempt=12), fresh_at=NOW
    )
    assert len(told(worst, width=80)) <= 80


def strip_text(view: View, crumb: str, width: int) -> str:
    return "".join(part.text for part in strip(view, crumb=crumb, width=width, glyphs=UNICODE))


def test_strip_shows_where_one_is() -> None:
    assert "› weather" in strip_text(View.ADAPTERS, "weather", 120)


def test_strip_shows_no_digit_where_it_leads_elsewhere() -> None:
    text = strip_text(View.LOGS, "weather", 120)
    assert text.startswith(
        " Adapters   Tools   Sessions   Traffic   Logs › weather   Playground   8 Contexts   9 Pulse"
    )


def test_titles_are_shortened_before_they_go() -> None:
    assert strip_text(View.SESSIONS, "f1bbcdcb", 80).startswith(" 1 Adap 2 Tool 3 Sessions › f1bbcdcb 4 Traf ")


def test_gateway_that_does_not_answer_again_is_told_with_its_reason_and_the_key() -> None:
    def told_of(attempt: int) -> str:
        link = Link(standing=Standing.RETRYING, attempt=attempt, reason="connection refused")
        return "".join(part.text for line in banner(replace(LIVE, link=link)) or () for part in line)

    assert told_of(1) == ""
    assert told_of(2) == " Not connected  connection refused  ctrl+r Try now "


@pytest.mark.parametrize("view", MAIN_VIEWS)
def test_strip_gives_up_titles_before_it_gives_up_where_one_is(view: View) -> None:
    for crumb in ("", "a-name-of-middling-length"):
        text = strip_text(view, crumb, 80)
        assert len(text) <= 80
        assert view.capitalize() in text
        assert crumb in text
