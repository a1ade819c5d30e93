"""The whole run: stages chained as generators, one thread that decodes ahead, one log in which everything ends.

    decode thread                             ║ main thread
    source ─► sampler ─► gate ─► look's picture ─► batched ─► classifier ─► rejector ─► smoother ─► event log

Items keep their order from end to end, and an error of the source travels in that order too, as the end of its items.
So the events are the same for every batch size, and what was seen before an error is in the log.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import chain, groupby
from pathlib import Path

import numpy as np

from streamfilter.buffering import batched, prefetch
from streamfilter.config import RunConfig
from streamfilter.errors import SourceError
from streamfilter.gate import make_gate
from streamfilter.sampler import make_sampler
from streamfilter.sinks import EventLog, ModelFacts, Origin, records, run_digest
from streamfilter.smoother import make_smoother
from streamfilter.source import open_source
from streamfilter.source.discovery import redacted
from streamfilter.source.opening import fingerprint
from streamfilter.stages import Classifier, Rejector, Source, SourceFacts
from streamfilter.summary import RunSummary, SourceResult
from streamfilter.types import Candidate, Event, Frame, Gap, Look, Opening, Pixels, Sighting, Verdict

AHEAD_BATCHES = 2
"""How many batches the decode thread may be ahead of the network."""


@dataclass(frozen=True, slots=True)
class Network:
    """The two stages that come from a model, what the log says of it, and the device it runs on for people."""

    classifier: Classifier
    rejector: Rejector
    facts: ModelFacts
    device: str = ""


def load_network(path: Path, config: RunConfig) -> Network:
    """The model file's stages, on the device that `config` names. Raises `ModelError`. Imports torch."""
    from streamfilter.classifier import make_classifier
    from streamfilter.model import load_model
    from streamfilter.rejector import make_rejector

    model = load_model(path)
    classifier = make_classifier(model, config.classifier)
    rejector = make_rejector(model.thresholds, config.rejector)
    facts = ModelFacts(model.digest, model.labels, asdict(model.thresholds))
    return Network(classifier, rejector, facts, device=classifier.compute.name)


class Watcher:
    """Somebody who follows a run. Does nothing: override what is of interest."""

    def opened(self, facts: SourceFacts) -> None:
        """A source is being read."""

    def reached(self, time_s: float) -> None:
        """Everything before this stream time of the source was looked at."""

    def found(self, event: Event) -> None:
        """An event is in the log."""

    def closed(self, result: SourceResult) -> None:
        """A source has ended, well or with an error."""

    def should_stop(self) -> bool:
        """Whether the run should end early; asked between looks."""
        return False


def identify(names: Iterable[str], *, config: RunConfig, model: ModelFacts) -> str:
    """The identity of a run over these sources: the same whenever the same is run again."""
    return run_digest(config.digest(), model.digest, tuple(_fingerprint(name) for name in names))


def run(
    names: Sequence[str], network: Network, *, config: RunConfig, log: EventLog, watcher: Watcher | None = None
) -> RunSummary:
    """Read the sources one after the other and write all that is found into the log.

    A source that fails is told in the log and in its result; the others are read all the same. A watcher that stops the
    run has what was seen so far closed and logged. Raises `SinkError` and `ModelError`, which end everything.
    """
    watcher = watcher or Watcher()
    began_s = time.monotonic()
    log.write(records.run_start(config, network.facts))
    results: list[SourceResult] = []
    for name in names:
        if watcher.should_stop():
            break
        results.append(_run_source(name, network, config=config, log=log, watcher=watcher))
        watcher.closed(results[-1])
    summary = RunSummary(tuple(results), wall_s=time.monotonic() - began_s, interrupted=watcher.should_stop())
    _write_end(log, summary)
    return summary


def _run_source(name: str, network: Network, *, config: RunConfig, log: EventLog, watcher: Watcher) -> SourceResult:
    try:
        source = open_source(name, config.source, keyframes_only=config.sampler.rate == "keyframes")
    except SourceError as error:
        log.write(records.source_failed(error), source=redacted(name))
        return SourceResult(redacted(name), error=error)
    with source:
        return SourceRun(source, network, config=config, log=log, watcher=watcher).run()


@dataclass(frozen=True, slots=True, eq=False)
class _Prepared:
    """A look that is ready for the network; `pixels` is None where the verdict of the look before still holds."""

    time_s: float
    pts: int
    cuts_s: tuple[float, ...]
    pixels: Pixels | None


_Item = _Prepared | Gap


