"""A source's looks in stretches: some seconds at a time, whose looks are chosen and asked together.

How a source falls into stretches depends on nothing but its pictures, and what is found in one stretch on nothing but
it. So a run says the same at any speed and batch size, and one that goes on after a stop begins with the stretch in
which it was stopped.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from streamfilter.errors import SourceError
from streamfilter.gate import TILES, thumbnail_of, tile_changes
from streamfilter.sampler.due import Pace, due_looks
from streamfilter.sampler.shown import Shown
from streamfilter.types import Gap, Look, Pixels

MOST_WORTH = 8.0
"""A stretch ends when about so many of its looks are due."""
MOST_LOOKS = 128
ANCHOR_EVERY = 4
"""Of so many stretches the last one's end is seen as a whole, so that what came before it plays no part any more."""
MOST_BYTES = 36_000_000
"""What the pictures of a stretch may take in memory, as they come from the decoder."""


@dataclass(slots=True, eq=False)
class Stretch:
    """`items`: looks and gaps in order; `due`: the looks, by their index in `items`, that are asked in any case.

    `runs`: the indices of looks between which nothing is cut and nothing lost. `is_continued`: the first look is the
    last one of the stretch before. `first`: how many looks there were before the stretch. `pictures`: of looks, where
    they were made ready. `is_anchor`: its last look is seen as a whole. `is_torn`: the source failed before it was
    whole, so another try may give another stretch. `changed`: of looks, the tiles that differ from the look before,
    `novel`: those that no look at the shot has shown of late, both `(9, 16)`. `stride_s`: see `Pace`.
    """

    items: list[Look | Gap] = field(default_factory=list)
    runs: list[list[int]] = field(default_factory=list)
    due: list[int] = field(default_factory=list)
    is_continued: bool = False
    first: int = 0
    pictures: dict[int, Pixels] = field(default_factory=dict)
    is_anchor: bool = False
    is_torn: bool = False
    changed: dict[int, NDArray[np.bool_]] = field(default_factory=dict)
    novel: dict[int, NDArray[np.bool_]] = field(default_factory=dict)
    stride_s: float = math.inf

    @property
    def until(self) -> int:
        """How many looks there are up to its end."""
        return self.first + sum(map(len, self.runs)) - self.is_continued

    @property
    def ends_anew(self) -> bool:
        """Whether its last look shows another picture than the one that it goes on from."""
        return bool(self.runs) and not (self.is_continued and self.stands_for(self.runs[-1][-1]) == 0)

    def look(self, number: int) -> Look:
        """The look with this index in `items`."""
        item = self.items[number]
        assert isinstance(item, Look)
        return item

    def drop_passed(self) -> None:
        """Keep no frame between two looks: no edge will be searched here."""
        self.items = [item if isinstance(item, Gap) else replace(item, passed=()) for item in self.items]

    def stands_for(self, number: int) -> int:
        """The look in it whose picture this one still shows; itself where there is none."""
        while self.look(number).is_still and number and isinstance(self.items[number - 1], Look):
            number -= 1
        return number


def stretches(looks: Iterable[Look | Gap], pace: Pace, *, threshold: float) -> Iterator[Stretch]:
    """All looks and gaps, in stretches. `threshold`: the least change of a tile's brightness, 0 to 1, that counts.

    What came before an error of the source is a stretch, too.
    """
    growing = _Growing(pace, threshold)
    try:
        for item in looks:
            growing.add(item)
            if growing.is_full:
                yield growing.taken()
    except SourceError:
        if growing.has_more:
            yield growing.taken(is_torn=True)
        raise
    if growing.has_more:
        yield growing.taken()


class _Growing:
    """The stretch that is being filled."""

    def __init__(self, pace: Pace, threshold: float) -> None:
        self._pace, self._threshold = pace, threshold
        self._shown = Shown(threshold)
        self._count = self._since_anchor = 0
        self._begin(None)

    def _begin(self, last: Look | None) -> None:
        self._stretch = Stretch(is_continued=last is not None, first=self._count, stride_s=self._pace.stride_s)
        self._worth = 0.0
        self._bytes = 0
        self._is_broken = last is None
        if last is not None:
            self._append(last, begins=True, novel=np.zeros(TILES, np.bool_))

    @property
    def has_more(self) -> bool:
        """Whether there is anything that was not in the stretch before."""
        return len(self._stretch.items) > self._stretch.is_continued

    @property
    def is_full(self) -> bool:
        enough = self._worth >= MOST_WORTH or self._bytes >= MOST_BYTES
        return self.has_more and (enough or len(self._stretch.items) >= MOST_LOOKS)

    def add(self, item: Look | Gap) -> None:
        if isinstance(item, Gap):
            self._stretch.items.append(item)
            self._is_broken = True
            return
        self._count += 1
        begins = self._is_broken or bool(item.cuts_s)
        self._append(item, begins=begins, novel=self._novel_tiles(item, begins=begins))
        self._is_broken = False

    def taken(self, *, is_torn: bool = False) -> Stretch:
        """The stretch, with the looks that are due; the next one goes on from its last look."""
        stretch, last = self._stretch, self._stretch.items[-1]
        stretch.is_torn = is_torn
        self._since_anchor += 1
        if self._since_anchor >= ANCHOR_EVERY and stretch.ends_anew:
            stretch.is_anchor, self._since_anchor = True, 0
        for number, run in enumerate(stretch.runs):
            begins, ends = number > 0 or not stretch.is_continued, number < len(stretch.runs) - 1
            times_s = [stretch.look(n).frame.time_s for n in run]
            changed = np.stack([stretch.changed[n].ravel() for n in run])
            novel = np.stack([stretch.novel[n].ravel() for n in run])
            stretch.due += [run[k] for k in due_looks(times_s, changed, novel, self._pace, begins=begins, ends=ends)]
        self._begin(last if isinstance(last, Look) else None)
        return stretch

    def _append(self, look: Look, *, begins: bool, novel: NDArray[np.bool_]) -> None:
        stretch = self._stretch
        number = len(stretch.items)
        before = None if begins else stretch.look(stretch.runs[-1][-1])
        stretch.changed[number], stretch.novel[number] = self._changed(before, look), novel
        if look.is_still or begins:  # nothing happened before a still look, and before a cut nothing is searched
            look = replace(look, passed=())
        stretch.items.append(look)
        if before is not None:
            stretch.runs[-1].append(number)
            self._worth += self._pace.worth(float(novel.mean()), look.frame.time_s - before.frame.time_s)
        else:
            stretch.runs.append([number])
            self._worth += 1
        if not look.is_still:
            self._bytes += look.frame.picture.nbytes
        self._bytes += sum(frame.picture.nbytes for frame in look.passed)

    def _novel_tiles(self, look: Look, *, begins: bool) -> NDArray[np.bool_]:
        if begins:
            self._shown.forget()
        if look.is_still:  # it shows what the look before it does
            return np.zeros(TILES, np.bool_)
        return self._shown.novel_tiles(thumbnail_of(look), look.frame.time_s)

    def _changed(self, before: Look | None, look: Look) -> NDArray[np.bool_]:
        mine = thumbnail_of(look)
        other = mine if before is None else thumbnail_of(before)
        return np.asarray(tile_changes(other, mine) > self._threshold)
