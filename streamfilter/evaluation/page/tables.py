"""The tables of the report, as HTML."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from streamfilter.evaluation.bootstrap import Estimate
from streamfilter.evaluation.clips import ClipResult
from streamfilter.evaluation.page.svg import Frame, legend, text
from streamfilter.evaluation.robustness import ShiftRow
from streamfilter.evaluation.samples import Samples
from streamfilter.evaluation.sections import Sections, per_label
from streamfilter.evaluation.times import Span, Truth

METRIC_WORDS = {
    "open_set_accuracy": "Open-set accuracy: known named right, unknown rejected",
    "macro_f1": "Macro-F1 over labels and none",
    "known_named_right": "Known named right",
    "known_named_wrong": "Known called another label",
    "known_rejected": "Known rejected",
    "unknown_accepted": "Unknown accepted",
    "closed_set_accuracy": "Label right, were nothing rejected",
    "auroc": "AUROC",
    "aupr_in": "Average precision, known as positives",
    "aupr_out": "Average precision, unknown as positives",
    "detection_error": "Detection error: least mean of both errors",
    "oscr_area": "Area under the OSCR curve",
    "correct_at_false_alarm_rate_0.001": "Known named right when 0.1 % of unknown are accepted",
    "correct_at_false_alarm_rate_0.01": "Known named right when 1 % of unknown are accepted",
    "correct_at_false_alarm_rate_0.05": "Known named right when 5 % of unknown are accepted",
    "correct_at_false_alarm_rate_0.1": "Known named right when 10 % of unknown are accepted",
    "fpr_when_95_of_known_accepted": "Unknown accepted when 95 % of known are accepted",
    "known_lost_when_95_of_unknown_rejected": "Known lost when 95 % of unknown are rejected",
    "open_set_accuracy_at_best_threshold": "Open-set accuracy at the best threshold in hindsight",
    "expected_calibration_error": "Expected calibration error of the score",
    "time_precision": "Precision of the time that events say",
    "time_recall": "Recall of the time to be found",
    "time_f1": "Time F1",
    "event_precision": "Events that are true",
    "event_recall": "Appearances found",
    "false_events_per_hour": "False events per hour",
    "start_error_s": "Median start error, seconds",
    "end_error_s": "Median end error, seconds",
}


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, chosen: str | None = None) -> str:
    """A table of HTML cells; the row whose first cell is `chosen` stands out."""
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = "".join(_row(cells, kind=' class="chosen"' if chosen and cells[0] == chosen else "") for cells in rows)
    return f'<div class="table"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _row(cells: Sequence[str], *, kind: str) -> str:
    return f"<tr{kind}>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def cell(estimate: Estimate | None) -> str:
    """A number with its interval below it."""
    if estimate is None or not math.isfinite(estimate.value):
        return "–"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f}<small>{estimate.low:.3f} to {estimate.high:.3f}</small>"


def metrics_table(parts: Sections) -> str:
    """Every metric of the known pictures against far, near and all."""
    names = [name for name in METRIC_WORDS if any(name in metrics for metrics in parts.values())]
    rows = ([escape(METRIC_WORDS[name]), *(cell(metrics.get(name)) for metrics in parts.values())] for name in names)
    return table(["Known against", *parts], rows)


def scores_table(scores: Mapping[str, Sections], *, chosen: str) -> str:
    """Every score's AUROC, false positives and OSCR area, near and far; the best AUROC against all first."""
    parts = list(next(iter(scores.values())))
    columns = (("AUROC", "auroc"), ("FPR at 95 % of known", "fpr_when_95_of_known_accepted"), ("OSCR", "oscr_area"))
    heads = ["Score", *(f"{part}: {title}" for part in parts for title, _ in columns)]
    ranked = sorted(scores.items(), key=lambda item: -item[1]["all"]["auroc"].value)
    rows = ([escape(name), *(cell(found[p][key]) for p in parts for _, key in columns)] for name, found in ranked)
    return table(heads, rows, chosen=chosen)


def labels_table(samples: Samples) -> str:
    """Per label how many were named right, wrong, rejected."""
    rows = (
        [
            escape(row["label"]),
            *(str(row[name]) for name in ("pictures", "right", "wrong", "rejected")),
            f"{row['recall']:.2f}",
            "–" if row["precision"] is None else f"{row['precision']:.2f}",
        ]
        for row in per_label(samples)
    )
    return table(["Label", "pictures", "right", "wrong", "rejected", "recall", "precision"], rows)


def shifts_table(rows: Iterable[ShiftRow]) -> str:
    """What each treatment leaves."""
    columns = ("known_named_right", "known_rejected", "known_named_wrong", "auroc")
    heads = ["Treatment", "named right", "rejected", "called another", "AUROC against unknown"]
    return table(heads, ([escape(r.shift.name), *(cell(r.metrics[name]) for name in columns)] for r in rows))


def video_tables(video: Mapping[str, Estimate], clips: Sequence[ClipResult]) -> str:
    """The metrics over all clips, each clip's sums, and its events beneath its truth."""
    total = table(["Video", "all clips"], ([escape(METRIC_WORDS[n]), cell(value)] for n, value in video.items()))
    heads = ["Clip", "watched, s", "right, s", "wrong, s", "lost, s", "found", "missed", "false events"]
    rows = (
        [escape(clip.name.rsplit("/", 1)[-1])]
        + [f"{value:.1f}" for value in (s.watched_s, s.right_s, s.wrong_s, s.lost_s)]
        + [str(value) for value in (s.found, s.missed, s.false_events)]
        for clip in clips
        for s in [clip.score]
    )
    lines = "".join(_timeline(clip) for clip in clips if clip.events or clip.truth)
    colours = legend([("fill near", "truth: clear"), ("fill hard", "truth: hard to see"), ("fill known", "events")])
    return total + table(heads, rows) + (f'<div class="charts">{lines}</div>{colours}' if lines else "")


def _timeline(clip: ClipResult) -> str:
    """A row per label: its truth above, its events below."""
    spans: list[Span] = [*clip.events, *clip.truth]
    labels = sorted({span.label for span in spans})
    end_s = max(span.end_s for span in spans)
    frame = Frame((0, end_s), (0, len(labels)), height=50 + 34 * len(labels), left=100)
    parts = []
    for row, label in enumerate(labels):
        y = len(labels) - row - 1
        parts.append(text(94, frame.down(y + 0.4), label[:16], kind="tick end"))
        shown: list[Truth] = [one for one in clip.truth if one.label == label]
        parts += [
            frame.bar((t.start_s, t.end_s), (y + 0.5, y + 0.9), "fill near" if t.visibility == "clear" else "fill hard")
            for t in shown
        ]
        parts += [
            frame.bar((e.start_s, e.end_s), (y + 0.1, y + 0.5), "fill known", f"{e.start_s:.2f} to {e.end_s:.2f} s")
            for e in clip.events
            if e.label == label
        ]
    name = clip.name.rsplit("/", 1)[-1]
    axes = Frame((0, end_s), (0, 0), height=frame.height, left=100).axes("seconds", "")
    return f"<figure><h3>{escape(name)}</h3>{frame.svg(f'Events in {name}', axes, *parts)}</figure>"
