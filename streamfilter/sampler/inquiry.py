"""What is known of one stretch, and which looks would tell more: due ones first, then those between two that differ."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from streamfilter.config import SmootherConfig
from streamfilter.gate import TILES, tiles_under, touches
from streamfilter.sampler.agreeing import Answer, agree, between, labels_of, nearer
from streamfilter.sampler.stretches import Stretch
from streamfilter.types import Candidate, Gap, Look, Sighting


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """What is known of one look. `is_asked`: from the network itself, and not from looks around it.

    `is_extra`: the sampler did not choose it; it lies at the edge of an appearance. `origin`: the index in its stretch
    of the look whose candidates these are, in the same order, wherever they have moved; None for an extra one.
    """

    look: Look
    candidates: tuple[Candidate, ...]
    is_asked: bool
    is_extra: bool = False
    origin: int | None = None


ROOM = 0.5
"""How far the mark at an edge may have moved, in its own widths and heights, before it is lost from sight."""


class Edge:
    """The frames between two looks that differ, halved until it is known between which two of them that happened.

    `before`: the answer at the first of the two.
    """

    def __init__(self, before: Answer, after: Answer, look: Look, config: SmootherConfig) -> None:
        self._config = config
        self._frames = look.passed
        self.before, self._after = before, after
        self._from, self._until = -1, len(look.passed)
        self._found: dict[int, tuple[Candidate, ...]] = {}

    def focus(self) -> NDArray[np.bool_]:
        """The tiles, `(9, 16)`, where either look shows anything that matters, and where that may have moved.

        What is elsewhere in the picture is known by the two: between them it is asked only when that came or went.
        """
        tiles = np.zeros(TILES, np.bool_)
        for answer in (self.before, self._after):
            for number in answer.matter(self._config):
                tiles[tiles_under(answer.candidates[number].box.grown(ROOM), TILES)] = True
        return tiles

    @property
    def middle(self) -> Look | None:
        """The frame to ask next; None when the edge is found, or blurred."""
        return Look(self._frames[self._number]) if self._until - self._from > 1 else None

    def take(self, candidates: tuple[Candidate, ...], sightings: tuple[Sighting, ...]) -> None:
        """The network's answer at the middle."""
        number, answer = self._number, Answer(self._frames[self._number].time_s, candidates, sightings)
        self._found[number] = candidates
        if agree(self.before, answer, self._config):
            self._from = number
        elif agree(answer, self._after, self._config):
            self._until = number
        else:
            self._from = self._until

    def told(self) -> Iterator[Told]:
        """What was found on the way, in order."""
        for number, candidates in sorted(self._found.items()):
            yield Told(Look(self._frames[number]), candidates, is_asked=True, is_extra=True)

    @property
    def _number(self) -> int:
        return (self._from + self._until) // 2


