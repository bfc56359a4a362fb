"""What the Traffic view says of itself: whose it is, how it stands, where one is in it, why it is empty. Pure."""

from collections.abc import Mapping
from datetime import datetime

from gateway.wire.resources import LiveSession
from gateway.wire.traffic import TrafficMessage
from mcpdeck.model import sessions
from mcpdeck.model.formatting import count
from mcpdeck.model.shell import Part, Parts
from mcpdeck.model.words import Glyphs, Tone
from mcpdeck.traffic.columns import clock_time
from mcpdeck.traffic.wishes import ALL, Wish


class Whose:
    """Names of sessions, which are remembered when a session is gone."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self.sessions: Mapping[str, LiveSession] = {}

    def forget(self) -> None:
        self._names.clear()

    def name(self, first: TrafficMessage) -> str:
        """In a word, for a column."""
        if (session := self.sessions.get(first.session)) is not None:
            self._names[session.id] = " ".join(session.client_name.split()) or sessions.user(session)
        return self._names.get(first.session) or first.session[:8]

    def head(self, first: TrafficMessage) -> str:
        """On a line of its own, over all that it said."""
        session = self.sessions.get(first.session)
        who = f"{sessions.client(session)}  {sessions.user(session)}" if session is not None else first.principal
        return " ".join(f"{first.session[:8] or 'no session'}  {who}".split())


def heading(wish: Wish | None, session: LiveSession | None) -> Parts:
    """session: the one that it is of alone, as long as it lives."""
    if wish is None:
        return [Part(" Traffic", Tone.STRONG)]
    kind = " Recording" if wish.recorded else " Traffic"
    parts = [Part(kind, Tone.STRONG), Part(f" of {wish.adapter or 'all adapters'}", Tone.STRONG)]
    if wish.session:
        told = f" {session.era}  {sessions.client(session)}" if session is not None else ""
        parts.append(Part(f"   {wish.session[:8]}{told}", Tone.PLAIN, "session.describe"))
    return parts


def is_over(standing: str) -> bool:
    """Nothing more comes, however long one listens."""
    return standing.startswith(("ended", "refused", "complete"))


def standing_parts(standing: str, *, dropped: int, fallen: int, is_paused: bool, glyphs: Glyphs) -> Parts:
    """dropped: messages that were lost on the way. fallen: exchanges that are no longer held."""
    parts = []
    if dropped:
        warn = "!" if glyphs.cursor == ">" else "⚠"
        parts.append(Part(f"{warn} {count(dropped)} dropped   ", Tone.WARN))
    if fallen:
        parts.append(Part(f"{count(fallen)} older gone   ", Tone.DIM))
    told = "paused" if is_paused else standing
    tone = Tone.OK if told in {"live", "complete"} else Tone.WARN if is_over(told) or is_paused else Tone.BUSY
    return [*parts, Part(f"{told} ", tone)]


def position(first: datetime, last: datetime, here: datetime, *, wide: int, glyphs: Glyphs) -> Parts:
    """From when to when, and where in between the cursor is."""
    share = (here - first) / (last - first) if last > first else 1.0
    at = max(0, min(wide - 1, round(share * (wide - 1))))
    dot = "o" if glyphs.cursor == ">" else "●"
    return [
        Part(clock_time(first, is_fine=False), Tone.DIM),
        Part(f" {glyphs.rule * at}{dot}{glyphs.rule * (wide - 1 - at)} ", Tone.ACCENT),
        Part(f"{clock_time(last, is_fine=False)} ", Tone.DIM),
    ]


def nothing(wish: Wish | None, standing: str, *, held: int) -> str:
    """Why there is no row, and what helps. held: exchanges that a filter hides."""
    if wish is None:
        return "Whose traffic?\n\n4 shows that of all adapters, Enter names one."
    if held:
        return "Nothing matches. Esc clears the filter."
    if standing.startswith("refused"):
        return f"{standing.removeprefix('refused: ').capitalize()}.\n\nctrl+r asks again."
    if wish.recorded:
        return f"Nothing is recorded of {wish.adapter} yet."
    if standing != "live":
        return standing.capitalize() or "Connecting…"
    whose = f"session {wish.session[:8]}" if wish.session else wish.adapter or "any adapter"
    more = "Enter names one adapter." if wish == ALL else "4 shows that of all adapters."
    return f"Nothing has passed at {whose} since you look.\n\nA message shows here as soon as it is sent. {more}"
