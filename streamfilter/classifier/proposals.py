"""Where something could be: one dense pass per picture, the head's logits pooled over windows at many scales."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from streamfilter.classifier.marking import evidence, mark_odds
from streamfilter.classifier.regions import RegionHead
from streamfilter.classifier.suppress import distinct, suppress, vote
from streamfilter.classifier.windows import window_boxes, window_grid, window_means, windows_at
from streamfilter.config import ClassifierConfig
from streamfilter.model import DenseResNet
from streamfilter.model.network import DenseOutput
from streamfilter.model.regions import Regions
from streamfilter.rejector.softmax import softmax
from streamfilter.types import Features, Pixels

GRANULE = 32
"""Sides of an analysed picture are multiples of this: the stride of layer 4."""
LONGEST = 4.0
"""A picture longer than this many short sides is analysed at a smaller short side: memory stays bounded."""
MOST_WINDOWS = 600
"""Likeliest windows of a picture that suppression looks at."""
MOST_PLACES = 12
"""Places of a picture that a closer look is taken at."""
MOST_FITTED = 8
"""The same where a region head fits them to what is there: fewer do."""
MOST_REGIONS, SAME_REGION_IOU = 150, 0.7
"""Windows that the region head reads, and how much two of them may overlap."""
LEAST_SCORE = 0.3
"""Where the head says that less than this share of a window at the floor is a mark, it is no place."""
LEAST_WORTH = 0.2
"""A place that is less likely a mark of a label than this share of the floor is not worth a closer look: on held-out
pictures five of eight stay, with the same AUROC; five times as much loses logos."""
_SLACK = 1e-3
"""More than rounding takes from the difference of two logits."""
SAME_PLACE_IOU = 0.5
"""Windows that overlap more than this are one place; one inside another is a place of its own."""


def fit_size(width: int, height: int, short_side: int) -> tuple[int, int]:
    """Width and height at which a picture of this size is analysed, both divisible by `GRANULE`."""
    scale = min(short_side / min(width, height), LONGEST * short_side / max(width, height))
    return (
        max(GRANULE, round(width * scale / GRANULE) * GRANULE),
        max(GRANULE, round(height * scale / GRANULE) * GRANULE),
    )


def halved(picture: Pixels) -> Pixels:
    """The picture at about half its size, with sides that the network takes."""
    height, width = (max(GRANULE, round(side / 2 / GRANULE) * GRANULE) for side in picture.shape[:2])
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class Proposals:
    """One window for each place, or for each label at a place, likeliest first.

    `windows`: `(n, 4)` int64, top, left, height, width in cells. `boxes`: `(n, 4)` float64, x, y, width, height in 0 to
    1. `features`: what the dense pass alone says of the windows, at the size at which they were found. `odds`: `(n,)`
    float64, log odds that they are marks of labels, even (0) where what tells that was not fitted.
    """

    windows: NDArray[np.int64]
    boxes: NDArray[np.float64]
    features: Features
    odds: NDArray[np.float64]

    def rows(self, kept: NDArray[np.intp]) -> Proposals:
        """Some of them."""
        return Proposals(self.windows[kept], self.boxes[kept], self.features.rows(kept), self.odds[kept])


@dataclass(frozen=True, slots=True, eq=False)
class _Likely:
    """Windows with their boxes, logits and scores, likeliest first."""

    windows: NDArray[np.int64]
    boxes: NDArray[np.float64]
    logits: NDArray[np.float32]
    scores: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What a region head reads in one dense pass, `output`.

    `boxes`: `(n, 4)`. `scores`: `(n,)`, how likely each was a label where it was proposed, times how much of it is a
    mark. `odds`: `(n,)`, as `Proposals` have them.
    """

    output: DenseOutput
    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]
    odds: NDArray[np.float64]


