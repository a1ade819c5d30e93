"""One colour per label, told apart by colour-blind eyes too, with text that can be read on it.

Colours: Okabe and Ito, "Color Universal Design" (2008), without black. Contrast: WCAG 2.2, relative luminance.
"""

from __future__ import annotations

from collections.abc import Iterable

Color = tuple[int, int, int]

WHITE: Color = (255, 255, 255)
BLACK: Color = (0, 0, 0)

OKABE_ITO: tuple[Color, ...] = (
    (230, 159, 0),  # orange
    (86, 180, 233),  # sky blue
    (0, 158, 115),  # bluish green
    (240, 228, 66),  # yellow
    (0, 114, 178),  # blue
    (213, 94, 0),  # vermillion
    (204, 121, 167),  # reddish purple
)


def _shade(color: Color, keep: float, ground: int) -> Color:
    red, green, blue = (round(value * keep + ground * (1 - keep)) for value in color)
    return red, green, blue


PALETTE: tuple[Color, ...] = tuple(
    _shade(color, keep, ground)
    for keep, ground in ((1.0, 255), (0.55, 255), (0.6, 0), (0.3, 255), (0.35, 0))
    for color in OKABE_ITO
)
"""The seven, then the seven lighter, darker, still lighter and still darker."""


def colors_of(labels: Iterable[str]) -> dict[str, Color]:
    """A colour for each label, RGB 0 to 255, in the order in which the labels are first met.

    There are 35; the labels beyond them share those of others.
    """
    return {label: PALETTE[index % len(PALETTE)] for index, label in enumerate(dict.fromkeys(labels))}


def text_color(background: Color) -> Color:
    """Black or white, whichever contrasts more with the background."""
    light = luminance(background) + 0.05
    return BLACK if light / 0.05 >= 1.05 / light else WHITE


def luminance(color: Color) -> float:
    """Relative luminance, 0 (black) to 1 (white)."""
    red, green, blue = (_linear(value / 255) for value in color)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else float(((value + 0.055) / 1.055) ** 2.4)
