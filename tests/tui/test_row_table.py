"""The table: rows by key, whatever moves."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

import pytest
from textual import on
from textual.app import App, ComposeResult
from textual.geometry import Region
from textual.pilot import Pilot
from textual.strip import Strip
from textual.widget import Widget

from mcpdeck.model.filters import Fields
from mcpdeck.model.table import Column, Sort, TableSpec
from mcpdeck.model.words import UNICODE, Cell, Tone
from mcpdeck.tui.themes import DEFAULTS, THEMES
from mcpdeck.tui.widgets.row_table import RowTable
from tests.support.fake_gateway import NOW


class Thing(NamedTuple):
    name: str
    size: int = 0


def fields(thing: Thing, _now: datetime) -> Fields:
    return {"name": thing.name, "size": float(thing.size)}


SPEC: TableSpec[Thing] = TableSpec(
    columns=[
        Column(
            id="name", title="NAME", cell=lambda it, _: Cell(it.name, Tone.STRONG), order=lambda it: it.name,
            minimum=6, maximum=20,
        ),
        Column(
            id="size", title="SIZE", cell=lambda it, _: Cell(str(it.size)), order=lambda it: it.size,
            minimum=4, maximum=6, right=True, priority=1,
        ),
    ],
    key=lambda it: it.name,
    fields=fields,
    field_names=("name", "size"),
)  # fmt: skip


class Host(App[None]):
    CSS_PATH = "../../mcpdeck/tui/styles.tcss"
    opened = 0

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return dict(DEFAULTS)

    def compose(self) -> ComposeResult:
        self.table: RowTable[Thing] = RowTable(SPEC, sort=Sort("name"), glyphs=UNICODE, clock=lambda: NOW)
        yield self.table

    @on(RowTable.Opened)
    def count_opened(self) -> None:
        self.opened += 1


@asynccontextmanager
async def table_of(
    *things: Thing, size: tuple[int, int] = (40, 10)
) -> AsyncIterator[tuple[Pilot[None], RowTable[Thing]]]:
    app = Host()
    async with app.run_test(size=size) as pilot:
        app.table.show(things)
        app.table.focus()
        await pilot.pause()
        yield pilot, app.table


def screen(table: RowTable[Thing]) -> list[str]:
    return [table.render_line(y).text.rstrip() for y in range(table.size.height)]


def looks(lines: list[Strip], width: int) -> list[Strip]:
    """So much of each line, in as few segments as say the same."""
    return [line.crop(0, width).simplify() for line in lines]


def many(count: int) -> list[Thing]:
    return [Thing(f"row-{n:05}", n) for n in range(count)]


async def test_rows_are_drawn_under_their_head_with_the_cursor_marked() -> None:
    async with table_of(Thing("b", 2), Thing("a", 1), size=(24, 5)) as (_, table):
        assert screen(table) == [
            "   NAME↑           SIZE",
            " ❯ a                  1",
            "   b                  2",
            "",
            "",
        ]


async def test_cursor_stays_with_its_row_when_others_come_and_go() -> None:
    async with table_of(Thing("b"), Thing("d")) as (pilot, table):
        await pilot.press("down")
        assert table.current_key == "d"
        table.show([Thing("a"), Thing("b"), Thing("c"), Thing("d")])
        assert table.current_key == "d"
        table.show([Thing("d")])
        assert table.current_key == "d"


async def test_cursor_stays_in_place_when_its_row_is_gone() -> None:
    async with table_of(Thing("a"), Thing("b"), Thing("c")) as (pilot, table):
        await pilot.press("down")
        table.show([Thing("a"), Thing("c")])
        assert table.current_key == "c"
        table.show([Thing("a")])
        assert table.current_key == "a"
        table.show([])
        assert table.current is None


async def test_marks_stay_with_their_rows_and_go_with_them() -> None:
    async with table_of(Thing("a"), Thing("b"), Thing("c")) as (_, table):
        table.toggle_mark()
        assert table.marked == {"a"}
        assert table.current_key == "b"
        table.sort_by(Sort("name", descending=True))
        assert table.marked == {"a"}
        assert "◆ a" in "\n".join(screen(table))
        table.show([Thing("b"), Thing("c")])
        assert table.marked == set()


async def test_filter_hides_rows_and_brings_them_back() -> None:
    async with table_of(Thing("apple", 1), Thing("pear", 5), Thing("plum", 9)) as (_, table):
        table.filter_by("size:>2")
        assert [it.name for it in table.shown] == ["pear", "plum"]
        assert table.total == 3
        table.filter_by("")
        assert len(table.shown) == 3


async def test_ten_thousand_rows_draw_only_what_is_seen() -> None:
    drawn: list[str] = []

    def counted(thing: Thing, _now: datetime) -> Cell:
        drawn.append(thing.name)
        return Cell(thing.name)

    async with table_of(*many(10_000), size=(40, 12)) as (pilot, table):
        name, size = SPEC.columns
        table.spec = replace(SPEC, columns=[replace(name, cell=counted), size])
        await pilot.press("G")
        await pilot.pause()
        assert table.current_key == "row-09999"
        assert "row-09999" in drawn
        assert len(set(drawn)) <= 24


@pytest.mark.parametrize(("key", "rows"), [("down", 2), ("pagedown", 11)])
async def test_a_key_draws_only_rows_that_look_different_and_lays_nothing_out(
    key: str, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[str] = []

    def counted(thing: Thing, _now: datetime) -> Cell:
        drawn.append(thing.name)
        return Cell(thing.name)

    async with table_of(*many(10_000), size=(40, 12)) as (pilot, table):
        name, size = SPEC.columns
        table.spec = replace(SPEC, columns=[replace(name, cell=counted), size])
        await pilot.press(*["down"] * 30)
        await pilot.pause()
        drawn.clear()
        done: list[str] = []
        monkeypatch.setattr(pilot.app.screen, "_refresh_layout", lambda *_, **__: done.append("layout"))
        monkeypatch.setattr(pilot.app.stylesheet, "apply", lambda *_, **__: done.append("styles"))
        await pilot.press(key)
        await pilot.pause()
        assert len(drawn) == len(set(drawn)) == rows
        assert done == []


async def test_rows_that_only_moved_are_not_made_anew() -> None:
    async with table_of(*many(10_000), size=(40, 12)) as (pilot, table):
        await pilot.press(*["down"] * 30)
        await pilot.pause()
        before = table.render_lines(table.size.region)
        await pilot.press("down")
        await pilot.pause()
        after = table.render_lines(table.size.region)
        assert [id(line) for line in after[1:-2]] == [id(line) for line in before[2:-1]]
        assert len({id(cell) for cell in table.vertical_scrollbar.render_lines(Region(0, 0, 1, 12))}) <= 5


async def test_each_row_is_asked_but_once_what_it_says_while_a_filter_is_typed() -> None:
    asked: list[str] = []

    def counted(thing: Thing, now: datetime) -> Fields:
        asked.append(thing.name)
        return fields(thing, now)

    async with table_of(size=(40, 12)) as (_, table):
        table.spec = replace(SPEC, fields=counted)
        table.show(many(2_000))
        for text in ("r", "ro", "row-01", "row-0199", "row-01", ""):
            table.filter_by(text)
        assert len(asked) == 2_000
        table.show([*many(2_000), Thing("another")])
        table.filter_by("other")
        assert [it.name for it in table.shown] == ["another"]


async def test_pages_and_edges() -> None:
    async with table_of(*many(100), size=(40, 12)) as (pilot, table):
        await pilot.press("pagedown")
        assert table.current_key == "row-00010"
        await pilot.press("G")
        assert table.current_key == "row-00099"
        assert screen(table)[-1].startswith(" ❯ row-00099")
        await pilot.press("g")
        assert table.current_key == "row-00000"
        assert screen(table)[1].startswith(" ❯ row-00000")


async def test_click_moves_and_a_second_click_opens() -> None:
    async with table_of(Thing("a"), Thing("b")) as (pilot, table):
        assert isinstance(pilot.app, Host)
        await pilot.click(table, offset=(5, 2))
        assert table.current_key == "b"
        assert pilot.app.opened == 0
        await pilot.click(table, offset=(5, 2))
        assert pilot.app.opened == 1


async def test_click_on_a_column_head_sorts_and_turns() -> None:
    async with table_of(Thing("a", 2), Thing("b", 1), size=(40, 8)) as (pilot, table):
        await pilot.click(table, offset=(screen(table)[0].index("SIZE"), 0))
        assert table.sort == Sort("size")
        assert [it.name for it in table.shown] == ["b", "a"]
        await pilot.click(table, offset=(screen(table)[0].index("SIZE"), 0))
        assert table.sort == Sort("size", descending=True)


async def test_sorting_goes_from_column_to_column() -> None:
    async with table_of(Thing("a")) as (_, table):
        table.sort_beside(1)
        assert table.sort == Sort("size")
        table.sort_beside(1)
        assert table.sort == Sort("name")
        table.sort_beside(-1)
        assert table.sort == Sort("size")


async def test_narrow_table_cuts_and_says_so() -> None:
    async with table_of(Thing("a-name-that-is-long"), size=(16, 4)) as (_, table):
        assert "…" in screen(table)[1]
        assert all(len(line) <= 16 for line in screen(table))


async def test_text_of_several_lines_stays_in_its_row() -> None:
    async with table_of(Thing("two\nlines", 1), Thing("zeta", 2), size=(24, 4)) as (_, table):
        assert screen(table)[1:3] == [" ❯ two lines          1", "   zeta               2"]


async def test_wide_letters_keep_the_columns_straight() -> None:
    async with table_of(Thing("日本語"), Thing("abc"), size=(30, 4)) as (_, table):
        assert {table.render_line(y).cell_length for y in range(4)} == {30}


async def test_what_was_looked_for_stands_out() -> None:
    async with table_of(Thing("weather")) as (_, table):
        table.filter_by("eat")
        match = table.get_component_rich_style("row-table--match")
        marked = [
            segment.text for segment in table.render_line(1) if segment.style and segment.style.bgcolor == match.bgcolor
        ]
        assert marked == ["eat"]


async def test_resizing_keeps_the_cursor_in_sight() -> None:
    async with table_of(*many(50), size=(40, 30)) as (pilot, table):
        for _ in range(25):
            await pilot.press("down")
        await pilot.resize_terminal(40, 8)
        await pilot.pause()
        assert any("❯ row-00025" in line for line in screen(table))


async def test_only_rows_that_time_has_changed_are_drawn_again() -> None:
    ages = {"a": "1s", "b": "3d"}
    async with table_of(Thing("a"), Thing("b"), size=(40, 6)) as (pilot, table):
        name, size = SPEC.columns
        aging = replace(size, cell=lambda it, _: Cell(ages[it.name]))
        table.spec = replace(SPEC, columns=[name, aging])
        table.show([Thing("a"), Thing("b")])
        await pilot.pause()
        drawn: list[int] = []
        table.refresh_line = drawn.append  # type: ignore[method-assign, assignment]
        table.refresh_ages()
        assert drawn == []
        ages["a"] = "2s"
        table.refresh_ages()
        assert drawn == [1]


@pytest.mark.parametrize("theme", sorted(THEMES))
async def test_lines_are_drawn_as_textual_would_draw_them(theme: str) -> None:
    async with table_of(*many(500), size=(40, 12)) as (pilot, table):
        for built_in in THEMES.values():
            pilot.app.register_theme(built_in)
        pilot.app.theme = theme
        await pilot.pause()
        for move in range(0, 500, 37):
            table._place(move)
            await pilot.pause()
            for widget, width in ((table, table.size.width - 1), (table.vertical_scrollbar, 1)):
                own, of_textual = widget.render_lines(whole := widget.size.region), Widget.render_lines(widget, whole)
                assert looks(own, width) == looks(of_textual, width)
