"""Which key does what, where the reader wants it otherwise: by the stable ids of commands and moves. Reads no file."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from mcpdeck.model.commands import Command, View

# Moving within a table or lines, everywhere alike.
MOVES: Final[Mapping[str, tuple[str, ...]]] = {
    "move.up": ("up", "k"),
    "move.down": ("down", "j"),
    "move.left": ("left",),
    "move.right": ("right",),
    "move.page-up": ("pageup", "ctrl+b"),
    "move.page-down": ("pagedown",),
    "move.first": ("home", "g"),
    "move.last": ("end", "G"),
}

PRESETS: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "k9s": {},
    "vim": {
        "move.page-up": ("pageup", "ctrl+b", "ctrl+u"),
        "move.page-down": ("pagedown", "ctrl+f", "ctrl+d"),
        "deck.filter-toggle": ("ctrl+t",),
        "adapter.delete": ("X",),
        "tool.delete": ("X",),
        "session.end": ("X",),
        "traffic.reveal": ("ctrl+x",),
        "context.remove": ("X",),
        "xray.end": ("X",),
    },
    "emacs": {
        "move.up": ("up", "ctrl+p"),
        "move.down": ("down", "ctrl+n"),
        "move.left": ("left", "ctrl+b"),
        "move.right": ("right", "ctrl+f"),
        "move.page-up": ("pageup", "alt+v"),
        "move.page-down": ("pagedown", "ctrl+v"),
        "move.first": ("home", "alt+less_than_sign"),
        "move.last": ("end", "alt+greater_than_sign"),
        "deck.filter": ("ctrl+s", "slash"),
        "deck.filter-toggle": ("alt+f",),
        "deck.palette": ("alt+x",),
        "deck.back": ("escape", "ctrl+g", "q", "backspace"),
        "log.save": ("ctrl+w",),
        "call.save": ("ctrl+w",),
    },
}


class Keymap:
    """The keys of every command and move; those that nobody has moved are the registry's own."""

    def __init__(self, changed: Mapping[str, tuple[str, ...]] | None = None) -> None:
        self.changed = dict(changed or {})

    def keys(self, command: Command) -> tuple[str, ...]:
        return self.changed.get(command.id, command.keys)

    def moves(self, move: str) -> tuple[str, ...]:
        return self.changed.get(move, MOVES[move])


STANDARD: Final = Keymap()


def keymap_of(preset: str, wanted: Mapping[str, str], commands: Sequence[Command]) -> tuple[Keymap, dict[str, str]]:
    """The keymap as far as it can be had, and by id what is wrong with the rest of what was wanted.

    wanted: by id, keys with commas between, as Textual names them (`ctrl+x,question_mark`); empty for none.
    """
    known = {command.id for command in commands} | set(MOVES)
    changed = dict(PRESETS[preset])
    wrong: dict[str, str] = {}
    for name, text in wanted.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            wrong[name] = "no such command" + (f"; did you mean {near[0]}?" if near else "")
            continue
        before = changed.get(name)
        changed[name] = tuple(key.strip() for key in text.split(",") if key.strip())
        if clash := _clash(Keymap(changed), commands):
            wrong[name] = clash
            if before is None:
                del changed[name]
            else:
                changed[name] = before
    return Keymap(changed), wrong


def _clash(keymap: Keymap, commands: Iterable[Command]) -> str:
    """The first key that means two things in one view; empty if there is none."""
    taken: dict[tuple[View, str], str] = {}
    for move in MOVES:
        for view in View:
            for key in keymap.moves(move):
                if (other := taken.setdefault((view, key), move)) != move:
                    return f"{key} already means {other}"
    for command in commands:
        for view in command.views:
            for key in keymap.keys(command):
                if (other := taken.setdefault((view, key), command.id)) != command.id:
                    return f"{key} already means {other} in {view}"
    return ""
