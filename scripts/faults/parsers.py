"""The parsers that are ours, as functions of bytes: a `StreamFilterError` is an answer, any other error a finding."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from streamfilter.errors import StreamFilterError


def parse_log(content: bytes, path: Path) -> None:
    """An event log with its review, and as the past of a stopped run."""
    from streamfilter.eventlog import read_event_log
    from streamfilter.sinks.past import read_past

    path.write_bytes(content)
    with suppress(StreamFilterError):
        for event in read_event_log(path, review=path).events:
            event.as_event()
    with suppress(StreamFilterError):
        read_past(content, path.name)


def parse_boxes(content: bytes, path: Path) -> None:
    """A CSV file of boxes."""
    from streamfilter.training.boxes import place_box, read_box_rows

    path.write_bytes(content)
    with suppress(StreamFilterError):
        for row in read_box_rows(path)[0]:
            place_box(row.corners, 640, 360)


def parse_truth(content: bytes, path: Path) -> None:
    """The labels of a clip."""
    from streamfilter.evaluation.clips import read_truth

    path.write_bytes(content)
    with suppress(StreamFilterError):
        read_truth(str(path), {})


def parse_config(content: bytes, path: Path) -> None:
    """A file of settings, and a single one."""
    from streamfilter.config import RunConfig, TrainConfig, load_config

    path.write_bytes(content)
    for kind in (RunConfig, TrainConfig):
        with suppress(StreamFilterError):
            load_config(kind, path).model_dump_json()
    with suppress(StreamFilterError):
        load_config(RunConfig, overrides=[content.decode("utf-8", "replace")])


def parse_model(content: bytes, path: Path) -> None:
    """A model file."""
    from streamfilter.model import load_model, model_info

    path.write_bytes(content)
    for read in (model_info, load_model):
        with suppress(StreamFilterError):
            read(path)


def parse_url(content: bytes, path: Path) -> None:
    """An address, which never shows its password; and any text as the name of a file."""
    from streamfilter.eventlog import safe_name
    from streamfilter.source.discovery import is_url, redacted

    text = content.decode("utf-8", "replace")
    name = safe_name(text)
    if "/" in name or "\0" in name or name.startswith(".") or not name:
        raise AssertionError(f"unsafe name {name!r}")
    redacted(text)
    for url in (f"rtsp://user:S3cr3t-{text}@host/", f"{text}://u:S3cr3t@host/x?k=S3cr3t", f"http://h/{text}?S3cr3t"):
        if is_url(url) and "S3cr3t" in redacted(url):
            raise AssertionError(f"a secret is left of {url!r}: {redacted(url)!r}")


PARSERS: dict[str, Callable[[bytes, Path], None]] = {
    "log": parse_log,
    "boxes": parse_boxes,
    "truth": parse_truth,
    "config": parse_config,
    "model": parse_model,
    "url": parse_url,
}
