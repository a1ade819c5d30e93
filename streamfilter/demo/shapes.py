"""Outlines that the demo's marks are made of, and the brush that fills them.

A mark is drawn in units of its own height: y runs from 0 (top) to 1, x from 0 to its aspect ratio. An outline is an
`(N, 2)` float64 array of x, y. Outlines of one layer are filled by the even-odd rule, so an inner one is a hole.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from streamfilter.types import Pixels

Outline = NDArray[np.float64]
Colour = tuple[int, int, int]

_OVERSAMPLING = 4
_SUBPIXEL_BITS = 4


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """Outlines filled with one colour. `colour` is RGB, 0 to 255."""

    colour: Colour
    outlines: tuple[Outline, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Mark:
    """A drawn logo: layers from back to front. `aspect` is width over height."""

    name: str
    aspect: float
    layers: tuple[Layer, ...]


def layer(colour: Colour, *outlines: Outline) -> Layer:
    """A layer of these outlines, even-odd."""
    return Layer(colour, outlines)


def points(*pairs: tuple[float, float]) -> Outline:
    """The polygon through these x, y pairs."""
    return np.array(pairs, dtype=np.float64)


def ellipse(x: float, y: float, *, rx: float, ry: float | None = None) -> Outline:
    """An ellipse around x, y; a circle when `ry` is None."""
    angle = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    return np.stack([x + rx * np.cos(angle), y + (rx if ry is None else ry) * np.sin(angle)], axis=1)


def polygon(x: float, y: float, *, radius: float, sides: int, turn: float = 0.0) -> Outline:
    """A regular polygon around x, y with a corner on top; `turn` in radians."""
    angle = turn - np.pi / 2 + np.arange(sides) * 2 * np.pi / sides
    return np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle)], axis=1)


def star(x: float, y: float, *, outer: float, inner: float, tips: int, turn: float = 0.0) -> Outline:
    """A star around x, y with a tip on top."""
    angle = turn - np.pi / 2 + np.arange(2 * tips) * np.pi / tips
    radius = np.where(np.arange(2 * tips) % 2 == 0, outer, inner)
    return np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle)], axis=1)


def rectangle(x: float, y: float, *, width: float, height: float, rounding: float = 0.0) -> Outline:
    """A rectangle with its upper left corner at x, y and corners rounded by this radius."""
    if rounding <= 0:
        return points((x, y), (x + width, y), (x + width, y + height), (x, y + height))
    angle = np.linspace(0, np.pi / 2, 12)
    corners = [(x + width, y), (x + width, y + height), (x, y + height), (x, y)]
    inward = [(-1, 1), (-1, -1), (1, -1), (1, 1)]
    parts = []
    for index, ((cx, cy), (sx, sy)) in enumerate(zip(corners, inward, strict=True)):
        sweep = angle + (index - 1) * np.pi / 2
        parts.append(
            np.stack(
                [cx + sx * rounding + rounding * np.cos(sweep), cy + sy * rounding + rounding * np.sin(sweep)], axis=1
            )
        )
    return np.concatenate(parts)


def arc(x: float, y: float, *, outer: float, inner: float, start: float, end: float) -> Outline:
    """A piece of a ring between two angles, radians clockwise from the right."""
    angle = np.linspace(start, end, 64)
    rim = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    piece: Outline = np.concatenate([rim * outer, rim[::-1] * inner]) + np.array([x, y])
    return piece


def wave(x: float, y: float, *, width: float, thickness: float, amplitude: float, periods: float) -> Outline:
    """A horizontal wavy band that starts at x; y is its middle line."""
    along = np.linspace(0, 1, 80)
    swing = y - amplitude * np.sin(2 * np.pi * periods * along)
    top = np.stack([x + width * along, swing - thickness / 2], axis=1)
    bottom = np.stack([x + width * along, swing + thickness / 2], axis=1)
    return np.concatenate([top, bottom[::-1]])


def bow(start: tuple[float, float], end: tuple[float, float], *, bulge: float) -> Outline:
    """A smooth curve from start to end that bulges to its left by this share of its length (an open outline)."""
    first, last = np.array(start), np.array(end)
    along = np.linspace(0, 1, 48)[:, None]
    across = np.array([last[1] - first[1], first[0] - last[0]])
    bent: Outline = first + (last - first) * along + across * bulge * np.sin(np.pi * along) ** 0.8
    return bent


def moved(outline: Outline, *, by: tuple[float, float] = (0, 0), turn: float = 0.0, scale: float = 1.0) -> Outline:
    """The outline turned (radians) and scaled around the origin, then moved."""
    cos, sin = np.cos(turn) * scale, np.sin(turn) * scale
    result: Outline = outline @ np.array([[cos, sin], [-sin, cos]]) + by
    return result


def letters(text: str, *, font: int, weight: float) -> tuple[Outline, ...]:
    """Outlines of one line of text, one unit high, from x 0 on; `weight` is the stroke width as a share of that."""
    size = 96
    stroke = max(1, round(weight * size))
    (width, height), baseline = cv2.getTextSize(text, font, 3.0, stroke)
    canvas = np.zeros((height + baseline + 2 * stroke + 8, width + 2 * stroke + 8), np.uint8)
    cv2.putText(canvas, text, (stroke + 4, height + stroke + 4), font, 3.0, 255, stroke, cv2.LINE_AA)
    found, _ = cv2.findContours((canvas > 127).astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_TC89_L1)
    outlines = [contour[:, 0, :].astype(np.float64) for contour in found if len(contour) > 2]
    everything = np.concatenate(outlines)
    low, high = everything.min(axis=0), everything.max(axis=0)
    return tuple((outline - low) / (high[1] - low[1]) for outline in outlines)


def render(mark: Mark, height: int) -> Pixels:
    """The mark at this height in pixels: `(height, W, 4)` uint8 RGBA, antialiased, straight alpha."""
    width = max(1, round(mark.aspect * height))
    colour = np.zeros((height, width, 3), np.float32)
    cover = np.zeros((height, width, 1), np.float32)
    for part in mark.layers:
        mask = _mask(part.outlines, width=width, height=height)
        colour = colour * (1 - mask) + np.array(part.colour, np.float32) * mask
        cover = cover * (1 - mask) + mask
    # What is transparent takes the edge's own mean colour, so that no scaling can bring up a dark fringe.
    mean = colour.sum(axis=(0, 1)) / max(float(cover.sum()), 1e-6)
    straight = np.where(cover > 1e-3, colour / np.maximum(cover, 1e-3), mean)
    stacked: Pixels = np.concatenate([straight, cover * 255], axis=2).round().clip(0, 255).astype(np.uint8)
    return stacked


def _mask(outlines: tuple[Outline, ...], *, width: int, height: int) -> NDArray[np.float32]:
    scale = height * _OVERSAMPLING
    fine = np.zeros((scale, width * _OVERSAMPLING), np.uint8)
    fixed = [np.round((o * scale - 0.5) * (1 << _SUBPIXEL_BITS)).astype(np.int32) for o in outlines]
    cv2.fillPoly(fine, fixed, 255, lineType=cv2.LINE_8, shift=_SUBPIXEL_BITS)
    small = np.asarray(cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA), np.float32)
    return small[:, :, None] / np.float32(255)
