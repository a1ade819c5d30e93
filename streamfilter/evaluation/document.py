"""An evaluation as plain JSON values: the same numbers that the report shows."""

from __future__ import annotations

from typing import Any

import streamfilter
from streamfilter.evaluation.bootstrap import CONFIDENCE, ROUNDS
from streamfilter.evaluation.clips import ClipResult
from streamfilter.evaluation.evaluate import Evaluation
from streamfilter.evaluation.samples import NOTHING, Samples
from streamfilter.evaluation.sections import Sections, as_json, diagrams, per_label

VERSION = 1


def document(evaluation: Evaluation) -> dict[str, Any]:
    """Everything that was measured. Every estimate is an object of value, low and high; rates are 0 to 1."""
    samples = evaluation.samples
    kinds = [subject.kind for subject in samples.subjects]
    return {
        "v": VERSION,
        "type": "evaluation",
        "program": f"streamfilter {streamfilter.__version__}",
        "model": {"digest": evaluation.model.digest, "labels": list(evaluation.model.all_labels)},
        "score": evaluation.score,
        "intervals": {"confidence": CONFIDENCE, "resamples": ROUNDS, "over": "pictures; clips for video"},
        "pictures": {**{kind: kinds.count(kind) for kind in ("known", "far", "near")}, "left_out": evaluation.left_out},
        "known_against": parts_json(evaluation.sections),
        "labels": per_label(samples),
        "reliability": diagrams(samples),
        "scores": {name: parts_json(parts) for name, parts in evaluation.scores.items()},
        "shifts": [
            {"treatment": row.shift.name, "pictures": row.pictures, **as_json(row.metrics)} for row in evaluation.shifts
        ],
        "video": {"all": as_json(evaluation.video), "clips": [clip_row(clip) for clip in evaluation.clips]},
        "samples": [_sample(samples, row) for row in range(len(samples))],
    }


def parts_json(parts: Sections) -> dict[str, Any]:
    """Metrics by what the known pictures are held against."""
    return {name: as_json(metrics) for name, metrics in parts.items()}


def clip_row(clip: ClipResult) -> dict[str, Any]:
    """One clip's sums."""
    score = clip.score
    return {
        "clip": clip.name,
        "watched_s": round(score.watched_s, 3),
        "right_s": round(score.right_s, 3),
        "wrong_s": round(score.wrong_s, 3),
        "lost_s": round(score.lost_s, 3),
        "found": score.found,
        "missed": score.missed,
        "false_events": score.false_events,
        "events": [
            {"label": e.label, "start_s": e.start_s, "end_s": e.end_s, "score": round(e.score, 5)} for e in clip.events
        ],
    }


def _sample(samples: Samples, row: int) -> dict[str, Any]:
    subject, decided, taken_for = samples.subjects[row], int(samples.decided[row]), int(samples.taken_for[row])
    return {
        "picture": str(subject.path),
        "kind": subject.kind,
        "label": subject.label,
        "decided": samples.labels[decided] if decided < samples.none else None,
        "confidence": round(float(samples.confidence[row]), 5),
        "taken_for": None if taken_for == NOTHING else samples.labels[taken_for],
        "unfamiliarity": float(f"{samples.unfamiliarity[row]:.8g}"),
    }
