"""Close-ups of the pictures themselves: boxed marks, a little off, and what is no mark, cut out at one size.

Nothing is composed here. On photographs that nobody had seen, a closer look that learned from pictures as they are told
logos from other things far better than one that learned from composed scenes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from streamfilter.buffering import batched, prefetch
from streamfilter.classifier.closer import cut_out
from streamfilter.classifier.runtimes.with_torch import CHUNK
from streamfilter.training.examples import Example
from streamfilter.training.pictures import load_picture
from streamfilter.training.spotting import SIDE, Spotter
from streamfilter.types import Box, Pixels

PER_PICTURE = 2
LARGEST = 800
"""Longer side in pixels at which a picture is read."""
GROWTH, SHIFT = (0.87, 1.3), 0.08
"""How far a close-up is off its box: its size, and its middle as a share of that."""
PIECES = (0.3, 1.0)
"""Sides of close-ups that show no mark, as shares of the picture's shorter side."""

CloseUp = tuple[Pixels, int]


def close_ups(
    examples: Sequence[Example],
    labels: Sequence[str],
    spotter: Spotter,
    *,
    seed: int,
    advance: Callable[[float], None],
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Features of the closer look, `(n, F)`, and what they show, `(n,)`: a label's index, or `len(labels)` for none.

    Where a label's picture has no box, its logo is where the spotter is sure of it. Transparent artwork has no
    close-ups.
    """
    index = {label: number for number, label in enumerate(labels)}
    features: list[NDArray[np.float32]] = []
    targets: list[int] = []
    with prefetch(_read_all(examples), 8) as pictures:
        for chunk in batched(_cut_all(pictures, index, spotter, seed, advance), CHUNK):
            features.append(spotter.close([cut for cut, _ in chunk]))
            targets += [target for _, target in chunk]
    return np.concatenate(features) if features else np.zeros((0, 0), np.float32), np.array(targets, np.int64)


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
) -> Iterator[CloseUp]:
    for number, (example, picture) in enumerate(pictures):
        rng = np.random.default_rng([seed, number])
        if example.kind == "known" and example.label is not None:
            boxes = [box for box, name in example.boxes if name == example.label]
            boxes = boxes or spotter.find(picture, index[example.label])
            yield from (
                (cut_out(picture, _near(box, picture, rng), SIDE), index[example.label]) for box in _some(boxes, rng)
            )
        else:
            boxes = _some([box for box, _ in example.boxes], rng)
            places = [_near(box, picture, rng) for box in boxes] or [_piece(picture, rng) for _ in range(PER_PICTURE)]
            yield from ((cut_out(picture, place, SIDE), len(index)) for place in places)
        advance(1.0)


def _some(boxes: Sequence[Box], rng: np.random.Generator) -> list[Box]:
    return [boxes[int(i)] for i in rng.integers(len(boxes), size=PER_PICTURE)] if boxes else []


def _near(box: Box, picture: Pixels, rng: np.random.Generator) -> NDArray[np.float64]:
    """A square about the box, not quite, as x, y, width, height in shares of the picture."""
    height, width = picture.shape[:2]
    side = max(box.width * width, box.height * height) * rng.uniform(*GROWTH)
    x, y = np.multiply(box.center, (width, height)) + rng.uniform(-SHIFT, SHIFT, 2) * side
    return np.array([(x - side / 2) / width, (y - side / 2) / height, side / width, side / height])


def _piece(picture: Pixels, rng: np.random.Generator) -> NDArray[np.float64]:
    height, width = picture.shape[:2]
    side = rng.uniform(*PIECES) * min(height, width)
    x, y = rng.uniform(0, width - side), rng.uniform(0, height - side)
    return np.array([x / width, y / height, side / width, side / height])
