"""Geometry as a witness: is a candidate the label's own flat mark, seen from somewhere?

Two views of one plane are related by a homography. Local features of a candidate (SIFT: Lowe, IJCV 2004) are matched
with those of a few pictures of its label, and a homography is fitted robustly (MAGSAC++: Barath et al., CVPR 2020). How
many features agree with it, against how many would by chance (Brown and Lowe, IJCV 2007), is the evidence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from streamfilter.types import Box, Pixels

Floats = NDArray[np.float64]

SIDE = 256
"""Longer side in pixels at which a crop is described: small ones are enlarged, for SIFT sees little in few pixels."""
MOST_ENLARGED = 4.0
MARGIN = 0.1
"""Ground around a candidate's box that is described with it, as a share of its sides: boxes are seldom tight."""
MOST_FEATURES = 128
"""Strongest features that are kept of a reference; a crop has up to twice as many."""
CONTRAST = 0.03
"""A little below what SIFT asks of a feature: compressed video has little of it."""
LOWE_RATIO = 0.85
"""A match counts when the second nearest descriptor is this much farther."""
REACH_PX = 4.0
"""A match agrees with a homography when it lies this near to where that puts it."""
FEWEST = 4
CHANCE_BASE, CHANCE_SHARE = 8.0, 0.3
"""Brown and Lowe: a true match has more inliers than 8 + 0.3 × the features in its area."""
MOST_STRETCH = 4.0
"""Largest ratio of the two scales of a homography's linear part, and of areas at two of its corners."""
LARGEST_SCALE = 6.0


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """Local features of one picture of a label: `points` `(n, 2)` float32 in pixels, `descriptors` `(n, 128)` uint8.

    `size`: width and height of the picture that was described, in pixels.
    """

    points: NDArray[np.float32]
    descriptors: NDArray[np.uint8]
    size: tuple[int, int]

    def __len__(self) -> int:
        return len(self.points)


@dataclass(frozen=True, slots=True, eq=False)
class Match:
    """How well a crop fits a reference: features that agree, features that could have, and the homography `(3, 3)`.

    The homography takes pixels of the reference to pixels of the crop as it was described; None when none is sound.
    """

    inliers: int = 0
    features: int = 0
    homography: Floats | None = None

    @property
    def evidence(self) -> float:
        """Agreeing features over those that may agree by chance: from 1 on it is a match by Brown and Lowe's rule."""
        return self.inliers / (CHANCE_BASE + CHANCE_SHARE * self.features)


