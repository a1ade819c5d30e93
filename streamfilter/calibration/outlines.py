"""The stretches in which a run asks adaptively: every look of them asked once, the order of them kept for replays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from streamfilter.asking import take_picture
from streamfilter.buffering import batched
from streamfilter.observing import Observation
from streamfilter.sampler import Stretch
from streamfilter.stages import Classifier
from streamfilter.types import Candidate, Gap, Look, Picture, Pixels


def noted(stretches: Iterable[Stretch], outlines: list[Stretch]) -> Iterator[Stretch]:
    """The stretches; once the next one is asked for, `outlines` gets the one before without its pictures."""
    for stretch in stretches:
        yield stretch
        outlines.append(_outline(stretch))


def every_look(stretches: Iterable[Stretch], classifier: Classifier, batch: int) -> Iterator[Observation | Gap]:
    """All that is new in each stretch, in order; the network sees the picture of every look that is not still."""
    candidates: tuple[Candidate, ...] = ()
    for stretch in stretches:
        new = range(stretch.is_continued, len(stretch.items))
        answers = _asked(stretch, new, classifier, batch)
        for number in new:
            item = stretch.items[number]
            if isinstance(item, Gap):
                yield item
                continue
            candidates = answers.get(number, candidates)
            frame, is_still = item.frame, number not in answers
            yield Observation(frame.time_s, frame.pts, item.cuts_s, candidates, is_still)


def _asked(stretch: Stretch, new: range, classifier: Classifier, batch: int) -> dict[int, tuple[Candidate, ...]]:
    shown = [n for n in new if isinstance(item := stretch.items[n], Look) and not item.is_still]
    answers: dict[int, tuple[Candidate, ...]] = {}
    for numbers in batched(shown, batch):
        found = classifier.classify([take_picture(stretch, number, classifier) for number in numbers])
        answers.update(zip(numbers, map(tuple, found), strict=True))
    return answers


def _outline(stretch: Stretch) -> Stretch:
    """The same stretch with nothing to be seen in it: hours of pictures would fill memory."""
    items = [item if isinstance(item, Gap) else _unseen(item) for item in stretch.items]
    return replace(stretch, items=items, pictures={})


def _unseen(look: Look) -> Look:
    return replace(look, frame=replace(look.frame, picture=_GONE), thumbnail=None, passed=())


class _Gone:
    """A picture (`types.Picture`) that was not kept."""

    width = height = 1
    nbytes = 0

    def rgb(self, width: int | None = None, height: int | None = None) -> Pixels:
        raise RuntimeError("the picture was not kept")

    def luma(self, width: int, height: int) -> Pixels:
        raise RuntimeError("the picture was not kept")

    def kept(self, width: int, height: int, like: Picture | None = None) -> Picture:
        return self


_GONE = _Gone()
