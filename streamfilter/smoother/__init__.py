"""Smoother: sightings over time become events with honest edges.

    time.py       what lies between two looks: weights, edges, cuts, gaps
    place.py      which sighting belongs to which track
    thinning.py   a path kept in few points
    track.py      one logo at one place: its evidence and the event it becomes
    stream.py     all tracks of one stream
    unknown.py    what was rejected and yet stays, where that is asked for

Hysteresis with two thresholds and durations in seconds follows the binarisation of pyannote.audio (Bredin 2020).
"""

from __future__ import annotations

from streamfilter.config import SmootherConfig
from streamfilter.smoother.stream import TimeSmoother
from streamfilter.smoother.unknown import WithUnknowns

__all__ = ["TimeSmoother", "WithUnknowns", "make_smoother"]


def make_smoother(config: SmootherConfig) -> TimeSmoother | WithUnknowns:
    """A smoother for one stream."""
    return WithUnknowns(config) if config.unknowns else TimeSmoother(config)
