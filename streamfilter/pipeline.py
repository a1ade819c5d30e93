"""The whole run: stages chained as generators, one thread that decodes ahead, one log in which everything ends.

    decode thread                             ║ main thread
    source ─► sampler ─► gate ─► look's picture ─► batched ─► classifier ─► rejector ─► smoother ─► event log

Items keep their order from end to end, and an error of the source travels in that order too, as the end of its items.
So the events are the same for every batch size, and what was seen before an error is in the log. A run that was stopped
goes on from the last checkpoint of its log (`resume`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from streamfilter.config import RunConfig
from streamfilter.errors import SinkError, SourceError
from streamfilter.likeness import Leaders, decode_likeness
from streamfilter.machine import leave_cores_to_the_network
from streamfilter.observing import Observation, Observed, observing, read_through, verdicts
from streamfilter.probability import ProbabilityCurve, with_probability
from streamfilter.resume import CHECKPOINT_S, Begun, Plan, logged_event, make_plan, spacing_s
from streamfilter.sinks import EventLog, ModelFacts, Origin, event_id, records, run_digest
from streamfilter.smoother import make_smoother
from streamfilter.source import open_source
from streamfilter.source.discovery import redacted
from streamfilter.source.opening import fingerprint
from streamfilter.stages import Classifier, Rejector, Source
from streamfilter.summary import RunSummary, SourceResult
from streamfilter.types import Event, Gap, Happening, Opening, Unknown, Verdict
from streamfilter.watching import Watcher

if TYPE_CHECKING:
    from streamfilter.classifier.runtimes import Runtime
    from streamfilter.model import Model, Thresholds

__all__ = ["Network", "Observation", "SourceRun", "Watcher", "identify", "load_network", "observing", "run", "verdicts"]


NameMedia = Callable[[str, str, str], Mapping[str, str] | None]
"""The names of the files that belong to an event, from its source, label and id; None: it has none."""


@dataclass(frozen=True, slots=True)
class Network:
    """The two stages that come from a model, what the log says of it, and the device it runs on for people.

    `runtime` is what runs the network, where that is here. `probability` turns the scores of events into probabilities;
    None: they are taken as they are.
    """

    classifier: Classifier
    rejector: Rejector
    facts: ModelFacts
    device: str = ""
    probability: ProbabilityCurve | None = None
    runtime: Runtime | None = None


def load_network(path: Path, config: RunConfig) -> Network:
    """The model file's stages, on the device that `config` names. Raises `ModelError`. Imports torch."""
    from streamfilter.model import load_model

    return make_network(load_model(path), config)


def make_network(model: Model, config: RunConfig, *, explores: bool = False) -> Network:
    """The stages of a model, on the device that `config` names. Raises `ModelError`. Imports torch.

    `explores`: what is found will be judged by other thresholds than the rejector's, too.
    """
    from streamfilter.classifier import make_doubting, with_witness
    from streamfilter.rejector import chosen_score, rejector_of

    leave_cores_to_the_network()
    perturbs = chosen_score(model.thresholds, config.rejector) == "odin"
    rejector = rejector_of(model, config.rejector)
    classifier = make_doubting(model, config.classifier, rejector, perturbs=perturbs)
    facts = ModelFacts(
        model.digest, model.all_labels, _calibration(model.thresholds), model.promise, runtime=classifier.runtime.name
    )
    return Network(
        with_witness(classifier, model, config.rejector, None if explores else rejector),
        rejector,
        facts,
        device=f"{classifier.runtime.name} ({classifier.why})",
        probability=model.probability,
        runtime=classifier.runtime,
    )


def _calibration(thresholds: Thresholds) -> dict[str, float | None]:
    """Temperature and thresholds by name; of the scores only the one that the model file lets decide."""
    plain = {name: getattr(thresholds, name) for name in ("temperature", "none_class", "max_softmax", "mahalanobis")}
    return plain | ({f"score.{thresholds.score}": thresholds.scores[thresholds.score]} if thresholds.score else {})


def identify(names: Iterable[str], *, config: RunConfig, model: ModelFacts) -> str:
    """The identity of a run over these sources: the same whenever the same is run again."""
    return run_digest(config.digest(), model.digest, tuple(_fingerprint(name) for name in names))


