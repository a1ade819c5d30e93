"""Random marks that belong to no label: the unknowns that the demo model is trained against.

Plain ones are stacked from discs, rings, polygons, stars, bars, waves, crosses and letters in random palettes, the
taught marks' palettes among them. Near ones are a taught mark gone wrong: other colours, another inside, another
outline, one piece. None of these outlines occurs in `marks.UNTAUGHT`, so the strangers of the demo clip are new to
the model.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Sequence

import numpy as np
from numpy.random import Generator

from streamfilter.demo.clutter import random_colour
from streamfilter.demo.marks import TAUGHT
from streamfilter.demo.shapes import (
    Colour,
    Layer,
    Mark,
    Outline,
    arc,
    ellipse,
    letters,
    moved,
    points,
    polygon,
    rectangle,
    render,
    star,
    wave,
)
from streamfilter.training.scribble import FONTS
from streamfilter.types import Pixels

NEAR_SHARE = 0.5
"""Share of random marks that are a taught mark gone wrong."""

_RECOLOURED_FROM = 90.0
"""Smallest distance in RGB that makes a recoloured layer another colour and not another light."""

_CAPITALS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789&"


def random_mark(rng: Generator, height: int = 160) -> Pixels:
    """A mark of no label, `(height, W, 4)` uint8 RGBA with a transparent background."""
    return render(near_stranger(rng) if rng.random() < NEAR_SHARE else plain_stranger(rng), height)


def plain_stranger(rng: Generator) -> Mark:
    """Shapes stacked at random, aspect ratio 0.8 to 2.6."""
    makers: Sequence[Callable[[Generator, list[Colour]], Mark]] = (_emblem, _emblem, _bars, _word, _row)
    return makers[int(rng.integers(len(makers)))](rng, _palette(rng))


def near_stranger(rng: Generator) -> Mark:
    """A taught mark gone wrong, clearly enough that a person would not take it for the mark."""
    mark = TAUGHT[int(rng.integers(len(TAUGHT)))]
    kind = rng.random()
    if kind < 0.35:
        return _recoloured(rng, mark)
    if kind < 0.65:
        return _other_inside(rng, mark)
    if kind < 0.9:
        return _other_plate(rng, mark)
    return Mark("piece", mark.aspect, (mark.layers[int(rng.integers(len(mark.layers)))],))


def _palette(rng: Generator) -> list[Colour]:
    """Four colours: those of one taught mark, those of two mixed, or any."""
    first, second = (TAUGHT[int(rng.integers(len(TAUGHT)))] for _ in range(2))
    kind = rng.random()
    pool = [part.colour for part in first.layers] if kind < 0.5 else []
    pool += [part.colour for part in second.layers] if kind < 0.25 else []
    pool += [random_colour(rng) for _ in range(4 if kind >= 0.5 else 1)]
    return [pool[int(index)] for index in rng.integers(0, len(pool), 4)] if kind < 0.5 else pool


_ANY_KIND = tuple(range(9))
_STRANGE_KINDS = (4, 5, 6, 7, 8)
"""Shapes that look like no taught mark's inside, not even when small: star, square, cross, half disc, letter."""


