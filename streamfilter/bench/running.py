"""The real pipeline over a video, with a stopwatch at every seam."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from streamfilter.bench.measured import STAGES, Ran
from streamfilter.bench.stopwatch import Stopwatch, Timed
from streamfilter.config import RunConfig
from streamfilter.pipeline import Network, SourceRun, identify
from streamfilter.sinks import EventLog
from streamfilter.source import open_source
from streamfilter.stages import Source
from streamfilter.types import Event, Frame, Gap, Picture
from streamfilter.watching import Watcher


def timed_run(
    video: str, network: Network, config: RunConfig, *, log: str = os.devnull
) -> tuple[Ran, tuple[Event, ...]]:
    """One run, and its events. Raises `SourceError` where the video cannot be read."""
    watch = Stopwatch()
    names = [video]
    with (
        _counted(network, watch) as counts,
        open_source(video, config.source, keyframes_only=config.sampler.rate == "keyframes") as source,
        EventLog(log, identify(names, config=config, model=network.facts)) as events,
    ):
        timed_source, timed_log = _TimedSource(source, watch), _passed_on(events, watch, write="log")
        timed = replace(
            network,
            classifier=_passed_on(network.classifier, watch, classify="classify"),
            rejector=_passed_on(network.rejector, watch, judge="rejector"),
        )
        began_s, began_cpu_s, began_own_s = time.perf_counter(), time.process_time(), time.thread_time()
        size = network.classifier.analysis_size(source.facts.width, source.facts.height)
        result = SourceRun(timed_source, timed, config=config, log=timed_log, watcher=Watcher()).run()
        wall_s, cpu_s = time.perf_counter() - began_s, time.process_time() - began_cpu_s
        rest_s = time.thread_time() - began_own_s - watch.own_s()
    if result.error is not None:
        raise result.error
    ran = Ran(
        stream_s=result.seen_s,
        wall_s=wall_s,
        cpu_s=cpu_s,
        frames=result.frames,
        looks=result.looks,
        pictures=counts["dense pass"] / (size[0] * size[1]),
        cuts=counts["closer look"],
        events=len(result.events),
        stages_s=_stages(watch, choosing_s=timed_source.choosing_s, smoothing_s=rest_s),
    )
    return ran, result.events


def _stages(watch: Stopwatch, *, choosing_s: float, smoothing_s: float) -> dict[str, float]:
    wall_s = watch.wall_s
    found = dict(wall_s) | {
        "sampler and gate": wall_s["luma"] + max(0.0, choosing_s),
        "candidates": max(0.0, wall_s["classify"] - wall_s["dense pass"] - wall_s["closer look"]),
        "smoother": max(0.0, smoothing_s),
    }
    return {name: found.get(name, 0.0) for name in STAGES}


class _TimedSource:
    """A source (`stages.Source`) whose frames, and whose pictures' conversions, are timed.

    `choosing_s`: CPU seconds of the thread that reads it which went into neither.
    """

    def __init__(self, source: Source, watch: Stopwatch) -> None:
        self._source, self._watch = source, watch
        self.facts, self.counts = source.facts, source.counts
        self.choosing_s = 0.0

    def __enter__(self) -> _TimedSource:
        return self

    def __exit__(self, *error: object) -> None: ...

    def frames(self) -> Iterator[Frame | Gap]:
        """See `stages.Source`."""
        began_s = time.thread_time()
        for item in self._watch.each("decode", self._source.frames()):
            yield self._timed(item) if isinstance(item, Frame) else item
            self.choosing_s = time.thread_time() - began_s - self._watch.own_s()

    def _timed(self, frame: Frame) -> Frame:
        return replace(frame, picture=_timed_picture(frame.picture, self._watch))


class _TimedPicture(Timed):
    """A picture (`types.Picture`) that is timed when it is converted, also later when it was kept."""

    def kept(self, width: int, height: int, like: Picture | None = None) -> Picture:
        """See `types.Picture`."""
        other = like._subject if isinstance(like, _TimedPicture) else like
        kept = self._watch.timed("scale", self._subject.kept)(width, height, other)
        timed: Picture = _timed_picture(kept, self._watch)
        return timed


def _timed_picture(picture: Picture, watch: Stopwatch) -> Any:
    return _TimedPicture(picture, watch, rgb="scale", luma="luma")


def _passed_on(subject: object, watch: Stopwatch, **names: str) -> Any:
    return Timed(subject, watch, **names)


@contextmanager
def _counted(network: Network, watch: Stopwatch) -> Iterator[dict[str, int]]:
    """Times both passes of the network's runtime; how many pixels one was given, and how many cuts the other."""
    runtime: Any = network.runtime
    counts = {"dense pass": 0, "closer look": 0}

    def counted(name: str, work: Callable[[Sequence[Any]], Any], size: Callable[[Any], int]) -> Callable[..., Any]:
        timed = watch.within(name, work)

        def called(inputs: Sequence[Any]) -> Any:
            counts[name] += sum(map(size, inputs))
            return timed(inputs)

        return called

    runtime.dense, runtime.close = (
        counted("dense pass", runtime.dense, lambda picture: picture.shape[0] * picture.shape[1]),
        counted("closer look", runtime.close, len),
    )
    try:
        yield counts
    finally:
        del runtime.dense, runtime.close  # what they hide is the class's own
