"""Footage looked at once, by the stages of a run: every look with its candidates, to be judged any number of times."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamfilter.calibration.dial import Dial
from streamfilter.calibration.outlines import every_look, noted
from streamfilter.config import RunConfig
from streamfilter.errors import SourceError
from streamfilter.evaluation.pictures import read_subject, resized
from streamfilter.observing import Observation, Observed, observing, surveying
from streamfilter.sampler import Stretch
from streamfilter.source import find_sources, open_source
from streamfilter.source.opening import fingerprint
from streamfilter.stages import Classifier, Source
from streamfilter.training.folders import Listing, list_folder
from streamfilter.types import Candidate, Gap

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class CachedLook:
    """What the network found at a look (see `observing.Observation`); `unfamiliarity`: `(n,)`, one per candidate."""

    time_s: float
    pts: int
    cuts_s: tuple[float, ...]
    candidates: tuple[Candidate, ...]
    unfamiliarity: Floats
    is_still: bool


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """One source, looked at from end to end. `seen_s` is the time that was watched, gaps left out.

    `stretches`: how a run that asks adaptively goes through the items, without pictures; none where it asks at each.
    """

    name: str
    fingerprint: str
    items: tuple[CachedLook | Gap, ...]
    end_s: float
    seen_s: float
    error: SourceError | None = None
    stretches: tuple[Stretch, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Photograph:
    """A picture, looked at once: one look, no time."""

    path: Path
    fingerprint: str
    candidates: tuple[Candidate, ...]
    unfamiliarity: Floats


@dataclass(frozen=True, slots=True)
class Found:
    """What there is to look at: names of videos and paths of photographs."""

    videos: tuple[str, ...]
    photographs: tuple[Path, ...]


class Eye:
    """The stages up to the rejector, and the dial that measures what they find."""

    def __init__(self, classifier: Classifier, dial: Dial, config: RunConfig) -> None:
        self._classifier = classifier
        self._dial = dial
        self._config = config

    def watch(self, name: str, reached: Callable[[float], None]) -> Clip:
        """Look at a whole source; `reached` is told how far it has come. Raises `SourceError` where nothing is read.

        A source that fails on its way counts as far as it was read.
        """
        items: list[CachedLook | Gap] = []
        outlines: list[Stretch] = []
        with (
            open_source(name, self._config.source, keyframes_only=self._config.sampler.rate == "keyframes") as source,
            self._watching(source, outlines) as (cached, observed),
        ):
            for item in cached:
                items.append(item)
                reached(item.end_s if isinstance(item, Gap) else item.time_s)
        if observed.error is not None and not items:
            raise observed.error
        lost_s = sum(item.end_s - item.start_s for item in items if isinstance(item, Gap))
        seen_s = max(0.0, observed.end_s - self._config.source.start_s - lost_s)
        return Clip(
            name, fingerprint(name), tuple(items), observed.end_s, seen_s, observed.error, stretches=tuple(outlines)
        )

    def look(self, path: Path) -> Photograph:
        """Look at a photograph. Raises `DatasetError` for one that can't be read."""
        pixels = read_subject(path)
        size = self._classifier.analysis_size(pixels.shape[1], pixels.shape[0])
        (candidates,) = self._classifier.classify([resized(pixels, *size)])
        return Photograph(path, fingerprint(str(path)), *self._measured(candidates))

    @contextmanager
    def _watching(
        self, source: Source, outlines: list[Stretch]
    ) -> Iterator[tuple[Iterator[CachedLook | Gap], Observed[Any]]]:
        """Every look of a source; where a run would ask adaptively, `outlines` gets the stretches that it would see."""
        if not self._config.sampler.is_adaptive:
            with observing(source, self._classifier, self._config) as observed:
                yield self._cached(observed.items), observed
            return
        with surveying(source, self._classifier, self._config) as surveyed:
            stretches = noted(surveyed.items, outlines)
            yield self._cached(every_look(stretches, self._classifier, self._config.classifier.batch)), surveyed

    def _cached(self, observed: Iterable[Observation | Gap]) -> Iterator[CachedLook | Gap]:
        found: tuple[Candidate, ...] = ()
        values = np.zeros(0)
        for item in observed:
            if isinstance(item, Gap):
                yield item
                continue
            if not item.is_still:
                found, values = self._measured(item.candidates)
            yield CachedLook(item.time_s, item.pts, item.cuts_s, found, values, item.is_still)

    def _measured(self, candidates: Sequence[Candidate]) -> tuple[tuple[Candidate, ...], Floats]:
        """Candidates with what the dial says of them, and without their features: hours of those would fill memory."""
        values = self._dial.measure(candidates)
        return tuple(replace(candidate, features=None) for candidate in candidates), values


def find_footage(places: Iterable[str]) -> Found:
    """Videos and photographs: files, folders of both, patterns. Raises `SourceError` for what stands for nothing."""
    videos: list[str] = []
    listing = Listing()
    for place in places:
        before = len(listing.found)
        if Path(place).is_dir():
            list_folder(Path(place), listing, kind="negative")
        pictures = len(listing.found) - before
        try:
            videos += [name for name in find_sources([place]) if name not in videos]
        except SourceError:
            if not pictures:
                raise
    return Found(tuple(videos), tuple(item.path for item in listing.found))


def digest(fingerprints: Iterable[str]) -> str:
    """SHA-256 over fingerprints, whatever their order."""
    return hashlib.sha256("\n".join(sorted(fingerprints)).encode()).hexdigest()
