"""What the records of the event log say. Pure functions: values in, a mapping of JSON values out.

Times are rounded to 1 µs, everything else to 5 decimals; a number that is not finite becomes null. Nothing here knows
the time of day, so two runs over the same files say the same.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from streamfilter import __version__
from streamfilter.config import RunConfig
from streamfilter.errors import StreamFilterError
from streamfilter.promise import Promise
from streamfilter.stages import SourceCounts, SourceFacts
from streamfilter.types import Box, Candidate, Event, Evidence, Exposure, Gap, Opening, TrackPoint, Unknown

Record = dict[str, Any]

STATE_VERSION = 1
"""Of the state in a checkpoint."""

ID_DIGITS = 24
"""Hexadecimal digits of an event's or a run's identity: 96 bits."""


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What a log says of its model. `calibration`: temperature and thresholds by name; None or infinity: not used.

    `runtime` is what runs the network: on one machine the same log to the byte follows only with it.
    """

    digest: str
    labels: tuple[str, ...]
    calibration: Mapping[str, float | None]
    promise: Promise | None = None
    runtime: str = ""


@dataclass(frozen=True, slots=True)
class Origin:
    """What an event's identity rests on, beside the event itself."""

    facts: SourceFacts
    config_digest: str
    model_digest: str


def run_digest(config_digest: str, model_digest: str, fingerprints: tuple[str, ...]) -> str:
    """The identity of a run: program version, configuration, model and sources in their order. No clock is in it."""
    return _digest("run", __version__, config_digest, model_digest, *fingerprints)


def event_id(event: Event | Opening, origin: Origin) -> str:
    """The identity of an appearance: the same in every run of this source with this configuration and model."""
    return identify_event(event, origin.facts.fingerprint, origin.config_digest, origin.model_digest)


def identify_event(event: Event | Opening, fingerprint: str, config_digest: str, model_digest: str) -> str:
    """The same from its parts: `fingerprint` is that of the source."""
    what = (event.label, str(event.start_pts), str(event.ordinal))
    return _digest("event", fingerprint, config_digest, model_digest, *what)


def run_start(config: RunConfig, model: ModelFacts) -> Record:
    """The first record: which program, settings and model."""
    return {
        "type": "run_start",
        "program": {"name": "streamfilter", "version": __version__},
        "config": {"digest": config.digest(), "settings": config.recorded()},
        "model": {
            "digest": model.digest,
            "runtime": model.runtime,
            "labels": list(model.labels),
            "calibration": {name: _number(value) for name, value in sorted(model.calibration.items())},
            "promise": None if model.promise is None else _promise(model.promise, config),
        },
    }


def source_opened(facts: SourceFacts) -> Record:
    """A source was opened: what is known of it."""
    return {
        "type": "source_state",
        "state": "opened",
        "facts": {
            "fingerprint": facts.fingerprint,
            "container": facts.container,
            "codec": facts.codec,
            "width": facts.width,
            "height": facts.height,
            "duration_s": _seconds(facts.duration_s),
            "rate_hz": _number(facts.rate_hz),
            "time_base": str(facts.time_base),
            "has_audio": facts.has_audio,
        },
    }


def source_lost(cause: str, reason: str, *, time_s: float, retry_s: float) -> Record:
    """A feed is not to be had since `time_s`; it is tried again, the first time in `retry_s`."""
    return {
        "type": "source_state",
        "state": "lost",
        "cause": cause,
        "reason": reason,
        "time_s": _seconds(time_s),
        "retry_s": _number(retry_s),
    }


def source_resumed(time_s: float, *, lost_events: Sequence[str]) -> Record:
    """A feed of a run that was killed: it was seen until `time_s`; of `lost_events` nothing more is known."""
    return {
        "type": "source_state",
        "state": "resumed",
        "time_s": _seconds(time_s),
        "lost_events": sorted(lost_events),
    }


def source_finished(
    counts: SourceCounts, *, end_s: float, looks: int, rejections: Mapping[str, int], interrupted: bool = False
) -> Record:
    """A source was read to its end at `end_s`, or the run was interrupted there: what was met on the way."""
    return {
        "type": "source_state",
        "state": "interrupted" if interrupted else "finished",
        "end_s": _seconds(end_s),
        "counts": {
            "frames": counts.frames,
            "looks": looks,
            "decode_errors": counts.decode_errors,
            "damaged_frames": counts.damaged_frames,
            "frames_without_pts": counts.frames_without_pts,
        },
        "ended_early_s": _seconds(counts.ended_early_s),
        "notes": list(counts.notes),
        "rejections": dict(sorted(rejections.items())),
    }


def source_failed(
    error: StreamFilterError, *, fingerprint: str = "", rejections: Mapping[str, int] | None = None
) -> Record:
    """A source could not be opened, or not be read to its end; `rejections` before that."""
    return {
        "type": "source_state",
        "state": "failed",
        "fingerprint": fingerprint,
        "error": str(error),
        "exit_code": error.exit_code,
        "rejections": dict(sorted((rejections or {}).items())),
    }


def event_open(opening: Opening, origin: Origin) -> Record:
    """An appearance was confirmed."""
    return {
        "type": "event_open",
        "event_id": event_id(opening, origin),
        "label": opening.label,
        "start_s": _seconds(opening.start_s),
        "score": _number(opening.score),
        "ordinal": opening.ordinal,
        "pts": {"start": opening.start_pts, "time_base": str(origin.facts.time_base)},
        "box": _box(opening.box),
    }


