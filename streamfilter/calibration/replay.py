"""The events of a cached clip at any threshold: rejector and smoother as in a run, without looking again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from streamfilter.calibration.dial import Dial
from streamfilter.calibration.footage import CachedLook, Clip
from streamfilter.config import SmootherConfig
from streamfilter.sampler import Answer, Inquiry
from streamfilter.smoother import make_smoother
from streamfilter.types import Event, Gap, Happening, Sighting, Verdict

Floats = NDArray[np.float64]


def replay(clip: Clip, dial: Dial, threshold: float, *, config: SmootherConfig) -> tuple[Event, ...]:
    """The events that a run finds in this clip with this threshold; unknowns are none.

    Where a run would ask adaptively, what it would not ask plays no part here either. It may look at regions instead of
    pictures (`gate.tiles`) and search for edges (`sampler.edges`), which moves edges of events by less than a look.
    """
    config = config.model_copy(update={"unknowns": False})
    smoother = make_smoother(config)
    happened: list[Happening] = []
    judged = _sampled(clip, dial, threshold, config) if clip.stretches else _judged(clip, dial, threshold)
    for item in judged:
        happened += smoother.gap(item) if isinstance(item, Gap) else smoother.update(item)
    happened += smoother.flush(clip.end_s)
    return tuple(item for item in happened if isinstance(item, Event))


def _judged(clip: Clip, dial: Dial, threshold: float) -> Iterator[Verdict | Gap]:
    """Every look's verdict."""
    sightings: tuple[Sighting, ...] = ()
    for item in clip.items:
        if isinstance(item, Gap):
            yield item
            continue
        if not item.is_still:
            sightings = dial.decide(item.candidates, item.unfamiliarity, threshold)
        yield Verdict(item.time_s, item.pts, sightings, item.cuts_s)


def _sampled(clip: Clip, dial: Dial, threshold: float, config: SmootherConfig) -> Iterator[Verdict | Gap]:
    """Every look's verdict, those that a run would not ask by those around it (see `asking`)."""
    first = 0
    for stretch in clip.stretches:
        items = clip.items[first - stretch.is_continued : first + len(stretch.items) - stretch.is_continued]
        first += len(stretch.items) - stretch.is_continued
        looks = {number: item for number, item in enumerate(items) if isinstance(item, CachedLook)}
        inquiry = Inquiry(stretch, config)
        while wanted := inquiry.wanted():
            for number in inquiry.unseen(wanted):
                look = looks[number]
                sightings = dial.decide(look.candidates, look.unfamiliarity, threshold)
                inquiry.take(number, Answer(look.time_s, look.candidates, sightings))
            for number in wanted:
                inquiry.share(number)
        for told in inquiry.told({}):
            if isinstance(told, Gap):
                yield told
                continue
            assert told.origin is not None  # no extra looks without edges
            answer, frame = inquiry.answers[told.origin], told.look.frame
            sightings = answer.sightings
            if told.candidates is not answer.candidates:  # they have moved
                sightings = dial.decide(told.candidates, looks[told.origin].unfamiliarity, threshold)
            yield Verdict(frame.time_s, frame.pts, sightings, told.look.cuts_s)


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
