"""Fits the region head to windows of the training pictures, as they are, and of composed scenes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from streamfilter.buffering import batched, prefetch
from streamfilter.classifier.boxes import moves_to
from streamfilter.classifier.regions import pixels_of, region_grids
from streamfilter.classifier.suppress import pairwise
from streamfilter.classifier.windows import window_boxes, window_grid
from streamfilter.model.network import DenseOutput
from streamfilter.model.regions import OUTPUTS, Regions
from streamfilter.training.examples import Example
from streamfilter.training.ridge import Ridge
from streamfilter.training.scene import Scene
from streamfilter.training.spotting import Spotter
from streamfilter.training.whole_pictures import each_once, picture_at_size
from streamfilter.types import Pixels

NEAR_IOU = 0.2
"""A window that overlaps a mark this much teaches where the mark is."""
NEAR_EACH, LIKELY_EACH = 16, 10
"""Windows near each mark, and likely windows of each picture, that are learned from."""
FEWEST = 100
"""Windows near marks from which on a fit is worth something."""


@dataclass(frozen=True, slots=True, eq=False)
class Marked:
    """A picture `(H, W, 3)` at the size of analysis, and where it has marks: `(n, 4)` x, y, width, height."""

    pixels: Pixels
    boxes: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class _Windows:
    """Windows that are learned from: `grids` `(n, G)`, how much they overlap a mark `(n,)`, and the moves to it.

    `moves`: `(n, 4)`, not finite for windows that are near no mark.
    """

    grids: NDArray[np.float16]
    overlaps: NDArray[np.float64]
    moves: NDArray[np.float64]


class _Fit:
    """Both regressions. Windows near a mark teach where it is; all of them teach how much they overlap one."""

    def __init__(self, cells: int) -> None:
        self._near, self._elsewhere = Ridge(cells, OUTPUTS), Ridge(cells, 1)

    def add(self, windows: _Windows) -> None:
        """Learn from some more windows."""
        near = np.isfinite(windows.moves[:, 0])
        overlaps = windows.overlaps[:, None]
        self._near.add(windows.grids[near], np.concatenate([overlaps, windows.moves], axis=1)[near])
        self._elsewhere.add(windows.grids[~near], overlaps[~near])

    def solved(self) -> Regions | None:
        """The region head; None where too few windows were near a mark."""
        if self._near.count < FEWEST:
            return None
        weight, bias = self._near.solve()
        self._elsewhere.join(self._near)
        overlap_weight, overlap_bias = self._elsewhere.solve()
        return Regions(torch.cat([overlap_weight, weight[1:]]), torch.cat([overlap_bias, bias[1:]]))


def is_marked(example: Example) -> bool:
    """Whether a picture tells where all its marks are, or has none."""
    return not example.has_alpha and (bool(example.boxes) or example.kind == "negative")


def marked_pictures(examples: Sequence[Example], *, short_side: int) -> Iterator[Marked]:
    """Pictures as they are, each of which `is_marked`."""
    for example in examples:
        marks = each_once((box, "mark") for box, _ in example.boxes)
        boxes = [(box.x, box.y, box.width, box.height) for box, _ in marks]
        yield Marked(picture_at_size(example, short_side), np.array(boxes, np.float64).reshape(-1, 4))


def marked_scenes(scenes: Iterable[Scene]) -> Iterator[Marked]:
    """Composed scenes; what is pasted into them is boxed to the pixel."""
    for scene in scenes:
        if not scene.facts.hides_its_label:
            corners = scene.facts.boxes
            yield Marked(scene.pixels, np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1))


def fit_regions(
    marked: Iterable[Marked], spotter: Spotter, *, seed: int, advance: Callable[[float], None]
) -> Regions | None:
    """The region head of a network, None where too few marks are boxed."""
    fit: _Fit | None = None
    with prefetch(iter(marked), 8) as pictures:
        for windows in _seen(pictures, spotter, np.random.default_rng(seed), advance):
            fit = fit or _Fit(windows.grids.shape[1])
            fit.add(windows)
    return fit.solved() if fit is not None else None


def _seen(
    pictures: Iterator[Marked], spotter: Spotter, rng: np.random.Generator, advance: Callable[[float], None]
) -> Iterator[_Windows]:
    """The windows of all pictures that are learned from."""
    for some in batched(pictures, spotter.together):
        for one, outputs in zip(some, spotter.dense([one.pixels for one in some]), strict=True):
            for output in outputs:
                yield from _windows(one.boxes, output, spotter.regions(output), rng)
        advance(float(len(some)))


def _windows(
    boxes: NDArray[np.float64], output: DenseOutput, likely: NDArray[np.float64], rng: np.random.Generator
) -> Iterator[_Windows]:
    """Windows of one picture: some near each of its marks, and some of those that are likely something."""
    grid = (output.logits.shape[2], output.logits.shape[3])
    near, wanted = _near(window_boxes(window_grid(*grid), *grid), boxes, rng)
    read = np.concatenate([near, likely[rng.permutation(len(likely))[:LIKELY_EACH]]])
    if not len(read):
        return
    pixels = np.tile(pixels_of(output.embedding), 2)
    moves = np.full((len(read), 4), np.nan)
    moves[: len(near)] = moves_to(near * pixels, wanted * pixels)
    overlaps = pairwise(read, boxes)[0].max(axis=1) if len(boxes) else np.zeros(len(read))
    yield _Windows(region_grids(output.embedding, read).astype(np.float16), overlaps, moves)


def _near(
    every: NDArray[np.float64], boxes: NDArray[np.float64], rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Some windows near each mark, and the marks: `(n, 4)` each. A window near several marks belongs to the nearest."""
    if not len(boxes):
        return np.zeros((0, 4)), np.zeros((0, 4))
    iou = pairwise(every, boxes)[0]
    own, best = iou.argmax(axis=1), iou.max(axis=1)
    rows = [
        rng.permutation(np.flatnonzero((own == mark) & (best >= NEAR_IOU)))[:NEAR_EACH] for mark in range(len(boxes))
    ]
    chosen = np.concatenate(rows)
    return every[chosen], boxes[own[chosen]]