def run(
    names: Sequence[str],
    network: Network,
    *,
    config: RunConfig,
    log: EventLog,
    watcher: Watcher | None = None,
    media: NameMedia | None = None,
) -> RunSummary:
    """Read the sources one after the other and write all that is found into the log; go on where its past ends.

    `media` names the clips that will be made of the events.

    A source that fails is told in the log and in its result; the others are read all the same. A watcher that stops the
    run has what was seen so far closed and logged. Raises `SinkError` and `ModelError`, which end everything.
    """
    watcher = watcher or Watcher()
    began_s = time.monotonic()
    plan = _planned(names, network, config=config, log=log)
    for text in plan.said:
        watcher.resumed(text)
    if not plan.kept:
        log.write(records.run_start(config, network.facts))
    results = dict(plan.done)
    leaders = _leaders(plan)
    for number in plan.todo:
        if watcher.should_stop():
            break
        begun = plan.begun if number == plan.todo[0] else None
        results[number] = _run_source(
            names[number],
            network,
            config=config,
            log=log,
            watcher=watcher,
            leaders=leaders,
            begun=begun,
            media=media,
        )
        watcher.closed(results[number])
    summary = RunSummary(
        tuple(result for _, result in sorted(results.items())),
        wall_s=time.monotonic() - began_s,
        interrupted=watcher.should_stop() and not plan.is_over,
        is_resumed=bool(plan.kept),
    )
    if not plan.is_over:
        _write_end(log, summary)
    return summary


def _planned(names: Sequence[str], network: Network, *, config: RunConfig, log: EventLog) -> Plan:
    """What is to be done; the log is taken back to what is kept of it."""
    plan = make_plan(
        log.past,
        names,
        config=config,
        model=network.facts,
        fingerprints=[_fingerprint(name) for name in names] if log.past.lines else (),
        retry=lambda name: _failure(name, config),
    )
    if log.past.lines or log.past.lost:
        log.keep(plan.kept)
    return plan


def _failure(name: str, config: RunConfig) -> str | None:
    """Why a source cannot be opened or read to its end; None when it can."""
    try:
        with _opened(name, config) as source:
            read_through(source, config.source.limits)
    except SourceError as error:
        return str(error)
    return None


def _opened(name: str, config: RunConfig) -> Source:
    return open_source(name, config.source, keyframes_only=config.sampler.rate == "keyframes")


def _leaders(plan: Plan) -> Leaders:
    """The clusters of unknown regions that the kept part of the log tells of."""
    leaders = Leaders()
    for line in plan.kept:
        if line.record["type"] == "event_close" and line.record["label"] is None:
            leaders.join(line.record["event_id"], decode_likeness(line.record["likeness"]))
    return leaders


def _run_source(
    name: str,
    network: Network,
    *,
    config: RunConfig,
    log: EventLog,
    watcher: Watcher,
    leaders: Leaders,
    begun: Begun | None,
    media: NameMedia | None,
) -> SourceResult:
    try:
        source = _opened(name, config)
    except SourceError as error:
        log.write(records.source_failed(error, fingerprint=_fingerprint(name)), source=redacted(name))
        return SourceResult(redacted(name), events=begun.events if begun else (), error=error.with_traceback(None))
    with source:
        run_ = SourceRun(
            source, network, config=config, log=log, watcher=watcher, leaders=leaders, begun=begun, media=media
        )
        return run_.run()


