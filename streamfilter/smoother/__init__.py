"""Smoother: sightings over time become events with honest edges.

    time.py       what lies between two looks: weights, edges, cuts, gaps
    place.py      which sighting belongs to which track
    thinning.py   a path kept in few points
    track.py      one logo at one place: its evidence and the event it becomes
    stream.py     all tracks of one stream; `make_smoother` builds it

Hysteresis with two thresholds and durations in seconds follows the binarisation of pyannote.audio (Bredin 2020).
"""

from streamfilter.smoother.stream import TimeSmoother, make_smoother

__all__ = ["TimeSmoother", "make_smoother"]
