"""The events of a cached clip at any threshold: rejector and smoother as in a run, without looking again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from streamfilter.calibration.dial import Dial
from streamfilter.calibration.footage import CachedLook, Clip
from streamfilter.config import SmootherConfig
from streamfilter.smoother import make_smoother
from streamfilter.types import Event, Gap, Happening, Sighting, Verdict

Floats = NDArray[np.float64]


def replay(clip: Clip, dial: Dial, threshold: float, *, config: SmootherConfig) -> tuple[Event, ...]:
    """The events that a run finds in this clip with this threshold; unknowns are none."""
    smoother = make_smoother(config.model_copy(update={"unknowns": False}))
    happened: list[Happening] = []
    sightings: tuple[Sighting, ...] = ()
    for item in clip.items:
        if isinstance(item, Gap):
            happened += smoother.gap(item)
            continue
        if not item.is_still:
            sightings = dial.decide(item.candidates, item.unfamiliarity, threshold)
        happened += smoother.update(Verdict(item.time_s, item.pts, sightings, item.cuts_s))
    happened += smoother.flush(clip.end_s)
    return tuple(item for item in happened if isinstance(item, Event))


def sweep(clip: Clip, dial: Dial, thresholds: Sequence[float], config: SmootherConfig) -> list[tuple[Event, ...]]:
    """The events of a clip at each threshold.

    Where two thresholds let the same candidates pass, the clip is judged once.
    """
    values = np.sort(clip_values(clip))
    found: dict[int, tuple[Event, ...]] = {}
    for threshold in thresholds:
        passing = int(np.searchsorted(values, threshold, side="right"))
        if passing not in found:
            found[passing] = replay(clip, dial, threshold, config=config)
    return [found[int(np.searchsorted(values, threshold, side="right"))] for threshold in thresholds]


def clip_values(clip: Clip) -> Floats:
    """Unfamiliarity of every candidate of a clip, `(n,)`, in order."""
    parts = [item.unfamiliarity for item in clip.items if isinstance(item, CachedLook)]
    return np.concatenate(parts) if parts else np.zeros(0)
