"""The numbers of a report as JSON and as CSV."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from streamfilter.exports.tables import csv_text
from streamfilter.reports.figures import Figures, SourceReport, totals
from streamfilter.reports.rates import RateCard
from streamfilter.reports.targets import Checked, Target, check_target

NUMBERS = (
    *("appearances", "seen_s", "most_s", "alone_s", "copies_s", "longest_s", "share", "largest_share"),
    *("x", "y", "sharpness", "of_time", "of_voice", "of_area", "best_score", "mean_score"),
)


def report_json(
    reports: Sequence[SourceReport], *, targets: Sequence[Target] = (), rates: RateCard | None = None
) -> str:
    """All numbers, per source and over all; seconds with six decimals, everything else with five."""
    found = {
        "sources": [_source(report, targets, rates) for report in reports],
        "labels": [_label(figures, rates) for figures in totals(reports)],
        "currency": rates.currency if rates is not None else None,
    }
    return json.dumps(found, indent=1, ensure_ascii=True)


def report_csv(reports: Sequence[SourceReport], *, rates: RateCard | None = None) -> str:
    """A row per source and label, and one per label over all sources (its source is empty)."""
    rows = [_row(report.source.name, figures, rates) for report in reports for figures in report.labels]
    rows += [_row("", figures, rates) for figures in totals(reports)]
    money = ("worth", "worth_at_most", "currency") if rates is not None else ()
    return csv_text(("source", "label", *NUMBERS, *money), rows)


def _source(report: SourceReport, targets: Sequence[Target], rates: RateCard | None) -> dict[str, Any]:
    return {
        "source": report.source.name,
        "log": str(report.log.path),
        "window": [_rounded(edge, 6) for edge in report.window],
        "watched_s": _rounded(report.watched_s, 6),
        "lost_s": _rounded(report.lost_s, 6),
        "dropped_s": _rounded(report.dropped_s, 6),
        "lost": [[_rounded(edge, 6) for edge in pair] for pair in report.lost],
        "labels": [_label(figures, rates) for figures in report.labels],
        "targets": [_checked(check_target(target, report)) for target in targets],
    }


def _label(figures: Figures, rates: RateCard | None) -> dict[str, Any]:
    numbers = {name: _number(figures, name) for name in NUMBERS}
    seen = [[_rounded(edge, 6) for edge in pair] for pair in figures.seen]
    found = {"label": figures.label, **numbers, "seen": seen, "event_ids": [e.event_id for e in figures.events]}
    found["heat_s"] = [[_rounded(value, 4) for value in row] for row in figures.heat.tolist()]
    if rates is not None:
        found["worth"], found["worth_at_most"] = (_rounded(amount, 2) for amount in rates.worth(figures))
    return found


def _checked(checked: Checked) -> dict[str, Any]:
    return {
        "label": checked.target.label,
        "wanted": checked.target.share,
        "window": list(checked.window),
        "seen_s": _rounded(checked.seen_s, 6),
        "most_s": _rounded(checked.most_s, 6),
        "share": _rounded(checked.share, 5),
        "verdict": str(checked.verdict),
        "absent": [[_rounded(edge, 6) for edge in pair] for pair in checked.absent],
    }


def _row(source: str, figures: Figures, rates: RateCard | None) -> list[object]:
    row: list[object] = [source, figures.label, *(_number(figures, name) for name in NUMBERS)]
    if rates is not None:
        row += [*(_rounded(amount, 2) for amount in rates.worth(figures)), rates.currency]
    return row


def _number(figures: Figures, name: str) -> float | int | None:
    value = getattr(figures, name)
    return value if isinstance(value, int) else _rounded(value, 6 if name.endswith("_s") else 5)


def _rounded(value: float | None, decimals: int) -> float | None:
    return None if value is None else round(value, decimals)
