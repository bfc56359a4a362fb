"""The tree of a gateway: what is in it, how it folds, what a filter leaves of it."""

from msgspec.structs import replace

from gateway.wire.tools import OfferedTool
from mcpdeck.model.state import Catalogue, Link, Standing, State
from mcpdeck.model.words import ASCII, UNICODE
from mcpdeck.model.xray import GATEWAY, ROUTER, Kind, Look, Node, all_turned, table, tree
from tests.support import scenes
from tests.support.fake_gateway import NOW

TEAM = scenes.team()
STATE = State(
    context="prod",
    link=Link(standing=Standing.LIVE),
    adapters=TEAM.adapters,
    statuses=TEAM.statuses,
    sessions=TEAM.sessions,
    catalogue=Catalogue(
        offers=(
            OfferedTool(name="forecast", tool="weather", source="weather", original="get_forecast", calls=12, errors=2),
            OfferedTool(name="ghost", tool="ghost", source="https://x.example", original="ghost", quarantine="it lies"),
        ),
        at=NOW,
    ),
)


def lines(look: Look, state: State = STATE) -> list[str]:
    name = table(UNICODE).columns[0]
    return [name.cell(node, NOW).text for node in tree(state, look, NOW)]


def kinds(look: Look) -> list[Kind]:
    return [node.kind for node in tree(STATE, look, NOW)]


def node(key: str, look: Look) -> Node:
    return next(each for each in tree(STATE, look, NOW) if each.key == key)


def test_whole_gateway_shows_its_adapters_folded_and_the_router() -> None:
    shown = lines(Look())
    assert shown[0] == "▾ prod"
    assert shown[1] == "  ▸ browser (4)"
    assert shown[-1] == "▸ /mcp (2)"
    assert len(shown) == 2 + len(TEAM.adapters)


def test_an_adapter_alone_is_unfolded_down_to_its_sessions() -> None:
    look = Look(root="weather")
    found = kinds(look)
    assert found[:3] == [Kind.GATEWAY, Kind.ADAPTER, Kind.INSTANCE]
    weather = [it for it in TEAM.sessions.values() if it.adapter == "weather"]
    assert found.count(Kind.SESSION) == len(weather)
    assert found.count(Kind.INSTANCE) == len(TEAM.statuses["weather"].instances)
    assert Kind.TOOL not in found
    deepest = next(each for each in tree(STATE, look, NOW) if each.kind is Kind.SESSION)
    assert deepest.key == f"gateway/weather/{TEAM.sessions[deepest.session].instance}/{deepest.session}"
    assert deepest.depth == 3


def test_a_tool_shows_the_way_to_its_adapter() -> None:
    found = tree(STATE, Look(root="forecast"), NOW)
    assert [each.kind for each in found] == [Kind.GATEWAY, Kind.TOOL, Kind.ROUTER, Kind.ADAPTER]
    assert found[1].told == "12 calls, 2 errors"
    assert found[2].told == "for get_forecast"
    assert found[3].adapter == "weather"
    assert found[3].name == "weather"


def test_a_tool_of_a_server_elsewhere_ends_with_that_server() -> None:
    found = tree(STATE, Look(root="ghost"), NOW)
    assert found[1].sign.word == "Quarantined"
    assert (found[-1].name, found[-1].adapter, found[-1].told) == ("https://x.example", "", "a server of its own")


def test_what_is_folded_is_unfolded_and_folded_again() -> None:
    once = Look().turn("gateway/weather")
    assert len(tree(STATE, once, NOW)) > len(tree(STATE, Look(), NOW))
    assert once.turn("gateway/weather") == Look()
    assert lines(Look().turn(GATEWAY)) == ["▸ prod (14)", "▸ /mcp (2)"]


def test_filter_shows_what_it_keeps_wherever_it_is_and_the_way_to_it() -> None:
    session = next(it for it in TEAM.sessions.values() if it.adapter == "weather")
    found = tree(STATE, Look(filter=f"kind:session adapter:weather {session.client_name}"), NOW)
    assert session.id in {each.session for each in found}
    assert {each.kind for each in found} == {Kind.GATEWAY, Kind.ADAPTER, Kind.INSTANCE, Kind.SESSION}
    assert [each.place for each in found] == list(range(len(found)))
    assert tree(STATE, Look(filter="no such thing"), NOW) == []


def test_sessions_of_an_instance_that_nobody_names_stand_with_their_adapter() -> None:
    stray = replace(scenes.session(999, "weather", "weather-gone"), id="ffff0000")
    state = replace(STATE, sessions={**TEAM.sessions, stray.id: stray})
    found = next(each for each in tree(state, Look(root="weather"), NOW) if each.session == stray.id)
    assert found.key == "gateway/weather/ffff0000"


def test_everything_is_turned_the_same_way() -> None:
    nodes = tree(STATE, Look(), NOW)
    folded = all_turned(nodes, is_open=True)
    assert {GATEWAY, ROUTER} & folded == {ROUTER}
    assert "gateway/weather" in folded


def test_a_gateway_that_does_not_answer_says_so_at_the_root() -> None:
    silent = replace(STATE, link=Link(standing=Standing.RETRYING))
    assert tree(silent, Look(), NOW)[0].sign.word == "Silent"


def test_without_unicode_it_folds_with_plus_and_minus() -> None:
    name = table(ASCII).columns[0]
    shown = [name.cell(each, NOW).text for each in tree(STATE, Look(), NOW)]
    assert shown[0] == "- prod"
    assert shown[1] == "  + browser (4)"
    assert node("gateway/browser", Look()).holds == 4
