"""All that happens in a feed's thread: frames are sampled, gated, and their pictures made ready for the network."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial

from streamfilter.config import RunConfig
from streamfilter.freshest import FreshLook
from streamfilter.gate import make_gate
from streamfilter.live import LiveFeed
from streamfilter.sampler import make_sampler
from streamfilter.stages import Classifier, at_analysis_size
from streamfilter.types import Frame, Gap, Look, Pixels

_USUAL_RATE_HZ = 25.0
_MOST_HELD = 64


def looks_of(feed: LiveFeed, classifier: Classifier, config: RunConfig) -> Iterator[FreshLook | Gap]:
    """The looks at a feed, ready for the network, and its gaps; until it is stopped."""
    arrivals: deque[tuple[float, float]] = deque(maxlen=_MOST_HELD)
    sampler, gate = make_sampler(config.sampler), make_gate(config.gate)
    for look in gate.pass_through(sampler.looks(_watched(feed, arrivals))):
        if isinstance(look, Gap):
            yield look
            continue
        feed.counters.looks += 1
        feed.counters.still_looks += look.is_still
        yield _ready(look, classifier, _arrival_of(look.frame, arrivals))


def fastest_period_s(config: RunConfig) -> float:
    """The time between two looks at a feed, as far as it is known before."""
    rate = config.sampler.rate
    return 1 / (rate if isinstance(rate, float) else _USUAL_RATE_HZ)


def depth_of(config: RunConfig) -> int:
    """So many looks of one feed may wait: as many as are not too old, and one that is just being overtaken."""
    return max(1, math.ceil(config.live.max_staleness_s / fastest_period_s(config)))


def _watched(feed: LiveFeed, arrivals: deque[tuple[float, float]]) -> Iterator[Frame | Gap]:
    for item in feed.frames():
        if isinstance(item, Frame):
            arrivals.append((item.time_s, feed.counters.seen_at_s or time.monotonic()))
        yield item


def _arrival_of(frame: Frame, arrivals: deque[tuple[float, float]]) -> float:
    """When the picture of a look came; the sampler may have held it for some frames."""
    return next((came_s for time_s, came_s in arrivals if time_s == frame.time_s), time.monotonic())


def _ready(look: Look, classifier: Classifier, arrived_s: float) -> FreshLook:
    frame = look.frame
    pixels: Callable[[], Pixels] = partial(at_analysis_size, look.frame.picture, classifier)
    if not look.is_still:
        made = pixels()
        pixels = lambda: made  # noqa: E731 - here, in the feed's thread, and not where all feeds wait
    return FreshLook(frame.time_s, frame.pts, arrived_s, look.cuts_s, look.is_still, pixels)
