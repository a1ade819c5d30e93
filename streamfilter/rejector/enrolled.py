"""Rejection for enrolled labels: each by its own limits, and none at the expense of the labels that were there before.

Enrolling must change no decision about another label. So those are made first, as if nothing had been enrolled; at a
place where one of them was accepted, an enrolled label is not; and between two enrolled ones the earlier holds it. The
geometric witness has more to say of enrolled labels than of taught ones: their rows were fitted to a few pictures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from streamfilter.config import RejectorConfig
from streamfilter.rejector.witnessed import is_witnessed
from streamfilter.stages import Rejector
from streamfilter.types import Candidate, Rejection, Sighting

SAME_PLACE_IOU = 0.5
"""Boxes that overlap by more than this are one place: the overlap from which the classifier too keeps one label."""


class FittedLimits(Protocol):
    """What a model file says of an enrolled label: see `model.Enrolled`."""

    @property
    def label(self) -> str: ...

    @property
    def threshold(self) -> float: ...

    @property
    def far(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Limits:
    """Least probability and largest distance at which an enrolled label is accepted; the largest chance of none."""

    softmax: float
    distance: float
    none_class: float


def with_enrolled(taught: Rejector, enrolled: Sequence[FittedLimits], config: RejectorConfig) -> Rejector:
    """`taught`, and for the enrolled labels, if any, their own limits or those that the settings give for all."""
    if not enrolled:
        return taught
    limits = {
        one.label: Limits(
            softmax=one.threshold if config.max_softmax is None else config.max_softmax,
            distance=one.far if config.mahalanobis is None else config.mahalanobis,
            none_class=0.5 if config.none_class is None else config.none_class,
        )
        for one in enrolled
    }
    return EnrolledRejector(taught, limits)


class EnrolledRejector:
    """See `stages.Rejector`. `taught` judges all candidates but those of the labels in `limits`, oldest label first."""

    def __init__(self, taught: Rejector, limits: Mapping[str, Limits]) -> None:
        self._taught, self._limits = taught, dict(limits)

    def judge(self, candidates: Sequence[Candidate]) -> tuple[Sighting, ...]:
        """One sighting per candidate, in order."""
        taught = [i for i, candidate in enumerate(candidates) if candidate.label not in self._limits]
        verdicts = dict(zip(taught, self._taught.judge([candidates[i] for i in taught]), strict=True))
        for label, limits in self._limits.items():
            held = [sighting for sighting in verdicts.values() if sighting.label is not None]
            for i, candidate in enumerate(candidates):
                if candidate.label == label:
                    verdicts[i] = _judge(candidate, limits, held)
        return tuple(verdicts[i] for i in range(len(candidates)))


def _judge(candidate: Candidate, limits: Limits, held: Sequence[Sighting]) -> Sighting:
    reason = _reason(candidate, limits)
    if reason is None and any(s.candidate.box.iou(candidate.box) > SAME_PLACE_IOU for s in held):
        reason = Rejection.TAKEN
    label = candidate.label if reason is None else None
    return Sighting(candidate, label, reason, min(max(candidate.softmax, 0.0), 1.0))


def _reason(candidate: Candidate, limits: Limits) -> Rejection | None:
    if is_witnessed(candidate):
        return None
    if candidate.none_probability > limits.none_class:
        return Rejection.NONE_CLASS
    if candidate.softmax < limits.softmax:
        return Rejection.LOW_SOFTMAX
    return Rejection.FAR if candidate.distance > limits.distance else None
