"""The pictures as they are, as scenes: nothing pasted, nothing cropped, at the size at which a run looks at them.

Composed scenes teach where a logo may be. How a logo's photograph, a street or another logo looks to a run, whole and
with all that stands around, only the pictures themselves tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from streamfilter.classifier.proposals import fit_size
from streamfilter.training.duplicates import shot_of
from streamfilter.training.examples import Example
from streamfilter.training.pictures import load_picture, resized
from streamfilter.training.scene import LARGEST, Scene, SceneFacts
from streamfilter.types import Box, Pixels

SAME_BOX_IOU = 0.5
"""Two boxes of one label that overlap more than this are one logo, boxed twice."""
MOST_CORRECTIONS = 120


def corrections(examples: Sequence[Example]) -> list[Example]:
    """The pictures in which a person has rejected what a run saw, spread over all such pictures, at most so many."""
    wrong = [example for example in examples if example.kind != "known" and shot_of(example.path.name) is not None]
    step = max(1.0, len(wrong) / MOST_CORRECTIONS)
    return [wrong[int(place)] for place in np.arange(0, len(wrong), step)]


class WholePictures:
    """Pictures of a dataset by number, from 0. Transparent artwork has no place here: it is no picture of anything."""

    def __init__(self, examples: Sequence[Example], labels: Sequence[str], *, short_side: int) -> None:
        self._examples = examples
        self._index = {label: number for number, label in enumerate(labels)}
        self._short_side = short_side

    def compose(self, number: int) -> Scene:
        """The picture of this number. What another logo's box holds is none of the labels, like all around it."""
        example = self._examples[number]
        return Scene(picture_at_size(example, self._short_side), self._facts(example))

    def _facts(self, example: Example) -> SceneFacts:
        boxes, labels = self._boxes(example)
        whole = -1 if example.label is None else self._index[example.label]
        return SceneFacts(boxes, labels, whole_label=whole)

    def _boxes(self, example: Example) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Corners and labels of the known logos, each once; none where its own logo is not boxed."""
        named = [(box, name) for box, name in example.boxes if name in self._index]
        if not any(name == example.label for _, name in named):
            named = []
        kept = each_once(named)
        corners = [(b.x, b.y, b.x + b.width, b.y + b.height) for b, _ in kept]
        labels = [self._index[name] for _, name in kept]
        return np.array(corners, np.float64).reshape(-1, 4), np.array(labels, np.int64)


def picture_at_size(example: Example, short_side: int) -> Pixels:
    """The picture as a run would look at it, `(H, W, 3)`."""
    picture = load_picture(example.path, max_side=LARGEST)[..., :3]
    return resized(picture, *fit_size(picture.shape[1], picture.shape[0], short_side))


def each_once(boxes: Iterable[tuple[Box, str]]) -> list[tuple[Box, str]]:
    """Of boxes of one name that overlap much, the first: some logos are boxed twice."""
    kept: list[tuple[Box, str]] = []
    for box, name in boxes:
        if not any(name == other and box.iou(known) > SAME_BOX_IOU for known, other in kept):
            kept.append((box, name))
    return kept
