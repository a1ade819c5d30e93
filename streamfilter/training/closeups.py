"""Close-ups of the pictures themselves: boxed marks, a little off, and what is no mark, cut out at one size.

Nothing is composed here. On photographs that nobody had seen, a closer look that learned from pictures as they are told
logos from other things far better than one that learned from composed scenes. Close-ups that are much off teach where a
box should have been.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamfilter.buffering import batched, prefetch
from streamfilter.classifier.boxes import moves_to
from streamfilter.classifier.closer import cut_out
from streamfilter.classifier.runtimes.with_torch import CHUNK
from streamfilter.training.examples import Example
from streamfilter.training.pictures import load_picture
from streamfilter.training.spotting import SIDE, Spotter
from streamfilter.types import Box, Pixels

PER_PICTURE = 2
LARGEST = 800
"""Longer side in pixels at which a picture is read."""
GROWTH, SHIFT = (0.87, 1.25), 0.08
"""How far a close-up is off its box: its width and its height, and its middle as a share of them."""
PIECES, LONGEST_PIECE = (0.25, 1.0), 2.25
"""Close-ups that show no mark: the root of their area as a share of the picture's shorter side, their longest shape."""

OFF_SIZE, OFF_SHAPE, OFF_SHIFT = (0.3, 1.7), 1.4, 0.25
"""Close-ups that teach where the box should have been: how many times larger than it they are, how many times wider or
narrower than its shape, and how far the smaller of the two reaches out of the larger, as a share of itself."""
OFF_PER_PICTURE = 4
"""How many of these there are of a picture with boxes."""


@dataclass(frozen=True, slots=True, eq=False)
class CloseUps:
    """What the closer look sees in close-ups.

    `features`: `(n, F)` float32, `labels`: `(n,)`, what they show: a label's index, or the number of labels for none.
    `grids`: `(m, G)` float16, of close-ups that are off, `moves`: `(m, 4)`, what a `Refiner` should say of them.
    """

    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    grids: NDArray[np.float16]
    moves: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class _CloseUp:
    """One cut, and what is learned from it: a class, or where the box should have been."""

    cut: Pixels
    label: int | None = None
    moves: NDArray[np.float64] | None = None


def close_ups(
    examples: Sequence[Example],
    labels: Sequence[str],
    spotter: Spotter,
    *,
    seed: int,
    advance: Callable[[float], None],
) -> CloseUps:
    """Close-ups of all pictures. Where a label's picture has no box, its logo is where the spotter is sure of it.

    Transparent artwork has no close-ups.
    """
    index = {label: number for number, label in enumerate(labels)}
    features, grids = [np.zeros((0, 0), np.float32)], [np.zeros((0, 0), np.float16)]
    targets: list[int] = []
    moves: list[NDArray[np.float64]] = []
    with prefetch(_read_all(examples), 8) as pictures:
        for chunk in batched(_cut_all(pictures, index, spotter, seed, advance), CHUNK):
            own, grid = spotter.close([one.cut for one in chunk])
            rows = [i for i, one in enumerate(chunk) if one.label is not None]
            off = [i for i, one in enumerate(chunk) if one.moves is not None]
            features.append(own[rows])
            grids.append(grid[off].astype(np.float16))
            targets += [one.label for one in chunk if one.label is not None]
            moves += [one.moves for one in chunk if one.moves is not None]
    return CloseUps(
        _joined(features), np.array(targets, np.int64), _joined(grids), np.array(moves, np.float64).reshape(-1, 4)
    )


def _joined(parts: list[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate(parts[1:]) if len(parts) > 1 else parts[0]


def _read_all(examples: Sequence[Example]) -> Iterator[tuple[Example, Pixels]]:
    for example in examples:
        if not example.has_alpha:
            yield example, load_picture(example.path, max_side=LARGEST)[..., :3]


def _cut_all(
    pictures: Iterable[tuple[Example, Pixels]],
    index: dict[str, int],
    spotter: Spotter,
    seed: int,
    advance: Callable[[float], None],
) -> Iterator[_CloseUp]:
    for number, (example, picture) in enumerate(pictures):
        rng = np.random.default_rng([seed, number])
        if example.kind == "known" and example.label is not None:
            label = index[example.label]
            boxes = [box for box, name in example.boxes if name == example.label]
            places = [_near(box, rng) for box in _some(boxes or spotter.find(picture, label), rng)]
        else:
            label = len(index)
            boxes = [box for box, _ in example.boxes]
            places = [_near(box, rng) for box in _some(boxes, rng)]
            places = places or [_piece(picture, rng) for _ in range(PER_PICTURE)]
        yield from (_CloseUp(cut_out(picture, place, SIDE), label) for place in places)
        yield from _off(picture, boxes, rng)
        advance(1.0)


def _off(picture: Pixels, boxes: Sequence[Box], rng: np.random.Generator) -> Iterator[_CloseUp]:
    """Close-ups that are much off their boxes."""
    size = np.tile([picture.shape[1], picture.shape[0]], 2)
    for number in rng.integers(len(boxes), size=OFF_PER_PICTURE) if boxes else ():
        box = boxes[int(number)]
        place = _elsewhere(box, rng)
        wanted = np.array([[box.x, box.y, box.width, box.height]]) * size
        yield _CloseUp(cut_out(picture, place, SIDE), moves=moves_to(place[None] * size, wanted)[0])


def _some(boxes: Sequence[Box], rng: np.random.Generator) -> list[Box]:
    return [boxes[int(i)] for i in rng.integers(len(boxes), size=PER_PICTURE)] if boxes else []


def _near(box: Box, rng: np.random.Generator) -> NDArray[np.float64]:
    """The box, not quite, as x, y, width, height."""
    size = np.array([box.width, box.height])
    grown = size * rng.uniform(*GROWTH, 2)
    middle = np.array(box.center) + rng.uniform(-SHIFT, SHIFT, 2) * size
    return np.concatenate([middle - grown / 2, grown])


def _elsewhere(box: Box, rng: np.random.Generator) -> NDArray[np.float64]:
    """A part of the box, or more than it: what the dense pass may take for it."""
    size = np.array([box.width, box.height])
    stretch = OFF_SHAPE ** (rng.uniform(-1, 1) / 2)
    grown = size * np.exp(rng.uniform(*np.log(OFF_SIZE))) * (stretch, 1 / stretch)
    slack = np.abs(size - grown) / 2 + OFF_SHIFT * np.minimum(size, grown)
    middle = np.array(box.center) + rng.uniform(-1, 1, 2) * slack
    return np.concatenate([middle - grown / 2, grown])


def _piece(picture: Pixels, rng: np.random.Generator) -> NDArray[np.float64]:
    height, width = picture.shape[:2]
    side = rng.uniform(*PIECES) * min(height, width)
    stretch = LONGEST_PIECE ** (rng.uniform(-1, 1) / 2)
    wide, high = min(side * stretch, width), min(side / stretch, height)
    x, y = rng.uniform(0, width - wide), rng.uniform(0, height - high)
    return np.array([x / width, y / height, wide / width, high / height])
