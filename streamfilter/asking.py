"""Asks the network at as few looks as tell what happens: the sampler's feedback.

    stretch ─► due looks ─► network ─► which neighbours differ? ─► looks between these ─► network ─► … ─► all looks

What lies between two looks that agree with certainty is taken for what these show. Where labels come or go between two
looks, the frames between them are halved in the same way. The looks of a round are asked together, so that batches are
full.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from streamfilter.buffering import batched
from streamfilter.config import RunConfig
from streamfilter.sampler import Answer, Edge, Inquiry, Stretch, Told
from streamfilter.stages import Rejector
from streamfilter.types import Candidate, Gap, Look, Pixels


class Asker:
    """Tells of stretches, one after the other. `ask` gives candidates for pictures, `picture_of` a look's picture."""

    def __init__(
        self,
        ask: Callable[[Sequence[Pixels]], Iterable[Sequence[Candidate]]],
        picture_of: Callable[[Look], Pixels],
        rejector: Rejector,
        config: RunConfig,
    ) -> None:
        self._ask, self._picture_of, self._rejector = ask, picture_of, rejector
        self._config, self._batch = config.smoother, config.classifier.batch
        self._finds_edges = config.sampler.edges
        self._last: Answer | None = None

    def tell(self, stretch: Stretch) -> Iterator[Told | Gap]:
        """Each gap and each look that is new in it, in order. A stretch goes on from the one before, where told."""
        inquiry = Inquiry(stretch, self._config)
        if stretch.is_continued and self._last is not None:
            inquiry.answers[0] = self._last
        elif stretch.is_continued:
            self._answer(inquiry, [0])  # alone, so that the batches after it are what they always are
        while wanted := inquiry.wanted():
            self._answer(inquiry, wanted)
        edges = inquiry.edges() if self._finds_edges else {}
        while sought := [edge for edge in edges.values() if edge.middle is not None]:
            self._halve(sought)
        self._last = inquiry.answers[stretch.runs[-1][-1]] if stretch.runs else None
        yield from inquiry.told(edges)

    def _answer(self, inquiry: Inquiry, wanted: Sequence[int]) -> None:
        """Ask about the pictures of these looks that were not asked about before."""
        for numbers in batched(inquiry.unseen(wanted), self._batch):
            found = self._ask([self._picture(inquiry.stretch, number) for number in numbers])
            for number, candidates in zip(numbers, map(tuple, found), strict=True):
                inquiry.take(number, candidates, self._rejector.judge(candidates))
        for number in wanted:
            inquiry.share(number)

    def _halve(self, edges: Sequence[Edge]) -> None:
        """One step nearer to each of these edges."""
        for some in batched(edges, self._batch):
            found = self._ask([self._picture_of(look) for edge in some if (look := edge.middle) is not None])
            for edge, candidates in zip(some, map(tuple, found), strict=True):
                edge.take(candidates, self._rejector.judge(candidates))

    def _picture(self, stretch: Stretch, number: int) -> Pixels:
        made = stretch.pictures.pop(number, None)
        return self._picture_of(stretch.look(number)) if made is None else made