def _shape(rng: Generator, x: float, y: float, size: float, *, kinds: Sequence[int] = _ANY_KIND) -> tuple[Outline, ...]:
    """One filled or hollow basic shape around x, y that fits into a circle of radius `size`."""
    turn = float(rng.choice([0, 0, np.pi / 4, np.pi / 6, np.pi]))
    kind = kinds[int(rng.integers(len(kinds)))]
    if kind == 0:
        return (ellipse(x, y, rx=size, ry=size * float(rng.uniform(0.5, 1))),)
    if kind == 1:
        return ellipse(x, y, rx=size), ellipse(x, y, rx=size * float(rng.uniform(0.4, 0.85)))
    if kind == 2:
        return (polygon(x, y, radius=size, sides=int(rng.integers(3, 9)), turn=turn),)
    if kind == 3:
        sides, inner = int(rng.integers(3, 9)), size * float(rng.uniform(0.35, 0.8))
        return polygon(x, y, radius=size, sides=sides), polygon(x, y, radius=inner, sides=sides)
    if kind == 4:
        tips = int(rng.integers(4, 10))
        return (star(x, y, outer=size, inner=size * float(rng.uniform(0.25, 0.75)), tips=tips, turn=turn),)
    if kind == 5:
        half = size * 0.7
        return (rectangle(x - half, y - half, width=2 * half, height=2 * half, rounding=half * rng.choice([0, 0.4])),)
    if kind == 6:
        return (_cross(x, y, size=size, arm=float(rng.uniform(0.15, 0.4)), turn=turn),)
    if kind == 7:
        start = float(rng.uniform(0, 2 * np.pi))
        return (arc(x, y, outer=size, inner=size * float(rng.choice([0, 0.5])), start=start, end=start + np.pi),)
    return _letter_outlines(rng, x, y, size, text=str(rng.choice(list(_CAPITALS))))


def _cross(x: float, y: float, *, size: float, arm: float, turn: float) -> Outline:
    a, s = arm * size, size * 0.95
    corners = points(
        (-a, -s), (a, -s), (a, -a), (s, -a), (s, a), (a, a), (a, s), (-a, s), (-a, a), (-s, a), (-s, -a), (-a, -a)
    )
    return moved(corners, by=(x, y), turn=turn)


def _letter_outlines(rng: Generator, x: float, y: float, size: float, *, text: str) -> tuple[Outline, ...]:
    outlines = letters(text, font=int(rng.choice(FONTS)), weight=float(rng.uniform(0.06, 0.16)))
    extent = np.concatenate(outlines).max(axis=0)
    scale = 2 * size / float(np.hypot(*extent))
    corner = (x - extent[0] * scale / 2, y - extent[1] * scale / 2)
    return tuple(moved(outline, by=corner, scale=scale) for outline in outlines)


def _emblem(rng: Generator, palette: list[Colour]) -> Mark:
    """A plate with one to three shapes inside one another."""
    size, layers = 0.49, []
    for index in range(int(rng.integers(1, 4))):
        layers.append(Layer(palette[index], _shape(rng, 0.5, 0.5, size)))
        size *= float(rng.uniform(0.45, 0.75))
    return Mark("emblem", 1.0, tuple(layers))


def _bars(rng: Generator, palette: list[Colour]) -> Mark:
    """Two to five bars or waves, level or upright, straight or slanted."""
    aspect, count = float(rng.uniform(0.9, 2.5)), int(rng.integers(2, 6))
    pitch, wavy, slant = 0.96 / count, rng.random() < 0.4, float(rng.choice([0, 0, 0.3, -0.3]))
    upright = not wavy and rng.random() < 0.5
    layers = []
    for index in range(count):
        middle, thick = 0.02 + (index + 0.5) * pitch, pitch * float(rng.uniform(0.45, 0.95))
        if wavy:
            swing = 0.5 * (pitch - thick) + 0.04
            periods = float(rng.uniform(0.5, 4))
            bar = wave(0.02, middle, width=aspect - 0.04, thickness=thick, amplitude=swing, periods=periods)
        elif upright:
            x, low = (middle - thick / 2) * aspect, float(rng.uniform(0.02, 0.5))
            bar = rectangle(x, low, width=thick * aspect, height=0.98 - low)
        else:
            bar = rectangle(0.02, middle - thick / 2, width=(aspect - 0.04) * float(rng.uniform(0.4, 1)), height=thick)
        sheared = bar + np.stack([slant * (0.5 - bar[:, 1]) * 0.6, np.zeros(len(bar))], axis=1)
        layers.append(Layer(palette[index % len(palette)], (sheared,)))
    return Mark("bars", aspect, tuple(layers))


