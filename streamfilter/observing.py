"""What the network finds at each look of a source: all that comes before the rejector.

    decode thread                             ║ the caller's thread
    source ─► sampler ─► gate ─► look's picture ─► batched ─► classifier
    source ─► sampler ─► gate ─► stretches ────────► asking ◄─► classifier, rejector     (sampler.adaptive)

Items keep their order from end to end, and an error of the source travels in that order too, as the end of its items.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Generic, TypeVar

from streamfilter.asking import Asker
from streamfilter.buffering import StalledError, batched, prefetch
from streamfilter.config import RunConfig, SourceLimits
from streamfilter.errors import SourceError
from streamfilter.gate import make_gate
from streamfilter.keeping import Keeper
from streamfilter.sampler import Pace, Stretch, Told, make_sampler, stretches
from streamfilter.source.patience import Patience, hangs, patiently
from streamfilter.stages import Classifier, Rejector, Source, at_analysis_size
from streamfilter.types import Candidate, Frame, Gap, Look, Pixels, Sighting, Verdict

AHEAD_BATCHES = 2
"""How many batches the decode thread may be ahead of the network."""
AHEAD_STRETCHES = 1
"""How many stretches, beside the one that it is filling."""


@dataclass(frozen=True, slots=True, eq=False)
class _Prepared:
    """A look that is ready for the network; `pixels` is None where the network needs not look."""

    time_s: float
    pts: int
    cuts_s: tuple[float, ...]
    is_still: bool
    pixels: Pixels | None


_Item = _Prepared | Gap
T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """What the network found at one look, before any verdict.

    `is_still`: the network was not asked, and the candidates are those of the look before, or what the looks around it
    say of this one. `is_settled`: where the source can be read on from here at another time, it will be the same.
    `is_extra`: the sampler did not choose it.
    """

    time_s: float
    pts: int
    cuts_s: tuple[float, ...]
    candidates: tuple[Candidate, ...]
    is_still: bool
    is_settled: bool = True
    is_extra: bool = False


class Observed(Generic[T]):
    """What is observed of a source, in order; `end_s` and `error` are settled once the items have ended."""

    def __init__(self, items: Iterable[T], feed: _Feed) -> None:
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
    source: Source,
    classifier: Classifier,
    config: RunConfig,
    *,
    rejector: Rejector | None = None,
    known: tuple[int, int] = (0, 0),
) -> Iterator[Observed[Observation | Gap]]:
    """Source, sampler and gate in a thread that runs ahead, the classifier here.

    With a `rejector` the network is asked at fewer looks, where `sampler.adaptive` says so. `known` is how many looks
    were taken before, and how many of them were not still. The network does not see these again, and they come without
    candidates; but for the batch that the last of them was in, since a GPU's results may depend on the whole of it, or
    the stretch, and those before it that play a part in it.
    """
    feed = _Feed(source, classifier, config, known=known)
    if rejector is not None and config.sampler.is_adaptive:
        asker = Asker(classifier, rejector, config)
        with feed.ahead(feed.stretches(), AHEAD_STRETCHES) as ahead:
            yield Observed(_told(ahead, asker, known[0]), feed)
        return
    batch = config.classifier.batch
    with feed.ahead(feed.items(), AHEAD_BATCHES * batch) as items:
        yield Observed(_observations(_batches(items, batch), classifier), feed)


@contextmanager
def surveying(source: Source, classifier: Classifier, config: RunConfig) -> Iterator[Observed[Stretch]]:
    """The stretches in which a run with `sampler.adaptive` asks: for who wants to ask otherwise."""
    feed = _Feed(source, classifier, config, known=(0, 0))
    with feed.ahead(feed.stretches(), AHEAD_STRETCHES) as ahead:
        yield Observed(ahead, feed)


def verdicts(observed: Iterable[Observation | Gap], rejector: Rejector) -> Iterator[Verdict | Gap]:
    """Judge each look; those that show the very candidates of the look before share its verdict."""
    before: tuple[Candidate, ...] | None = None
    sightings: tuple[Sighting, ...] = ()
    for item in observed:
        if isinstance(item, Gap):
            yield item
            continue
        if item.candidates is not before:
            before, sightings = item.candidates, rejector.judge(item.candidates)
        yield Verdict(item.time_s, item.pts, sightings, item.cuts_s, is_settled=item.is_settled)


def _told(stretches: Iterable[Stretch], asker: Asker, known: int) -> Iterator[Observation | Gap]:
    before: list[Stretch] = []  # that play a part in what comes next
    for stretch in stretches:
        if not stretch.is_continued:
            before.clear()
        if stretch.until < known:
            yield from _passed_over(stretch)
            stretch.drop_passed()
            if before and before[-1].is_anchor:
                del before[:-1]
            before.append(stretch)
            continue
        for one in before:
            deque(asker.tell(one), maxlen=0)
        before.clear()
        for item in asker.tell(stretch):
            yield item if isinstance(item, Gap) else _observation(item, is_settled=not stretch.is_torn)


def _passed_over(stretch: Stretch) -> Iterator[Observation | Gap]:
    for item in stretch.items[stretch.is_continued :]:
        yield item if isinstance(item, Gap) else _observation(Told(item, (), is_asked=False))


def _observation(told: Told, *, is_settled: bool = True) -> Observation:
    look, frame = told.look, told.look.frame
    return Observation(
        frame.time_s,
        frame.pts,
        look.cuts_s,
        told.candidates,
        is_still=not told.is_asked,
        is_settled=is_settled and not told.is_extra,
        is_extra=told.is_extra,
    )


def _observations(batches: Iterable[list[list[_Item]]], classifier: Classifier) -> Iterator[Observation | Gap]:
    candidates: tuple[Candidate, ...] = ()
    for batch in batches:
        items = list(chain.from_iterable(batch))
        pictures = [item.pixels for item in items if isinstance(item, _Prepared) and item.pixels is not None]
        found = iter(classifier.classify(pictures) if pictures else [])
        for item in items:
            if isinstance(item, Gap):
                yield item
                continue
            if item.pixels is not None:
                candidates = tuple(next(found))
            yield Observation(item.time_s, item.pts, item.cuts_s, candidates, item.is_still)


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

    @contextmanager
    def ahead(self, items: Iterable[T], depth: int) -> Iterator[Iterator[T]]:
        """Items made in a thread of their own, at most `depth` of them too early; they end where the source hangs."""
        is_stalled = Patience(self._source.counts, self._config.source.limits.patience_s)
        with prefetch(items, depth, is_stalled=is_stalled) as made:
            yield self._unless_stalled(made)

    def _unless_stalled(self, items: Iterable[T]) -> Iterator[T]:
        try:
            yield from items
        except StalledError:
            self.error = hangs(self._source.facts.name, self._config.source.limits)

    def items(self) -> Iterator[_Item]:
        """Looks with their pictures at the size of analysis, and gaps, in order; a source's error ends them."""
        try:
            yield from self._prepared(self._looks())
        except SourceError as error:
            self.error = error.with_traceback(None)  # or it holds the pictures on its way as long as the run lasts

    def stretches(self) -> Iterator[Stretch]:
        """The same in stretches; the pictures of the looks that are due are ready."""
        pace = Pace(self._config.sampler.stride_s, self._config.sampler.longest_s)
        keeper = Keeper(self._classifier)
        looks = keeper.keep(self._looks(keep=keeper.shrunk if self._config.sampler.edges else None))
        try:
            for stretch in stretches(looks, pace, threshold=self._config.gate.threshold):
                if stretch.until >= self._known:
                    stretch.pictures = {
                        n: at_analysis_size(stretch.look(n).frame.picture, self._classifier)
                        for n in map(stretch.stands_for, stretch.due)
                    }
                yield stretch
        except SourceError as error:
            self.error = error.with_traceback(None)  # or it holds the pictures on its way as long as the run lasts

    def _looks(self, *, keep: Callable[[Frame], Frame] | None = None) -> Iterator[Look | Gap]:
        sampler, gate = make_sampler(self._config.sampler, keep=keep), make_gate(self._config.gate)
        return gate.pass_through(sampler.looks(self._watched()))

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
        pixels = at_analysis_size(look.frame.picture, self._classifier) if is_needed else None
        return _Prepared(look.frame.time_s, look.frame.pts, look.cuts_s, look.is_still, pixels)


def read_through(source: Source, limits: SourceLimits) -> None:
    """Read a source to its end and look at nothing. Raises `SourceError` where that fails or hangs."""
    times = (item.end_s if isinstance(item, Gap) else item.time_s for item in source.frames())
    with patiently(times, source.counts, limits, name=source.facts.name) as read:
        for _ in read:
            pass


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
