"""Changing an adapter through the gateway, and what its answer means for who asked. Asks no questions first."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from textual.app import SuspendNotSupported

from gateway.wire.resources import Adapter, AdapterSpec
from mcpdeck.errors import NoEditor
from mcpdeck.model.commands import Command
from mcpdeck.model.deeds import Deed, line_of
from mcpdeck.model.editing import rounds
from mcpdeck.model.form import Errors
from mcpdeck.model.yaml_lines import to_yaml
from mcpdeck.tui.deck import Deck
from mcpdeck.tui.screens.difference import DifferenceScreen
from mcpdeck.tui.tab import NO_EDITOR

if TYPE_CHECKING:
    from mcpdeck.errors import ProblemError

_EDIT_HEAD = """\
# {name} in {context}. Save and leave to apply, leave unchanged to cancel.
"""


class Target(NamedTuple):
    """What a request is about: its name at the gateway, and as a reader calls it."""

    name: str
    label: str


def named(name: str) -> Target:
    """An adapter: it is called what its name is."""
    return Target(name, name)


def start(
    deck: Deck,
    command: Command,
    target: Target,
    *,
    change: Callable[[], Awaitable[object]],
    said: str,
    arguments: Sequence[str] = (),
) -> None:
    """Send the request from a worker of its own; asking the same again replaces one that is under way.

    arguments: what the command line wants besides the target.
    """

    async def send() -> None:
        error = await attempt(deck, command, target, change)
        record(deck, command, target.name, error=error, arguments=arguments)
        if not error:
            deck.say(f"{target.label} {said}")

    deck.begin(send, group=f"{command.id} {target.name}")


def record(deck: Deck, command: Command, target: str, *, error: str, arguments: Sequence[str] = ()) -> None:
    """Keep what was done, or why it was not, with the command that does the same."""
    context = deck.state.context
    line = line_of(command.id, target, context, arguments)
    at = deck.surroundings.clock()
    deck.record(Deed(at=at, context=context, title=command.title, target=target, line=line, error=error))


async def attempt(deck: Deck, command: Command, target: Target, change: Callable[[], Awaitable[object]]) -> str:
    """Empty if it was done. If not, why; a toast says so, and what helps."""
    from mcpdeck.errors import ProblemError, Unreachable

    try:
        await change()
    except Unreachable as error:
        deck.say(f"{command.title} {target.label}: {error}", "error")
        return str(error)
    except ProblemError as error:
        _tell_problem(deck, command, target, error)
        return str(error)
    return ""


def _tell_problem(deck: Deck, command: Command, target: Target, error: "ProblemError") -> None:
    problem = error.problem
    sentence = problem.detail or problem.title
    advice = {
        401: "; L signs in",
        404: "; it is gone",
        409: "; choose another name",
        412: "; somebody changed it meanwhile: what is shown now is theirs, try again if you still want to",
    }.get(problem.status, "")
    if problem.status == 403:
        deck.refuse(command, target.name, sentence)
    if problem.status == 401:
        deck.retry()  # the stream finds out too, and the banner says what to do
    deck.say(f"{command.title} {target.label}: {sentence}{advice}", "error")


async def send_spec(deck: Deck, command: Command, spec: AdapterSpec) -> Errors:
    """Deploy it. The errors by wire field, none when it is done."""
    from mcpdeck.errors import ProblemError, Unreachable

    try:
        await deck.client.create(spec)
    except Unreachable as error:
        record(deck, command, spec.name, error=str(error))
        return {"": [str(error)]}
    except ProblemError as error:
        record(deck, command, spec.name, error=str(error))
        problem = error.problem
        if problem.status == 403:
            deck.refuse(command, "", problem.detail or problem.title)
        field = "name" if problem.status == 409 else ""
        return problem.errors or {field: [problem.detail or problem.title]}
    record(deck, command, spec.name, error="")
    deck.say(f"{spec.name} is deployed")
    deck.look_at(spec.name)
    return {}


def edit_adapter(deck: Deck, command: Command, adapter: Adapter) -> None:
    """In the reader's editor, as often as it takes to be right; shown as a difference; sent only if still the same."""
    if any(value is None for value in adapter.environment_variables.values()):
        deck.say(f"{adapter.name}: values of its environment are hidden from you, so it can not be edited", "warning")
        return
    original = to_yaml(adapter)
    try:
        head = _EDIT_HEAD.format(name=adapter.name, context=deck.state.context)
        spec = rounds(original, head, partial(deck.surroundings.edit_text, deck))
    except SuspendNotSupported:
        deck.say(NO_EDITOR if deck.is_web else "there is no terminal here to hand over to an editor", "warning")
        return
    except NoEditor as error:
        deck.say(str(error), "error")
        return
    if spec is None or to_yaml(spec) == original:
        deck.say(f"{adapter.name} is unchanged")
        return

    def answered(yes: bool | None) -> None:
        if yes:
            change = partial(deck.client.replace, adapter.name, spec, adapter.etag)
            start(deck, command, named(adapter.name), change=change, said="is changed")

    deck.push_screen(DifferenceScreen(f"Change {adapter.name}?", before=original, after=to_yaml(spec)), answered)