class SourceRun:
    """One source on its way through all stages."""

    def __init__(self, source: Source, network: Network, *, config: RunConfig, log: EventLog, watcher: Watcher) -> None:
        self._source = source
        self._network = network
        self._config = config
        self._log = log
        self._watcher = watcher
        self._name = source.facts.name
        self._origin = Origin(source.facts, config.digest(), network.facts.digest)
        self._smoother = make_smoother(config.smoother)
        self._feed = _Feed(source, network.classifier, config)
        self._events: list[Event] = []
        self._looks = self._still_looks = self._gaps = 0
        self._gap_s = self._seen_s = 0.0

    def run(self) -> SourceResult:
        """Read the source to its end, to its failure, or until the watcher stops it."""
        self._log.write(records.source_opened(self._source.facts), source=self._name)
        self._watcher.opened(self._source.facts)
        batch = self._config.classifier.batch
        with prefetch(self._feed.items(), AHEAD_BATCHES * batch) as items:
            is_whole = self._take_all(batched(_with_followers(items), batch))
        end_s = self._feed.end_s if is_whole else self._seen_s
        self._record(self._smoother.flush(end_s))
        self._write_state(end_s, is_whole=is_whole)
        return self._result(end_s)

    def _take_all(self, batches: Iterable[list[list[_Item]]]) -> bool:
        """False when the watcher stopped it."""
        if self._watcher.should_stop():
            return False
        for item in self._verdicts(batches):
            self._take(item)
            if self._watcher.should_stop():
                return False
        return True

    def _verdicts(self, batches: Iterable[list[list[_Item]]]) -> Iterator[Verdict | Gap]:
        """Judge each look that needs the network; the still ones after it share what it says."""
        sightings: tuple[Sighting, ...] = ()
        for batch in batches:
            items = list(chain.from_iterable(batch))
            pictures = [item.pixels for item in items if isinstance(item, _Prepared) and item.pixels is not None]
            found = self._candidates(pictures)
            for item in items:
                if isinstance(item, Gap):
                    yield item
                    continue
                if item.pixels is not None:
                    sightings = self._network.rejector.judge(next(found))
                self._still_looks += item.pixels is None
                yield Verdict(item.time_s, item.pts, sightings, item.cuts_s)

    def _candidates(self, pictures: Sequence[Pixels]) -> Iterator[list[Candidate]]:
        """The candidates of each picture.

        Pictures of another size, after a change in mid-stream, are a pass of their own.
        """
        for _, alike in groupby(pictures, key=np.shape):
            yield from self._network.classifier.classify(list(alike))

    def _take(self, item: Verdict | Gap) -> None:
        if isinstance(item, Gap):
            self._gaps += 1
            self._gap_s += item.end_s - item.start_s
            self._record(self._smoother.gap(item))
            self._log.write(records.gap(item), source=self._name)
            return
        self._looks += 1
        self._seen_s = item.time_s
        self._record(self._smoother.update(item))
        self._watcher.reached(item.time_s)

    def _record(self, happened: Iterable[Opening | Event]) -> None:
        for item in happened:
            if isinstance(item, Opening):
                self._log.write(records.event_open(item, self._origin), source=self._name)
                continue
            self._log.write(records.event_close(item, self._origin), source=self._name)
            self._events.append(item)
            self._watcher.found(item)

    def _write_state(self, end_s: float, *, is_whole: bool) -> None:
        if self._feed.error is not None:
            self._log.write(records.source_failed(self._feed.error), source=self._name)
            return
        record = records.source_finished(
            self._source.counts,
            end_s=end_s,
            looks=self._looks,
            rejections=self._smoother.rejections,
            interrupted=not is_whole,
        )
        self._log.write(record, source=self._name)

    def _result(self, end_s: float) -> SourceResult:
        counts = self._source.counts
        return SourceResult(
            name=self._name,
            events=tuple(self._events),
            rejections=self._smoother.rejections,
            frames=counts.frames,
            looks=self._looks,
            still_looks=self._still_looks,
            decode_errors=counts.decode_errors,
            damaged_frames=counts.damaged_frames,
            gaps=self._gaps,
            gap_s=self._gap_s,
            seen_s=max(0.0, end_s - self._config.source.start_s - self._gap_s),
            notes=tuple(counts.notes),
            error=self._feed.error,
        )


class _Feed:
    """The stages that run in the decode thread. `end_s` and `error` are settled once the items have ended."""

    def __init__(self, source: Source, classifier: Classifier, config: RunConfig) -> None:
        self._source = source
        self._classifier = classifier
        self._config = config
        self.end_s = config.source.start_s
        self.error: SourceError | None = None

    def items(self) -> Iterator[_Item]:
        """Looks with their pictures at the size of analysis, and gaps, in order; a source's error ends them."""
        sampler, gate = make_sampler(self._config.sampler), make_gate(self._config.gate)
        try:
            for look in gate.pass_through(sampler.looks(self._watched())):
                yield look if isinstance(look, Gap) else self._prepared(look)
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

    def _prepared(self, look: Look) -> _Prepared:
        frame, picture = look.frame, look.frame.picture
        pixels = None
        if not look.is_still:
            pixels = picture.rgb(*self._classifier.analysis_size(picture.width, picture.height))
        return _Prepared(frame.time_s, frame.pts, look.cuts_s, pixels)


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


def _write_end(log: EventLog, summary: RunSummary) -> None:
    record = records.run_end(
        sources=len(summary.sources),
        failed=len(summary.failed),
        events={total.label: total.appearances for total in summary.labels},
        rejections=summary.rejections,
        interrupted=summary.interrupted,
    )
    log.write(record)


def _fingerprint(name: str) -> str:
    """What identifies a source's content; one that cannot be read has none, and says so when it is opened."""
    try:
        return fingerprint(name)
    except SourceError:
        return ""
