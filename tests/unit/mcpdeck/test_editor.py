"""A text goes to the reader's editor and comes back."""

import os
import stat
import sys
from pathlib import Path

import pytest

from mcpdeck.editor import edit
from mcpdeck.errors import NoEditor


def editor(tmp_path: Path, program: str) -> str:
    """An editor that runs this program; `path` is the file it was given."""
    script = tmp_path / "an editor.py"
    script.write_text(f"import os, sys\nfrom pathlib import Path\npath = Path(sys.argv[1])\n{program}\n")
    return f"{sys.executable} '{script}'"


def test_what_was_saved_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDITOR", editor(tmp_path, "path.write_text(path.read_text() + 'ü: 1\\n', encoding='utf-8')"))
    assert edit("name: x\n", suffix=".yaml") == "name: x\nü: 1\n"


def test_own_variable_goes_before_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDITOR", "false")
    monkeypatch.setenv("VISUAL", "false")
    monkeypatch.setenv("MCPDECK_EDITOR", editor(tmp_path, "path.write_text('mine')"))
    assert edit("") == "mine"


@pytest.mark.parametrize("program", ["", "sys.exit(1)", "path.write_text('x'); sys.exit(1)", "path.unlink()"])
def test_nothing_saved_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    monkeypatch.setenv("EDITOR", editor(tmp_path, program))
    assert edit("text") is None


@pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX's")
def test_nobody_else_can_read_it_and_nothing_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = "path.write_text(f'{path}\\n{path.stat().st_mode}\\n{path.parent.stat().st_mode}')"
    monkeypatch.setenv("EDITOR", editor(tmp_path, program))
    edited = edit("secret", suffix=".yaml")
    assert edited is not None
    path, *modes = edited.split("\n")
    assert [stat.S_IMODE(int(mode)) for mode in modes] == [0o600, 0o700]
    assert path.endswith(".yaml")
    assert not Path(path).parent.exists()


@pytest.mark.parametrize(
    ("words", "told"), [("/no/such/editor --wait", "can not be started"), ("open 'quote", "EDITOR is")]
)
def test_editor_that_can_not_start_is_told_with_its_name(
    monkeypatch: pytest.MonkeyPatch, words: str, told: str
) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.delenv("MCPDECK_EDITOR", raising=False)
    monkeypatch.setenv("EDITOR", words)
    with pytest.raises(NoEditor, match=told):
        edit("")


def test_without_any_editor_it_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MCPDECK_EDITOR", "VISUAL", "EDITOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(NoEditor, match="set EDITOR"):
        edit("")
