"""The grammar of `:`: a view or verb, its arguments, `/filter`, `@context`. Parses and completes; runs nothing."""

import difflib
import shlex
from collections.abc import Callable, Iterable, Sequence

import msgspec

from mcpdeck.model.commands import Command
from mcpdeck.model.registry import COMMANDS

_WORDS = {word: command for command in COMMANDS for word in command.words}


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
    """A filter begins at a slash that begins a word, and goes to the end."""
    if text.startswith("/"):
        return "", "/", text[1:]
    return text.partition(" /")


def _unknown(word: str) -> str:
    near = difflib.get_close_matches(word, _WORDS, n=1, cutoff=0.5)
    return f"there is no {word!r}" + (f"; did you mean {near[0]!r}?" if near else "; ? shows every command")


def complete(
    text: str, *, adapters: Iterable[str], values: Callable[[Command], Sequence[str]], history: Sequence[str] = ()
) -> str | None:
    """The whole text as it may go on: the last time it was typed so, else the first word, name or value that fits."""
    if not text:
        return None
    if earlier := next((line for line in reversed(history) if line.startswith(text) and line != text), None):
        return earlier
    head, space, last = text.rpartition(" ")
    if not space:
        return next((word for word in _WORDS if word.startswith(last) and word != last), None)
    command = _WORDS.get(head.split(" ", 1)[0])
    if command is None or last.startswith("/"):
        return None
    options = values(command) or (sorted(adapters) if "NAME" in command.usage and " " not in head else ())
    found = next((option for option in options if option.startswith(last) and option != last), None)
    return None if found is None else f"{head} {found}"
