"""Pictures of one deck after another as a single SVG that moves: CSS alone, so that it plays wherever an image may.

What several frames share is drawn once, and shown while it is there. Without animation, or for who wants none, the
first frame stands.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

_STYLE = re.compile(r"\.deck-(r\d+) \{([^}]*)\}")
_BODY = re.compile(
    r'(?P<head>.*?<g transform="translate\(9, 41\)" clip-path="url\(#deck-clip-terminal\)">)\s*'
    r'(?P<rects>.*?)\s*<g class="deck-matrix">\s*(?P<texts>.*?)\s*</g>\s*</g>\s*</svg>',
    re.DOTALL,
)
_RECT = re.compile(r'<rect fill="([^"]+)" x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"[^/]*/>')
_TEXT = re.compile(r'<text class="deck-(r\d+)"(.*?</text>)')
_LINE_CLIPS = re.compile(r'<clipPath id="deck-line-\d+">.*?</clipPath>\s*', re.DOTALL)


class Frame(NamedTuple):
    """A tidied picture, and for how long it stands."""

    svg: str
    seconds: float


def film(frames: Sequence[Frame]) -> str:
    """All of one size. The same frames give the same text."""
    rects: dict[str, list[int]] = {}
    texts: dict[str, list[int]] = {}
    looks: dict[str, str] = {}
    head = ""
    for number, frame in enumerate(frames):
        body = _BODY.match(frame.svg)
        assert body is not None, "a picture is not as Textual draws them"  # noqa: S101
        styles = dict(_STYLE.findall(body["head"]))
        head = head or body["head"]
        for rect in _merged(body["rects"]):
            rects.setdefault(rect, []).append(number)
        for style, rest in _TEXT.findall(body["texts"]):
            look = looks.setdefault(styles[style].strip(), f"s{len(looks)}")
            texts.setdefault(f'<text class="{look}"{rest}', []).append(number)
    shown = _Shown(frames)
    drawn = [*shown.grouped(rects, ""), *shown.grouped(texts, "deck-matrix ")]
    head = _LINE_CLIPS.sub("", _STYLE.sub("", head))
    style = "\n".join([*(f".{name} {{ {look} }}" for look, name in looks.items()), *shown.rules()])
    return f"{head.replace('</style>', f'{style}\n    </style>', 1)}\n" + "\n".join(drawn) + "\n</g></svg>\n"


def _merged(rects: str) -> Iterable[str]:
    """Those of a line that lie side by side and look alike, as one."""
    held: tuple[str, float, str, float, str] | None = None
    for fill, x, y, width, height in _RECT.findall(rects):
        left, wide = float(x), float(width)
        if held and held[0] == fill and held[2] == y and abs(held[1] + held[3] - left) < 0.2:
            held = (fill, held[1], y, left + wide - held[1], height)
            continue
        if held:
            yield _rect(*held)
        held = (fill, left, y, wide, height)
    if held:
        yield _rect(*held)


def _rect(fill: str, x: float, y: str, width: float, height: str) -> str:
    return f'<rect fill="{fill}" x="{x:.1f}" y="{y}" width="{width:.1f}" height="{height}"/>'


class _Shown:
    """The rules that show what is in some frames and not in others; one for each such set."""

    def __init__(self, frames: Sequence[Frame]) -> None:
        self._total = sum(frame.seconds for frame in frames)
        ends, at = [], 0.0
        for frame in frames:
            at += frame.seconds
            ends.append(at)
        self._edges: Final = [0.0, *ends]
        self._count = len(frames)
        self._sets: dict[tuple[int, ...], str] = {}

    def grouped(self, drawn: dict[str, list[int]], class_: str) -> Iterable[str]:
        sets: dict[tuple[int, ...], list[str]] = {}
        for text, numbers in drawn.items():
            sets.setdefault(tuple(dict.fromkeys(numbers)), []).append(text)
        for numbers, group in sets.items():
            name = "" if len(numbers) == self._count else self._sets.setdefault(numbers, f"f{len(self._sets)}")
            yield f'<g class="{class_}{name}">{"".join(group)}</g>'

    def rules(self) -> Iterable[str]:
        for numbers, name in self._sets.items():
            first = "visible" if 0 in numbers else "hidden"
            steps, before = [], ""
            for number in range(self._count):
                now = "visible" if number in numbers else "hidden"
                if now != before:
                    steps.append(f"{self._edges[number] / self._total:.3%}{{visibility:{now}}}")
                before = now
            yield f".{name}{{visibility:{first};animation:{name} {self._total:g}s step-end infinite}}"
            yield f"@keyframes {name}{{{''.join(steps)}}}"
        yield "@media (prefers-reduced-motion:reduce){g{animation:none!important}}"
