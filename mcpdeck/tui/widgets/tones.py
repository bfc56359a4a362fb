"""What a tone looks like on a widget that draws its own lines: component classes that `styles.tcss` colours."""

from collections.abc import Iterator, Sequence
from typing import Final

from rich.segment import Segment
from rich.style import Style
from textual.widget import Widget

from mcpdeck.model.words import Tone

TONE_CLASSES: Final = frozenset(f"tone--{tone}" for tone in Tone)


def tone_style(widget: Widget, tone: Tone) -> Style:
    """Only what the tone itself says, to be laid over a background. Textual keeps it until the theme changes."""
    return widget.get_component_rich_style(f"tone--{tone}", partial=True)


def marked(text: str, spans: Sequence[tuple[int, int]], *, style: Style, match: Style) -> Iterator[Segment]:
    """The text with what was looked for standing out. The spans ascend."""
    at = 0
    for start, end in spans:
        if start >= at:
            if start > at:
                yield Segment(text[at:start], style)
            yield Segment(text[start:end], match)
            at = end
    if at < len(text):
        yield Segment(text[at:], style)
