"""A Textual screenshot as a picture that looks the same everywhere: no run-dependent names, no font from the network.

Changes nothing that is shown.
"""

import re
import subprocess
from pathlib import Path

CELL = 12.2  # the width of a cell in Textual's SVG, at its font size of 20
FONTS = "'DejaVu Sans Mono', Menlo, Consolas, 'Liberation Mono', monospace"
FONT_SIZE = 20.26  # DejaVu Sans Mono is 0.602 em wide: at this size a letter is a cell

_FONT_FACE = re.compile(r"\s*@font-face \{.*?\}", re.DOTALL)
_UNIQUE = re.compile(r"terminal-\d+-")
_TEXT = re.compile(
    r'<text class="([^"]*)" x="([\d.]+)" y="([\d.]+)" textLength="[\d.]+" clip-path="[^"]*">([^<]*)</text>'
)
_SPACE = "&#160;"
_ENTITY = re.compile(r"&[#\w]+;")


def tidy(svg: str) -> str:
    """The same for the same screen, whenever and wherever it is made."""
    svg = _UNIQUE.sub("deck-", svg)
    svg = _FONT_FACE.sub("", svg)
    svg = svg.replace("font-family: Fira Code, monospace;", f"font-family: {FONTS};")
    svg = svg.replace("font-size: 20px;", f"font-size: {FONT_SIZE}px;")
    return _TEXT.sub(_text, svg)


def _text(match: re.Match[str]) -> str:
    """Some renderers drop spaces at the ends of a text, which would move it: begin where the first letter is."""
    style, x, y, text = match.groups()
    stripped = text.strip()
    lead = 0
    while stripped.startswith(_SPACE):
        stripped, lead = stripped.removeprefix(_SPACE), lead + 1
    while stripped.endswith(_SPACE):
        stripped = stripped.removesuffix(_SPACE)
    if not stripped:
        return ""
    letters = len(_ENTITY.sub("x", stripped))
    start, length = float(x) + lead * CELL, letters * CELL
    return f'<text class="{style}" x="{start:.1f}" y="{y}" textLength="{length:.1f}">{stripped}</text>'


def to_png(svg: Path, png: Path) -> None:
    """Raises CalledProcessError with rsvg-convert's words, FileNotFoundError where it is not installed."""
    subprocess.run(["rsvg-convert", svg, "-o", png], check=True, capture_output=True)  # noqa: S603, S607
