"""A whole calibration: footage in, a model out that says what it promises."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamfilter.calibration.appearances import LabelLoss, Limit, losses, photograph_limit, video_limits
from streamfilter.calibration.bound import share_upper
from streamfilter.calibration.choosing import Bound, Choice, choose, measure_footage, thresholds_to_try
from streamfilter.calibration.dial import Dial
from streamfilter.calibration.footage import CachedLook, Clip, Eye, Photograph, digest
from streamfilter.calibration.probabilities import ScoreFit, fit_scores
from streamfilter.calibration.replay import sweep
from streamfilter.calibration.seen import Negatives, Positives, Truths, see_negatives, see_positives
from streamfilter.config import RunConfig
from streamfilter.console import Console
from streamfilter.model import Model
from streamfilter.pipeline import make_network
from streamfilter.promise import FalseEvents, FalseLooks, Kept, Promise, deciding_settings
from streamfilter.types import Event

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Task:
    """What is asked for.

    `negatives`: videos, folders and patterns that show no label. `positives`: videos with their truth, or pictures per
    label. `names`: what a truth's names mean. Shares and confidence are 0 to 1.
    """

    negatives: tuple[str, ...]
    per_hour: float
    positives: Path | None = None
    confidence: float = 0.95
    most_lost: float = 0.1
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """The events of each clip, by name, at each threshold that was tried, the strictest first."""

    thresholds: Sequence[float]
    events: Mapping[str, Sequence[tuple[Event, ...]]]

    def counts(self, clips: Sequence[Clip]) -> list[list[int]]:
        """Per threshold, how many events each of these clips has."""
        return [[len(self.events[clip.name][i]) for clip in clips] for i in range(len(self.thresholds))]


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """What came out. `model` is the calibrated one; `bound` and `choice` are None where no clip was seen.

    `false_events`: seen in all negatives at each of `thresholds`, strictest first.
    """

    task: Task
    model: Model
    dial: Dial
    promise: Promise
    bound: Bound | None
    choice: Choice | None
    thresholds: Sequence[float]
    false_events: Sequence[int]
    losses: Sequence[LabelLoss]
    scores: ScoreFit
    negatives: Negatives
    positives: Positives

    @property
    def threshold(self) -> float:
        """The one that is written, as unfamiliarity."""
        return self.dial.own if self.choice is None else self.choice.threshold

    def seen_at(self, threshold: float) -> int:
        """False events seen at the strictest threshold tried that accepts as much as this one."""
        return self.false_events[min(bisect_left(self.thresholds, threshold), len(self.thresholds) - 1)]


def calibrate(model: Model, task: Task, config: RunConfig, console: Console) -> Calibration:
    """Look, choose, promise. Raises `StreamFilterError` for what can't be read or set."""
    dial = Dial(model, config.rejector)
    network = make_network(model, config, explores=True)
    eye = Eye(network.classifier, dial, config)
    truths = Truths(network.facts.labels, task.names)
    negatives = see_negatives(task.negatives, truths, eye=eye, part=config.source, console=console)
    positives = see_positives(task.positives, truths, eye=eye, part=config.source, console=console)
    judged = _judge(negatives, positives, dial, config=config, console=console)
    counts = judged.counts(negatives.clips)
    bound, choice = _choose(judged, negatives.clips, task, own=dial.own)
    threshold = dial.own if choice is None else choice.threshold
    lost = losses(_limits(positives, judged, dial), threshold, most_lost=task.most_lost)
    scores = _fit_scores(negatives, positives, judged)
    promise = Promise(
        decided_by=dial.setting,
        threshold=dial.value(threshold),
        settings=deciding_settings(config) | {"rejector.score": "auto"},
        footage=_footage(negatives, positives),
        false_events=_promised_events(task, bound, choice),
        false_looks=_promised_looks(negatives.photographs, dial, threshold, confidence=task.confidence),
        kept=tuple(_kept(loss, task) for loss in lost if loss.is_kept(threshold)),
    )
    thresholds = dial.written(model.thresholds, threshold)
    written = replace(
        model, thresholds=thresholds, promise=promise, probability=scores.curve or model.probability, digest=""
    )
    return Calibration(
        task=task,
        model=written,
        dial=dial,
        promise=promise,
        bound=bound,
        choice=choice,
        thresholds=judged.thresholds,
        false_events=[sum(row) for row in counts],
        losses=lost,
        scores=scores,
        negatives=negatives,
        positives=positives,
    )


