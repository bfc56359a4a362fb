"""What is done with tools: looked at, registered, locked, taken back; and with calls that wait for a word."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import msgspec

from gateway.wire.policies import ApprovalDecision, PendingApproval
from gateway.wire.tools import ToolSpec
from mcpdeck.model import approvals, tools
from mcpdeck.model.commands import View
from mcpdeck.model.form import Errors
from mcpdeck.model.formatting import plural
from mcpdeck.model.prompt import Order
from mcpdeck.model.tools import ToolRow
from mcpdeck.model.yaml_lines import toned
from mcpdeck.tui.actions.asking import ask
from mcpdeck.tui.actions.handlers import do_plainly, does
from mcpdeck.tui.changes import Said, Target, attempt, named, record, start, start_each
from mcpdeck.tui.deck import Deck
from mcpdeck.tui.telling import SOON
from mcpdeck.tui.tools import definition_of, read_approvals, read_definition, read_tools

_UNUSED: Final = "calls:<1 state:offered"


def _targets(deck: Deck, order: Order) -> Sequence[ToolRow]:
    """The named one, else the marked ones, else the one under the cursor."""
    return tools.find(deck.state, order.arguments[0]) if order.arguments else deck.place.tool_rows


def _registrations(deck: Deck, order: Order) -> list[str]:
    return list(dict.fromkeys(row.registered for row in _targets(deck, order)))


# Going somewhere


@does("view.tools")
@does("view.approvals")
def show(deck: Deck, order: Order) -> None:
    view = View(order.command.id.removeprefix("view."))
    deck.go(view)
    if view is View.TOOLS and order.filter is None:
        deck.tools_view.open("")
    if order.filter is not None:
        deck.place.set_filter(order.filter)


@does("tool.describe")
def describe(deck: Deck, order: Order) -> None:
    found = _targets(deck, order)[:1]
    if order.arguments and not found:
        deck.say(f"there is no tool {order.arguments[0]!r} that you may read", "warning")
    for row in found:
        deck.tool_view.open(row)
        deck.go(View.TOOL)
        read_definition(deck, row)


@does("tool.adapter")
def open_adapter(deck: Deck, order: Order) -> None:
    for row in _targets(deck, order)[:1]:
        adapter = row.tool.adapter if row.tool else row.source
        if adapter not in deck.state.adapters:
            deck.say(f"{row.name} is of no adapter that you may read", "warning")
            return
        deck.detail_view.open(adapter, as_yaml=False)
        deck.go(View.DETAIL)


@does("tool.toolset")
def choose_toolset(deck: Deck, order: Order) -> None:
    """The named one; without a name, the next, and all after the last."""
    names = ["", *(each.name for each in deck.state.catalogue.toolsets)]
    here = names.index(deck.tools_view.toolset) if deck.tools_view.toolset in names else 0
    wanted = order.arguments[0] if order.arguments else names[(here + 1) % len(names)]
    if wanted not in names and deck.state.catalogue.at is not None:
        deck.say(f"there is no toolset {wanted!r}; there are {', '.join(names[1:]) or 'none'}", "warning")
        return
    if len(names) == 1 and not order.arguments:
        deck.say("there are no toolsets; mcpdeck toolsets create makes one")
    deck.go(View.TOOLS)
    deck.tools_view.open(wanted)


def _toggle_unused(deck: Deck) -> None:
    deck.go(View.TOOLS)
    view = deck.tools_view
    view.set_filter("" if view.filter_text == _UNUSED else _UNUSED)


@does("tool.yaml")
def show_yaml(deck: Deck, order: Order) -> None:
    from mcpdeck.tui.screens.page import PageScreen

    for row in _targets(deck, order)[:1]:
        if row.tool is None:
            deck.say(f"the registration of {row.name} is not yours to read", "warning")
            return
        deck.push_screen(PageScreen(row.registered, toned(_yaml(row.tool))))


def _yaml(spec: ToolSpec) -> str:
    import yaml

    kept = {name: getattr(spec, name) for name in ToolSpec.__struct_fields__}
    plain = msgspec.to_builtins(ToolSpec(**kept))
    return str(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=100))


# Changing registrations


@does("tool.register")
def register(deck: Deck, order: Order) -> None:
    from mcpdeck import control
    from mcpdeck.tui.screens.register import RegisterScreen

    async def submit(spec: ToolSpec) -> Errors:
        return await _send(deck, order, spec, lambda: deck.client.do(control.register(spec)), "is registered")

    adapter = next(iter(deck.place.adapter_names), "")
    names = sorted(deck.state.adapters)
    deck.push_screen(RegisterScreen(submit, adapters=names, adapter=adapter))


@does("tool.edit")
def edit(deck: Deck, order: Order) -> None:
    """As YAML, in the same dialog that registers; whoever changed it meanwhile is not overwritten."""
    from mcpdeck import control
    from mcpdeck.tui.screens.register import RegisterScreen

    tool = next((row.tool for row in _targets(deck, order)), None)
    if tool is None:
        return

    async def submit(spec: ToolSpec) -> Errors:
        change = partial(deck.client.do, control.replace_tool(tool.name, spec, tool.etag))
        return await _send(deck, order, spec, change, "is changed")

    deck.push_screen(RegisterScreen(submit, adapters=[], text=_yaml(tool), title=f"Edit {tool.name}"))


async def _send(deck: Deck, order: Order, spec: ToolSpec, change: Any, said: str) -> Errors:
    from mcpdeck.errors import ProblemError, Unreachable

    error, errors = "", {}
    try:
        await change()
    except Unreachable as failure:
        error, errors = str(failure), {"": [str(failure)]}
    except ProblemError as failure:
        problem = failure.problem
        error, errors = str(failure), problem.errors or {"": [problem.detail or problem.title]}
    record(deck, order.command, spec.name, error=error)
    if not error:
        deck.say(f"{spec.name} {said}")
        await read_tools(deck)
    return errors


@does("tool.delete")
def delete(deck: Deck, order: Order) -> None:
    from mcpdeck import control

    names = _registrations(deck, order)
    offered = [row.name for row in tools.rows(deck.state) if row.registered in names and row.is_offered]

    async def change(name: str) -> None:
        await deck.client.do(control.delete_tool(name))
        await read_tools(deck)

    changes = {named(name): partial(change, name) for name in names}
    said = Said("is deleted", "are deleted", "registration")
    run = partial(start_each, deck, order.command, changes, said=said)
    label = names[0] if len(names) == 1 else plural(len(names), "registration")
    owners = {row.tool.created_by for row in _targets(deck, order) if row.tool}
    facts = [("Owner", ", ".join(sorted(owners))), ("Offers", ", ".join(offered[:8]) or "nothing")]
    lost = f"Clients lose {plural(len(offered), 'tool')} at once. This can not be undone."
    ask(deck, f"Delete {label}?", facts=facts, lost=lost, verb="Delete", then=run, name=label)


@does("tool.pin")
def pin(deck: Deck, order: Order) -> None:
    """Shows what would be accepted, as a difference to what was accepted from here, where that is known."""
    for name in _registrations(deck, order)[:1]:
        deck.begin(_pin, deck, order, name, group=f"pin {name}", opens_within=SOON)


async def _pin(deck: Deck, order: Order, name: str) -> None:
    from mcpdeck import control
    from mcpdeck.tui.locks import accepted_before, keep_accepted
    from mcpdeck.tui.screens.difference import DifferenceScreen

    found = [row for row in tools.rows(deck.state) if row.registered == name and row.offer and row.offer.digest]
    if not found:
        deck.say(f"{name} offers nothing to lock", "warning")
        return
    now = {row.original: row.offer.digest for row in found if row.offer}
    gone = next((dict.fromkeys(row.tool.locked.keys() - now.keys()) for row in found if row.tool), {})
    definitions = {row.original: definition for row in found if (definition := (await definition_of(deck, row))[0])}
    before = await accepted_before(deck, name)

    async def change() -> None:
        await deck.client.do(control.patch_tool(name, {"locked": now | gone}))
        await keep_accepted(deck, name, definitions)
        await read_tools(deck)

    def answered(yes: bool | None) -> None:
        if yes:
            start(deck, order.command, named(name), change=change, said=f"is locked: {', '.join(sorted(now))}")

    drifted = [row.name for row in found if row.offer and row.offer.drift]
    question = f"Accept what {', '.join(drifted)} now say{'s' * (len(drifted) == 1)}?" if drifted else f"Lock {name}?"
    was = {name: before.get(name, {}) for name in definitions} if before else {}
    deck.push_screen(DifferenceScreen(question, before=_text(was), after=_text(definitions)), answered)


def _text(definitions: dict[str, Any]) -> str:
    import yaml

    return str(yaml.safe_dump(definitions, sort_keys=True, allow_unicode=True, width=88)) if definitions else ""


@does("tool.unpin")
def unpin(deck: Deck, order: Order) -> None:
    from mcpdeck import control

    for name in _registrations(deck, order)[:1]:
        change = partial(deck.client.do, control.patch_tool(name, {"locked": None}))
        start(deck, order.command, named(name), change=change, said="may change again")


# Calls that wait


def _held(deck: Deck, order: Order) -> list[PendingApproval]:
    ids = order.arguments[:1] or deck.place.approval_ids
    return [each for each in deck.state.approvals if each.id in ids]


@does("approval.describe")
def describe_held(deck: Deck, order: Order) -> None:
    from mcpdeck.tui.screens.page import PageScreen

    for each in _held(deck, order)[:1]:
        page = approvals.describe(each, deck.surroundings.clock())
        deck.push_screen(PageScreen(f"A call of {each.tool} waits", page))


@does("approval.approve")
@does("approval.deny")
def decide(deck: Deck, order: Order) -> None:
    """An approval is of what was shown: the digest of these arguments goes with it."""
    held = _held(deck, order)
    is_yes = order.command.id == "approval.approve"

    def run() -> None:
        for each in held:
            deck.begin(_decide, deck, order, each, group=f"decide {each.id}")

    if not is_yes:
        run()
        return
    facts = [("Call", f"{each.tool}  {approvals.arguments(each)}") for each in held[:6]]
    facts += [("Who waits", ", ".join(sorted({approvals.user(each) for each in held})))]
    lost = " ".join(sorted({each.reason for each in held if each.reason}))
    name = held[0].tool if len(held) == 1 else plural(len(held), "call")
    ask(deck, f"Let {name} go out?", facts=facts, lost=lost, verb="Approve", then=run, name=name)


async def _decide(deck: Deck, order: Order, held: PendingApproval) -> None:
    from mcpdeck import control

    decision = ApprovalDecision(approve=order.command.id == "approval.approve", digest=held.digest)
    change = partial(deck.client.do, control.decide(held.id, decision))
    target = Target(held.id, f"{held.tool} by {approvals.user(held)}")
    error = await attempt(deck, order.command, target, change)
    record(deck, order.command, held.id, error=error)
    if not error:
        deck.say(f"{target.label} {'goes out' if decision.approve else 'is not approved'}")
    await read_approvals(deck)


def _fold(deck: Deck) -> None:
    if not deck.tool_view.lines.fold_here():
        deck.say("nothing folds on this line; z folds all that is deep")


do_plainly(
    {
        "tool.unused": _toggle_unused,
        "tool.approvals": lambda deck: deck.go(View.APPROVALS),
        "tool.fold": _fold,
        "tool.fold-all": lambda deck: deck.tool_view.turn_folds(),
    }
)