def describe(crop: Pixels, *, most: int = MOST_FEATURES) -> Reference:
    """Local features of an `(h, w, 3)` RGB picture, the strongest `most`, at a size of `SIDE`."""
    gray = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    scale = min(SIDE / max(gray.shape), MOST_ENLARGED)
    size = (max(8, round(gray.shape[1] * scale)), max(8, round(gray.shape[0] * scale)))
    gray = cv2.resize(gray, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    keys, values = cv2.SIFT.create(contrastThreshold=CONTRAST).detectAndCompute(gray, None)
    if values is None or not len(keys):
        return Reference(np.zeros((0, 2), np.float32), np.zeros((0, 128), np.uint8), size)
    order = np.argsort([-key.response for key in keys], kind="stable")[:most]
    points = np.array([keys[i].pt for i in order], np.float32)
    return Reference(points, rooted(np.asarray(values[order], np.float32)), size)


def rooted(descriptors: NDArray[np.float32]) -> NDArray[np.uint8]:
    """SIFT descriptors `(n, 128)` as square roots of their shares, 0 to 255: compared so, they tell more.

    Arandjelović and Zisserman, "Three things everyone should know to improve object retrieval" (CVPR 2012).
    """
    shares = descriptors / np.maximum(descriptors.sum(axis=1, keepdims=True), 1e-6)
    return np.asarray(np.minimum(np.sqrt(shares) * 510, 255).round(), np.uint8)


def cut_out(picture: Pixels, box: Box) -> Pixels:
    """The part of a picture under a box with a margin, at least one pixel."""
    height, width = picture.shape[:2]
    x1 = min(int(max(0.0, box.x - MARGIN * box.width) * width), width - 1)
    y1 = min(int(max(0.0, box.y - MARGIN * box.height) * height), height - 1)
    x2 = int(np.ceil(min(1.0, box.x + box.width * (1 + MARGIN)) * width))
    y2 = int(np.ceil(min(1.0, box.y + box.height * (1 + MARGIN)) * height))
    return picture[y1 : max(y2, y1 + 1), x1 : max(x2, x1 + 1)]


class Witness:
    """The references of all labels. Says the same of the same crop, however often and in whatever order it is asked."""

    def __init__(self, references: Mapping[str, Sequence[Reference]]) -> None:
        self._references = {label: list(own) for label, own in references.items()}

    def knows(self, label: str) -> bool:
        """Whether there is anything to compare a candidate of this label with."""
        return any(len(reference) >= FEWEST for reference in self._references.get(label, ()))

    def compare(self, crop: Pixels, label: str) -> Match:
        """The best match of an `(h, w, 3)` RGB crop with the label's references."""
        own = describe(crop, most=2 * MOST_FEATURES)
        matches = [match(reference, own) for reference in self._references.get(label, ())]
        return max(matches, key=lambda each: (each.evidence, each.inliers), default=Match())


def match(reference: Reference, crop: Reference) -> Match:
    """How well a crop's features fit a reference's under one homography."""
    pairs = _pairs(reference.descriptors, crop.descriptors)
    if len(pairs) < FEWEST:
        return Match()
    source, target = reference.points[pairs[:, 0]], crop.points[pairs[:, 1]]
    fitted, mask = cv2.findHomography(source, target, cv2.USAC_MAGSAC, REACH_PX, maxIters=1000, confidence=0.999)
    if fitted is None or mask is None:
        return Match()
    homography = np.asarray(fitted, np.float64)
    if not is_sound(homography, reference.size):
        return Match()
    inside = _inside(crop.points, homography, reference.size)
    inliers = _distinct(source[mask.ravel() > 0])
    return Match(inliers, min(len(reference), int(inside.sum())), homography)


def is_sound(homography: Floats, size: tuple[int, int]) -> bool:
    """Whether a homography could be a view of a plane of `size` (width, height): not mirrored, folded or crushed."""
    width, height = size
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64)
    projected = np.column_stack([corners, np.ones(4)]) @ homography.T
    if not np.isfinite(projected).all() or ((projected[:, 2] <= 1e-6).any() and (projected[:, 2] >= -1e-6).any()):
        return False
    quad = projected[:, :2] / projected[:, 2:]
    sides = np.roll(quad, -1, axis=0) - quad
    turns = sides[:, 0] * np.roll(sides, -1, axis=0)[:, 1] - sides[:, 1] * np.roll(sides, -1, axis=0)[:, 0]
    if (turns <= 0).any():
        return False
    lengths = np.linalg.norm(sides, axis=1) / (width, height, width, height)
    scale = float(lengths.mean())
    crushed = lengths.max() > MOST_STRETCH * lengths.min() or turns.max() > MOST_STRETCH**2 * turns.min()
    return not crushed and 1 / LARGEST_SCALE <= scale <= LARGEST_SCALE


def _pairs(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Mutually nearest descriptors of which the second nearest is clearly farther, `(m, 2)` indices."""
    if len(first) < 2 or len(second) < 2:
        return np.zeros((0, 2), np.intp)
    a, b = first.astype(np.float32), second.astype(np.float32)
    squared = (a**2).sum(1)[:, None] - 2 * a @ b.T + (b**2).sum(1)[None]
    nearest = squared.argmin(axis=1)
    rows = np.arange(len(a))
    best = squared[rows, nearest]
    rest = squared.copy()
    rest[rows, nearest] = np.inf
    good = (best < LOWE_RATIO**2 * rest.min(axis=1)) & (squared.argmin(axis=0)[nearest] == rows)
    return np.column_stack([rows[good], nearest[good]])


def _inside(points: NDArray[np.float32], homography: Floats, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Which points of the crop lie where the homography puts the reference."""
    width, height = size
    corners = np.array([[[0, 0], [width, 0], [width, height], [0, height]]], np.float32)
    quad = cv2.perspectiveTransform(corners, homography)[0].astype(np.float32)
    return np.array([cv2.pointPolygonTest(quad, (float(x), float(y)), False) >= 0 for x, y in points], bool)


def _distinct(points: NDArray[np.float32]) -> int:
    """How many places there are among points: SIFT describes one place several times, turned in several ways."""
    return len({(round(float(x)), round(float(y))) for x, y in points})