def _judge(negatives: Negatives, positives: Positives, dial: Dial, *, config: RunConfig, console: Console) -> Judged:
    shown = [clip for clip, _ in positives.clips]
    thresholds = thresholds_to_try(_passing(negatives.clips, dial), _passing(shown, dial), dial.own)
    clips = [*negatives.clips, *shown]
    events: dict[str, Sequence[tuple[Event, ...]]] = {}
    with console.progress("judging at every threshold", len(clips)) as progress:
        for clip in clips:
            events[clip.name] = sweep(clip, dial, thresholds, config.smoother)
            progress.advance()
    return Judged(thresholds, events)


def _passing(clips: Sequence[Clip], dial: Dial) -> Floats:
    """Unfamiliarity of the candidates that the threshold alone decides on, `(n,)`."""
    looks = [item for clip in clips for item in clip.items if isinstance(item, CachedLook) and not item.is_still]
    parts = [look.unfamiliarity[accepted_by_all_else(look, dial)] for look in looks]
    values = np.concatenate(parts) if parts else np.zeros(0)
    return values[np.isfinite(values)]


def accepted_by_all_else(look: CachedLook | Photograph, dial: Dial) -> NDArray[np.bool_]:
    """Which candidates are accepted once the threshold lets everything pass, `(n,)`."""
    sightings = dial.decide(look.candidates, look.unfamiliarity, math.inf)
    return np.array([sighting.label is not None for sighting in sightings], np.bool_)


def _choose(judged: Judged, clips: Sequence[Clip], task: Task, *, own: float) -> tuple[Bound | None, Choice | None]:
    hours = [clip.seen_s / 3600 for clip in clips]
    if not sum(hours):
        return None, None
    counts = judged.counts(clips)
    bound = measure_footage(counts, hours, confidence=task.confidence)
    totals = [sum(row) for row in counts]
    return bound, choose(judged.thresholds, totals, bound, wanted_per_hour=task.per_hour, own=own)


def _limits(positives: Positives, judged: Judged, dial: Dial) -> list[Limit]:
    """What each appearance needs; a label that clips show is not looked for in photographs, too."""
    limits: list[Limit] = []
    for clip, truth in positives.clips:
        clear = [one for one in truth if one.visibility == "clear"]
        limits += video_limits(clip.name, clear, judged.thresholds, judged.events[clip.name])
    on_video = {limit.label for limit in limits}
    return limits + [
        photograph_limit(label, photograph, accepted_by_all_else(photograph, dial))
        for label, photograph in positives.photographs
        if label not in on_video
    ]


def _fit_scores(negatives: Negatives, positives: Positives, judged: Judged) -> ScoreFit:
    """Fitted at the loosest threshold, where there are the most events to learn from."""
    clips = [*((clip, ()) for clip in negatives.clips), *positives.clips]
    return fit_scores((clip.name, judged.events[clip.name][-1], truth) for clip, truth in clips)


def _promised_events(task: Task, bound: Bound | None, choice: Choice | None) -> FalseEvents | None:
    if bound is None or choice is None:
        return None
    return FalseEvents(
        per_hour=choice.per_hour,
        confidence=task.confidence,
        events=choice.events,
        hours=bound.hours,
        clips=bound.clips,
        wanted_per_hour=task.per_hour,
    )


def _promised_looks(
    photographs: Sequence[Photograph], dial: Dial, threshold: float, *, confidence: float
) -> FalseLooks | None:
    if not photographs:
        return None
    verdicts = [dial.decide(one.candidates, one.unfamiliarity, threshold) for one in photographs]
    accepted = sum(any(sighting.label is not None for sighting in sightings) for sightings in verdicts)
    share = share_upper(accepted, len(photographs), confidence=confidence)
    return FalseLooks(share, confidence=confidence, accepted=accepted, looks=len(photographs))


def _kept(loss: LabelLoss, task: Task) -> Kept:
    return Kept(loss.label, lost_share=task.most_lost, appearances=loss.appearances, clips=loss.clips)


def _footage(negatives: Negatives, positives: Positives) -> str:
    clips = [*negatives.clips, *(clip for clip, _ in positives.clips)]
    photographs = [*negatives.photographs, *(photograph for _, photograph in positives.photographs)]
    return digest([*(clip.fingerprint for clip in clips), *(one.fingerprint for one in photographs)])
