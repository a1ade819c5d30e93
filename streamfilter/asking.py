"""Asks the network at as few looks as tell what happens: the sampler's feedback.

    stretch ─► due looks ─► network ─► which neighbours differ? ─► looks between these ─► network ─► … ─► all looks

What lies between two looks that agree with certainty is taken for what these show. Where labels come or go between two
looks, the frames between them are halved in the same way. The looks of a round are asked together, so that batches are
full; of a look at which little has changed, only that region.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamfilter.buffering import batched
from streamfilter.config import RunConfig
from streamfilter.gate import Region, Seen, merged, region_of, stale_tiles, thumbnail_of
from streamfilter.sampler import Answer, Edge, Inquiry, Stretch, Told
from streamfilter.stages import Classifier, Rejector, at_analysis_size
from streamfilter.types import Candidate, Gap, Look, Pixels


@dataclass(frozen=True, slots=True, eq=False)
class _Question:
    """What the network is to see of a look: `region` of the picture, where only the `stale` tiles have changed since
    the look `before`; None: all of it. `seen` is what it has seen then.
    """

    number: int
    seen: Seen
    region: Region | None = None
    stale: NDArray[np.bool_] | None = None
    before: int = 0


_Sought = tuple[Edge, NDArray[np.bool_] | None]
"""An edge, and the tiles of the frame in its middle in question: in its focus, and changed since the look before it."""


class Asker:
    """Tells of stretches, one after the other."""

    def __init__(self, classifier: Classifier, rejector: Rejector, config: RunConfig) -> None:
        self._classifier, self._rejector = classifier, rejector
        self._config, self._batch = config, config.classifier.batch
        self._last: Answer | None = None

    def tell(self, stretch: Stretch) -> Iterator[Told | Gap]:
        """Each gap and each look that is new in it, in order. A stretch goes on from the one before, where told."""
        inquiry = Inquiry(stretch, self._config.smoother)
        if stretch.is_continued and self._last is not None:
            inquiry.answers[0] = self._last
        elif stretch.is_continued:
            self._answer(inquiry, [0])  # alone, so that the batches after it are what they always are
        while wanted := inquiry.wanted():
            self._answer(inquiry, wanted)
        edges = inquiry.edges() if self._config.sampler.edges else {}
        while sought := list(self._narrowed(edges.values())):
            self._halve(sought)
        self._last = inquiry.answers[stretch.runs[-1][-1]] if stretch.runs else None
        yield from inquiry.told(edges)

    def _answer(self, inquiry: Inquiry, wanted: Sequence[int]) -> None:
        """Ask about the pictures of these looks that were not asked about before."""
        for some in batched(self._questions(inquiry, inquiry.unseen(wanted)), self._batch):
            pictures = [take_picture(inquiry.stretch, question.number, self._classifier) for question in some]
            parts = [q.region.cut(p) if q.region is not None else p for q, p in zip(some, pictures, strict=True)]
            for question, picture, found in zip(some, pictures, self._classifier.classify(parts), strict=True):
                inquiry.take(question.number, self._answered(inquiry, question, picture, tuple(found)))
        for number in wanted:
            inquiry.share(number)

    def _questions(self, inquiry: Inquiry, numbers: Sequence[int]) -> Iterator[_Question]:
        """What the network has to see of each of these looks. What it will say of them plays no part."""
        asked: dict[int, Seen] = {}
        for number in numbers:
            question = self._question(inquiry, number, asked)
            asked[number] = question.seen
            yield question

    def _question(self, inquiry: Inquiry, number: int, asked: dict[int, Seen]) -> _Question:
        look = inquiry.stretch.look(number)
        thumbnail, time_s = thumbnail_of(look), look.frame.time_s
        before = inquiry.before(number, asked) if self._config.gate.tiles else None
        # A run that was stopped goes on from an anchor: nothing that is older may play a part in it.
        is_anchor = inquiry.stretch.is_anchor and inquiry.is_last(number)
        if before is not None and not is_anchor:
            seen = asked[before] if before in asked else inquiry.answers[before].seen
            assert seen is not None
            stale = stale_tiles(seen, thumbnail, time_s, self._config.gate)
            region = self._region(look, stale)
            if region is not None:
                return _Question(number, seen.after(region, thumbnail, time_s), region, stale, before)
        return _Question(number, Seen.whole(thumbnail, time_s))

    def _region(self, look: Look, stale: NDArray[np.bool_]) -> Region | None:
        """The part of its picture that holds these tiles; None: there are none, or it is not worth its seams."""
        picture = look.frame.picture
        size = self._classifier.analysis_size(picture.width, picture.height)
        return region_of(stale, *size) if stale.any() else None

    def _answered(self, inquiry: Inquiry, question: _Question, picture: Pixels, found: tuple[Candidate, ...]) -> Answer:
        seen, time_s = question.seen, inquiry.stretch.look(question.number).frame.time_s
        if question.region is not None and question.stale is not None:
            found = self._merged(inquiry.answers[question.before], found, question.region, question.stale, picture)
        return Answer(time_s, found, self._rejector.judge(found), seen)

    def _merged(
        self, before: Answer, found: Sequence[Candidate], region: Region, stale: NDArray[np.bool_], picture: Pixels
    ) -> tuple[Candidate, ...]:
        """What a picture shows of which the network saw a region; where that will not do, it sees all of it."""
        both = merged(before.candidates, found, region, stale, matter=before.matter(self._config.smoother))
        return both if both is not None else tuple(self._classifier.classify([picture])[0])

    def _narrowed(self, edges: Iterable[Edge]) -> Iterator[_Sought]:
        """The edges with a frame left to ask about: those that still show what was there before are not asked."""
        for edge in edges:
            while (stale := self._stale(edge)) is not None and not stale.any():
                edge.take(edge.before.candidates, edge.before.sightings)
            if edge.middle is not None:
                yield edge, stale

    def _stale(self, edge: Edge) -> NDArray[np.bool_] | None:
        """The tiles of its middle in question; None where it is not known what has changed."""
        middle, seen = edge.middle, edge.before.seen
        if middle is None or seen is None or not self._config.gate.tiles:
            return None
        return stale_tiles(seen, thumbnail_of(middle), middle.frame.time_s, self._config.gate) & edge.focus()

    def _halve(self, sought: Sequence[_Sought]) -> None:
        """One step nearer to each of these edges."""
        for some in batched(sought, self._batch):
            asked = [self._part(*one) for one in some]
            found = self._classifier.classify([r.cut(p) if r is not None else p for p, r, _ in asked])
            for (edge, _), (picture, region, stale), candidates in zip(some, asked, map(tuple, found), strict=True):
                if region is not None and stale is not None:
                    candidates = self._merged(edge.before, candidates, region, stale, picture)
                edge.take(candidates, self._rejector.judge(candidates))

    def _part(
        self, edge: Edge, stale: NDArray[np.bool_] | None
    ) -> tuple[Pixels, Region | None, NDArray[np.bool_] | None]:
        """The picture in its middle, and the region of it that holds the tiles in question."""
        middle = edge.middle
        assert middle is not None
        region = self._region(middle, stale) if stale is not None else None
        return at_analysis_size(middle.frame.picture, self._classifier), region, stale


def take_picture(stretch: Stretch, number: int, classifier: Classifier) -> Pixels:
    """The picture of a look in a stretch at the size of analysis; where it was made ready, it is kept no longer."""
    made = stretch.pictures.pop(number, None)
    return at_analysis_size(stretch.look(number).frame.picture, classifier) if made is None else made
