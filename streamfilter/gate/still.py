"""A picture that has not changed since the network saw it keeps its verdicts, for a bounded time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from streamfilter.config import GateConfig
from streamfilter.stages import Gate
from streamfilter.types import Gap, Look, Pixels

TILES = (9, 16)
"""Rows and columns of tiles: small enough that a logo of 6 % of the height changes one."""
_TILE_PIXELS = 8
"""Thumbnail pixels along a tile."""


def make_gate(config: GateConfig) -> Gate:
    """The gate that the settings ask for."""
    return StillGate(config)


class StillGate:
    """Compares every look with the last picture that the network really saw, so that slow drift cannot slip through."""

    def __init__(self, config: GateConfig) -> None:
        self._config = config

    def pass_through(self, looks: Iterable[Look | Gap]) -> Iterator[Look | Gap]:
        """The same looks; `is_still` where the verdicts of the look before still hold. Never across a cut or a gap."""
        seen: tuple[float, Pixels] | None = None
        for look in looks:
            if isinstance(look, Gap) or not self._config.enabled:
                seen = None
                yield look
                continue
            thumbnail = thumbnail_of(look)
            holds = seen is not None and not look.cuts_s and self._holds(seen, look.frame.time_s, thumbnail)
            if not holds:
                seen = (look.frame.time_s, thumbnail)
            yield replace(look, is_still=holds, thumbnail=thumbnail)

    def _holds(self, seen: tuple[float, Pixels], time_s: float, thumbnail: Pixels) -> bool:
        seen_s, before = seen
        return time_s - seen_s <= self._config.hold_s and largest_change(before, thumbnail) <= self._config.threshold


def largest_change(before: Pixels, after: Pixels) -> float:
    """The mean absolute change of the tile that changed most, 0 to 1. Both `(72, 128)` uint8 luma."""
    return float(tile_changes(before, after).max())


def tile_changes(before: Pixels, after: Pixels) -> NDArray[np.float64]:
    """The mean absolute change of each tile, `(9, 16)`, 0 to 1. Both `(72, 128)` uint8 luma."""
    change = np.maximum(before, after) - np.minimum(before, after)
    return np.asarray(tiles_of(change).mean(axis=1).reshape(TILES) / 255)


def thumbnail_of(look: Look) -> Pixels:
    """What looks are compared by, `(72, 128)` uint8 luma."""
    if look.thumbnail is not None:
        return look.thumbnail
    return look.frame.picture.luma(TILES[1] * _TILE_PIXELS, TILES[0] * _TILE_PIXELS)


def tiles_of(thumbnail: Pixels) -> Pixels:
    """The pixels of each tile, `(144, 64)`, row by row, of a `(72, 128)` thumbnail."""
    down, across = TILES
    parts = thumbnail.reshape(down, _TILE_PIXELS, across, _TILE_PIXELS).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(parts.reshape(down * across, _TILE_PIXELS**2))
