"""Changing an adapter through the gateway, and what its answer means for who asked. Asks no questions first."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

from textual.app import SuspendNotSupported

from gateway.wire.resources import Adapter, AdapterSpec, problems_of
from mcpdeck.model.commands import Command
from mcpdeck.model.form import Errors
from mcpdeck.model.yaml_lines import from_yaml, to_yaml

if TYPE_CHECKING:
    from mcpdeck.errors import ProblemError
    from mcpdeck.tui.app import Deck

_EDIT_HEAD = """\
# {name} in {context}. Save and leave to apply, leave unchanged to cancel.
"""


def start(deck: "Deck", command: Command, adapter: Adapter, change: Callable[[], Awaitable[object]], said: str) -> None:
    """Send the request from a worker of its own; asking the same again replaces one that is under way."""

    async def send() -> None:
        if await attempt(deck, command, adapter.name, change):
            deck.say(f"{adapter.name} {said}")

    deck.run_worker(send(), group=f"{command.id} {adapter.name}", exclusive=True, exit_on_error=False)


async def attempt(deck: "Deck", command: Command, adapter: str, change: Callable[[], Awaitable[object]]) -> bool:
    """Whether it was done. If not, a toast says why and what helps."""
    from mcpdeck.errors import ProblemError, Unreachable

    try:
        await change()
    except Unreachable as error:
        deck.say(f"{command.title} {adapter}: {error}", "error")
    except ProblemError as error:
        _tell_problem(deck, command, adapter, error)
    else:
        return True
    return False


def _tell_problem(deck: "Deck", command: Command, adapter: str, error: "ProblemError") -> None:
    problem = error.problem
    sentence = problem.detail or problem.title
    advice = {
        401: "; sign in with `mcpdeck login`",
        404: "; it is gone",
        409: "; choose another name",
        412: "; somebody changed it meanwhile: what is shown now is theirs, try again if you still want to",
    }.get(problem.status, "")
    if problem.status == 403:
        deck.refuse(command, adapter, sentence)
    deck.say(f"{command.title} {adapter}: {sentence}{advice}", "error")


async def send_spec(deck: "Deck", command: Command, spec: AdapterSpec) -> Errors:
    """Deploy it. The errors by wire field, none when it is done."""
    from mcpdeck.errors import ProblemError, Unreachable

    try:
        await deck.client.create(spec)
    except Unreachable as error:
        return {"": [str(error)]}
    except ProblemError as error:
        problem = error.problem
        if problem.status == 403:
            deck.refuse(command, "", problem.detail or problem.title)
        field = "name" if problem.status == 409 else ""
        return problem.errors or {field: [problem.detail or problem.title]}
    deck.say(f"{spec.name} is deployed")
    deck.look_at(spec.name)
    return {}


def edit_adapter(deck: "Deck", command: Command, adapter: Adapter) -> None:
    """In the reader's editor, as often as it takes to be right; applied only if nobody changed it meanwhile."""
    if adapter_hides_values(adapter):
        deck.say(f"{adapter.name}: values of its environment are hidden from you, so it can not be edited", "warning")
        return
    head = _EDIT_HEAD.format(name=adapter.name, context=deck.state.context)
    original = to_yaml(adapter)
    text, remark = original, ""
    while True:
        try:
            edited = deck.surroundings.edit_text(deck, head + remark + text)
        except SuspendNotSupported:
            deck.say("there is no terminal here to hand over to an editor", "warning")
            return
        body = "" if edited is None else "".join(line for line in edited.splitlines(True) if not line.startswith("#"))
        if not body.strip() or body == original:
            deck.say("unchanged")
            return
        text, remark = body, ""
        try:
            spec = from_yaml(body)
        except ValueError as error:
            remark = f"# {error}\n"
            continue
        if errors := problems_of(spec):
            remark = "".join(f"# {field}: {', '.join(sentences)}\n" for field, sentences in errors.items())
            continue
        start(deck, command, adapter, partial(deck.client.replace, adapter.name, spec, adapter.etag), "is changed")
        return


def in_editor(deck: "Deck", text: str) -> str | None:
    """Hand the terminal over to the reader's editor. None if nothing was saved. Raises SuspendNotSupported."""
    from mcpdeck import editor

    with deck.suspend():
        return editor.edit(text, suffix=".yaml")


def adapter_hides_values(adapter: Adapter) -> bool:
    return any(value is None for value in adapter.environment_variables.values())


def save_log(deck: "Deck") -> None:
    """What is shown, to a file named after the adapter and the time."""
    view = deck.logs_view
    if view.wish is None:
        return
    folder = deck.surroundings.dump_folder
    path = folder / f"{view.wish.adapter}-{deck.surroundings.clock():%Y%m%d-%H%M%S}.log"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(view.lines.plain_text(), encoding="utf-8")
    except OSError as error:
        deck.say(f"not saved: {error}", "error")
    else:
        deck.say(f"saved to {path}")
