"""Keys as the reader wants them: presets, single ones, and what is refused."""

from pathlib import Path

import pytest

from mcpdeck.model.commands import View
from mcpdeck.model.help import help_lines
from mcpdeck.model.keymap import MOVES, PRESETS, STANDARD, keymap_of
from mcpdeck.model.registry import BY_ID, COMMANDS
from mcpdeck.model.shell import foot, strip
from mcpdeck.model.trail import Trail, Visit
from mcpdeck.model.words import UNICODE
from mcpdeck.tui.personal import personal
from mcpdeck.tui.themes import THEMES


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_names_what_there_is_and_clashes_nowhere(preset: str) -> None:
    keymap, wrong = keymap_of(preset, {}, COMMANDS)
    assert keymap.changed.keys() <= BY_ID.keys() | MOVES.keys()
    same = {name: ",".join(keys) for name, keys in PRESETS[preset].items()}
    assert keymap_of(preset, same, COMMANDS)[1] == wrong == {}


def test_moved_key_is_shown_wherever_keys_are() -> None:
    keymap, wrong = keymap_of("k9s", {"adapter.deploy": "ctrl+n", "view.sessions": "f9", "move.down": "down"}, COMMANDS)
    assert wrong == {}
    parts = foot(View.ADAPTERS, width=200, obstacle=lambda _command: "", keymap=keymap)
    assert "ctrl+n Deploy" in "".join(part.text for part in parts)
    tabs = strip(View.ADAPTERS, crumb="", width=120, glyphs=UNICODE, keymap=keymap)
    assert "f9 Sessions" in "".join(part.text for part in tabs)
    page = "\n".join(
        "".join(cell.text for cell in line) for line in help_lines(View.ADAPTERS, wide=True, keymap=keymap)
    )
    assert "ctrl+n" in page
    assert "↑  k  ↓  " in page


def test_command_without_a_key_leaves_the_foot() -> None:
    keymap, wrong = keymap_of("k9s", {"adapter.delete": ""}, COMMANDS)
    assert wrong == {}
    parts = foot(View.ADAPTERS, width=200, obstacle=lambda _command: "", keymap=keymap)
    assert "Delete" not in "".join(part.text for part in parts)


@pytest.mark.parametrize(
    ("name", "keys", "sentence"),
    [
        ("adapter.deplay", "n", "no such command; did you mean adapter.deploy?"),
        ("adapter.deploy", "e", "e already means adapter.deploy in adapters"),
        ("adapter.deploy", "j", "j already means move.down in adapters"),
    ],
)
def test_what_can_not_be_is_told_and_the_rest_counts(name: str, keys: str, sentence: str) -> None:
    keymap, wrong = keymap_of("k9s", {name: keys, "table.mark": "m"}, COMMANDS)
    assert wrong == {name: sentence}
    assert keymap.keys(BY_ID["adapter.deploy"]) == ("n",)
    assert keymap.keys(BY_ID["table.mark"]) == ("m",)


def test_files_of_the_reader_are_read_and_their_mistakes_told_with_the_line(tmp_path: Path) -> None:
    (tmp_path / "keymap.yaml").write_text("preset: vim\nkeys:\n  adapter.deploy: ctrl+n\n  adapter.nothing: x\n")
    (tmp_path / "themes").mkdir()
    (tmp_path / "themes" / "dusk.yaml").write_text("like: light\ncolours:\n  tone-ok: '#00ff00'\n  primary: teal\n")
    (tmp_path / "themes" / "broken.yaml").write_text("like: dark\ncolours:\n  tone-ok: greenish\n")
    (tmp_path / "themes" / "odd.yaml").write_text("colors: {}\n")
    own = personal(tmp_path)
    assert own.keymap.keys(BY_ID["adapter.deploy"]) == ("ctrl+n",)
    assert own.keymap.keys(BY_ID["adapter.delete"]) == ("X",)
    assert set(own.themes) == {*THEMES, "dusk"}
    dusk = own.themes["dusk"]
    assert (dusk.variables["tone-ok"], dusk.primary, dusk.dark) == ("#00ff00", "teal", False)
    keys, broken, odd = own.complaints
    assert keys == f"{tmp_path}/keymap.yaml:4: adapter.nothing: no such command" or "adapter.nothing" in keys
    assert "broken.yaml:3: tone-ok: 'greenish' is no colour" in broken
    assert "odd.yaml:1: colors" in odd


@pytest.mark.parametrize("text", ["preset: nano\n", "keyz: {}\n", ":\n  - ["])
def test_keymap_that_can_not_be_read_leaves_the_standard_one(tmp_path: Path, text: str) -> None:
    (tmp_path / "keymap.yaml").write_text(text)
    own = personal(tmp_path)
    assert own.keymap is STANDARD
    assert len(own.complaints) == 1


def test_no_files_are_no_complaint(tmp_path: Path) -> None:
    own = personal(tmp_path / "nowhere")
    assert (own.keymap, own.complaints, set(own.themes)) == (STANDARD, (), set(THEMES))


def test_trail_leads_back_and_forth_and_forgets_what_lay_ahead() -> None:
    trail = Trail(View.ADAPTERS)
    assert trail.step(-1) is None
    trail.arrive(View.DETAIL)
    trail.leave("weather")
    trail.arrive(View.LOGS)
    assert trail.step(-1) == Visit(View.DETAIL, "weather")
    assert trail.step(1) == Visit(View.LOGS)
    assert trail.turn() == Visit(View.DETAIL, "weather")
    assert trail.turn() == Visit(View.LOGS)
    trail.step(-2)
    trail.arrive(View.SESSIONS)
    assert trail.step(1) is None
    assert trail.step(-1) == Visit(View.ADAPTERS)


def test_long_way_loses_its_beginning() -> None:
    trail = Trail(View.ADAPTERS)
    for _ in range(300):
        trail.arrive(View.LOGS)
    steps = 0
    while trail.step(-1):
        steps += 1
    assert steps == 99