class Inquiry:
    """The answers of one stretch so far. `answers`: by the index of a look in the stretch."""

    def __init__(self, stretch: Stretch, config: SmootherConfig) -> None:
        self.stretch, self._config = stretch, config
        self.answers: dict[int, Answer] = {}
        self._asked: set[int] = set()

    def wanted(self) -> list[int]:
        """The looks to ask next: those that are due, then the middle ones between two that do not agree."""
        missing = [number for number in self.stretch.due if number not in self.answers]
        if missing:
            return missing
        ends = [number for run in self.stretch.runs for number in self._open_ends(run)]
        pairs = ((one, other) for run in self.stretch.runs for one, other in pairwise(self._known(run)))
        return ends + [
            (one + other) // 2 for one, other in pairs if other - one > 1 and not self._is_settled(one, other)
        ]

    def unseen(self, wanted: Sequence[int]) -> list[int]:
        """The looks whose pictures stand for these and were not asked about, each once."""
        return [n for n in dict.fromkeys(map(self.stretch.stands_for, wanted)) if n not in self.answers]

    def take(self, number: int, answer: Answer) -> None:
        """The answer at a look."""
        self.answers[number] = answer
        self._asked.add(number)

    def before(self, number: int, others: Collection[int]) -> int | None:
        """The last look before this one, without a cut or a gap in between, that is answered or one of `others`."""
        run = next(run for run in self.stretch.runs if run[0] <= number <= run[-1])
        return next((n for n in range(number - 1, run[0] - 1, -1) if n in self.answers or n in others), None)

    def is_last(self, number: int) -> bool:
        """Whether this look's picture is the one that the next stretch goes on from."""
        return bool(self.stretch.runs) and number == self.stretch.stands_for(self.stretch.runs[-1][-1])

    def share(self, number: int) -> None:
        """A look with the picture of another has its answer."""
        other = self.answers[self.stretch.stands_for(number)]
        time_s = self.stretch.look(number).frame.time_s
        self.answers.setdefault(number, replace(other, time_s=time_s))

    def edges(self) -> dict[int, Edge]:
        """Where labels come or go for more than one look, by the look after it; once nothing is wanted any more."""
        pairs = (pair for run in self.stretch.runs for pair in pairwise(run) if self._is_edge(run, *pair))
        return {
            after: Edge(self.answers[before], self.answers[after], self.stretch.look(after), self._config)
            for before, after in pairs
        }

    def told(self, edges: Mapping[int, Edge]) -> Iterator[Told | Gap]:
        """What is known of each gap and look that is new, once nothing is wanted any more."""
        filled = {number: known for run in self.stretch.runs for number, known in self._filled(run)}
        for number, item in enumerate(self.stretch.items):
            if number in edges:
                yield from edges[number].told()
            if isinstance(item, Gap):
                yield item
            elif number or not self.stretch.is_continued:
                origin, candidates = filled[number]
                yield Told(item, candidates, number in self._asked, origin=origin)

    def _filled(self, run: Sequence[int]) -> Iterator[tuple[int, tuple[int, tuple[Candidate, ...]]]]:
        """Each look of a run: its index, the index of the look that it is told by, and its candidates."""
        known = self._known(run)
        for number in range(run[0], known[0] + 1):
            yield number, (known[0], self.answers[known[0]].candidates)
        for one, other in pairwise(known):
            before, after = self.answers[one], self.answers[other]
            for number in range(one + 1, other):
                time_s = self.stretch.look(number).frame.time_s
                origin = one if nearer(before, after, time_s) is before else other
                yield number, (origin, between(before, after, time_s, self._config))
            yield other, (other, after.candidates)
        for number in range(known[-1] + 1, run[-1] + 1):
            yield number, (known[-1], self.answers[known[-1]].candidates)

    def _open_ends(self, run: Sequence[int]) -> Iterator[int]:
        """The first and the last look at a shot where what was asked next to them shows anything."""
        known = self._known(run)
        for end, near in ((run[0], known[0]), (run[-1], known[-1])):
            if end != near and self.answers[near].matter(self._config):
                yield end

    def _known(self, run: Sequence[int]) -> list[int]:
        return [number for number in run if number in self.answers]

    def _is_settled(self, one: int, other: int) -> bool:
        """Whether the looks between these two are known by them; those at one unchanged picture are."""
        if self.stretch.stands_for(one) == self.stretch.stands_for(other):
            return True
        return agree(self.answers[one], self.answers[other], self._config) and not self._may_have_gone(one, other)

    def _may_have_gone(self, one: int, other: int) -> bool:
        """Whether a label that both show may have been away: little moves in the picture, but just where it is."""
        length_s = self.answers[other].time_s - self.answers[one].time_s
        if length_s <= self.stretch.stride_s:
            return False
        moved = np.any([self.stretch.changed[number] for number in range(one + 1, other + 1)], axis=0)
        return any(
            sighting.label is not None and touches(candidate.box, moved)
            for answer in (self.answers[one], self.answers[other])
            for candidate, sighting in zip(answer.candidates, answer.sightings, strict=True)
        )

    def _is_edge(self, run: Sequence[int], before: int, after: int) -> bool:
        ours, theirs = self.answers.get(before), self.answers.get(after)
        if ours is None or theirs is None or labels_of(ours) == labels_of(theirs):
            return False
        is_steady = self._is_like(run, before, before - 1) and self._is_like(run, after, after + 1)
        return is_steady and bool(self.stretch.look(after).passed)

    def _is_like(self, run: Sequence[int], number: int, beside: int) -> bool:
        """Whether a look agrees with one beside it; at the end of a run there is none to disagree."""
        if beside not in range(run[0], run[-1] + 1) or beside not in self.answers:
            beside = number
        return agree(self.answers[number], self.answers[beside], self._config)