def event_close(event: Event, origin: Origin, media: Mapping[str, str] | None = None) -> Record:
    """An appearance is over: the whole of it. `media`: the names of its clip and of what goes with that."""
    record = {
        "type": "event_close",
        "event_id": event_id(event, origin),
        "label": event.label,
        "start_s": _seconds(event.start_s),
        "end_s": _seconds(event.end_s),
        "score": _number(event.score),
        "ordinal": event.ordinal,
        "pts": {"start": event.start_pts, "end": event.end_pts, "time_base": str(origin.facts.time_base)},
        "peak": _peak(event.best),
        "evidence": _evidence(event.evidence),
        "exposure": _exposure(event.exposure),
        "track": [_point(point) for point in event.track],
    }
    return record if media is None else record | {"media": dict(media)}


def event_update(event: Event, origin: Origin) -> Record:
    """An appearance goes on: what is known of it when it was seen last, at `seen_s`. Of a live feed only."""
    return {
        "type": "event_update",
        "event_id": event_id(event, origin),
        "label": event.label,
        "start_s": _seconds(event.start_s),
        "seen_s": _seconds(event.end_s),
        "score": _number(event.score),
        "ordinal": event.ordinal,
        "pts": {"start": event.start_pts, "seen": event.end_pts, "time_base": str(origin.facts.time_base)},
        "box": _box(event.track[-1].box),
        "evidence": _evidence(event.evidence),
    }


def unknown_id(unknown: Unknown, origin: Origin) -> str:
    """The identity of an appearance without a label."""
    return event_id(replace(unknown.event, label=""), origin)


def unknown_close(unknown: Unknown, origin: Origin, cluster: str) -> Record:
    """A region that was rejected and stayed is over. `cluster` is the id of the first one that looked like it.

    What it was rejected for stands as the runner-up.
    """
    event, best = unknown.event, unknown.event.best
    looked_like = replace(best, runner_up=best.label, runner_up_softmax=best.softmax)
    return event_close(event, origin) | {
        "event_id": unknown_id(unknown, origin),
        "label": None,
        "score": _number(1 - event.score),
        "peak": _peak(looked_like),
        "cluster": cluster,
        "likeness": unknown.likeness,
    }


def gap(lost: Gap) -> Record:
    """Stream time in which frames were lost."""
    return {"type": "gap", "start_s": _seconds(lost.start_s), "end_s": _seconds(lost.end_s), "cause": lost.cause}


def checkpoint(time_s: float, *, pts: int, looks: int, judged: int, smoother: Any) -> Record:
    """All that ended before `time_s` of this source is in the log; what a resumed run needs to go on from here.

    `pts` is that of the last look, `looks` how many there were and `judged` how many of them the network looked at,
    `smoother` its state.
    """
    state = {"v": STATE_VERSION, "pts": pts, "looks": looks, "judged": judged, "smoother": smoother}
    return {"type": "checkpoint", "time_s": _seconds(time_s), "resume": state}


def run_end(
    *, sources: int, failed: int, events: Mapping[str, int], rejections: Mapping[str, int], interrupted: bool = False
) -> Record:
    """The last record: totals over the sources that were begun; `events` by label, `rejections` by reason."""
    return {
        "type": "run_end",
        "sources": sources,
        "failed": failed,
        "interrupted": interrupted,
        "events": dict(sorted(events.items())),
        "rejections": dict(sorted(rejections.items())),
    }


def _promise(promise: Promise, config: RunConfig) -> Record:
    events = promise.false_events
    return {
        "false_events_per_hour": None if events is None else _number(events.per_hour),
        "confidence": None if events is None else _number(events.confidence),
        "events": None if events is None else events.events,
        "hours": None if events is None else _number(events.hours),
        "clips": None if events is None else events.clips,
        "lost_share": {kept.label: _number(kept.lost_share) for kept in promise.kept},
        "footage": promise.footage,
        "broken_by": promise.broken_by(config),
    }


def _peak(best: Candidate) -> Record:
    return {
        "box": _box(best.box),
        "max_softmax": _number(best.softmax),
        "none_probability": _number(best.none_probability),
        "mahalanobis": {"distance": _number(best.distance), "percentile": _number(best.distance_percentile)},
        "runner_up": None
        if best.runner_up is None
        else {"label": best.runner_up, "softmax": _number(best.runner_up_softmax)},
    }


def _evidence(evidence: Evidence) -> Record:
    return {
        "looks": evidence.looks,
        "hits": evidence.hits,
        "rejections": dict(sorted(evidence.rejections.items())),
        "gap_s": _seconds(evidence.gap_s),
        "coverage": _number(evidence.coverage),
    }


def _exposure(exposure: Exposure) -> Record:
    return {
        "visible_s": _seconds(exposure.visible_s),
        "alone_s": _seconds(exposure.alone_s),
        "mean_share": _number(exposure.mean_share),
        "largest_share": _number(exposure.largest_share),
        "x": _number(exposure.x),
        "y": _number(exposure.y),
        "sharpness": _number(exposure.sharpness),
    }


def _point(point: TrackPoint) -> Record:
    return {"time_s": _seconds(point.time_s), "box": _box(point.box), "score": _number(point.score)}


def _box(box: Box) -> list[float | None]:
    return [_number(value) for value in (box.x, box.y, box.width, box.height)]


def _seconds(value: float | None) -> float | None:
    return _rounded(value, 6)


def _number(value: float | None) -> float | None:
    return _rounded(value, 5)


def _rounded(value: float | None, decimals: int) -> float | None:
    if value is None or not math.isfinite(value):
        return None
    return round(float(value), decimals) + 0.0  # adding zero turns -0.0 into 0.0


def _digest(*parts: str) -> str:
    """A hash over a list of strings, written so that no two lists read the same."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:ID_DIGITS]
