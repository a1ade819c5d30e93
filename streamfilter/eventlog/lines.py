"""Lines of a JSON Lines file that may be hostile: bounded in size, one clear `SinkError` for what is no record."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, TypeVar

from streamfilter.errors import SinkError
from streamfilter.eventlog.fields import FieldError

MOST_LINE_BYTES = 1 << 26
"""64 MiB: the longest record of a run is far below 1 MiB."""

VERSION = 1
Record = dict[str, Any]
T = TypeVar("T")


@dataclass(slots=True)
class RecordFile:
    """The records of one file, read once, line by line; what the whole file is called in errors is `what`.

    After reading, `is_torn` says that the last line was cut off while it was written; it is left out.
    """

    path: Path
    what: str = "event log"
    is_torn: bool = False
    line: int = 0

    def records(self) -> Iterator[Record]:
        """Every record, in order. Raises `SinkError` for a file that cannot be read or holds anything else."""
        try:
            with self.path.open("rb") as file:
                yield from self._records(file)
        except OSError as error:
            raise SinkError(f"cannot read {self.what} {self.path}: {error.strerror}; check the path") from None

    def parse(self, record: Record, parse: Callable[[Record], T]) -> T:
        """`parse(record)`; what is wrong with the record becomes a `SinkError` that names file and line."""
        try:
            return parse(record)
        except FieldError as error:
            raise SinkError(
                f"{self.what} {self.path} line {self.line}: {record['type']}: {error}; was the log edited?"
            ) from None

    def _records(self, file: BinaryIO) -> Iterator[Record]:
        while line := file.readline(MOST_LINE_BYTES + 1):
            self.line += 1
            is_whole = line.endswith(b"\n")
            if len(line) > MOST_LINE_BYTES:
                self._refuse(line, "is longer than 64 MiB")
            if not line.strip():
                continue
            record = _decoded(line)
            if record is None and not is_whole and self.line > 1:
                self.is_torn = True
                return
            if record is None:
                self._refuse(line, f"is {line[:40]!r}")
            self._check_version(record)
            yield record

    def _check_version(self, record: Record) -> None:
        version = record.get("v", VERSION)
        if version != VERSION:
            raise SinkError(
                f"{self.what} {self.path} line {self.line} has version {str(version)[:20]!r}, and {VERSION} is read "
                "here; install a newer streamfilter"
            )

    def _refuse(self, line: bytes, fault: str) -> NoReturn:
        raise SinkError(
            f"{self.what} {self.path} line {self.line} {fault}: expected one JSON record with a `type`; "
            "is this an event log?"
        )


def _decoded(line: bytes) -> Record | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or not isinstance(record.get("type"), str):
        return None
    return record