class SourceRun:
    """One source on its way through all stages, from its beginning or on from a checkpoint."""

    def __init__(
        self,
        source: Source,
        network: Network,
        *,
        config: RunConfig,
        log: EventLog,
        watcher: Watcher,
        leaders: Leaders | None = None,
        begun: Begun | None = None,
        media: NameMedia | None = None,
    ) -> None:
        self._source = source
        self._media = media
        self._network = network
        self._config = config
        self._log = log
        self._watcher = watcher
        self._leaders = leaders or Leaders()
        self._begun = begun
        self._name = source.facts.name
        self._origin = Origin(source.facts, config.digest(), network.facts.digest)
        self._smoother = make_smoother(config.smoother)
        self._error: SourceError | None = None
        self._events: list[Event] = []
        self._looks = self._still_looks = self._gaps = 0
        self._gap_s = self._seen_s = 0.0
        self._due_s = config.source.start_s + CHECKPOINT_S

    def run(self) -> SourceResult:
        """Read the source to its end, to its failure, or until the watcher stops it."""
        if self._begun is not None:
            self._restore(self._begun)
        else:
            self._log.write(records.source_opened(self._source.facts), source=self._name)
        self._watcher.opened(self._source.facts)
        self._watcher.counting(lambda: self._result(self._seen_s))
        known = (self._begun.looks, self._begun.judged) if self._begun is not None else (0, 0)
        network = self._network
        with observing(
            self._source, network.classifier, self._config, rejector=network.rejector, known=known
        ) as observed:
            items = self._counted(observed.items)
            is_whole = self._catch_up(items, observed) and self._take_all(items)
        self._error = observed.error
        end_s = observed.end_s if is_whole else self._seen_s
        self._record(self._smoother.flush(end_s))
        self._write_state(end_s, is_whole=is_whole)
        return self._result(end_s)

    def _restore(self, begun: Begun) -> None:
        """Be as at the checkpoint, but for what is counted again."""
        try:
            self._smoother.restore(begun.smoother)
        except ValueError:
            raise self._elsewhere(begun) from None
        self._events = list(begun.events)
        self._seen_s = begun.time_s
        self._due_s = begun.time_s + spacing_s(begun.smoother)

    def _catch_up(self, items: Iterable[Observation | Gap], observed: Observed[Observation | Gap]) -> bool:
        """Pass over what the log already tells, up to the checkpoint. False when the watcher stopped it."""
        begun = self._begun
        if begun is None:
            return True
        for item in items:
            if isinstance(item, Observation):
                self._watcher.reached(item.time_s)
                if self._looks == begun.looks:
                    if item.pts != begun.pts:
                        raise self._elsewhere(begun)
                    self._still_looks = begun.looks - begun.judged
                    return True
            if self._watcher.should_stop():
                return False
        if observed.error is None:
            raise self._elsewhere(begun)
        return True

    def _elsewhere(self, begun: Begun) -> SinkError:
        return SinkError(
            f"cannot resume {self._name}: the checkpoint at {begun.time_s:.1f} s does not fit what is decoded now "
            "(by another FFmpeg perhaps); begin anew with --force"
        )

    def _take_all(self, observed: Iterable[Observation | Gap]) -> bool:
        """False when the watcher stopped it."""
        if self._watcher.should_stop():
            return False
        for item in verdicts(observed, self._network.rejector):
            self._take(item)
            if self._watcher.should_stop():
                return False
        return True

    def _counted(self, observed: Iterable[Observation | Gap]) -> Iterator[Observation | Gap]:
        for item in observed:
            if isinstance(item, Gap):
                self._gaps += 1
                self._gap_s += item.end_s - item.start_s
            elif not item.is_extra:
                self._looks += 1
                self._still_looks += item.is_still
            yield item

    def _take(self, item: Verdict | Gap) -> None:
        if isinstance(item, Gap):
            self._record(self._smoother.gap(item))
            self._log.write(records.gap(item), source=self._name)
            return
        self._seen_s = item.time_s
        self._record(self._smoother.update(item))
        if item.time_s >= self._due_s and item.is_settled:
            self._write_checkpoint(item)
        self._watcher.reached(item.time_s)

    def _write_checkpoint(self, last: Verdict) -> None:
        state = self._smoother.state()
        judged = self._looks - self._still_looks
        record = records.checkpoint(last.time_s, pts=last.pts, looks=self._looks, judged=judged, smoother=state)
        self._log.write(record, source=self._name)
        self._due_s = record["time_s"] + spacing_s(state)

    def _record(self, happened: Iterable[Happening]) -> None:
        for told in happened:
            item = with_probability(told, self._network.probability)
            if isinstance(item, Opening):
                self._log.write(records.event_open(item, self._origin), source=self._name)
                continue
            if isinstance(item, Unknown):
                self._write_unknown(item)
                continue
            media = self._media and self._media(self._name, item.label, event_id(item, self._origin))
            record = records.event_close(item, self._origin, media)
            self._log.write(record, source=self._name)
            self._events.append(logged_event(record))
            self._watcher.found(item)

    def _write_unknown(self, unknown: Unknown) -> None:
        own_id = records.unknown_id(unknown, self._origin)
        cluster = self._leaders.join(own_id, decode_likeness(unknown.likeness))
        self._log.write(records.unknown_close(unknown, self._origin, cluster), source=self._name)

    def _write_state(self, end_s: float, *, is_whole: bool) -> None:
        if self._error is not None:
            fingerprint, rejections = self._source.facts.fingerprint, self._smoother.rejections
            record = records.source_failed(self._error, fingerprint=fingerprint, rejections=rejections)
            self._log.write(record, source=self._name)
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
            error=self._error,
        )


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
