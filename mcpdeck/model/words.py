"""Words, glyphs and tones for how something stands. A tone is a meaning; what colour it has is a theme's."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from gateway.wire.resources import Phase


class Tone(StrEnum):
    """What a text means; a theme decides how that looks."""

    PLAIN = "plain"
    DIM = "dim"
    STRONG = "strong"
    OK = "ok"
    BUSY = "busy"  # under way, will settle by itself
    WARN = "warn"
    BAD = "bad"
    ACCENT = "accent"


class Cell(NamedTuple):
    text: str
    tone: Tone = Tone.PLAIN


class Sign(NamedTuple):
    """A standing is told three ways at once, so that no reader depends on colour."""

    glyph: str
    plain: str  # the glyph for terminals without Unicode
    word: str
    tone: Tone


PHASES: Final[Mapping[Phase, Sign]] = {
    Phase.READY: Sign("●", "[OK]", "Ready", Tone.OK),
    Phase.STARTING: Sign("◔", "[..]", "Starting", Tone.BUSY),
    Phase.PENDING: Sign("◌", "[..]", "Pending", Tone.BUSY),
    Phase.ROLLING: Sign("◐", "[..]", "Rolling", Tone.BUSY),
    Phase.DEGRADED: Sign("▲", "[!!]", "Degraded", Tone.WARN),
    Phase.FAILED: Sign("✖", "[XX]", "Failed", Tone.BAD),
    Phase.STOPPED: Sign("○", "[--]", "Stopped", Tone.DIM),
    Phase.STOPPING: Sign("◌", "[..]", "Stopping", Tone.DIM),
}
UNKNOWN: Final = Sign("?", "[??]", "Unknown", Tone.DIM)
# What needs a reader soonest comes first; None stands for what nothing is known of.
URGENCY: Final = (
    *(Phase.FAILED, Phase.DEGRADED, None, Phase.PENDING, Phase.STARTING, Phase.ROLLING, Phase.STOPPING),
    *(Phase.READY, Phase.STOPPED),
)
FAULTY: Final = frozenset({Phase.DEGRADED, Phase.FAILED})


def sign_of(phase: Phase | None) -> Sign:
    return UNKNOWN if phase is None else PHASES[phase]


class Glyphs(NamedTuple):
    """What the deck draws with. Every glyph is one cell wide in every common font."""

    cursor: str
    mark: str
    up: str
    down: str
    dot: str
    live: str
    waiting: str
    broken: str
    rule: str
    ellipsis: str
    bar: str
    crumb: str
    yes: str
    bars: str
    no: str

    def glyph(self, sign: Sign) -> str:
        return sign.plain if self.cursor == ">" else sign.glyph

    def sign(self, sign: Sign) -> str:
        return f"{self.glyph(sign)} {sign.word}"


UNICODE: Final = Glyphs("❯", "◆", "↑", "↓", "·", "●", "◌", "✖", "─", "…", "│", "›", "✓", "▁▂▃▄▅▆▇█", "✖")
ASCII: Final = Glyphs(">", "*", "^", "v", "-", "[on]", "[..]", "[XX]", "-", "~", "|", ">", "ok", "_.:-=+*#", "--")
