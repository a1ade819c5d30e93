"""The gate stage: a picture, or the part of one, that has not changed since the network saw it keeps its verdicts."""

from streamfilter.gate.still import TILES, StillGate, largest_change, make_gate, thumbnail_of, tile_changes, tiles_of
from streamfilter.gate.tiles import Region, Seen, merged, region_around, region_of, stale_tiles, tiles_under, touches

__all__ = [
    "TILES",
    "Region",
    "Seen",
    "StillGate",
    "largest_change",
    "make_gate",
    "merged",
    "region_around",
    "region_of",
    "stale_tiles",
    "thumbnail_of",
    "tile_changes",
    "tiles_of",
    "tiles_under",
    "touches",
]
