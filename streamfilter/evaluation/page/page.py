"""The page as a whole."""

from __future__ import annotations

from html import escape
from pathlib import Path

import streamfilter
from streamfilter.evaluation.bootstrap import Estimate
from streamfilter.evaluation.evaluate import Evaluation
from streamfilter.evaluation.page import charts, tables
from streamfilter.evaluation.page.gallery import gallery, mistakes

STYLE = Path(__file__).parents[2] / "assets" / "evaluation.css"


def report_page(evaluation: Evaluation) -> str:
    """The report as HTML, with its style and pictures inside."""
    title = "How well the model tells its labels from everything else"
    body = "".join(
        (
            f"<header><h1>{escape(title)}</h1>{_facts(evaluation)}</header>",
            _tiles(evaluation),
            _section("Numbers", _NUMBERS + tables.metrics_table(evaluation.sections)),
            _section("Charts", _charts(evaluation)),
            _section("Labels", charts.confusion_matrix(evaluation.samples) + tables.labels_table(evaluation.samples)),
            _section("Features", charts.map_of_features(evaluation.samples)),
            *_optional(evaluation),
            _section("The worst mistakes", gallery(evaluation.samples, mistakes(evaluation.samples))),
        )
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>streamfilter: evaluation</title><style>{STYLE.read_text('utf-8')}</style></head>"
        f"<body><main>{body}</main></body></html>\n"
    )


_NUMBERS = (
    "<p>Shares are 0 to 1. Small print: 95 % intervals by bootstrap over pictures (over clips for video). Rows with a "
    "threshold in their name are read off the curves; those without stand at the model's own thresholds.</p>"
)


def _facts(evaluation: Evaluation) -> str:
    kinds = [subject.kind for subject in evaluation.samples.subjects]
    counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in charts.KINDS if kind in kinds)
    left_out = f", {evaluation.left_out} left out" if evaluation.left_out else ""
    labels = len(evaluation.model.all_labels)
    return (
        f'<p class="faint">Model {escape(evaluation.model.digest[:16])} with {labels} labels. '
        f"Pictures: {counts}{left_out}. Ranked by {escape(evaluation.score)}. "
        f"streamfilter {escape(streamfilter.__version__)}.</p>"
    )


def _tiles(evaluation: Evaluation) -> str:
    parts = evaluation.sections
    tiles: list[tuple[str, Estimate]] = [
        ("open-set accuracy", parts["all"]["open_set_accuracy"]),
        *((f"AUROC, {name}", parts[name]["auroc"]) for name in parts if name != "all"),
        ("area under OSCR", parts["all"]["oscr_area"]),
        ("calibration error", parts["all"]["expected_calibration_error"]),
    ]
    if evaluation.video:
        tiles += [("time F1 on video", evaluation.video["time_f1"])]
        tiles += [("false events per hour", evaluation.video["false_events_per_hour"])]
    return f'<div class="tiles">{"".join(_tile(words, value) for words, value in tiles)}</div>'


def _tile(words: str, estimate: Estimate) -> str:
    value = "–" if estimate.value != estimate.value else f"{estimate.value:.3f}"
    interval = "" if estimate.low is None else f"<span>{estimate.low:.3f} to {estimate.high:.3f}</span>"
    return f'<div class="tile"><span>{escape(words)}</span><b>{value}</b>{interval}</div>'


def _charts(evaluation: Evaluation) -> str:
    samples, found = evaluation.samples, charts.curves(evaluation.samples)
    figures = (
        charts.histogram(samples, score=evaluation.score),
        charts.roc(found),
        charts.oscr(found),
        charts.precision_recall_known(found),
        charts.precision_recall_unknown(found),
        charts.reliability_diagram(samples),
    )
    return f'<div class="charts">{"".join(figures)}</div>'


def _optional(evaluation: Evaluation) -> list[str]:
    parts = []
    if evaluation.scores:
        words = "<p>All scores on the same features and resamples, best against all first.</p>"
        parts.append(
            _section("Scores compared", words + tables.scores_table(evaluation.scores, chosen=evaluation.score))
        )
    if evaluation.shifts:
        words = f"<p>Known pictures, treated and judged again: {evaluation.shifts[0].pictures}.</p>"
        parts.append(_section("What pictures go through", words + tables.shifts_table(evaluation.shifts)))
    if evaluation.clips:
        parts.append(_section("Video", tables.video_tables(evaluation.video, evaluation.clips)))
    return parts


def _section(title: str, body: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{body}</section>"
