"""Every verb of the deck, once: keys, footer, help, palette and `:` are made of these. Runs none of them."""

from collections.abc import Iterable, Sequence
from typing import Final

from mcpdeck.model.commands import COMMAND_AREAS, Command, View
from mcpdeck.model.verbs import (
    adapters,
    contexts,
    deck,
    deeds,
    identity,
    lines,
    playground,
    pulse,
    sessions,
    tables,
    tools,
    traffic,
    views,
    xray,
)

COMMANDS: Final[tuple[Command, ...]] = (
    *views.COMMANDS,
    *adapters.COMMANDS,
    *tools.COMMANDS,
    *playground.COMMANDS,
    *sessions.COMMANDS,
    *traffic.COMMANDS,
    *contexts.COMMANDS,
    *deeds.COMMANDS,
    *tables.COMMANDS,
    *lines.COMMANDS,
    *pulse.COMMANDS,
    *xray.COMMANDS,
    *identity.COMMANDS,
    *deck.COMMANDS,
)
BY_ID: Final = {command.id: command for command in COMMANDS}


def commands_of(view: View) -> list[Command]:
    """By area, in the order of the help page."""
    there = [command for command in COMMANDS if view in command.views]
    return sorted(there, key=lambda command: COMMAND_AREAS.index(command.area))


def footer_of(view: View) -> list[Command]:
    shown = [command for command in commands_of(view) if command.footer is not None]
    return sorted(shown, key=lambda command: command.footer or 0)


def clashes(commands: Iterable[Command]) -> Sequence[str]:
    """Keys that mean two things in one view; there must be none."""
    taken: dict[tuple[View, str], str] = {}
    found = []
    for command in commands:
        for view in command.views:
            for key in command.keys:
                other = taken.setdefault((view, key), command.id)
                if other != command.id:
                    found.append(f"{key} in {view}: {other} and {command.id}")
    return found
