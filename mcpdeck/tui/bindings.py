"""Keys from the registry: every binding carries its command's id, so that a keymap can move it.

All have priority: they are tried before what the focused widget would do with the key, and at once, without a way
through the queues of all that it stands in.
"""

from collections.abc import Mapping

from textual.binding import Binding, BindingType

from mcpdeck.model.commands import EVERY_VIEW, Command, View
from mcpdeck.model.keymap import MOVES
from mcpdeck.model.registry import COMMANDS


def bindings_of(view: View) -> list[BindingType]:
    """What only this view binds."""
    return [
        _binding(command) for command in COMMANDS if command.keys and view in command.views and not _global(command)
    ]


def global_bindings() -> list[BindingType]:
    return [_binding(command) for command in COMMANDS if command.keys and _global(command)]


def _global(command: Command) -> bool:
    return command.views == EVERY_VIEW


def _binding(command: Command) -> Binding:
    action = f"app.run({command.id!r})"
    return Binding(
        ",".join(command.keys), action, command.title, id=command.id, show=False, priority=True, tooltip=command.help
    )


def moves(actions: Mapping[str, str]) -> list[BindingType]:
    """How one moves in a widget: its actions by what `model.keymap` calls the move."""
    return [
        Binding(",".join(MOVES[move]), action, move, id=move, show=False, priority=True)
        for move, action in actions.items()
    ]
