"""How well a text is told from what is behind it: the ratio of WCAG 2, from 1 (not at all) to 21 (black on white)."""

from rich.color_triplet import ColorTriplet


def contrast(one: ColorTriplet | tuple[int, int, int], other: ColorTriplet | tuple[int, int, int]) -> float:
    darker, lighter = sorted((_luminance(*one), _luminance(*other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(*channels: int) -> float:
    red, green, blue = (
        share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4
        for share in (channel / 255 for channel in channels)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
