"""Every format by name, and what its file is usually called."""

from __future__ import annotations

from collections.abc import Callable

from streamfilter.eventlog import Log
from streamfilter.exports.datasets import to_coco, to_fiftyone, to_google
from streamfilter.exports.labelling import to_cvat, to_labelstudio
from streamfilter.exports.tables import to_csv
from streamfilter.exports.timelines import to_comskip, to_edl, to_ffmetadata, to_otio, to_webvtt

FORMATS: dict[str, Callable[[Log, str | None], str]] = {
    "csv": to_csv,
    "edl": to_edl,
    "edl-comskip": to_comskip,
    "otio": to_otio,
    "ffmetadata": to_ffmetadata,
    "webvtt": to_webvtt,
    "labelstudio": to_labelstudio,
    "cvat": to_cvat,
    "fiftyone": to_fiftyone,
    "coco": to_coco,
    "google": to_google,
}
"""Each takes a log with its review applied and the name of one source (None: all of them, or the only one)."""


def export_text(log: Log, form: str, source: str | None = None) -> str:
    """The log in one of `FORMATS`. Raises `SinkError` where the log does not say what the format needs."""
    return FORMATS[form](log, source)
