"""What was done, as commands, and in a file of its own."""

from pathlib import Path

from msgspec.structs import replace

from mcpdeck.model.commands import CHANGES
from mcpdeck.model.deeds import Deed, line_of, rows, table
from mcpdeck.model.registry import COMMANDS
from mcpdeck.model.state import DeedDone, DeedsRead, State, reduce_all
from mcpdeck.model.table import fit, natural_widths
from mcpdeck.tui import journal as journals
from mcpdeck.tui.journal import Journal
from tests.support.fake_gateway import NOW

DEED = Deed(at=NOW, context="prod", title="Restart", target="weather", line="mcpdeck --context prod x")


def test_every_change_has_its_command() -> None:
    for command in COMMANDS:
        if command.needs & CHANGES:
            line = line_of(command.id, "name", "prod")
            assert line.startswith("mcpdeck --context prod "), command.id
            assert command.id not in line


def test_command_can_be_pasted() -> None:
    assert line_of("adapter.scale", "weather", "prod", ("3",)) == "mcpdeck --context prod adapters scale weather 3"
    assert line_of("session.end", "ab", "my prod") == "mcpdeck --context 'my prod' sessions end ab --yes"


def test_row_leaves_room_for_the_reason_and_names_the_context_once() -> None:
    spec = table()
    [row] = rows([replace(DEED, line=line_of("adapter.restart", "time", "prod"), error="only the platform team may")])
    natural = natural_widths(spec, [row], NOW)
    shown = {spec.columns[it.place].id: it.width for it in fit(spec, natural, 76)}
    assert shown["why"] >= 20
    [command] = [it.cell(row, NOW).text for it in spec.columns if it.id == "command"]
    assert command == "mcpdeck adapters restart time"


def test_latest_stands_first() -> None:
    spec = table()
    first, second = rows([DEED, replace(DEED, target="time")])
    assert spec.columns[0].order(second) < spec.columns[0].order(first)


def test_deeds_of_before_come_before_those_of_now() -> None:
    now, before = replace(DEED, target="now"), replace(DEED, target="before")
    state = reduce_all(State(), [DeedDone(now), DeedsRead((before,))])
    assert [it.target for it in state.deeds] == ["before", "now"]


def test_journal_outlives_the_deck_and_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "deeds.jsonl"
    Journal(path).write(DEED)
    Journal(path).write(replace(DEED, error="refused"))
    with path.open("ab") as file:
        file.write(b"{broken\n")
    assert [it.error for it in Journal(path).read()] == ["", "refused"]
    assert path.stat().st_mode & 0o077 == 0


def test_journal_that_was_never_written_is_empty(tmp_path: Path) -> None:
    assert Journal(tmp_path / "none.jsonl").read() == ()


def test_long_journal_loses_its_older_half(tmp_path: Path, monkeypatch: object) -> None:
    path = tmp_path / "deeds.jsonl"
    journal = Journal(path)
    for number in range(8):
        journal.write(replace(DEED, target=str(number)))
    longest, journals.LONGEST = journals.LONGEST, path.stat().st_size  # type: ignore[misc]
    try:
        journal.write(replace(DEED, target="8"))
    finally:
        journals.LONGEST = longest  # type: ignore[misc]
    assert [it.target for it in journal.read()] == ["4", "5", "6", "7", "8"]
    assert path.stat().st_mode & 0o077 == 0
