"""Drawn backgrounds without any mark: what the demo's scenes and training pictures stand on.

Every painter takes a generator and a size in pixels and gives `(height, width, 3)` uint8 RGB.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from streamfilter.training.scribble import FONTS
from streamfilter.types import Pixels

Floats = NDArray[np.float32]

_LETTERS = np.array(list("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"))


def draw_background(rng: Generator, width: int, height: int) -> Pixels:
    """A random background, `(height, width, 3)` uint8 RGB; one in three is a mixture of two kinds."""
    picture = _pick(rng)(rng, width, height)
    if rng.random() < 0.33:
        picture = _mixed(rng, picture, _pick(rng)(rng, width, height))
    if rng.random() < 0.5:
        picture = grain(rng, picture, strength=float(rng.uniform(1, 9)))
    return picture


def random_colour(rng: Generator) -> tuple[int, int, int]:
    """An RGB colour: vivid, muted or grey in equal shares."""
    saturation = (rng.integers(120, 256), rng.integers(30, 120), rng.integers(0, 30))[int(rng.integers(3))]
    hsv = np.array([[[rng.integers(180), saturation, rng.integers(30, 256)]]], np.uint8)
    red, green, blue = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0].tolist()
    return int(red), int(green), int(blue)


def grain(rng: Generator, picture: Pixels, *, strength: float) -> Pixels:
    """The picture with sensor noise of this standard deviation (0 to 255), alike in all three channels."""
    height, width = picture.shape[:2]
    noise = rng.standard_normal((height, width, 1), dtype=np.float32) * strength
    return _to_pixels(picture + noise)


def clouds(rng: Generator, width: int, height: int) -> Pixels:
    """Noise with a 1/f spectrum, as photographs have, between two or three colours."""
    field = np.zeros((height, width, 3), np.float32)
    cells, weight = 2, 1.0
    while cells < width:
        rows = max(2, cells * height // width)
        coarse = rng.standard_normal((rows, cells, 3), dtype=np.float32)
        field += weight * cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        cells, weight = cells * 2, weight * 0.55
    grey = field.mean(axis=2, keepdims=True)
    tint = float(rng.uniform(0, 0.7))
    field = (grey * (1 - tint) + field * tint) * float(rng.uniform(15, 50))
    return _to_pixels(field + np.array(random_colour(rng), np.float32))


def gradient(rng: Generator, width: int, height: int) -> Pixels:
    """A smooth run between two colours, straight or from a centre."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    if rng.random() < 0.5:
        angle = rng.uniform(0, 2 * np.pi)
        ramp = (x / width - 0.5) * np.cos(angle) + (y / height - 0.5) * np.sin(angle) + 0.5
    else:
        ramp = np.hypot(x / width - rng.uniform(0, 1), y / height - rng.uniform(0, 1))
    ramp = ramp.clip(0, 1).astype(np.float32)[:, :, None]
    first, last = (np.array(random_colour(rng), np.float32) for _ in range(2))
    return _to_pixels(first * (1 - ramp) + last * ramp)


def flat(rng: Generator, width: int, height: int) -> Pixels:
    """One colour; black and white come up more often than chance."""
    colour = [(0, 0, 0), (255, 255, 255), random_colour(rng), random_colour(rng)][int(rng.integers(4))]
    return np.full((height, width, 3), colour, np.uint8)


