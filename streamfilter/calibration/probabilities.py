"""How sure an event's score is worth being: a curve fitted to events of which it is known whether they are right."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from streamfilter.calibration.reliability import fit_curve, held_out
from streamfilter.evaluation.reliability import calibration_error
from streamfilter.evaluation.times import Truth, score_clip
from streamfilter.probability import ProbabilityCurve
from streamfilter.types import Event

FEW = 10
"""With fewer right or fewer wrong events the scores stay what they are."""


@dataclass(frozen=True, slots=True)
class ScoreFit:
    """The events there were to fit to, and the expected calibration error before and after.

    `error_after` is that of curves fitted without the clip in question. `curve` None: too few events to fit one.
    """

    right: int
    wrong: int
    error_before: float
    error_after: float
    curve: ProbabilityCurve | None


def fit_scores(clips: Iterable[tuple[str, Sequence[Event], Sequence[Truth]]]) -> ScoreFit:
    """Fit to the events of clips, each with its name and its truth: an event is right when the truth says its label."""
    rows = [(event.score, _is_right(event, truth), name) for name, events, truth in clips for event in events]
    scores = np.array([row[0] for row in rows])
    right = np.array([row[1] for row in rows], np.bool_)
    before = float(calibration_error(scores, right)[0]) if rows else 0.0
    if min(right.sum(), (~right).sum()) < FEW:
        return ScoreFit(int(right.sum()), int((~right).sum()), before, before, None)
    after = float(calibration_error(held_out(scores, right, [row[2] for row in rows]), right)[0])
    return ScoreFit(int(right.sum()), int((~right).sum()), before, after, fit_curve(scores, right))


def _is_right(event: Event, truth: Sequence[Truth]) -> bool:
    """Whether at least half of the event lies where its label is to be seen: the measure of `evaluate`."""
    return score_clip([event], truth, known={event.label}, watched_s=event.end_s).false_events == 0
