"""The way a copied text goes: this machine's own program, or through the terminal, whatever is wrapped around it."""

import base64
from pathlib import Path

import pytest

from mcpdeck.tui.clipboard import LIMIT, Clipboard


def with_program(folder: Path, name: str, *, status: int = 0) -> dict[str, str]:
    """An environment in which this program is the only one, and keeps what it gets."""
    program = folder / name
    program.write_text(f"#!/bin/sh\n/bin/cat > {folder}/taken\nexit {status}\n")
    program.chmod(0o755)
    return {"PATH": str(folder)}


@pytest.mark.parametrize(
    ("platform", "environ", "program"),
    [
        ("darwin", {}, "pbcopy"),
        ("linux", {"WAYLAND_DISPLAY": "wayland-0"}, "wl-copy"),
        ("linux", {"DISPLAY": ":0"}, "xclip"),
        ("linux", {"WSL_DISTRO_NAME": "Ubuntu"}, "clip.exe"),
        ("linux", {"TMUX": "/run/tmux,1,0"}, "tmux"),
        ("darwin", {"TMUX": "/run/tmux,1,0", "SSH_CONNECTION": "1.2.3.4 5 6.7.8.9 22"}, "tmux"),
    ],
)
def test_program_of_this_machine_takes_it(tmp_path: Path, platform: str, environ: dict[str, str], program: str) -> None:
    clipboard = Clipboard(environ | with_program(tmp_path, program), platform)
    assert clipboard.take("weather\n")
    assert (tmp_path / "taken").read_text() == "weather\n"


def test_reader_elsewhere_gets_it_through_the_terminal(tmp_path: Path) -> None:
    here = with_program(tmp_path, "pbcopy")
    assert not Clipboard(here | {"SSH_CONNECTION": "1.2.3.4 5 6.7.8.9 22"}, "darwin").take("x")
    assert Clipboard(here | {"SSH_CONNECTION": "x", "MCPDECK_CLIPBOARD": "native"}, "darwin").take("x")
    assert not Clipboard(here | {"MCPDECK_CLIPBOARD": "osc52"}, "darwin").take("x")


def test_program_that_fails_or_is_absent_is_no_end(tmp_path: Path) -> None:
    assert not Clipboard(with_program(tmp_path, "pbcopy", status=1), "darwin").take("x")
    assert not Clipboard({"PATH": str(tmp_path / "none")}, "darwin").take("x")


def test_desktop_comes_before_the_multiplexer_where_the_reader_sits_at_it(tmp_path: Path) -> None:
    environ = with_program(tmp_path, "pbcopy") | with_program(tmp_path, "tmux") | {"TMUX": "/run/tmux,1,0"}
    assert Clipboard(environ, "darwin").program() == (str(tmp_path / "pbcopy"),)
    assert Clipboard(environ, "linux").program() == (str(tmp_path / "tmux"), "load-buffer", "-w", "-")


def test_sequence_is_plain_in_a_plain_terminal() -> None:
    assert Clipboard({"TERM": "xterm-256color"}).sequence("hi") == "\x1b]52;c;aGk=\x07"


def test_tmux_takes_it_or_passes_it_on() -> None:
    plain, passed = "\x1b]52;c;aGk=\x07", "\x1bPtmux;\x1b\x1b]52;c;aGk=\x07\x1b\\"
    assert Clipboard({"TMUX": "/run/tmux,1,0"}).sequence("hi") == plain + passed


def test_screen_gets_it_in_parts() -> None:
    text = "x" * 1000
    sequence = Clipboard({"TERM": "screen-256color"}).sequence(text)
    parts = [part.removeprefix("\x1bP") for part in sequence.split("\x1b\\")[:-1]]
    assert all(len(part) <= 252 for part in parts)
    assert base64.b64decode("".join(parts).removeprefix("\x1b]52;c;").removesuffix("\x07")).decode() == text


def test_what_is_too_long_is_refused_whole() -> None:
    assert Clipboard({}).sequence("x" * LIMIT) == ""
