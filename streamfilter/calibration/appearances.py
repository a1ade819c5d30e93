"""True appearances, and the strictest threshold at which each of them is still found."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamfilter.calibration.conformal import clips_needed, lost_share, strictest_kept
from streamfilter.calibration.footage import Photograph
from streamfilter.evaluation.times import Truth
from streamfilter.types import Event

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Limit:
    """The strictest threshold that keeps an appearance of `label` in `clip`; infinite where none does."""

    label: str
    clip: str
    threshold: float


@dataclass(frozen=True, slots=True)
class LabelLoss:
    """What a threshold costs a label.

    `lost` of `appearances` (in `clips`) were lost, `share` of them with one vote per clip. `strictest` is the strictest
    threshold that loses at most what is allowed, infinite where there is none; `clips_needed` is how many clips a
    promise takes.
    """

    label: str
    appearances: int
    clips: int
    clips_needed: int
    lost: int
    share: float
    strictest: float

    @property
    def is_enough(self) -> bool:
        """Whether there are clips enough to promise anything."""
        return self.clips >= self.clips_needed

    def is_kept(self, threshold: float) -> bool:
        """Whether the promise holds at this threshold."""
        return self.is_enough and threshold >= self.strictest


def truth_path(video: str) -> Path:
    """Where the truth of a video lies: `NAME.labels.jsonl` beside it."""
    return Path(video).with_suffix(".labels.jsonl")


def video_limits(
    clip: str, truth: Sequence[Truth], thresholds: Sequence[float], events: Sequence[Sequence[Event]]
) -> list[Limit]:
    """Limits of a clip's appearances, from its events at each threshold, strictest first.

    An appearance is kept by a threshold when this and every looser one finds it.
    """
    limits = []
    for one in truth:
        found = [any(_meets(one, event) for event in row) for row in events]
        misses = [index for index, is_found in enumerate(found) if not is_found]
        first = misses[-1] + 1 if misses else 0
        limits.append(Limit(one.label, clip, thresholds[first] if first < len(thresholds) else math.inf))
    return limits


def photograph_limit(label: str, photograph: Photograph, accepted: NDArray[np.bool_]) -> Limit:
    """The limit of a photograph of `label`; `accepted`: `(n,)`, which candidates pass everything but the threshold."""
    values = [
        value
        for candidate, value, passes in zip(photograph.candidates, photograph.unfamiliarity, accepted, strict=True)
        if passes and candidate.label == label
    ]
    return Limit(label, str(photograph.path), float(min(values, default=math.inf)))


def losses(limits: Sequence[Limit], threshold: float, *, most_lost: float) -> list[LabelLoss]:
    """What a threshold costs each label that has appearances, by name."""
    return [
        _loss(label, [limit for limit in limits if limit.label == label], threshold, most_lost)
        for label in sorted({limit.label for limit in limits})
    ]


def _loss(label: str, limits: Sequence[Limit], threshold: float, most_lost: float) -> LabelLoss:
    values = np.array([limit.threshold for limit in limits])
    clips = [limit.clip for limit in limits]
    return LabelLoss(
        label=label,
        appearances=len(limits),
        clips=len(set(clips)),
        clips_needed=clips_needed(most_lost),
        lost=int((values > threshold).sum()),
        share=lost_share(values, clips, threshold),
        strictest=strictest_kept(values, clips, share=most_lost),
    )


def _meets(one: Truth, event: Event) -> bool:
    return event.label == one.label and event.start_s < one.end_s and event.end_s > one.start_s
