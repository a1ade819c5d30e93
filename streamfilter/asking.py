"""Asks the network at as few looks as tell what happens: the sampler's feedback.

    stretch ─► due looks ─► network ─► which neighbours differ? ─► looks between these ─► network ─► … ─► all looks

What lies between two looks that agree with certainty is taken for what these show. The looks of a round are asked
together, so that batches are full.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from streamfilter.buffering import batched
from streamfilter.config import SmootherConfig
from streamfilter.sampler import Answer, Stretch, agree, between
from streamfilter.stages import Rejector
from streamfilter.types import Candidate, Gap, Look, Pixels


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """What is known of one look. `is_asked`: from the network itself, and not from looks around it."""

    look: Look
    candidates: tuple[Candidate, ...]
    is_asked: bool


class Asker:
    """Tells of stretches, one after the other.

    `ask` gives candidates for pictures, at most `batch` at once; `picture_of` makes the picture of a look.
    """

    def __init__(
        self,
        ask: Callable[[Sequence[Pixels]], Iterable[Sequence[Candidate]]],
        picture_of: Callable[[Look], Pixels],
        rejector: Rejector,
        config: SmootherConfig,
        *,
        batch: int,
    ) -> None:
        self._ask, self._picture_of, self._rejector = ask, picture_of, rejector
        self._config, self._batch = config, batch
        self._last: Answer | None = None

    def tell(self, stretch: Stretch) -> Iterator[Told | Gap]:
        """Each gap and each look that is new in it, in order. A stretch goes on from the one before, where told."""
        inquiry = _Inquiry(stretch, self._config)
        if stretch.is_continued:
            if self._last is None:
                self._answer(inquiry, [0])
            else:
                inquiry.answers[0] = self._last
        wanted = inquiry.wanted()
        while wanted:
            self._answer(inquiry, wanted)
            wanted = inquiry.wanted()
        self._last = inquiry.answers[stretch.runs[-1][-1]] if stretch.runs else None
        yield from inquiry.told()

    def _answer(self, inquiry: _Inquiry, wanted: Sequence[int]) -> None:
        """Ask about the pictures of these looks that were not asked about before."""
        for numbers in batched(inquiry.unseen(wanted), self._batch):
            found = self._ask([self._picture(inquiry.stretch, number) for number in numbers])
            for number, candidates in zip(numbers, map(tuple, found), strict=True):
                inquiry.take(number, candidates, self._rejector)
        for number in wanted:
            inquiry.share(number)

    def _picture(self, stretch: Stretch, number: int) -> Pixels:
        made = stretch.pictures.pop(number, None)
        return self._picture_of(stretch.look(number)) if made is None else made


class _Inquiry:
    """What is known of one stretch so far: `answers` by the index of a look."""

    def __init__(self, stretch: Stretch, config: SmootherConfig) -> None:
        self.stretch, self._config = stretch, config
        self.answers: dict[int, Answer] = {}
        self._asked: set[int] = set()

    def wanted(self) -> list[int]:
        """The looks to ask next: those that are due, then the middle ones between two that do not agree."""
        missing = [number for number in self.stretch.due if number not in self.answers]
        if missing:
            return missing
        halves = ((one, other) for run in self.stretch.runs for one, other in pairwise(self._known(run)))
        return [(one + other) // 2 for one, other in halves if other - one > 1 and not self._is_settled(one, other)]

    def unseen(self, wanted: Sequence[int]) -> list[int]:
        """The looks whose pictures stand for these and were not asked about, each once."""
        return [n for n in dict.fromkeys(map(self.stretch.stands_for, wanted)) if n not in self.answers]

    def take(self, number: int, candidates: tuple[Candidate, ...], rejector: Rejector) -> None:
        """The network's answer at a look."""
        time_s = self.stretch.look(number).frame.time_s
        self.answers[number] = Answer(time_s, candidates, rejector.judge(candidates))
        self._asked.add(number)

    def share(self, number: int) -> None:
        """A look with the picture of another has its answer."""
        other = self.answers[self.stretch.stands_for(number)]
        time_s = self.stretch.look(number).frame.time_s
        self.answers.setdefault(number, Answer(time_s, other.candidates, other.sightings))

    def told(self) -> Iterator[Told | Gap]:
        """What is known of each look, once nothing is wanted any more."""
        filled = {number: candidates for run in self.stretch.runs for number, candidates in self._filled(run)}
        for number, item in enumerate(self.stretch.items):
            if isinstance(item, Gap):
                yield item
            elif number or not self.stretch.is_continued:
                yield Told(item, filled[number], number in self._asked)

    def _filled(self, run: Sequence[int]) -> Iterator[tuple[int, tuple[Candidate, ...]]]:
        known = self._known(run)
        for one, other in zip(known, [*known[1:], None], strict=True):
            before = self.answers[one]
            yield one, before.candidates
            for number in range(one + 1, other or one):
                time_s = self.stretch.look(number).frame.time_s
                yield number, between(before, self.answers[other or one], time_s, self._config)

    def _known(self, run: Sequence[int]) -> list[int]:
        return [number for number in run if number in self.answers]

    def _is_settled(self, one: int, other: int) -> bool:
        """Whether the looks between these two are known by them; those at one unchanged picture are."""
        if self.stretch.stands_for(one) == self.stretch.stands_for(other):
            return True
        return agree(self.answers[one], self.answers[other], self._config)