def _word(rng: Generator, palette: list[Colour]) -> Mark:
    """A word of two to five letters, mostly on a plate."""
    text = "".join(rng.choice(list(_CAPITALS), int(rng.integers(2, 6))))
    outlines = letters(text, font=int(rng.choice(FONTS)), weight=float(rng.uniform(0.05, 0.14)))
    margin = float(rng.uniform(0.1, 0.25))
    scale = 1 - 2 * margin
    wide = float(np.concatenate(outlines)[:, 0].max()) * scale + 2 * margin
    placed = tuple(moved(outline, by=(margin, margin), scale=scale) for outline in outlines)
    plate = rectangle(0.01, 0.02, width=wide - 0.02, height=0.96, rounding=float(rng.choice([0, 0.15, 0.45])))
    layers = [Layer(palette[0], (plate,))] if rng.random() < 0.75 else []
    return Mark("word", wide, (*layers, Layer(palette[1], placed)))


def _row(rng: Generator, palette: list[Colour]) -> Mark:
    """Two or three shapes side by side, near enough to touch now and then."""
    count = int(rng.integers(2, 4))
    pitch = float(rng.uniform(0.55, 0.95))
    layers = tuple(
        Layer(palette[index], _shape(rng, 0.5 + index * pitch, 0.5, float(rng.uniform(0.25, 0.49))))
        for index in range(count)
    )
    return Mark("row", 1 + (count - 1) * pitch, layers)


def _recoloured(rng: Generator, mark: Mark) -> Mark:
    """The mark's own outlines in clearly other colours: every hue turned, or its two colours swapped."""
    shift = float(rng.uniform(0.2, 0.8))
    swapped = len(mark.layers) == 2 and rng.random() < 0.3
    old = [part.colour for part in mark.layers]
    new = old[::-1] if swapped else [_turned(colour, shift) for colour in old]
    far = [_distance(a, b) >= _RECOLOURED_FROM for a, b in zip(old, new, strict=True)]
    if not any(far):
        new[0] = (255 - old[0][0], 255 - old[0][1], 255 - old[0][2])
    return Mark(
        "recoloured", mark.aspect, tuple(Layer(c, part.outlines) for c, part in zip(new, mark.layers, strict=True))
    )


def _other_inside(rng: Generator, mark: Mark) -> Mark:
    """The mark's largest layer with strange shapes where the others were."""
    middle, size = mark.aspect / 2, 0.3
    plate = mark.layers[0] if len(mark.layers) == 2 else _shape_layer(rng, mark, size=0.49)
    count = 1 if mark.aspect < 1.4 else int(rng.integers(1, 4))
    inside = []
    for index in range(count):
        x = middle + (index - (count - 1) / 2) * mark.aspect / (count + 0.6)
        colour = mark.layers[-1 - index % len(mark.layers)].colour
        inside.append(Layer(colour, _shape(rng, x, 0.5, size, kinds=_STRANGE_KINDS)))
    return Mark("inside", mark.aspect, (plate, *inside))


def _other_plate(rng: Generator, mark: Mark) -> Mark:
    """The mark's colours in their places, with another outline: a shape or two in the first colour's stead."""
    middle, size = mark.aspect / 2, 0.49
    plate = _shape(rng, middle, 0.5, size, kinds=_STRANGE_KINDS)
    inside = _shape(rng, middle, float(rng.uniform(0.4, 0.6)), size * float(rng.uniform(0.3, 0.6)))
    layers = [Layer(mark.layers[0].colour, plate), Layer(mark.layers[-1].colour, inside)]
    return Mark("plate", mark.aspect, tuple(layers))


def _shape_layer(rng: Generator, mark: Mark, *, size: float) -> Layer:
    return Layer(mark.layers[0].colour, _shape(rng, mark.aspect / 2, 0.5, size))


def _turned(colour: Colour, shift: float) -> Colour:
    """The colour with its hue turned by this share of the circle; a grey becomes a colour."""
    hue, saturation, value = colorsys.rgb_to_hsv(*(channel / 255 for channel in colour))
    red, green, blue = colorsys.hsv_to_rgb((hue + shift) % 1, max(saturation, 0.35), max(value, 0.35))
    return round(red * 255), round(green * 255), round(blue * 255)


def _distance(first: Colour, second: Colour) -> float:
    return float(np.linalg.norm(np.subtract(first, second)))
