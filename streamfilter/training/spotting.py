"""What the dense pass proposes in composed scenes, with what each proposal looks like when it is looked at closer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from streamfilter.buffering import batched, prefetch
from streamfilter.classifier.closer import cut_out
from streamfilter.classifier.proposals import Proposals, Proposer, fit_size, halved
from streamfilter.classifier.runtimes import Runtime
from streamfilter.config import ClassifierConfig
from streamfilter.model import DenseResNet
from streamfilter.model.closer import PARTS
from streamfilter.model.device import Compute
from streamfilter.model.network import DenseOutput
from streamfilter.model.regions import Regions
from streamfilter.rejector.softmax import softmax
from streamfilter.training.batches import Compose
from streamfilter.training.frozen import frozen_runtime
from streamfilter.training.scene import Scene, SceneFacts
from streamfilter.training.targets import IGNORE, overlaps
from streamfilter.training.validation import FOUND_IOU, Found
from streamfilter.types import Box, Features, Pixels

SIDE = 96
"""Pixels to which a candidate is enlarged: 128 and 160 were no better at twice and three times the cost."""
SAME_IOU, OTHER_IOU = 0.5, 0.2
"""A proposal that overlaps a logo this much shows it; one that overlaps every logo less shows none."""
TOGETHER = 4
"""Scenes that are looked at together, so that all cores have one."""
SURE = 0.5
"""Probability from which on the likeliest proposal in a picture whose logo is not boxed counts as that logo."""


@dataclass(frozen=True, slots=True, eq=False)
class Spots:
    """Proposals in scenes, and the scenes' facts.

    `scene`: `(n,)` int64, in which scene. `boxes`: `(n, 4)`, x, y, width, height. `features`: of the dense pass.
    `close`: `(n, F)` float32, features of the closer look. `true_close`, `true_labels`: those of the scenes' logos
    themselves, wherever the dense pass looked, `(m, F)` and `(m,)` int64. `odds`: `(n,)`, log odds that proposals are
    marks of labels.
    """

    facts: tuple[SceneFacts, ...]
    scene: NDArray[np.int64]
    boxes: NDArray[np.float64]
    features: Features
    close: NDArray[np.float32]
    true_close: NDArray[np.float32]
    true_labels: NDArray[np.int64]
    odds: NDArray[np.float64]

    def with_logits(self, logits: NDArray[np.float32]) -> Spots:
        """The same with other logits, such as those of both opinions."""
        return replace(self, features=replace(self.features, logits=logits))


class Spotter:
    """Looks at scenes as the classifier will look at frames, with nothing left out for being unlikely."""

    def __init__(
        self,
        network: DenseResNet,
        compute: Compute,
        *,
        short_side: int,
        runtime: Runtime | None = None,
        regions: Regions | None = None,
    ) -> None:
        self._network, self._compute, self._short_side = network, compute, short_side
        self._runtime = runtime or frozen_runtime(network, compute)
        self._proposer = Proposer(network, ClassifierConfig(), floor=0.0, places=True, regions=regions)
        self.none = network.shape.labels
        # Pictures of several sizes can pass together on a CPU only.
        self.together = TOGETHER if compute.device.type == "cpu" else 1

    def with_regions(self, regions: Regions | None) -> Spotter:
        """One whose places this region head fits to what is there."""
        return Spotter(
            self._network, self._compute, short_side=self._short_side, runtime=self._runtime, regions=regions
        )

    def dense(self, pictures: Sequence[Pixels]) -> list[tuple[DenseOutput, DenseOutput]]:
        """The dense passes of some pictures, on a GPU of one size: at the size of analysis, and at half of it."""
        halves = self._runtime.dense([halved(picture) for picture in pictures])
        return list(zip(self._runtime.dense(pictures), halves, strict=True))

    def evidence(self, pictures: Sequence[Pixels]) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
        """Of each picture the boxes that the region head reads at both sizes, and what tells of them whether they are
        marks: see `Proposer.evidence`.
        """
        found = []
        for outputs in self.dense(pictures):
            boxes, evidence = zip(*(self._proposer.evidence(output) for output in outputs), strict=True)
            found.append((np.concatenate(boxes), np.concatenate(evidence)))
        return found

    def regions(self, output: DenseOutput) -> NDArray[np.float64]:
        """The windows of a picture that a region head reads, as boxes `(n, 4)`."""
        return self._proposer.regions(output)

    def spot(self, compose: Compose, seeds: Sequence[int], *, advance: Callable[[float], None]) -> Spots:
        """Spots in the scenes of these seeds, at least one."""
        assert len(seeds), "spot needs at least one scene"
        parts: list[Spots] = []
        with prefetch((compose(seed) for seed in seeds), 8) as scenes:
            for some in batched(scenes, self.together):
                parts += self._look(some, first=len(parts))
                advance(float(len(some)))
        return join_spots(parts)

    def find(self, picture: Pixels, label: int) -> list[Box]:
        """Where a picture `(H, W, 3)` that shows a label shows it, likeliest: one box, none if nothing is sure."""
        size = fit_size(picture.shape[1], picture.shape[0], self._short_side)
        small = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
        (found,) = self._propose([small])
        chances = softmax(found.features.logits, 1.0)[:, label]
        if not len(chances) or chances.max() < SURE:
            return []
        x, y, width, height = np.clip(found.boxes[int(chances.argmax())], 0.0, 1.0)
        return [Box(x, y, min(width, 1 - x), min(height, 1 - y))]

    def close(self, cuts: Sequence[Pixels]) -> NDArray[np.float32]:
        """Features `(n, F)` of the closer look at cuts `(SIDE, SIDE, 3)`."""
        return self._runtime.close([cuts])[0] if cuts else np.zeros((0, PARTS[-1] * self._network.middle), np.float32)

    def _propose(self, pictures: Sequence[Pixels]) -> list[Proposals]:
        """What a run would propose; without a region head half the size is not looked at."""
        if not self._proposer.fits:
            return [self._proposer.propose(output) for output in self._runtime.dense(pictures)]
        return [self._proposer.propose(*outputs) for outputs in self.dense(pictures)]

    def _look(self, scenes: Sequence[Scene], *, first: int) -> list[Spots]:
        """Spots of each scene; `first` is the number of the first, from which all that is random follows."""
        pictures = [scene.pixels for scene in scenes]
        found = self._propose(pictures)
        cuts = [[cut_out(p, box, SIDE) for box in own.boxes] for own, p in zip(found, pictures, strict=True)]
        read = [self.close(some) for some in cuts]
        return [
            self._spots(*one, np.random.default_rng(first + number))
            for number, one in enumerate(zip(scenes, found, read, strict=True))
        ]

    def _spots(self, scene: Scene, found: Proposals, close: NDArray[np.float32], rng: np.random.Generator) -> Spots:
        true_boxes, labels = _true_boxes(scene.facts, rng)
        return Spots(
            facts=(scene.facts,),
            scene=np.zeros(len(found.boxes), np.int64),
            boxes=found.boxes,
            features=found.features,
            close=close,
            true_close=self.close([cut_out(scene.pixels, box, SIDE) for box in true_boxes]),
            true_labels=labels,
            odds=found.odds,
        )


def spot_labels(spots: Spots) -> NDArray[np.int64]:
    """What each spot shows, `(n,)`: a label's index, the none class, or `IGNORE` where it is neither quite."""
    none = spots.features.logits.shape[1] - 1
    labels = np.full(len(spots.scene), IGNORE, np.int64)
    for rows, facts in _by_scene(spots):
        boxes, logits = spots.boxes[rows], spots.features.logits[rows]
        labels[rows] = labels_at(boxes, facts, none=none)
        if facts.hides_its_label and len(rows):
            likeliest = softmax(logits, 1.0)[:, facts.whole_label]
            if likeliest.max() >= SURE:
                labels[rows[likeliest.argmax()]] = facts.whole_label
    return labels


