"""What the network finds at each look of a source: all that comes before the rejector.

    decode thread                             ║ the caller's thread
    source ─► sampler ─► gate ─► look's picture ─► batched ─► classifier

Items keep their order from end to end, and an error of the source travels in that order too, as the end of its items.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, groupby

import numpy as np

from streamfilter.buffering import StalledError, batched, prefetch
from streamfilter.config import RunConfig, SourceLimits
from streamfilter.errors import SourceError
from streamfilter.gate import make_gate
from streamfilter.sampler import make_sampler
from streamfilter.source.patience import Patience, hangs, patiently
from streamfilter.stages import Classifier, Rejector, Source
from streamfilter.types import Candidate, Frame, Gap, Look, Pixels, Sighting, Verdict

AHEAD_BATCHES = 2
"""How many batches the decode thread may be ahead of the network."""


@dataclass(frozen=True, slots=True, eq=False)
class _Prepared:
    """A look that is ready for the network; `pixels` is None where the network needs not look."""

    time_s: float
    pts: int
    cuts_s: tuple[float, ...]
    is_still: bool
    pixels: Pixels | None


_Item = _Prepared | Gap


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """What the network found at one look, before any verdict.

    `is_still`: the network was not asked again, and the candidates are those of the look before.
    """

    time_s: float
    pts: int
    cuts_s: tuple[float, ...]
    candidates: tuple[Candidate, ...]
    is_still: bool


class Observed:
    """The observations of a source, in order; `end_s` and `error` are settled once the items have ended."""

    def __init__(self, items: Iterable[Observation | Gap], feed: _Feed) -> None:
        self.items = items
        self._feed = feed

    @property
    def end_s(self) -> float:
        """Where the last frame or gap of the source ends."""
        return self._feed.end_s

    @property
    def error(self) -> SourceError | None:
        """What ended the source before its end."""
        return self._feed.error


@contextmanager
def observing(
    source: Source, classifier: Classifier, config: RunConfig, *, known: tuple[int, int] = (0, 0)
) -> Iterator[Observed]:
    """Source, sampler and gate in a thread that runs ahead, the classifier here.

    `known` is how many looks were taken before, and how many of them were not still. The network does not see these
    again, and they come without candidates; but for the batch that the last of them was in, since a GPU's results may
    depend on the whole of it.
    """
    feed = _Feed(source, classifier, config, known=known)
    batch, patience_s = config.classifier.batch, config.source.limits.patience_s
    with prefetch(feed.items(), AHEAD_BATCHES * batch, is_stalled=Patience(source.counts, patience_s)) as items:
        yield Observed(_observations(_batches(_unless_stalled(items, feed), batch), classifier), feed)


def verdicts(
    observed: Iterable[Observation | Gap], rejector: Rejector, sightings: tuple[Sighting, ...] = ()
) -> Iterator[Verdict | Gap]:
    """Judge each look that the network was asked about; the still ones after it share the verdict.

    `sightings` are those that hold at the beginning.
    """
    for item in observed:
        if isinstance(item, Gap):
            yield item
            continue
        if not item.is_still:
            sightings = rejector.judge(item.candidates)
        yield Verdict(item.time_s, item.pts, sightings, item.cuts_s)


def _observations(batches: Iterable[list[list[_Item]]], classifier: Classifier) -> Iterator[Observation | Gap]:
    candidates: tuple[Candidate, ...] = ()
    for batch in batches:
        items = list(chain.from_iterable(batch))
        pictures = [item.pixels for item in items if isinstance(item, _Prepared) and item.pixels is not None]
        found = _candidates(pictures, classifier)
        for item in items:
            if isinstance(item, Gap):
                yield item
                continue
            if item.pixels is not None:
                candidates = tuple(next(found))
            yield Observation(item.time_s, item.pts, item.cuts_s, candidates, item.is_still)


def _candidates(pictures: Sequence[Pixels], classifier: Classifier) -> Iterator[list[Candidate]]:
    """The candidates of each picture.

    Pictures of another size, after a change in mid-stream, are a pass of their own.
    """
    for _, alike in groupby(pictures, key=np.shape):
        yield from classifier.classify(list(alike))


class _Feed:
    """The stages that run in the decode thread. `end_s` and `error` are settled once the items have ended."""

    def __init__(self, source: Source, classifier: Classifier, config: RunConfig, *, known: tuple[int, int]) -> None:
        self._source = source
        self._classifier = classifier
        self._config = config
        self._known, judged = known
        self._needed = max(0, judged - 1) // config.classifier.batch * config.classifier.batch
        self.end_s = config.source.start_s
        self.error: SourceError | None = None

    def give_up(self) -> None:
        """The source hangs."""
        self.error = hangs(self._source.facts.name, self._config.source.limits)

    def items(self) -> Iterator[_Item]:
        """Looks with their pictures at the size of analysis, and gaps, in order; a source's error ends them."""
        sampler, gate = make_sampler(self._config.sampler), make_gate(self._config.gate)
        try:
            yield from self._prepared(gate.pass_through(sampler.looks(self._watched())))
        except SourceError as error:
            self.error = error

    def _watched(self) -> Iterator[Frame | Gap]:
        """The source's items; notes where the last of them ends."""
        rate_hz = self._source.facts.rate_hz
        before_s: float | None = None
        for item in self._source.frames():
            if isinstance(item, Gap):
                self.end_s = max(self.end_s, item.end_s)
            else:
                distance_s = 0.0 if before_s is None else item.time_s - before_s
                self.end_s = self._bounded(item.time_s + (1 / rate_hz if rate_hz else distance_s))
                before_s = item.time_s
            yield item

    def _bounded(self, time_s: float) -> float:
        last_s = self._config.source.end_s
        return time_s if last_s is None else min(time_s, last_s)

    def _prepared(self, looks: Iterable[Look | Gap]) -> Iterator[_Item]:
        number = judged = 0
        for look in looks:
            if isinstance(look, Gap):
                yield look
                continue
            is_needed = number >= self._known or judged >= self._needed
            yield self._ready(look, is_needed=is_needed and not look.is_still)
            number += 1
            judged += not look.is_still

    def _ready(self, look: Look, *, is_needed: bool) -> _Prepared:
        frame, picture = look.frame, look.frame.picture
        pixels = None
        if is_needed:
            pixels = picture.rgb(*self._classifier.analysis_size(picture.width, picture.height))
        return _Prepared(frame.time_s, frame.pts, look.cuts_s, look.is_still, pixels)


def read_through(source: Source, limits: SourceLimits) -> None:
    """Read a source to its end and look at nothing. Raises `SourceError` where that fails or hangs."""
    times = (item.end_s if isinstance(item, Gap) else item.time_s for item in source.frames())
    with patiently(times, source.counts, limits, name=source.facts.name) as read:
        for _ in read:
            pass


def _unless_stalled(items: Iterable[_Item], feed: _Feed) -> Iterator[_Item]:
    try:
        yield from items
    except StalledError:
        feed.give_up()


def _batches(items: Iterator[_Item], size: int) -> Iterator[list[list[_Item]]]:
    """Batches from the first look that the network needs on; what comes before it waits for nothing."""
    for item in items:
        if isinstance(item, _Prepared) and item.pixels is not None:
            yield from batched(_with_followers(chain([item], items)), size)
            return
        yield [[item]]


def _with_followers(items: Iterable[_Item]) -> Iterator[list[_Item]]:
    """Each look that needs the network with the items behind it that don't, so that batches are full of the former."""
    group: list[_Item] = []
    for item in items:
        if group and isinstance(item, _Prepared) and item.pixels is not None:
            yield group
            group = []
        group.append(item)
    if group:
        yield group
