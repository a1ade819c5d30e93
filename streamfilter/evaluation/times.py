"""Scores events on a clip against its truth, in seconds of (label, time).

Per label, time is right where an event says the label and it is clear in the picture, wrong where an event says it and
it is not there, lost where it is clear and no event says it. Where it is hard to see nothing counts. An appearance
that was clear is found when an event of its label touches it; an event is false when less than half of it lies in clear
or hard time of its label. Sums are kept, so that clips add up and can be resampled.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from streamfilter.intervals import Interval, difference, intersection, total

SHORTEST_EDGE_S = 1.0
"""Start and end errors are taken of found appearances at least this long: shorter ones have no clear edge."""


class Span(Protocol):
    """A stretch of time with a label: an event, an appearance."""

    @property
    def label(self) -> str: ...

    @property
    def start_s(self) -> float: ...

    @property
    def end_s(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Truth:
    """An appearance of a label in a clip. `hard`: a person may or may not see it; it is found or not without a loss."""

    label: str
    start_s: float
    end_s: float
    visibility: Literal["clear", "hard"]


@dataclass(frozen=True, slots=True)
class ClipScore:
    """Sums over a clip, or over several.

    `right_s`, `wrong_s`, `lost_s`, `watched_s`: seconds; `found`, `missed`: clear appearances; `events`, and how many
    of them are false. `start_errors_s`, `end_errors_s`: of each found appearance that is long enough, from the nearest
    edge of an event that touches it, positive where the event is late.
    """

    right_s: float = 0.0
    wrong_s: float = 0.0
    lost_s: float = 0.0
    found: int = 0
    missed: int = 0
    events: int = 0
    false_events: int = 0
    watched_s: float = 0.0
    start_errors_s: tuple[float, ...] = field(default=())
    end_errors_s: tuple[float, ...] = field(default=())

    def __add__(self, other: ClipScore) -> ClipScore:
        return ClipScore(*(getattr(self, name) + getattr(other, name) for name in ClipScore.__slots__))


def score_clip(
    events: Sequence[Span], truth: Sequence[Truth], *, known: Collection[str], watched_s: float
) -> ClipScore:
    """Score one clip's events; appearances of labels that are not `known` are strangers, never to be found."""
    shown = [one for one in truth if one.label in known]
    whole = ClipScore(events=len(events), watched_s=watched_s)
    for label in sorted({span.label for span in (*events, *shown)}):
        whole += _score_label([e for e in events if e.label == label], [t for t in shown if t.label == label])
    return whole


def _score_label(events: Sequence[Span], shown: Sequence[Truth]) -> ClipScore:
    clear = [one for one in shown if one.visibility == "clear"]
    said, must, may = _pairs(events), _pairs(clear), _pairs(shown)
    found = [one for one in clear if intersection(said, _pairs([one]))]
    starts, ends = _edge_errors(events, [one for one in found if one.end_s - one.start_s >= SHORTEST_EDGE_S])
    return ClipScore(
        right_s=total(intersection(said, must)),
        wrong_s=total(difference(said, may)),
        lost_s=total(difference(must, said)),
        found=len(found),
        missed=len(clear) - len(found),
        false_events=sum(_is_false(event, may) for event in events),
        start_errors_s=starts,
        end_errors_s=ends,
    )


def _edge_errors(events: Sequence[Span], found: Iterable[Truth]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    starts, ends = [], []
    for one in found:
        touching = [event for event in events if event.start_s < one.end_s and event.end_s > one.start_s]
        starts.append(min((event.start_s - one.start_s for event in touching), key=abs))
        ends.append(min((event.end_s - one.end_s for event in touching), key=abs))
    return tuple(starts), tuple(ends)


def _is_false(event: Span, may: Sequence[Interval]) -> bool:
    return 2 * total(intersection(_pairs([event]), may)) < event.end_s - event.start_s


def _pairs(spans: Iterable[Span]) -> list[Interval]:
    return [(span.start_s, span.end_s) for span in spans]
