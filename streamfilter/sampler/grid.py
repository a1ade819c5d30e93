"""Which frames are looked at: ticks of a grid in stream time, every frame, or key frames."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from streamfilter.config import SamplerConfig
from streamfilter.sampler.cuts import CutFinder
from streamfilter.stages import Sampler
from streamfilter.types import Frame, Gap, Look

# Times are floats: a frame this share of a tick early is on time.
_TICK_SLACK = 1e-6


def make_sampler(config: SamplerConfig, *, keep: Callable[[Frame], Frame] | None = None) -> Sampler:
    """The sampler that the settings ask for.

    `keep`: makes a frame that is not looked at fit to be kept with the look after it (`Look.passed`); None: none is.
    """
    return GridSampler(config, keep)


class GridSampler:
    """Looks at the first frame at or after each tick of a grid in stream time, or at every (key) frame.

    The grid is tied to stream time 0, so the same frames are looked at wherever reading begins, but for the very first.
    """

    def __init__(self, config: SamplerConfig, keep: Callable[[Frame], Frame] | None = None) -> None:
        self._config, self._keep = config, keep

    def looks(self, frames: Iterable[Frame | Gap]) -> Iterator[Look | Gap]:
        """Looks and gaps in time order. A look waits, a few frames at most, for a cut that is being confirmed."""
        finder = CutFinder(threshold=self._config.cut_threshold) if self._config.cuts else None
        ticks = _Ticks(self._config)
        held: list[Look] = []
        passed: list[Frame] = []
        cuts_s: list[float] = []
        for item in frames:
            if isinstance(item, Gap):
                if finder is not None:
                    cuts_s += finder.reset()
                yield from _released(held, cuts_s)
                passed.clear()
                yield item
                continue
            if finder is not None:
                cuts_s += finder.update(item)
            if ticks.takes(item):
                held.append(Look(item, passed=tuple(passed)))
                passed.clear()
            elif self._keep is not None:
                passed.append(self._keep(item))
            if finder is None or not finder.is_unsure:
                yield from _released(held, cuts_s)
        if finder is not None:
            cuts_s += finder.reset()
        yield from _released(held, cuts_s)


def _released(held: list[Look], cuts_s: list[float]) -> Iterator[Look]:
    """The held looks, each with the cuts up to its time; both lists are used up."""
    for look in held:
        mine = tuple(cut_s for cut_s in cuts_s if cut_s <= look.frame.time_s)
        cuts_s[:] = cuts_s[len(mine) :]
        yield replace(look, cuts_s=mine)
    held.clear()


class _Ticks:
    """Says which frames are looked at."""

    def __init__(self, config: SamplerConfig) -> None:
        self._rate = config.rate
        self._tick: int | None = None

    def takes(self, frame: Frame) -> bool:
        if self._rate == "every":
            return True
        if self._rate == "keyframes":
            return frame.is_key
        tick = math.floor(frame.time_s * self._rate + _TICK_SLACK)
        taken = self._tick is None or tick > self._tick
        if taken:
            self._tick = tick
        return taken
