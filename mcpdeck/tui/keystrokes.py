"""What a terminal sends where Escape and another key come close together: both of them. Binds no key.

`\\x1b2` is Escape and then 2, or alt+2: a terminal without the Kitty protocol can't tell them apart. Textual takes it
for what macOS types with option (`™`); of `\\x1b:` and of `\\x1bj\\x1b` it loses the Escape. Here it is alt where a
keymap binds that, and else two keys.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from textual import events
from textual._xterm_parser import XTermParser

from mcpdeck.model.keymap import Keymap

_ESCAPE: Final = "\x1b"
_BEGINS: Final = frozenset("[]OPX^_N\\")  # a longer sequence, perhaps
_WORDWISE: Final = frozenset("bf")  # which is how option with an arrow comes

type _Keys = Callable[[XTermParser, str, bool], Iterable[events.Key]]


class Keystrokes:
    """Textual's reading of a sequence, but for an Escape before a single character."""

    def __init__(self, textuals: _Keys) -> None:
        self._textuals = textuals
        self.bound: frozenset[str] = frozenset()

    def read(self, parser: XTermParser, sequence: str, alt: bool = False) -> Iterator[events.Key]:
        """alt: an Escape came before it, and nothing that makes a longer sequence after it."""
        character = sequence[-1:]
        if not (alt or _is_two_keys(sequence)) or not character.isprintable():
            yield from self._textuals(parser, sequence, alt)
            return
        plain = list(self._textuals(parser, character, False))
        key = f"alt+{plain[0].key}" if plain else ""
        if key in self.bound:
            yield events.Key(key, character)
        elif not alt and character in _WORDWISE:
            yield from self._textuals(parser, sequence, alt)
        else:
            yield events.Key("escape", _ESCAPE)
            yield from plain


def _is_two_keys(sequence: str) -> bool:
    return len(sequence) == 2 and sequence[0] == _ESCAPE and sequence[1] not in _BEGINS


_KEYSTROKES: Final = Keystrokes(XTermParser._sequence_to_key_events)  # noqa: SLF001  (there is no other way in)


def part_from_escape(keymap: Keymap) -> None:
    """From now on, in this process. Before Textual begins to read."""
    changed = keymap.changed.values()
    _KEYSTROKES.bound = frozenset(key for keys in changed for key in keys if key.startswith("alt+"))

    def read(parser: XTermParser, sequence: str, alt: bool = False) -> Iterator[events.Key]:
        return _KEYSTROKES.read(parser, sequence, alt)

    XTermParser._sequence_to_key_events = read  # type: ignore[method-assign, assignment]  # noqa: SLF001