class Proposer:
    """What a network's dense pass proposes. `floor`: least probability, at `temperature`, of a window.

    `places`: propose where any label could be, one window for each place, for a closer look to say which. The dense
    pass knows that something is a logo before it knows which one. `regions`: fits places to what is there.
    """

    def __init__(
        self,
        network: DenseResNet,
        config: ClassifierConfig,
        *,
        floor: float,
        temperature: float = 1.0,
        places: bool = False,
        regions: Regions | None = None,
    ) -> None:
        self._places = places
        self._network, self._config = network, config
        self._floor, self._temperature = floor, temperature
        self._head = RegionHead(regions) if regions is not None else None
        self._marking = regions.marking if regions is not None else None

    @property
    def fits(self) -> bool:
        """Whether a region head fits places to what is there, and reads smaller sizes, too."""
        return self._head is not None

    def propose(self, output: DenseOutput, *smaller: DenseOutput) -> Proposals:
        """What could be a label in one picture, by its dense pass.

        `smaller`: dense passes of the same picture at smaller sizes, which the region head reads, too: a mark that is
        large there is seen whole here.
        """
        if self._places and self._head is not None:
            return self.fit([self.read(one) for one in (output, *smaller)])
        likely = self._likely(output)
        if not self._places:
            labels = likely.logits[:, :-1].argmax(axis=1)
            config = self._config
            kept = suppress(likely.boxes, likely.scores, labels, iou=config.nms_iou, most=config.max_candidates)
            return self._voted(output, likely, labels, kept)
        kept = distinct(likely.boxes, likely.scores, iou=SAME_PLACE_IOU, most=MOST_PLACES)
        return self._voted(output, likely, np.zeros(len(likely.boxes), np.int64), kept)

    def regions(self, output: DenseOutput) -> NDArray[np.float64]:
        """The windows of a picture that a region head reads, as boxes `(n, 4)`."""
        likely = self._likely(output)
        return likely.boxes[_apart(likely)]

    def _likely(self, output: DenseOutput) -> _Likely:
        """The likeliest windows: to be any label where places are proposed, else one of the labels."""
        grid = (output.logits.shape[2], output.logits.shape[3])
        windows = window_grid(*grid)
        logits = self.logits(output, windows)
        possible = _possible(logits, floor=self._floor, temperature=self._temperature)
        windows, logits = windows[possible], logits[possible]
        chances = softmax(logits, self._temperature)
        best = 1 - chances[:, -1] if self._places else chances[:, :-1].max(axis=1)
        rows = np.flatnonzero(best >= self._floor)
        rows = rows[np.argsort(-best[rows], kind="stable")[:MOST_WINDOWS]]
        return _Likely(windows[rows], window_boxes(windows[rows], *grid), logits[rows], best[rows])

    def _voted(self, output: DenseOutput, likely: _Likely, labels: NDArray[np.int64], kept: list[int]) -> Proposals:
        voted = [vote(likely.boxes, likely.scores, labels, k) for k in kept]
        windows = likely.windows[kept]
        return Proposals(
            windows,
            np.stack(voted) if voted else np.zeros((0, 4)),
            self.features(output, windows, likely.logits[kept]),
            np.zeros(len(kept)),
        )

    def read(self, output: DenseOutput) -> Reading:
        """What the region head reads in a dense pass; there is one (`fits`)."""
        boxes, overlap, likely = self._fitted(output)
        if self._marking is None:
            odds = np.zeros(len(boxes))
        else:
            odds = mark_odds(self._evidence(output, boxes, overlap), self._marking)
        return Reading(output, boxes, likely * overlap, odds)

    def evidence(self, output: DenseOutput) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The boxes `(n, 4)` that the region head reads in a dense pass, and their `marking.evidence`, `(n, 4)`."""
        boxes, overlap, _ = self._fitted(output)
        return boxes, self._evidence(output, boxes, overlap)

    def _fitted(self, output: DenseOutput) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Boxes fitted to what is there, how much of each is a mark, and how likely its window was a label."""
        assert self._head is not None
        likely = self._likely(output)
        read = _apart(likely)
        if not read:
            return np.zeros((0, 4)), np.zeros(0), np.zeros(0)
        return *self._head.read(output.embedding, likely.boxes[read]), likely.scores[read]

    def _evidence(
        self, output: DenseOutput, boxes: NDArray[np.float64], overlap: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        windows = windows_at(boxes, *output.logits.shape[2:])
        return evidence(overlap, self.logits(output, windows), boxes)

    def places(self, reading: Reading) -> NDArray[np.float64]:
        """Where one reading alone says that something may be, and be it little: boxes `(n, 4)`."""
        return reading.boxes[self._distinct(reading.boxes, reading.scores)]

    def fit(self, readings: Sequence[Reading]) -> Proposals:
        """Places that fit what is there, those that are likeliest to overlap a mark that is likely a label first.

        Those that are hardly a mark of a label are left out. They are not put in order by that: measured, what is
        likeliest for one reason alone is more often a stranger.

        `readings`: of the same picture at several sizes, the largest first.
        """
        places = np.concatenate([reading.boxes for reading in readings])
        kept = np.array(self._distinct(places, np.concatenate([reading.scores for reading in readings])), np.intp)
        odds = np.concatenate([reading.odds for reading in readings])
        kept = kept[1 / (1 + np.exp(-odds[kept])) >= LEAST_WORTH * self._floor]
        size = np.repeat(np.arange(len(readings)), [len(reading.boxes) for reading in readings])[kept]
        outputs = [reading.output for reading in readings]
        windows = windows_at(places[kept], *outputs[0].logits.shape[2:])
        return Proposals(windows, places[kept], self._features_at(outputs, size, places[kept]), odds[kept])

    def _distinct(self, boxes: NDArray[np.float64], scores: NDArray[np.float64]) -> list[int]:
        """The boxes, by index, that are places of their own, likeliest first."""
        kept = distinct(boxes, scores, iou=SAME_PLACE_IOU, most=MOST_FITTED)
        return [k for k in kept if scores[k] >= LEAST_SCORE * self._floor]

    def _features_at(
        self, outputs: Sequence[DenseOutput], size: NDArray[np.int64], boxes: NDArray[np.float64]
    ) -> Features:
        """Features of the boxes `(n, 4)`, each by the dense pass of this number, `size` `(n,)`."""
        parts = []
        for number, output in enumerate(outputs):
            windows = windows_at(boxes[size == number], *output.logits.shape[2:])
            parts.append(self.features(output, windows, self.logits(output, windows)))
        order = np.concatenate([np.flatnonzero(size == number) for number in range(len(outputs))])
        return Features.concatenate(parts).rows(np.argsort(order))

    def logits(self, output: DenseOutput, windows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Logits `(n, C+1)` of the windows `(n, 4)` of one picture."""
        wanted = torch.from_numpy(windows).to(output.logits.device)
        with torch.inference_mode():
            means = window_means(output.logits, wanted)
            return np.asarray(self._network.window_logits(means, wanted)[0].cpu().numpy())

    def features(self, output: DenseOutput, windows: NDArray[np.int64], logits: NDArray[np.float32]) -> Features:
        """Features of windows of one picture whose logits are known."""
        cells = output.embedding[0]
        means = [cells[:, y : y + h, x : x + w].float().mean(dim=(1, 2)) for y, x, h, w in windows.tolist()]
        embeddings = torch.stack(means).cpu().numpy() if means else np.zeros((0, len(cells)), np.float32)
        return Features(logits, embeddings, windows[:, 2:].prod(axis=1).astype(np.float64))


def _possible(logits: NDArray[np.float32], *, floor: float, temperature: float) -> NDArray[np.intp]:
    """The rows `(n, C+1)` in which all labels together could have this probability: most others need no exponential."""
    if not 0 < floor < 1:
        return np.arange(len(logits))
    labels = logits.shape[1] - 1
    least = temperature * (math.log(floor / (1 - floor)) - math.log(labels))
    return np.flatnonzero(logits[:, :-1].max(axis=1) - logits[:, -1] >= least - _SLACK)


def _apart(likely: _Likely) -> list[int]:
    """The windows that a region head reads."""
    return distinct(likely.boxes, likely.scores, iou=SAME_REGION_IOU, most=MOST_REGIONS)
