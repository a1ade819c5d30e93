"""CSV: one row per event, safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from streamfilter.eventlog import Log, LoggedEvent
from streamfilter.exports.selection import parts_of

COLUMNS = (
    *("source", "event_id", "label", "start_s", "end_s", "duration_s", "score", "review"),
    *("visible_s", "alone_s", "mean_share", "largest_share", "x", "y", "sharpness"),
    *("looks", "hits", "gap_s", "coverage"),
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def to_csv(log: Log, source: str | None = None) -> str:
    """Every event as a row; `source` restricts it to one."""
    parts = [part for part in parts_of(log) if source in (None, part.source.name)]
    return csv_text(COLUMNS, (_row(event) for part in parts for event in part.events))


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A CSV table (RFC 4180). Texts that a spreadsheet would take for a formula get an apostrophe before them."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([safe_cell(value) for value in row] for row in rows)
    return out.getvalue()


def safe_cell(value: object) -> object:
    """A value for a cell: texts are disarmed (OWASP, "CSV Injection"), numbers stay, None is empty."""
    if isinstance(value, str) and value.startswith((*_FORMULA, "'")):
        return "'" + value
    return "" if value is None else value


def _row(event: LoggedEvent) -> list[object]:
    seen, evidence = event.exposure, event.evidence
    return [
        *(event.source, event.event_id, event.label, event.start_s, event.end_s),
        *(round(event.duration_s, 6), event.score, event.decision and str(event.decision)),
        *((seen.visible_s, seen.alone_s, seen.mean_share, seen.largest_share) if seen else (None,) * 4),
        *((seen.x, seen.y, seen.sharpness) if seen else (None,) * 3),
        *((evidence.looks, evidence.hits, evidence.gap_s, evidence.coverage) if evidence else (None,) * 4),
    ]
