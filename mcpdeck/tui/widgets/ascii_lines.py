"""What a terminal without Unicode shows of what the deck and Textual draw with. Leaves letters of any script alone."""

from typing import Final

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

_DRAWN: Final = (  # each as wide as what stands for it
    ("─━═╌┄▔⎯–—‐‑−", "-"),
    ("│┃║╎┆▌▐▊▎▏▕", "|"),
    ("╭╮╰╯┌┐└┘├┤┬┴┼╔╗╚╝", "+"),
    ("▁▂▃▄▅▆▇", " "),  # the ends of a scroll bar; bars of a chart come plain from the deck
    ("█▓▒", "#"),
    ("░·•‧", "."),
    ("▼▾↓", "v"),
    ("▲△↑", "^"),
    ("▸▶›→⇒⇢❯", ">"),
    ("◂◀‹←⇐⇠", "<"),
    ("●○◌◐◔◆", "o"),
    ("✖✗×", "x"),
    ("✓✔", "v"),
    ("…", "~"),
    ("“”„", '"'),
    ("‘’‚", "'"),
)
_PLAIN: Final = {ord(sign): plain for signs, plain in _DRAWN for sign in signs}


class AsciiLines(LineFilter):
    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:  # noqa: ARG002
        return [
            segment if segment.text.isascii() else Segment(segment.text.translate(_PLAIN), segment.style)
            for segment in segments
        ]
