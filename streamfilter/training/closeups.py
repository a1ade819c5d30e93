"""Close-ups of the pictures themselves: boxed marks, a little off, and what is no mark, cut out at one size.

Nothing is composed here. On photographs that nobody had seen, a closer look that learned from pictures as they are told
logos from other things far better than one that learned from composed scenes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamfilter.buffering import batched, prefetch
from streamfilter.classifier.closer import cut_out
from streamfilter.classifier.runtimes.with_torch import CHUNK
from streamfilter.training.examples import Example
from streamfilter.training.pictures import load_picture
from streamfilter.training.spotting import SIDE, Spotter
from streamfilter.types import Box, Pixels

PER_PICTURE = 3
LARGEST = 800
"""Longer side in pixels at which a picture is read."""
GROWTH, SHIFT = (0.87, 1.25), 0.08
"""How far a close-up is off its box: its width and its height, and its middle as a share of them."""
PIECES, LONGEST_PIECE = (0.25, 1.0), 2.25
"""Close-ups that show no mark: the root of their area as a share of the picture's shorter side, their longest shape."""


@dataclass(frozen=True, slots=True, eq=False)
class CloseUps:
    """What the closer look sees in close-ups.

    `features`: `(n, F)` float32, `labels`: `(n,)`, what they show: a label's index, or the number of labels for none.
    """

    features: NDArray[np.float32]
    labels: NDArray[np.int64]


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
    features, targets = [np.zeros((0, 0), np.float32)], []
    with prefetch(_read_all(examples), 8) as pictures:
        for chunk in batched(_cut_all(pictures, index, spotter, seed, advance), CHUNK):
            features.append(spotter.close([cut for cut, _ in chunk]))
            targets += [label for _, label in chunk]
    return CloseUps(np.concatenate(features[1:] or features), np.array(targets, np.int64))


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
) -> Iterator[tuple[Pixels, int]]:
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
        yield from ((cut_out(picture, place, SIDE), label) for place in places)
        advance(1.0)


def _some(boxes: Sequence[Box], rng: np.random.Generator) -> list[Box]:
    return [boxes[int(i)] for i in rng.integers(len(boxes), size=PER_PICTURE)] if boxes else []


def _near(box: Box, rng: np.random.Generator) -> NDArray[np.float64]:
    """The box, not quite, as x, y, width, height."""
    size = np.array([box.width, box.height])
    grown = size * rng.uniform(*GROWTH, 2)
    middle = np.array(box.center) + rng.uniform(-SHIFT, SHIFT, 2) * size
    return np.concatenate([middle - grown / 2, grown])


def _piece(picture: Pixels, rng: np.random.Generator) -> NDArray[np.float64]:
    height, width = picture.shape[:2]
    side = rng.uniform(*PIECES) * min(height, width)
    stretch = LONGEST_PIECE ** (rng.uniform(-1, 1) / 2)
    wide, high = min(side * stretch, width), min(side / stretch, height)
    x, y = rng.uniform(0, width - wide), rng.uniform(0, height - high)
    return np.array([x / width, y / height, wide / width, high / height])
