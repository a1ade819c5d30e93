"""When two looks say the same with certainty, so that those between them need not be asked; and what these show."""

from __future__ import annotations

from dataclasses import dataclass, replace

from streamfilter.config import SmootherConfig
from streamfilter.gate.tiles import Seen
from streamfilter.smoother.place import Place, pair_up
from streamfilter.types import Box, Candidate, Sighting

NEARLY = 0.4
"""What is rejected with a lower score was hardly accepted a moment before or after: one picture in many shows such."""


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What the network found at one look, and what the rejector says of it: one sighting per candidate, in order.

    `seen`: what it has seen by then; None where that is of no use to later looks.
    """

    time_s: float
    candidates: tuple[Candidate, ...]
    sightings: tuple[Sighting, ...]
    seen: Seen | None = None

    def matter(self, config: SmootherConfig) -> list[int]:
        """The candidates, by index, that are labels, or nearly."""
        least = max(config.hold_score, NEARLY)
        return [n for n, s in enumerate(self.sightings) if s.label is not None or s.score >= least]


def agree(before: Answer, after: Answer, config: SmootherConfig) -> bool:
    """Whether both show the same at about the same places, as far as it can hold an event."""
    return _pairs(before, after, config) is not None


def labels_of(answer: Answer) -> list[str]:
    """The labels that were accepted, sorted, each as often as it was."""
    return sorted(sighting.label for sighting in answer.sightings if sighting.label is not None)


def between(before: Answer, after: Answer, time_s: float, config: SmootherConfig) -> tuple[Candidate, ...]:
    """What a look at `time_s` between two that agree shows: the nearer one's candidates, where they were by then."""
    pairs, near = _pairs(before, after, config), nearer(before, after, time_s)
    if not pairs:
        return near.candidates
    share = (time_s - before.time_s) / (after.time_s - before.time_s)
    candidates = list(near.candidates)
    for first, second in pairs:
        number = first if near is before else second
        box = _moved(before.candidates[first].box, after.candidates[second].box, share)
        candidates[number] = replace(candidates[number], box=box)
    return tuple(candidates)


def nearer(before: Answer, after: Answer, time_s: float) -> Answer:
    """The one of the two that a look at `time_s` takes its candidates from."""
    return before if time_s - before.time_s <= after.time_s - time_s else after


def _pairs(before: Answer, after: Answer, config: SmootherConfig) -> list[tuple[int, int]] | None:
    """Which candidates that matter in both are one thing, by index; None where they do not agree."""
    found = []
    ours, theirs = _by_verdict(before, config), _by_verdict(after, config)
    if {verdict: len(numbers) for verdict, numbers in ours.items()} != {
        verdict: len(n) for verdict, n in theirs.items()
    }:
        return None
    for verdict, numbers in ours.items():
        others = theirs[verdict]
        places = [Place(before.candidates[n].box, config.place_reach) for n in numbers]
        matched = pair_up(places, [after.candidates[n].box for n in others], iou=config.place_iou)
        if len(matched) < len(numbers):
            return None
        found += [(numbers[i], others[j]) for i, j in matched.items()]
    return found


def _by_verdict(answer: Answer, config: SmootherConfig) -> dict[tuple[str, bool], list[int]]:
    """The candidates that matter, by label and whether it was accepted.

    One that was rejected at both of two looks was hardly accepted for long between them; one that was seen at one of
    them only may have been.
    """
    found: dict[tuple[str, bool], list[int]] = {}
    for number in answer.matter(config):
        verdict = answer.candidates[number].label, answer.sightings[number].label is not None
        found.setdefault(verdict, []).append(number)
    return found


def _moved(one: Box, other: Box, share: float) -> Box:
    def mix(a: float, b: float) -> float:
        return a + (b - a) * share

    x, y = mix(one.x, other.x), mix(one.y, other.y)
    width, height = mix(one.width, other.width), mix(one.height, other.height)
    return Box(x, y, min(width, 1 - x), min(height, 1 - y))
