"""Scores events against the truth of a drawn clip.

Time is cut into ticks of 0.04 s. Per label, a tick is right where an event says the label and it is clear in the
picture, wrong where an event says it and it is not there at all, lost where it is clear and no event says it; a tick at
which it is hard to see counts for nothing. Raw counts are kept, so that scores of several clips add up.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamfilter.demo.clip import Appearance
from streamfilter.evaluation.times import Span

TICK_S = 0.04


@dataclass(frozen=True, slots=True)
class Score:
    """Ticks that are right, false and missed; clear appearances found and missed; false events."""

    right: int = 0
    wrong: int = 0
    lost: int = 0
    found: int = 0
    missed: int = 0
    false_events: int = 0

    @property
    def precision(self) -> float:
        """Of the time that events say, the share that is right; 0 when they say nothing."""
        return self.right / max(1, self.right + self.wrong)

    @property
    def recall(self) -> float:
        """Of the time to be found, the share that was; 0 when there is none."""
        return self.right / max(1, self.right + self.lost)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return 2 * self.right / max(1, 2 * self.right + self.wrong + self.lost)

    def __add__(self, other: Score) -> Score:
        return Score(
            self.right + other.right,
            self.wrong + other.wrong,
            self.lost + other.lost,
            self.found + other.found,
            self.missed + other.missed,
            self.false_events + other.false_events,
        )


def score_events(events: Sequence[Span], truth: Sequence[Appearance], *, known: Collection[str]) -> Score:
    """The score of one clip's events. An event is false when under half of its time shows its label, clear or hard.

    `known` are the labels that were taught; appearances of others must not be found.
    """
    ticks = 1 + max((_tick(span.end_s) for span in (*events, *truth)), default=0)
    total = Score()
    for label in sorted({event.label for event in events} | set(known)):
        shown = [one for one in truth if one.label == label and label in known]
        total += _score_label([event for event in events if event.label == label], shown, ticks)
    return total


def _score_label(events: Sequence[Span], shown: Sequence[Appearance], ticks: int) -> Score:
    clear = [one for one in shown if one.visibility == "clear"]
    said, must, may = (_timeline(spans, ticks) for spans in (events, clear, shown))
    found = sum(bool(said[_ticks(one)].any()) for one in clear)
    shares = [may[_ticks(event)] for event in events]
    return Score(
        right=int((said & must).sum()),
        wrong=int((said & ~may).sum()),
        lost=int((must & ~said).sum()),
        found=found,
        missed=len(clear) - found,
        false_events=sum(2 * int(inside.sum()) < max(1, len(inside)) for inside in shares),
    )


def _timeline(spans: Sequence[Span], ticks: int) -> NDArray[np.bool_]:
    """Which ticks any of the spans covers, `(ticks,)` bool."""
    covered = np.zeros(ticks, np.bool_)
    for span in spans:
        covered[_ticks(span)] = True
    return covered


def _ticks(span: Span) -> slice:
    return slice(_tick(span.start_s), _tick(span.end_s))


def _tick(time_s: float) -> int:
    return round(time_s / TICK_S)
