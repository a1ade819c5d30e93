"""Cutting marks out of pictures and pasting them into others: in perspective, partly hidden, at any size.

A sprite is `(h, w, 4)` uint8 RGBA. A frame is `(H, W, 3)` uint8 RGB. Boxes here are pixels: x1, y1, x2, y2.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from streamfilter.types import Box, Pixels

PixelBox = tuple[float, float, float, float]

MARGIN = 0.12
"""Widest margin that a mark is cut out with, as a share of its size."""


def cut_sprite(picture: Pixels, box: Box, rng: np.random.Generator) -> Pixels:
    """The part of a picture under `box` with a random margin; cut free of its ground where that is one plain colour."""
    height, width = picture.shape[:2]
    margin = rng.uniform(0.0, MARGIN)
    x1 = int(max(0.0, box.x - margin * box.width) * width)
    y1 = int(max(0.0, box.y - margin * box.height) * height)
    x2 = int(np.ceil(min(1.0, box.x + box.width * (1 + margin)) * width))
    y2 = int(np.ceil(min(1.0, box.y + box.height * (1 + margin)) * height))
    return as_sprite(picture[y1:y2, x1:x2], rng)


def as_sprite(patch: Pixels, rng: np.random.Generator) -> Pixels:
    """RGBA of a patch: its own transparency, or cut free of a plain ground, or with a soft or round edge."""
    if patch.shape[2] == 4:
        return patch
    ground = plain_ground(patch)
    if ground is not None and rng.random() < 0.6:
        alpha = _key(patch, ground)
    else:
        alpha = _edge(patch.shape[0], patch.shape[1], rng)
    return np.asarray(np.dstack([patch, alpha]), np.uint8)


def trimmed(sprite: Pixels) -> Pixels:
    """The sprite cut to what shows of it, where more than `MARGIN` around that is transparent: boxes are of marks."""
    rows, columns = np.flatnonzero(sprite[..., 3].any(axis=1)), np.flatnonzero(sprite[..., 3].any(axis=0))
    if not len(rows):
        return sprite
    height, width = sprite.shape[:2]
    y1, y2, x1, x2 = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    wide = max(y1, height - y2) > MARGIN * (y2 - y1) or max(x1, width - x2) > MARGIN * (x2 - x1)
    return sprite[y1:y2, x1:x2] if wide else sprite


def plain_ground(patch: Pixels) -> NDArray[np.float32] | None:
    """The colour of a patch's border, `(3,)` 0 to 255, or None when the border has no single colour."""
    border = np.concatenate([patch[0], patch[-1], patch[:, 0], patch[:, -1]])[:, :3].astype(np.float32)
    middle = np.median(border, axis=0)
    near = np.abs(border - middle).max(axis=1) < 18
    return np.asarray(middle, np.float32) if near.mean() > 0.9 else None


def would_vanish(sprite: Pixels, ground: NDArray[np.float32]) -> bool:
    """Whether next to nothing of a sprite could be seen on this ground: artwork may hide its own colour in its border.

    A sprite that is opaque at its border brings its ground with it and is never lost.
    """
    alpha = sprite[..., 3]
    if np.median(np.concatenate([alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]])) > 127:
        return False
    shown = sprite[alpha > 127][:, :3].astype(np.float32)
    return len(shown) == 0 or float((np.abs(shown - ground).max(axis=1) < 30).mean()) > 0.95


def _key(patch: Pixels, ground: NDArray[np.float32]) -> Pixels:
    distance = np.abs(patch.astype(np.float32) - ground).max(axis=2)
    return np.asarray(np.clip((distance - 12) * (255 / 36), 0, 255), np.uint8)


def _edge(height: int, width: int, rng: np.random.Generator) -> Pixels:
    mask: Pixels = np.zeros((height, width), np.uint8)
    if rng.random() < 0.2:
        cv2.ellipse(mask, ((width / 2, height / 2), (width * 1.05, height * 1.05), 0), 255, -1)
        return mask
    soft = int(rng.integers(0, max(2, min(height, width) // 12)))
    mask[soft : height - soft, soft : width - soft] = 255
    return np.asarray(cv2.blur(mask, (2 * soft + 1, 2 * soft + 1)), np.uint8)


def paste(
    frame: Pixels,
    sprite: Pixels,
    center: tuple[float, float],
    side: float,
    rng: np.random.Generator,
    *,
    turn: float = 8.0,
) -> PixelBox:
    """Paste `sprite` into `frame` in place, `side` pixels high before perspective; returns its box, cut to the frame.

    `turn` is the standard deviation of its rotation in degrees.
    """
    corners = _corners(sprite, center, side, rng, turn=turn)
    x1, y1 = np.floor(corners.min(axis=0)).astype(int)
    x2, y2 = np.ceil(corners.max(axis=0)).astype(int)
    x1, y1, x2, y2 = max(x1, 0), max(y1, 0), min(x2, frame.shape[1]), min(y2, frame.shape[0])
    if x2 - x1 < 2 or y2 - y1 < 2:
        return (0.0, 0.0, 0.0, 0.0)
    warped = _warp(sprite, corners - (x1, y1), x2 - x1, y2 - y1)
    alpha = warped[..., 3:].astype(np.float32) / 255 * (1.0 if rng.random() < 0.8 else rng.uniform(0.45, 1.0))
    region = frame[y1:y2, x1:x2]
    region[:] = (region * (1 - alpha) + warped[..., :3] * alpha).astype(np.uint8)
    return (float(x1), float(y1), float(x2), float(y2))


def _corners(
    sprite: Pixels, center: tuple[float, float], side: float, rng: np.random.Generator, *, turn: float
) -> NDArray[np.float32]:
    height, width = sprite.shape[:2]
    half_h = side / 2
    half_w = half_h * width / height * rng.uniform(0.8, 1.25)
    square = np.array([[-half_w, -half_h], [half_w, -half_h], [half_w, half_h], [-half_w, half_h]])
    bend = rng.uniform(-0.1, 0.1, (4, 2)) * (2 * half_w, 2 * half_h)
    angle = np.deg2rad(rng.normal(0, turn if rng.random() < 0.9 else turn * 3))
    rotate = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.asarray((square + bend) @ rotate.T + center, np.float32)


def _warp(sprite: Pixels, corners: NDArray[np.float32], width: int, height: int) -> Pixels:
    """Perspective warp. A sprite much larger than its target is shrunk first: warping alone would alias."""
    target = max(float(np.ptp(corners[:, 0])), float(np.ptp(corners[:, 1])), 2.0)
    shrink = target / max(sprite.shape[:2])
    if shrink < 0.7:
        size = (max(2, round(sprite.shape[1] * shrink)), max(2, round(sprite.shape[0] * shrink)))
        sprite = np.asarray(cv2.resize(sprite, size, interpolation=cv2.INTER_AREA), np.uint8)
    h, w = sprite.shape[:2]
    source = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
    matrix = cv2.getPerspectiveTransform(source, corners.astype(np.float32))
    return np.asarray(cv2.warpPerspective(sprite, matrix, (width, height), flags=cv2.INTER_LINEAR), np.uint8)
