"""What the lines around a view say: masthead, strip, foot. Pure: parts with a tone, some of which run a command."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from mcpdeck.model.commands import MAIN_VIEWS, Command, View, key_name
from mcpdeck.model.formatting import age, milliseconds
from mcpdeck.model.keymap import STANDARD, Keymap
from mcpdeck.model.registry import BY_ID, footer_of
from mcpdeck.model.state import Standing, State
from mcpdeck.model.words import Glyphs, Tone

DEVICE_CODE: Final = re.compile(r"enter the code (\S+)")
_DEVICE: Final = re.compile(rf"Open (?:https://)?(\S+) and {DEVICE_CODE.pattern}")
_SHORT: Final = 4  # letters of a title that still tell which it is
SILENT: Final = timedelta(seconds=20)  # a gateway that is well says something every 15
WIDE = 100  # from here on there is room for what is only nice to know


class Part(NamedTuple):
    """A piece of a line. `command` is what a click on it runs."""

    text: str
    tone: Tone = Tone.PLAIN
    command: str = ""


type Parts = Sequence[Part]


def length(parts: Iterable[Part]) -> int:
    return sum(len(part.text) for part in parts)


def masthead(state: State, *, now: datetime, glyphs: Glyphs, width: int, read_only: bool) -> tuple[Parts, Parts]:
    """Left: where and as whom. Right: whether what is shown is true."""
    left = [Part(" mcpdeck ", Tone.ACCENT), Part(f" {state.context}", Tone.STRONG)]
    if width >= WIDE and state.url:
        left.append(Part(f"  {state.url}", Tone.DIM))
    if state.here.protected:
        left.append(Part("  protected", Tone.WARN))
    if read_only or state.here.read_only:
        left.append(Part("  read-only", Tone.WARN))
    right = []
    if who := state.principal:
        right.append(Part(who.name or who.id, Tone.PLAIN))
        if who.roles and width >= WIDE:
            right.append(Part(f" ({', '.join(who.roles)})", Tone.DIM))
        right.append(Part("   "))
    return left, [*right, *_link(state, now, glyphs), Part(" ")]


def _link(state: State, now: datetime, glyphs: Glyphs) -> Parts:
    link = state.link
    stale = [Part(f" {glyphs.dot} as of {age(state.fresh_at, now)} ago", Tone.WARN)] if state.fresh_at else []
    match link.standing:
        case Standing.LIVE if state.fresh_at and now - state.fresh_at > SILENT:
            return [Part(f"{glyphs.waiting} silent for {age(state.fresh_at, now)}", Tone.WARN)]
        case Standing.LIVE:
            return [Part(f"{glyphs.live} live", Tone.OK), Part(f" {milliseconds(state.latency)}", Tone.DIM)]
        case Standing.CONNECTING:
            return [Part(f"{glyphs.waiting} connecting", Tone.BUSY), *stale]
        case Standing.SIGN_IN:
            return [Part(f"{glyphs.broken} signed out", Tone.BAD), *stale]
        case Standing.RETRYING:
            left = max(0, round((link.retry_at - now).total_seconds())) if link.retry_at else 0
            when = f"in {left}s" if left else "now"
            return [Part(f"{glyphs.broken} offline, try {link.attempt} {when}", Tone.BAD), *stale]


def banner(state: State) -> tuple[Parts, Parts] | None:
    """What the reader has to do before the gateway talks with them, and the key that does it; None for nothing."""
    if state.signing is not None:
        told = state.signing.told or "Asking the gateway how one signs in"
        code = "identity.copy-code" if DEVICE_CODE.search(told) else ""
        copy = [Part(":code ", Tone.ACCENT, code), Part("Copy it  ", command=code)] if code else []
        give_up = [Part("L ", Tone.ACCENT, "identity.login"), Part("Give up ", command="identity.login")]
        return _signing_in(told), [*copy, *give_up]
    if state.link.standing is Standing.SIGN_IN:
        left = [Part(" The gateway does not know you", Tone.WARN), Part(f"  {state.link.reason}", Tone.DIM)]
        return left, [Part("  L ", Tone.ACCENT, "identity.login"), Part("Sign in ", command="identity.login")]
    if state.link.standing is Standing.RETRYING and state.link.attempt > 1:  # a blink is not told
        left = [Part(" Not connected", Tone.WARN), Part(f"  {state.link.reason}", Tone.PLAIN)]
        return left, [Part("  ctrl+r ", Tone.ACCENT, "deck.retry"), Part("Try now ", command="deck.retry")]
    return None


def _signing_in(told: str) -> Parts:
    """A code comes first: where space is short, it is the last thing to be cut."""
    if device := _DEVICE.fullmatch(told):
        page, code = device.groups()
        return [Part(" Enter ", Tone.BUSY), Part(code, Tone.STRONG), Part(f"  at {page}", Tone.PLAIN)]
    return [Part(" Signing in  ", Tone.BUSY), Part(told, Tone.STRONG)]


def strip(view: View, *, crumb: str, width: int, glyphs: Glyphs, keymap: Keymap = STANDARD) -> Parts:
    """The main views by number; `crumb` is what was opened from one. Where space is short, titles give way."""
    for gap, letters in ((3, None), (1, None), (1, _SHORT)):
        parts = list(_tabs(view, crumb=crumb, gap=gap, letters=letters, glyphs=glyphs, keymap=keymap))
        if length(parts) <= width:
            return parts
    return list(_tabs(view, crumb=crumb, gap=1, letters=0, glyphs=glyphs, keymap=keymap))


def _tabs(view: View, *, crumb: str, gap: int, letters: int | None, glyphs: Glyphs, keymap: Keymap) -> Iterator[Part]:
    """letters: so many of each title that one is not at; None for all. A key that leads elsewhere now is not shown."""
    yield Part(" ")
    for main in MAIN_VIEWS:
        command = BY_ID[f"view.{main}"]
        is_here = main is view
        tone = Tone.DIM if not is_here else Tone.PLAIN if crumb else Tone.ACCENT
        key = next(map(key_name, keymap.keys(command)), "") if view in command.views else ""
        title = command.title if is_here else command.title[: letters if key or letters is None else _SHORT]
        yield Part(f"{key} {title}".strip(), tone, command.id)
        if crumb and is_here:
            yield Part(f" {glyphs.crumb} {crumb}", Tone.ACCENT)
        yield Part(" " * gap)


def foot(view: View, *, width: int, obstacle: Callable[[Command], str], keymap: Keymap = STANDARD) -> Parts:
    """As many of the view's keys as fit, the last ones (command, help) always. What can not run now is dim."""
    commands = [command for command in footer_of(view) if keymap.keys(command)]
    always = [_hint(command, obstacle, keymap) for command in commands if _stays(command)]
    room = width - length(part for hint in always for part in hint) - 1
    parts = [Part(" ")]
    for command in commands:
        if _stays(command):
            continue
        hint = _hint(command, obstacle, keymap)
        if (wide := length(hint)) > room:
            break
        room -= wide
        parts.extend(hint)
    for hint in always:
        parts.extend(hint)
    return parts


def _stays(command: Command) -> bool:
    return command.footer is not None and command.footer >= 20


def _hint(command: Command, obstacle: Callable[[Command], str], keymap: Keymap) -> Parts:
    key = key_name(keymap.keys(command)[0])
    barred = bool(obstacle(command))
    return [
        Part(key, Tone.DIM if barred else Tone.ACCENT, command.id),
        Part(f" {command.title}  ", Tone.DIM if barred else Tone.PLAIN, command.id),
    ]
