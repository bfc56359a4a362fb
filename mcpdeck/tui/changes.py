"""Changing an adapter through the gateway, and what its answer means for who asked. Asks no questions first."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from textual.app import SuspendNotSupported

from gateway.wire.resources import Adapter, AdapterSpec
from mcpdeck.errors import NoEditor
from mcpdeck.model.commands import Command
from mcpdeck.model.deeds import Deed, line_of
from mcpdeck.model.editing import rounds
from mcpdeck.model.form import Errors
from mcpdeck.model.formatting import plural
from mcpdeck.model.yaml_lines import to_yaml
from mcpdeck.tui.deck import Deck
from mcpdeck.tui.screens.difference import DifferenceScreen
from mcpdeck.tui.tab import NO_EDITOR

if TYPE_CHECKING:
    from mcpdeck.errors import ProblemError, Unreachable

    type Failure = ProblemError | Unreachable

type Change = Callable[[], Awaitable[object]]

AT_ONCE: Final = 4  # requests, of many
TOLD: Final = 3  # failures of many that have a toast each
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


class Said(NamedTuple):
    """What is said of those for which it was done: `is deleted` of one, `are deleted` of several `adapter`s."""

    one: str
    many: str
    kind: str


def start(
    deck: Deck,
    command: Command,
    target: Target,
    *,
    change: Change,
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


def start_each(
    deck: Deck, command: Command, changes: Mapping[Target, Change], *, said: Said, arguments: Sequence[str] = ()
) -> None:
    """The same for several at once: one that fails holds up none, and the reader hears of all together."""
    if len(changes) < 2:
        for target, change in changes.items():
            start(deck, command, target, change=change, said=said.one, arguments=arguments)
        return

    async def send() -> None:
        failed: dict[Target, Failure] = {}
        turns = asyncio.Semaphore(AT_ONCE)

        async def send_one(target: Target, change: Change) -> None:
            async with turns:
                error = await _tried(change)
            record(deck, command, target.name, error=str(error or ""), arguments=arguments)
            if error is not None:
                failed[target] = error

        async with asyncio.TaskGroup() as group:
            for target, change in changes.items():
                group.create_task(send_one(target, change))
        if done := len(changes) - len(failed):
            deck.say(f"{plural(done, said.kind)} {said.one if done == 1 else said.many}")
        for target, error in list(failed.items())[:TOLD]:
            _tell(deck, command, target, error)
        if len(failed) > TOLD:
            deck.say(f"{command.title}: {len(failed) - TOLD} more failed; :audit says why", "error")

    deck.begin(send, group=f"{command.id} {' '.join(target.name for target in changes)}")


def record(deck: Deck, command: Command, target: str, *, error: str, arguments: Sequence[str] = ()) -> None:
    """Keep what was done, or why it was not, with the command that does the same."""
    context = deck.state.context
    line = line_of(command.id, target, context, arguments)
    at = deck.surroundings.clock()
    deck.record(Deed(at=at, context=context, title=command.title, target=target, line=line, error=error))


async def attempt(deck: Deck, command: Command, target: Target, change: Change) -> str:
    """Empty if it was done. If not, why; a toast says so, and what helps."""
    error = await _tried(change)
    if error is not None:
        _tell(deck, command, target, error)
    return str(error or "")


async def _tried(change: Change) -> "Failure | None":
    from mcpdeck.errors import ProblemError, Unreachable

    try:
        await change()
    except (Unreachable, ProblemError) as error:
        return error
    return None


def _tell(deck: Deck, command: Command, target: Target, error: "Failure") -> None:
    from mcpdeck.errors import ProblemError

    if not isinstance(error, ProblemError):
        deck.say(f"{command.title} {target.label}: {error}", "error")
        return
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
