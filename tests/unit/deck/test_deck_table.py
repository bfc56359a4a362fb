"""Columns that fit, rows in order."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from mcpdeck.model import adapters, sessions
from mcpdeck.model.adapters import AdapterRow
from mcpdeck.model.filters import RowFilter
from mcpdeck.model.formatting import source
from mcpdeck.model.table import GAP, SLACK, Sort, TableSpec, arrange, fit, natural_widths
from mcpdeck.model.words import ASCII, PHASES, UNICODE, Cell
from tests.support import scenes
from tests.support.fake_gateway import NOW, Scene

SPEC = adapters.table()


def rows(scene: Scene) -> list[AdapterRow]:
    counts: dict[str, int] = {}
    for session in scene.sessions.values():
        counts[session.adapter] = counts.get(session.adapter, 0) + 1
    return [AdapterRow(it, scene.statuses[name], counts.get(name, 0)) for name, it in scene.adapters.items()]


def shown(width: int, scene: Scene | None = None) -> dict[str, int]:
    natural = natural_widths(SPEC, rows(scene or scenes.team()), NOW)
    return {SPEC.columns[it.place].id: it.width for it in fit(SPEC, natural, width)}


@pytest.mark.parametrize("width", range(20, 240, 7))
def test_columns_never_exceed_the_width(width: int) -> None:
    widths = shown(width)
    assert sum(widths.values()) + GAP * (len(widths) - 1) <= width


def test_eighty_columns_keep_name_status_ready_and_age() -> None:
    assert {"name", "status", "ready", "sessions", "age"} <= shown(76).keys()
    assert "source" not in shown(76)


def test_a_hundred_and_twenty_columns_show_everything() -> None:
    assert list(shown(116)) == [column.id for column in SPEC.columns]


def test_narrowest_table_keeps_the_name() -> None:
    assert "name" in shown(10)


def test_space_left_goes_to_the_flexible_column_and_leaves_no_hole_in_the_rows() -> None:
    longest = max(len(source(adapter)) for adapter in scenes.team().adapters.values())
    assert shown(140)["source"] > shown(120)["source"]
    assert shown(300)["source"] == longest + SLACK
    assert shown(300)["name"] == shown(120)["name"]


def test_flexible_column_is_whole_beyond_its_maximum_where_there_is_room() -> None:
    scene = Scene()
    scenes.add(scene, scenes.stdio("x", "server", "--of", "y" * 90), "ada", timedelta(days=1))
    assert shown(116, scene)["source"] < 90 < shown(200, scene)["source"]


def is_whole[Item](spec: TableSpec[Item], items: list[Item], column: str, width: int) -> bool:
    place = next(place for place, each in enumerate(spec.columns) if each.id == column)
    natural = natural_widths(spec, items, NOW)
    return any(it.place == place and it.width >= natural[place] for it in fit(spec, natural, width))


@pytest.mark.parametrize("width", [56, 76, 96])
def test_word_of_a_status_is_whole_in_both_alphabets(width: int) -> None:
    team = scenes.team()
    for glyphs in (UNICODE, ASCII):
        assert is_whole(adapters.table(glyphs), rows(team), "status", width)
        assert is_whole(sessions.table(glyphs), list(team.sessions.values()), "state", width)


def test_healthy_team_has_no_reason_column() -> None:
    scene = Scene()
    scenes.add(scene, scenes.url("github", "https://example.com/mcp"), "bea", timedelta(days=1))
    assert "reason" not in shown(200, scene)


def test_names_are_whole_when_there_is_room() -> None:
    longest = max(len(name) for name in scenes.team().adapters)
    assert shown(116)["name"] >= longest


def order(sort: Sort, text: str = "") -> list[str]:
    keep = RowFilter(text, SPEC.field_names)
    kept = [row for row in rows(scenes.team()) if keep.keeps(SPEC.fields(row, NOW))]
    return [row.adapter.name for row in arrange(SPEC, kept, sort)]


def test_rows_sort_by_name_and_turn() -> None:
    assert order(Sort("name")) == sorted(scenes.team().adapters)
    assert order(Sort("name", descending=True)) == sorted(scenes.team().adapters, reverse=True)


def test_most_sessions_first() -> None:
    assert order(Sort("sessions", descending=True))[:2] == ["github", "weather"]


def test_faults_come_first_by_status() -> None:
    assert order(Sort("status"))[:2] == ["legacy-crm", "search"]


def test_youngest_first_by_age() -> None:
    assert order(Sort("age"))[0] == "everything"


def test_equal_rows_keep_the_order_of_their_names_whichever_way() -> None:
    for descending in (False, True):
        names = [name for name in order(Sort("restarts", descending)) if name != "search"]
        assert names == sorted(names)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("status:failed", ["legacy-crm"]),
        ("sessions:>10", ["github", "weather"]),
        ("restarts:>0", ["search"]),
        ("reason:oom", ["search"]),
        ("owner:bea role:dev", ["github"]),
        ("age:<1m", ["everything"]),
    ],
)
def test_filters_look_at_fields(text: str, names: list[str]) -> None:
    assert order(Sort("name"), text) == names


def test_every_field_that_may_be_named_has_a_value() -> None:
    row = rows(scenes.team())[0]
    assert set(SPEC.fields(row, NOW)) == set(SPEC.field_names)


def test_status_is_told_by_glyph_and_word_in_both_alphabets() -> None:
    for sign in PHASES.values():
        assert UNICODE.sign(sign) == f"{sign.glyph} {sign.word}"
        assert ASCII.sign(sign) == f"{sign.plain} {sign.word}"
        assert ASCII.sign(sign).isascii()


def text_of(lines: list[list[Cell]]) -> str:
    return "\n".join("".join(cell.text for cell in line) for line in lines)


def test_description_says_why_an_adapter_is_in_trouble() -> None:
    row = next(row for row in rows(scenes.team()) if row.adapter.name == "search")
    text = text_of(list(adapters.describe(row, NOW)))
    assert "▲ Degraded" in text
    assert "search-2 was killed: it used more than its limit of 512Mi." in text
    assert "7 restarts" in text
    assert "/adapters/search/mcp" in text


def test_why_is_told_to_its_end_at_eighty_columns() -> None:
    scene = Scene()
    scenes.add(scene, scenes.stdio("x", "server"), "ada", timedelta(days=1))
    told = "Back-off pulling image: " + "failed to resolve reference, " * 6 + "no such host"
    row = rows(scene)[0]
    assert row.status is not None
    row = msgspec.structs.replace(row, status=msgspec.structs.replace(row.status, message=told, reason="BackOff"))
    text = text_of(list(adapters.describe(row, datetime.now(UTC))))
    assert all(len(line) < 80 for line in text.splitlines())
    assert " ".join(told.split()) in " ".join(text.split())


def test_description_names_the_environment_and_tells_no_value() -> None:
    scene = Scene()
    spec = scenes.stdio("x", "server", environment_variables={"TOKEN": "s3cret"})
    scenes.add(scene, spec, "ada", timedelta(days=1))
    text = text_of(list(adapters.describe(rows(scene)[0], datetime.now(UTC))))
    assert "TOKEN" in text
    assert "s3cret" not in text
