"""Whom the gateway takes the reader for, and why a verb is grey, as lines. Pure."""

from collections.abc import Iterator, Sequence

from mcpdeck.model.commands import CREATOR_ROLE, WRITER_ROLE, Command, key_name
from mcpdeck.model.keymap import STANDARD, Keymap
from mcpdeck.model.state import State
from mcpdeck.model.words import UNICODE, Cell, Glyphs, Tone

type Verb = tuple[Command, str]  # and what stands in its way; empty if nothing does


def whoami_lines(
    state: State, *, how: str, about: str, verbs: Sequence[Verb], glyphs: Glyphs = UNICODE, keymap: Keymap = STANDARD
) -> Iterator[list[Cell]]:
    """how: the way of signing in. about: what the verbs would act on; empty for nothing in particular."""
    who = state.principal
    if who is None:
        yield [Cell("The gateway has not said yet.", Tone.WARN), Cell(f"  {state.link.reason}", Tone.DIM)]
        return
    is_admin, may_create = "admin" in who.permissions, {"create", "admin"} & set(who.permissions)
    roles = ", ".join(who.roles) or "none: the token carries no roles"
    facts = [
        ("Gateway", state.url or state.context),
        ("You", f"{who.name or who.id}  ({who.id})" if who.name else who.id),
        ("Known by", f"{who.authentication}; {how}"),
        ("Roles", roles),
    ]
    yield from ([Cell(f"{label:<11}", Tone.DIM), Cell(value)] for label, value in facts)
    yield []
    yield [Cell("What that allows", Tone.ACCENT)]
    yes, no = Cell(f"  {glyphs.yes} ", Tone.OK), Cell(f"  {glyphs.no} ", Tone.BAD)
    create_needs = f"needs {WRITER_ROLE}, {CREATOR_ROLE}, or a role that the gateway was given for it"
    yield (
        [yes, Cell("deploy adapters")] if may_create else [no, Cell("deploy adapters  "), Cell(create_needs, Tone.DIM)]
    )
    see = "every adapter" if is_admin else "the adapters you made, and those whose requiredRoles name a role of yours"
    yield [yes, Cell(f"see and use {see}")]
    if is_admin:
        yield [yes, Cell("change every adapter, and end every session")]
    else:
        yield [yes, Cell("change the adapters you made, and end their sessions and your own")]
        yield [no, Cell("change other people's  "), Cell(f"needs {WRITER_ROLE}", Tone.DIM)]
    yield []
    yield [Cell(f"Here, for {about}" if about else "Here", Tone.ACCENT)]
    wide = max((len(command.title) for command, _ in verbs), default=0) + 2
    for command, why in verbs:
        key = next(map(key_name, keymap.keys(command)), f":{command.words[0]}" if command.words else "")
        tone = Tone.DIM if why else Tone.STRONG
        yield [no if why else yes, Cell(f"{key:<8}", tone), Cell(f"{command.title:<{wide}}"), Cell(why, Tone.DIM)]
