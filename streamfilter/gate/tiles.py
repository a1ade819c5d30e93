"""The part of a picture that the network has to see again: around the tiles that changed since it saw them.

Tiles are compared with what the network really saw in their place, however many looks ago, so that slow drift cannot
slip through; and it sees each of them again after `gate.hold_s` in any case.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from streamfilter.config import GateConfig
from streamfilter.gate.still import TILES, tile_changes
from streamfilter.types import Box, Candidate, Pixels

MARGIN = 48
"""Pixels of the analysed picture around what changed, at least: the network judges a thing by its surroundings, too."""
GRANULE = 32
SHARES = (0.5, 0.75)
"""A region takes one of these shares of each side of the picture, or all of it: each size costs a runtime some time
when it comes first, and memory for good."""
LARGEST = 0.8
"""A region that covers more of the picture is not worth its seams."""
NEAR_EDGE = 8
"""A box that comes so near to a seam, in pixels, may go on behind it."""
SAME = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What the network saw last in each tile: `(72, 128)` uint8 luma, and when, `(9, 16)` in seconds."""

    picture: Pixels
    times_s: NDArray[np.float64]

    @classmethod
    def whole(cls, thumbnail: Pixels, time_s: float) -> Seen:
        """After a look at the whole picture."""
        return cls(thumbnail, np.full(TILES, time_s))

    def after(self, region: Region, thumbnail: Pixels, time_s: float) -> Seen:
        """After another look at a region of the picture: the tiles that lie in it are seen anew."""
        fresh = region.tiles(self.times_s.shape)
        pixels = np.kron(fresh, np.ones((8, 8), np.bool_))
        return Seen(np.where(pixels, thumbnail, self.picture), np.where(fresh, time_s, self.times_s))


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of an analysed picture of `across` × `down` pixels, whose sides divide by 32. In pixels."""

    x: int
    y: int
    width: int
    height: int
    across: int
    down: int

    @classmethod
    def whole(cls, across: int, down: int) -> Region:
        """All of such a picture."""
        return cls(0, 0, across, down, across, down)

    @property
    def is_whole(self) -> bool:
        """Whether it is all of the picture."""
        return (self.width, self.height) == (self.across, self.down)

    def cut(self, picture: Pixels) -> Pixels:
        """This part of the picture."""
        return np.ascontiguousarray(picture[self.y : self.y + self.height, self.x : self.x + self.width])

    @property
    def box(self) -> Box:
        """The region, as a box in the picture."""
        return Box(self.x / self.across, self.y / self.down, self.width / self.across, self.height / self.down)

    def tiles(self, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        """Which of so many tiles, rows and columns, lie in it wholly."""
        down, across = shape
        rows = _within(down, self.y / self.down, (self.y + self.height) / self.down)
        return rows[:, None] & _within(across, self.x / self.across, (self.x + self.width) / self.across)

    def outer(self, box: Box) -> Box:
        """A box of the region as one of the whole picture."""
        mine = self.box
        x, y = mine.x + box.x * mine.width, mine.y + box.y * mine.height
        return Box(x, y, min(box.width * mine.width, 1 - x), min(box.height * mine.height, 1 - y))

    def is_at_seam(self, box: Box) -> bool:
        """Whether a box of the whole picture comes near an edge of the region that is none of the picture."""
        left, top = box.x * self.across - self.x, box.y * self.down - self.y
        right, bottom = self.width - left - box.width * self.across, self.height - top - box.height * self.down
        return (
            (self.x > 0 and left < NEAR_EDGE)
            or (self.y > 0 and top < NEAR_EDGE)
            or (self.x + self.width < self.across and right < NEAR_EDGE)
            or (self.y + self.height < self.down and bottom < NEAR_EDGE)
        )


def stale_tiles(seen: Seen, thumbnail: Pixels, time_s: float, config: GateConfig) -> NDArray[np.bool_]:
    """The tiles, `(9, 16)`, that have changed since they were seen, or were not seen for too long."""
    return (tile_changes(seen.picture, thumbnail) > config.threshold) | (time_s - seen.times_s > config.hold_s)


def region_of(stale: NDArray[np.bool_], across: int, down: int) -> Region | None:
    """The region that covers these tiles, at least one, of a picture of this size; None: the whole of it."""
    rows, columns = np.flatnonzero(stale.any(axis=1)), np.flatnonzero(stale.any(axis=0))
    return region_around((rows[0], rows[-1] + 1), (columns[0], columns[-1] + 1), stale.shape, across, down)


def region_around(
    rows: tuple[int, int], columns: tuple[int, int], grid: tuple[int, ...], across: int, down: int
) -> Region | None:
    """The region that covers these rows and columns, from and until, of a grid over such a picture; None: the whole."""
    x, width = _side(columns[0] / grid[1], columns[1] / grid[1], across)
    y, height = _side(rows[0] / grid[0], rows[1] / grid[0], down)
    if width * height > LARGEST * across * down:
        return None
    return Region(x, y, width, height, across, down)


def merged(
    before: Sequence[Candidate],
    found: Sequence[Candidate],
    region: Region,
    stale: NDArray[np.bool_],
    *,
    matter: Collection[int],
) -> tuple[Candidate, ...] | None:
    """The candidates of a picture, of which the network saw a region: those found there, and those before elsewhere.

    `before`: of the look before; `matter`: the ones, by index, that must not be lost. None where one of these has
    changed and sticks out of the region: the whole picture must be seen.
    """
    kept = []
    for number, candidate in enumerate(before):
        inside = region.box.intersection(candidate.box) / max(candidate.box.area, 1e-9)
        if not touches(candidate.box, stale):
            kept.append(candidate)
        elif inside < 0.99 and number in matter:
            return None
    placed = [replace(candidate, box=region.outer(candidate.box)) for candidate in found]
    fresh = [one for one in placed if not region.is_at_seam(one.box) and not any(_is_same(one, k) for k in kept)]
    return tuple(sorted([*kept, *fresh], key=lambda candidate: -candidate.softmax))


def _is_same(one: Candidate, other: Candidate) -> bool:
    shared = one.box.intersection(other.box)
    return one.label == other.label and shared >= SAME * min(one.box.area, other.box.area)


def touches(box: Box, tiles: NDArray[np.bool_]) -> bool:
    """Whether a box lies on any of the marked tiles, rows and columns that divide the picture."""
    return bool(tiles[tiles_under(box, tiles.shape)].any())


def tiles_under(box: Box, grid: tuple[int, ...]) -> tuple[slice, slice]:
    """The rows and columns of so many tiles that a box lies on."""
    down, across = grid
    rows = slice(int(box.y * down), math.ceil((box.y + box.height) * down))
    return rows, slice(int(box.x * across), math.ceil((box.x + box.width) * across))


def _within(count: int, start: float, end: float) -> NDArray[np.bool_]:
    edges = np.arange(count + 1) / count
    return np.asarray((edges[:-1] >= start - 1e-9) & (edges[1:] <= end + 1e-9))


def _side(start: float, end: float, length: int) -> tuple[int, int]:
    """Where a region begins and how long it is along one side, in pixels: around `start` to `end`, shares of it."""
    first, last = max(0.0, start * length - MARGIN), min(float(length), end * length + MARGIN)
    for share in SHARES:
        size = math.ceil(length * share / GRANULE) * GRANULE
        begin = int(min(first, length - size)) // GRANULE * GRANULE
        if begin + size >= last:
            return begin, size
    return 0, length
