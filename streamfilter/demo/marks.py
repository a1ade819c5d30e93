"""The demo's invented logos: those the demo model is taught, and those it must never know.

All are made up for this program; no likeness to a real mark is meant. `TAUGHT` are the labels of the demo model that is
shipped. `UNTAUGHT` appear only in the demo clip and where the model is measured on it; half of them come near a taught
mark in colour or shape. They stand on outlines that `strangers.random_mark`, which makes the unknowns of training, does
not have (crescent, chevron, gear, drop, lightning, spiral, hourglass, fish, crown, almond), so none can come up there.
"""

from __future__ import annotations

import numpy as np

from streamfilter.demo.shapes import (
    Mark,
    Outline,
    arc,
    bow,
    ellipse,
    layer,
    points,
    polygon,
    rectangle,
    wave,
)

WHITE = (250, 250, 248)
INK = (24, 26, 32)
TEAL, ORANGE = (0, 128, 128), (255, 122, 26)
SKY, BLUE, NAVY = (92, 200, 245), (30, 110, 220), (18, 40, 120)
VIOLET, YELLOW = (108, 48, 176), (255, 214, 40)
LIME, FOREST = (142, 204, 52), (16, 104, 56)
RED = (214, 28, 44)
AMBER, SUNSET = (255, 176, 0), (238, 84, 20)
PINK, CHARCOAL = (240, 60, 140), (52, 52, 62)


def _trivane() -> Mark:
    """A teal ring around an orange triangle."""
    ring = layer(TEAL, ellipse(0.5, 0.5, rx=0.49), ellipse(0.5, 0.5, rx=0.37))
    return Mark("Trivane", 1.0, (ring, layer(ORANGE, polygon(0.5, 0.53, radius=0.33, sides=3))))


def _undula() -> Mark:
    """Three waves, light to dark blue."""
    bands = [(SKY, 0.2), (BLUE, 0.5), (NAVY, 0.8)]
    return Mark(
        "Undula",
        1.9,
        tuple(
            layer(colour, wave(0.02, y, width=1.86, thickness=0.2, amplitude=0.095, periods=1.5)) for colour, y in bands
        ),
    )


def _hexora() -> Mark:
    """A violet hexagon with a notch in its right side and a yellow dot."""
    corner = polygon(0.5, 0.5, radius=0.49, sides=6)
    notched = np.insert(corner, 2, [(corner[1] * 0.72 + corner[2] * 0.28), (0.58, 0.5)], axis=0)
    notched = np.insert(notched, 4, corner[1] * 0.28 + corner[2] * 0.72, axis=0)
    return Mark("Hexora", 1.0, (layer(VIOLET, notched), layer(YELLOW, ellipse(0.36, 0.5, rx=0.16))))


def _folivo() -> Mark:
    """A leaf on its stalk, its halves light and dark green."""
    tip, foot = (1.19, 0.1), (0.2, 0.8)
    middle = points(foot, tip)
    light = np.concatenate([bow(foot, tip, bulge=0.3), middle[::-1]])
    dark = np.concatenate([bow(foot, tip, bulge=-0.3), middle[::-1]])
    stalk = points((0.03, 0.93), (0.24, 0.72), (0.3, 0.78), (0.09, 0.98))
    return Mark("Folivo", 1.22, (layer(FOREST, stalk), layer(LIME, light), layer(FOREST, dark)))


def _quillbar() -> Mark:
    """A red block with white bars that read like a word."""
    block = layer(RED, rectangle(0.01, 0.02, width=2.38, height=0.96, rounding=0.2))
    tall = [rectangle(x, 0.22, width=0.17, height=0.56) for x in (0.24, 0.86, 1.98)]
    low = [rectangle(x, 0.46, width=0.17, height=0.32) for x in (0.55, 1.66)]
    square = [rectangle(1.17, 0.22, width=0.36, height=0.56), rectangle(1.28, 0.36, width=0.14, height=0.28)]
    return Mark("Quillbar", 2.4, (block, layer(WHITE, *tall, *low, *square)))


def _solari() -> Mark:
    """A half sun with five rays over a black bar."""
    rays = [
        layer(AMBER, arc(0.75, 0.76, outer=0.73, inner=0.47, start=start, end=start + 0.34))
        for start in np.pi + 0.12 + np.arange(5) * (np.pi - 0.58) / 4
    ]
    sun = layer(SUNSET, arc(0.75, 0.76, outer=0.38, inner=0.0, start=np.pi, end=2 * np.pi))
    return Mark("Solari", 1.5, (*rays, sun, layer(INK, rectangle(0.04, 0.82, width=1.42, height=0.16, rounding=0.05))))


def _duplen() -> Mark:
    """A pink and a charcoal square frame that hook into one another."""

    def frame(x: float, y: float) -> tuple[Outline, Outline]:
        outer = rectangle(x, y, width=0.66, height=0.66, rounding=0.14)
        return outer, rectangle(x + 0.15, y + 0.15, width=0.36, height=0.36, rounding=0.04)

    over = rectangle(0.53, 0.3, width=0.15, height=0.19)
    return Mark(
        "Duplen",
        1.1,
        (layer(PINK, *frame(0.02, 0.02)), layer(CHARCOAL, *frame(0.42, 0.32)), layer(PINK, over)),
    )


def _velquo() -> Mark:
    """Near Trivane: its colours and a ring, but broken in three, around a crescent."""
    pieces = [
        layer(TEAL, arc(0.5, 0.5, outer=0.49, inner=0.39, start=turn, end=turn + 1.5))
        for turn in np.arange(3) * 2 * np.pi / 3
    ]
    crescent = np.concatenate(
        [
            arc(0.5, 0.5, outer=0.29, inner=0.29, start=0.9, end=2 * np.pi - 0.9)[:64],
            arc(0.62, 0.5, outer=0.235, inner=0.235, start=2 * np.pi - 1.3, end=1.3)[:64],
        ]
    )
    return Mark("Velquo", 1.0, (*pieces, layer(ORANGE, crescent)))