def blobs(rng: Generator, width: int, height: int) -> Pixels:
    """Shaded balls on a gradient, near ones sharp and far ones soft."""
    picture = gradient(rng, width, height)
    for _ in range(int(rng.integers(4, 22))):
        center = (int(rng.integers(width)), int(rng.integers(height)))
        radius = int(rng.uniform(0.03, 0.25) * height)
        colour = np.array(random_colour(rng), np.float32)
        for step in range(12):
            shade, aside = colour * (0.5 + 0.055 * step), step * radius // 30
            offset = (center[0] - aside, center[1] - aside)
            cv2.circle(picture, offset, max(1, radius - step * radius // 14), _shade(shade), -1, cv2.LINE_AA)
    return _blurred(picture, float(rng.choice([0, 0, 1.5, 4])))


def buildings(rng: Generator, width: int, height: int) -> Pixels:
    """House fronts with rows of windows under a sky."""
    picture = gradient(rng, width, height)
    x = -int(rng.integers(0, width // 8))
    while x < width:
        wide, top = int(rng.uniform(0.1, 0.3) * width), int(rng.uniform(0.05, 0.6) * height)
        colour = np.array(random_colour(rng), np.float32) * 0.8
        cv2.rectangle(picture, (x, top), (x + wide, height), _shade(colour), -1)
        _windows(rng, picture, (x, top, wide), wall=colour)
        x += wide + int(rng.integers(0, max(2, width // 30)))
    return picture


def _windows(rng: Generator, picture: Pixels, house: tuple[int, int, int], *, wall: Floats) -> None:
    left, top, wide = house
    step_x, step_y = (int(rng.uniform(0.03, 0.07) * picture.shape[1]) + 3 for _ in range(2))
    lit, dark = _shade(wall * 0.3 + 160), _shade(wall * 0.4)
    for y in range(top + step_y // 2, picture.shape[0], step_y):
        for x in range(left + step_x // 3, left + wide - step_x // 2, step_x):
            colour = lit if rng.random() < 0.4 else dark
            cv2.rectangle(picture, (x, y), (x + int(step_x * 0.55), y + int(step_y * 0.6)), colour, -1)


def foliage(rng: Generator, width: int, height: int) -> Pixels:
    """Many small leaves or stones of one hue in light and shade."""
    base = np.array(random_colour(rng), np.float32) * np.array([0.7, 1.0, 0.6], np.float32)
    picture = _to_pixels(np.full((height, width, 3), base * 0.4, np.float32))
    for _ in range(int(rng.integers(150, 420))):
        center = (int(rng.integers(width)), int(rng.integers(height)))
        axes = (int(rng.uniform(0.01, 0.06) * height) + 1, int(rng.uniform(0.005, 0.025) * height) + 1)
        shade = base * rng.uniform(0.4, 1.5) + rng.uniform(-12, 12, 3)
        cv2.ellipse(picture, center, axes, float(rng.uniform(0, 180)), 0, 360, _shade(shade), -1, cv2.LINE_AA)
    return _blurred(picture, float(rng.choice([0, 0.8, 2])))


def crowd(rng: Generator, width: int, height: int) -> Pixels:
    """Rectangles, discs, triangles and lines in all colours, partly over one another."""
    picture = _pick_plain(rng)(rng, width, height)
    for _ in range(int(rng.integers(12, 60))):
        _one_shape(rng, picture)
    return _blurred(picture, float(rng.choice([0, 0, 1, 2.5])))


def _one_shape(rng: Generator, picture: Pixels) -> None:
    height, width = picture.shape[:2]
    colour, size = random_colour(rng), int(rng.uniform(0.03, 0.22) * height) + 2
    x, y = int(rng.integers(-size, width)), int(rng.integers(-size, height))
    kind = int(rng.integers(5))
    if kind == 0:
        cv2.rectangle(picture, (x, y), (x + int(size * rng.uniform(0.3, 3)), y + size), colour, -1)
    elif kind == 1:
        cv2.circle(picture, (x, y), size // 2 + 1, colour, int(rng.choice([-1, 2, max(2, size // 6)])), cv2.LINE_AA)
    elif kind == 2:
        cv2.line(picture, (x, y), (int(rng.integers(width)), int(rng.integers(height))), colour, 1 + size // 12, 16)
    elif kind == 3:
        corners = (np.array([x, y]) + rng.integers(0, size + 1, (int(rng.integers(3, 6)), 2))).astype(np.int32)
        cv2.fillPoly(picture, [cv2.convexHull(corners)], colour, cv2.LINE_AA)
    else:
        cv2.ellipse(picture, (x, y), (size, size // 3 + 1), float(rng.uniform(0, 180)), 0, 360, colour, -1, cv2.LINE_AA)


def lettering(rng: Generator, width: int, height: int) -> Pixels:
    """Lines of made-up words: a page, a shop front or a table of results."""
    picture = _pick_plain(rng)(rng, width, height)
    y, size = 0, rng.uniform(0.03, 0.16) * height
    while y < height + size:
        scale = size / 22
        line = " ".join("".join(rng.choice(_LETTERS, int(rng.integers(2, 9)))) for _ in range(8))
        start = (int(rng.uniform(-0.1, 0.3) * width), int(y))
        thick = int(rng.integers(1, 2 + int(scale * 2)))
        cv2.putText(picture, line, start, int(rng.choice(FONTS)), scale, random_colour(rng), thick, cv2.LINE_AA)
        y += int(size * rng.uniform(1.1, 2.2)) + 2
    return picture


def grid(rng: Generator, width: int, height: int) -> Pixels:
    """Tiles, planks or a chequerboard, turned a little."""
    rows, columns = int(rng.integers(2, 18)), int(rng.integers(2, 26))
    colours = np.array([random_colour(rng) for _ in range(int(rng.integers(2, 5)))], np.float32)
    chosen = colours[rng.integers(0, len(colours), (rows, columns))] + rng.uniform(-20, 20, (rows, columns, 1))
    picture = cv2.resize(_to_pixels(chosen), (width, height), interpolation=cv2.INTER_NEAREST)
    if rng.random() < 0.6:
        joint = random_colour(rng)
        for x in np.linspace(0, width, columns + 1).astype(int).tolist():
            cv2.line(picture, (x, 0), (x, height), joint, 1 + height // 200)
        for y in np.linspace(0, height, rows + 1).astype(int).tolist():
            cv2.line(picture, (0, y), (width, y), joint, 1 + height // 200)
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), float(rng.uniform(-30, 30)), 1.2)
    return np.asarray(cv2.warpAffine(picture, turn, (width, height), borderMode=cv2.BORDER_REFLECT), np.uint8)


def stripes(rng: Generator, width: int, height: int) -> Pixels:
    """Straight or swinging stripes, as on cloth, awnings and water."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / height
    angle, swing = rng.uniform(0, np.pi), rng.choice([0, 0, 0.05, 0.15])
    phase = x * np.cos(angle) + y * np.sin(angle) + swing * np.sin(rng.uniform(3, 20) * (x * np.sin(angle) - y))
    wave = 0.5 + 0.5 * np.sin(phase * rng.uniform(6, 90))
    if rng.random() < 0.6:
        wave = ((wave - 0.5) * 8 + 0.5).clip(0, 1)
    first, last = (np.array(random_colour(rng), np.float32) for _ in range(2))
    return _to_pixels(first + (last - first) * wave[:, :, None].astype(np.float32))


Painter = Callable[[Generator, int, int], Pixels]
_PLAIN: tuple[Painter, ...] = (gradient, flat, clouds)
PAINTERS: tuple[Painter, ...] = (
    clouds, clouds, gradient, flat, blobs, buildings, foliage, crowd, crowd, lettering, grid, stripes,
)  # fmt: skip


def _pick(rng: Generator) -> Painter:
    return PAINTERS[int(rng.integers(len(PAINTERS)))]


def _pick_plain(rng: Generator) -> Painter:
    return _PLAIN[int(rng.integers(len(_PLAIN)))]


def _mixed(rng: Generator, first: Pixels, second: Pixels) -> Pixels:
    """Two pictures side by side, one over the other, or blended through a soft mask."""
    height, width = first.shape[:2]
    if rng.random() < 0.5:
        result, split = first.copy(), int(rng.uniform(0.25, 0.75) * (width if rng.random() < 0.5 else height))
        if rng.random() < 0.5:
            result[split:] = second[split:]
        else:
            result[:, split:] = second[:, split:]
        return result
    coarse = rng.random((3, 4), dtype=np.float32)
    mask = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 1)[:, :, None]
    return _to_pixels(first * (1 - mask) + second * mask)


def _blurred(picture: Pixels, sigma: float) -> Pixels:
    if sigma <= 0:
        return picture
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.uint8)


def _shade(colour: NDArray[np.floating]) -> tuple[int, int, int]:
    red, green, blue = np.clip(colour, 0, 255).astype(int).tolist()
    return red, green, blue


def _to_pixels(values: NDArray[np.floating]) -> Pixels:
    return values.clip(0, 255).astype(np.uint8)