def found_in(spots: Spots) -> Found:
    """Each logo's best spot, and of every scene without a known logo the spot that looks most like one."""
    chances = softmax(spots.features.logits, 1.0)
    known: list[int] = []
    labels: list[int] = []
    heights: list[float] = []
    strange: list[int] = []
    lost = 0
    for rows, facts in _by_scene(spots):
        if not len(facts.boxes) and facts.whole_label < 0 and len(rows):
            strange.append(int(rows[chances[rows, :-1].max(axis=1).argmax()]))
        iou = overlaps(spots.boxes[rows], facts.boxes)[1]
        for number, label in enumerate(facts.whole_labels):
            near = rows[iou[:, number] >= FOUND_IOU]
            if label >= 0 and not len(near):
                lost += 1
            elif label >= 0:
                known.append(int(near[chances[near, label].argmax()]))
                labels.append(int(label))
                heights.append(float(facts.boxes[number, 3] - facts.boxes[number, 1]))
    return Found(
        known=spots.features.rows(np.array(known, np.intp)),
        labels=np.array(labels, np.int64),
        heights=np.array(heights, np.float64),
        strange=spots.features.rows(np.array(strange, np.intp)),
        lost=lost,
    )


def _by_scene(spots: Spots) -> Iterator[tuple[NDArray[np.intp], SceneFacts]]:
    for number, facts in enumerate(spots.facts):
        yield np.flatnonzero(spots.scene == number), facts


def labels_at(boxes: NDArray[np.float64], facts: SceneFacts, *, none: int) -> NDArray[np.int64]:
    """What boxes `(n, 4)` in a scene show, `(n,)`: a label's index, `none`, or `IGNORE` where that is not known."""
    labels = np.full(len(boxes), IGNORE, np.int64)
    if len(facts.boxes):
        iou = overlaps(boxes, facts.boxes)[1]
        labels[(iou < OTHER_IOU).all(axis=1)] = none
        best = iou.argmax(axis=1)
        same = iou.max(axis=1) >= SAME_IOU
        labels[same] = np.where(facts.whole_labels >= 0, facts.whole_labels, IGNORE)[best[same]]
    elif not facts.hides_its_label:
        labels[:] = none
    return labels


def _true_boxes(facts: SceneFacts, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The scene's logos as x, y, width, height, a little off as proposals are, and their labels."""
    kept = np.flatnonzero(facts.whole_labels >= 0)
    corners = facts.boxes[kept]
    size = corners[:, 2:] - corners[:, :2]
    grown = size * rng.uniform(0.85, 1.3, (len(kept), 1))
    middle = (corners[:, :2] + corners[:, 2:]) / 2 + size * rng.uniform(-0.1, 0.1, (len(kept), 2))
    return np.concatenate([middle - grown / 2, grown], axis=1), facts.labels[kept]


def join_spots(parts: Sequence[Spots]) -> Spots:
    """All spots as one: scenes are numbered on from part to part."""
    before = np.cumsum([0, *(len(part.facts) for part in parts)])
    return Spots(
        facts=tuple(facts for part in parts for facts in part.facts),
        scene=np.concatenate([part.scene + first for part, first in zip(parts, before, strict=False)]),
        boxes=np.concatenate([part.boxes for part in parts]),
        features=Features.concatenate([part.features for part in parts]),
        close=np.concatenate([part.close for part in parts]),
        true_close=np.concatenate([part.true_close for part in parts]),
        true_labels=np.concatenate([part.true_labels for part in parts]),
        odds=np.concatenate([part.odds for part in parts]),
    )
