"""Runs the pipeline over labelled clips and sums up how well events and truth agree."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from streamfilter.config import RunConfig
from streamfilter.errors import DatasetError
from streamfilter.evaluation.bootstrap import Estimate, Floats, Metrics, estimate
from streamfilter.evaluation.times import ClipScore, Truth, score_clip
from streamfilter.pipeline import Network, observing, verdicts
from streamfilter.smoother import make_smoother
from streamfilter.source import open_source
from streamfilter.types import Event, Gap

NOTHING_KNOWN = "-"
"""Stands for the truth of a clip in which nothing known is seen."""
_SUMS = ("right_s", "wrong_s", "lost_s", "found", "missed", "events", "false_events", "watched_s")


@dataclass(frozen=True, slots=True)
class ClipResult:
    """One clip: its events, what was to be found, and how they score."""

    name: str
    truth: tuple[Truth, ...]
    events: tuple[Event, ...]
    score: ClipScore


def read_truth(path: str, names: Mapping[str, str]) -> list[Truth]:
    """The appearances in a label file, under the model's names: JSON lines with label, start_s, end_s and visibility.

    `-` is a clip without any. Raises `DatasetError` for a file that cannot be read, with the line that is wrong.
    """
    if path == NOTHING_KNOWN:
        return []
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise DatasetError(
            f"cannot read labels {path}: {reason}; expected JSON lines, or - for a clip without any"
        ) from None
    return [_appearance(line, names, where=f"{path} line {n}") for n, line in enumerate(lines, start=1) if line.strip()]


def run_clip(name: str, truth: Sequence[Truth], network: Network, *, config: RunConfig) -> ClipResult:
    """Watch one clip as `streamfilter run` does, without a log. Raises `SourceError` when it ends early."""
    smoother = make_smoother(config.smoother)
    events: list[Event] = []
    gap_s = 0.0
    with (
        open_source(name, config.source, keyframes_only=config.sampler.rate == "keyframes") as source,
        observing(source, network.classifier, config, rejector=network.rejector) as observed,
    ):
        for item in verdicts(observed.items, network.rejector):
            if isinstance(item, Gap):
                gap_s += item.end_s - item.start_s
            happened = smoother.gap(item) if isinstance(item, Gap) else smoother.update(item)
            events += [found for found in happened if isinstance(found, Event)]
    if observed.error is not None:
        raise observed.error
    events += [found for found in smoother.flush(observed.end_s) if isinstance(found, Event)]
    truth = within(truth, config.source.start_s, config.source.end_s)
    watched_s = max(0.0, observed.end_s - config.source.start_s - gap_s)
    known = frozenset(network.classifier.labels)
    return ClipResult(name, tuple(truth), tuple(events), score_clip(events, truth, known=known, watched_s=watched_s))


def within(truth: Sequence[Truth], start_s: float, end_s: float | None) -> list[Truth]:
    """The appearances as far as they lie in the part that was watched; `end_s` None is the end of the clip."""
    last_s = math.inf if end_s is None else end_s
    return [
        replace(one, start_s=max(one.start_s, start_s), end_s=min(one.end_s, last_s))
        for one in truth
        if one.start_s < last_s and one.end_s > start_s
    ]


def measure_clips(scores: Sequence[ClipScore]) -> dict[str, Estimate]:
    """Metrics over all clips, with intervals by resampling clips. Not a number where there is nothing to divide by."""
    sums = np.array([[getattr(score, name) for name in _SUMS] for score in scores], dtype=np.float64)
    clips = np.arange(len(scores))
    values = estimate(lambda weights: _metrics(weights @ sums), clips, np.zeros(len(scores), np.int64))
    total = sum(scores, ClipScore())
    for name, errors in (("start_error_s", total.start_errors_s), ("end_error_s", total.end_errors_s)):
        values[name] = Estimate(float(np.median(np.abs(errors))) if errors else float("nan"))
    return values


def _metrics(sums: Floats) -> Metrics:
    right, wrong, lost, found, missed, events, false, watched_s = sums.T
    return {
        "time_precision": _ratio(right, right + wrong),
        "time_recall": _ratio(right, right + lost),
        "time_f1": _ratio(2 * right, 2 * right + wrong + lost),
        "event_precision": _ratio(events - false, events),
        "event_recall": _ratio(found, found + missed),
        "false_events_per_hour": _ratio(false * 3600, watched_s),
    }


def _ratio(part: Floats, whole: Floats) -> Floats:
    return np.asarray(np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0))


def _appearance(line: str, names: Mapping[str, str], *, where: str) -> Truth:
    try:
        fields: dict[str, Any] = json.loads(line)
        label, visibility = str(fields["label"]), fields["visibility"]
        start_s, end_s = float(fields["start_s"]), float(fields["end_s"])
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        raise DatasetError(f"{where}: expected a JSON object with label, start_s, end_s and visibility") from None
    if visibility not in ("clear", "hard") or not 0 <= start_s < end_s < math.inf:
        raise DatasetError(
            f"{where}: expected visibility clear or hard and 0 ≤ start_s < end_s, got {line.strip()[:200]}"
        )
    return Truth(names.get(label, label), start_s, end_s, cast(Any, visibility))
