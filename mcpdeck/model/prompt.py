"""The grammar of `:`: a view or verb, its arguments, `/filter`, `@context`. Parses and completes; runs nothing."""

import difflib
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from mcpdeck.model import sessions
from mcpdeck.model.commands import Command, Takes
from mcpdeck.model.registry import COMMANDS
from mcpdeck.model.state import State

_WORDS = {word: command for command in COMMANDS for word in command.words}
_NEAR: Final = 0.7  # of two words' letters, from which one may stand for the other


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What was typed: `weather 3` after `scale`; a filter is kept apart, since it may hold spaces."""

    command: Command
    arguments: tuple[str, ...] = ()
    filter: str | None = None
    context: str | None = None


class Misunderstood(msgspec.Struct, frozen=True):
    """`sentence` says what was wrong and what is near."""

    sentence: str


def parse(text: str) -> Order | Misunderstood:
    """`view [NAME] [/filter] [@context]`, `verb target …`, or `@context` alone."""
    text = text.strip().removeprefix(":")
    before, slash, wanted = _cut_filter(text)
    try:
        words = shlex.split(before)
    except ValueError as error:
        return Misunderstood(f"{text!r}: {error}")
    contexts = [word[1:] for word in words if word.startswith("@")]
    words = [word for word in words if not word.startswith("@")]
    if len(contexts) > 1:
        return Misunderstood("name one context only")
    context = contexts[0] if contexts else None
    if not words:
        if context is None:
            return Misunderstood("type a view or a verb; ? shows them all")
        return Order(command=_WORDS["context"], arguments=(context,))
    command = _WORDS.get(words[0])
    if command is None:
        return Misunderstood(_unknown(words[0]))
    return Order(command=command, arguments=tuple(words[1:]), filter=wanted if slash else None, context=context)


def _cut_filter(text: str) -> tuple[str, str, str]:
    """A filter begins at a slash that begins a word, and goes to the end; after what wants a file it is a path's."""
    named = _WORDS.get(text.partition(" ")[0])
    if named is not None and named.usage == "FILE":
        return text, "", ""
    if text.startswith("/"):
        return "", "/", text[1:]
    return text.partition(" /")


def _unknown(word: str) -> str:
    near = next((known for known in _WORDS if known.startswith(word)), None)
    near = near or next(iter(difflib.get_close_matches(word, _WORDS, n=1, cutoff=_NEAR)), None)
    return f"there is no {word!r}" + (f"; did you mean {near!r}?" if near else "; ? shows every command")


def ways(text: str, *, values: Callable[[Takes], Iterable[str]], history: Sequence[str] = ()) -> Iterator[str]:
    """The whole text in every way that it may go on: what was typed so before, the latest first; words, names."""
    if not text:
        return
    told = set()
    for line in (*reversed(history), *_ways_on(text, values)):
        if line.startswith(text) and line != text and line not in told:
            told.add(line)
            yield line


def _ways_on(text: str, values: Callable[[Takes], Iterable[str]]) -> Iterator[str]:
    head, space, last = text.rpartition(" ")
    if not space:
        yield from _WORDS
    elif last.startswith("@"):
        yield from (f"{head} @{name}" for name in sorted(values(Takes.CONTEXT)))
    elif (command := _WORDS.get(head)) is not None and command.takes is not None:
        yield from (f"{head} {value}" for value in sorted(values(command.takes)))


def hint(text: str) -> str:
    """What the command that is typed wants, and does; empty where it is none yet."""
    command = _WORDS.get(text.partition(" ")[0])
    return "" if command is None else f"{command.usage}  {command.help}".strip()


def resolve(order: Order, state: State) -> Order | Misunderstood:
    """The same with what it names made sure of: an adapter that is there, a session by the beginning of its id."""
    if not order.arguments:
        return order
    named = order.arguments[0]
    match order.command.takes:
        case Takes.ADAPTER if named not in state.adapters:
            return Misunderstood(f"there is no adapter {named!r} that you may read")
        case Takes.CONTEXT if state.contexts and named not in state.contexts:
            return Misunderstood(f"there is no context {named!r}; 8 shows those you know")
        case Takes.SESSION:
            found = sessions.find(state, named)
            if len(found) != 1:
                several = f"{len(found)} sessions' ids begin with {named!r}; give more of it"
                return Misunderstood(several if found else f"there is no live session {named!r} that you may see")
            return replace(order, arguments=(found[0].id, *order.arguments[1:]))
        case _:
            return order
