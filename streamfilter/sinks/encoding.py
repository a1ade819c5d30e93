"""How a record becomes a line, and a log becomes records again."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from streamfilter.errors import SinkError

LINE_BREAKS = re.compile("[\x85\u2028\u2029]")
"""Characters that JSON lets stand and yet end a line for many readers, Python's `splitlines` among them."""


@dataclass(frozen=True, slots=True)
class LogContents:
    """The records of a log. `is_torn`: the last line was cut off while it was written, and is left out."""

    records: tuple[dict[str, Any], ...]
    is_torn: bool


def encode(record: Mapping[str, Any]) -> bytes:
    """One line of UTF-8 with its line end. `ValueError` for a number that JSON cannot hold."""
    text = json.dumps(record, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    text = LINE_BREAKS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    # A file name that is not UTF-8 holds lone surrogates; what is put in their place is JSON's own escape for them.
    return text.encode("utf-8", "backslashreplace") + b"\n"


def read_log(path: Path) -> LogContents:
    """All records of a log. Raises `SinkError` for a file that cannot be read or holds anything but records."""
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise SinkError(f"cannot read event log {path}: {error.strerror}; check the path") from None
    last = lines.pop()
    records = [_decode(line, f"event log {path} line {n}") for n, line in enumerate(lines, start=1)]
    if not last:
        return LogContents(tuple(records), is_torn=False)
    try:
        records.append(_decode(last, "the last line"))
    except SinkError:
        return LogContents(tuple(records), is_torn=True)
    return LogContents(tuple(records), is_torn=False)


def load_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) that every record of a log keeps to."""
    text = resources.files("streamfilter").joinpath("assets", "events.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def _decode(line: bytes, where: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError:
        record = None
    if not isinstance(record, dict) or not isinstance(record.get("type"), str):
        raise SinkError(f"{where} is {line[:40]!r}: expected one JSON record with a `type`; is this an event log?")
    return record