def _cheva() -> Mark:
    """Near Undula: three bands in its blues, but chevrons that point right."""

    def chevron(x: float) -> Outline:
        return points((x, 0.02), (x + 0.3, 0.02), (x + 0.7, 0.5), (x + 0.3, 0.98), (x, 0.98), (x + 0.4, 0.5))

    return Mark("Cheva", 1.55, tuple(layer(c, chevron(x)) for c, x in [(NAVY, 0.02), (BLUE, 0.42), (SKY, 0.82)]))


def _gerano() -> Mark:
    """Near Hexora: violet with yellow, but a gear with a keyhole."""
    angle = np.linspace(0, 2 * np.pi, 320, endpoint=False)
    radius = np.where(np.sin(9 * angle) > 0, 0.49, 0.39)
    gear = np.stack([0.5 + radius * np.cos(angle), 0.5 + radius * np.sin(angle)], axis=1)
    shaft = points((0.46, 0.44), (0.54, 0.44), (0.62, 0.74), (0.38, 0.74))
    return Mark("Gerano", 1.0, (layer(VIOLET, gear), layer(YELLOW, ellipse(0.5, 0.4, rx=0.13)), layer(YELLOW, shaft)))


def _rosola() -> Mark:
    """Near Folivo: two greens, but a drop with a highlight."""
    angle = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    drop = np.stack([0.38 + 0.36 * np.sin(angle) * np.sin(angle / 2) ** 1.3, 0.5 - 0.48 * np.cos(angle)], axis=1)
    return Mark("Rosola", 0.76, (layer(FOREST, drop), layer(LIME, ellipse(0.3, 0.7, rx=0.1, ry=0.15))))


def _boltar() -> Mark:
    """Near Quillbar: a red block with white, but slanted and with one lightning."""
    block = points((0.3, 0.02), (1.88, 0.02), (1.6, 0.98), (0.02, 0.98))
    flash = points((1.06, 0.1), (0.62, 0.56), (0.9, 0.56), (0.78, 0.9), (1.28, 0.42), (0.98, 0.42))
    return Mark("Boltar", 1.9, (layer(RED, block), layer(WHITE, flash)))


def _spirono() -> Mark:
    """A brown spiral."""
    angle = np.linspace(0.4, 5.2 * np.pi, 240)
    radius = 0.025 * angle + 0.04
    way = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    width = 0.04 + 0.002 * angle[:, None]
    band = np.concatenate([way * (radius[:, None] + width), (way * np.maximum(radius[:, None] - width, 0))[::-1]])
    return Mark("Spirono", 1.0, (layer((122, 74, 40), band * 0.92 + (0.5, 0.5)),))


def _houra() -> Mark:
    """A turquoise hourglass between two dark plates."""
    glass = points((0.1, 0.13), (0.7, 0.13), (0.44, 0.5), (0.7, 0.87), (0.1, 0.87), (0.36, 0.5))
    plates = [rectangle(0.02, y, width=0.76, height=0.11) for y in (0.02, 0.87)]
    return Mark("Houra", 0.8, (layer((40, 200, 190), glass), *(layer(INK, plate) for plate in plates)))


def _pescara() -> Mark:
    """A coral fish with a navy tail."""
    body = np.concatenate([bow((0.02, 0.5), (1.2, 0.5), bulge=0.36), bow((1.2, 0.5), (0.02, 0.5), bulge=0.36)])
    tail = points((1.08, 0.5), (1.58, 0.12), (1.44, 0.5), (1.58, 0.88))
    return Mark(
        "Pescara", 1.6, (layer(NAVY, tail), layer((255, 112, 98), body), layer(WHITE, ellipse(0.3, 0.42, rx=0.07)))
    )


def _corunna() -> Mark:
    """A golden crown on wine red."""
    plate = np.concatenate(
        [bow((0.04, 0.04), (1.26, 0.04), bulge=0.02), points((1.26, 0.6), (0.65, 0.98), (0.04, 0.6))]
    )
    crown = points((0.28, 0.62), (0.22, 0.2), (0.45, 0.42), (0.65, 0.14), (0.85, 0.42), (1.08, 0.2), (1.02, 0.62))
    return Mark("Corunna", 1.3, (layer((112, 16, 48), plate), layer((226, 180, 70), crown)))


def _lockett() -> Mark:
    """A grey padlock with a bright green almond."""
    arch = arc(0.5, 0.46, outer=0.42, inner=0.3, start=np.pi, end=2 * np.pi)
    body = rectangle(0.06, 0.44, width=0.88, height=0.54, rounding=0.1)
    almond = np.concatenate([bow((0.5, 0.9), (0.5, 0.62), bulge=1.0), bow((0.5, 0.62), (0.5, 0.9), bulge=1.0)])
    return Mark(
        "Lockett", 1.0, (layer((140, 146, 158), arch), layer((92, 98, 112), body), layer((60, 230, 120), almond))
    )


TAUGHT: tuple[Mark, ...] = (_trivane(), _undula(), _hexora(), _folivo(), _quillbar(), _solari(), _duplen())
UNTAUGHT: tuple[Mark, ...] = (
    _velquo(), _cheva(), _gerano(), _rosola(), _boltar(), _spirono(), _houra(), _pescara(), _corunna(), _lockett(),
)  # fmt: skip
