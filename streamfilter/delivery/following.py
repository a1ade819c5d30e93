"""Whole lines of a file that grows while it is read, is cut back and grows again, or is replaced by another one."""

from __future__ import annotations

import json
import os
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamfilter.delivery.cursor import Cursor, Mark, digest_of

_BLOCK_BYTES = 1 << 20
_ANCHORS = frozenset({"run_start", "checkpoint", "source_state"})
"""Behind such a record a resumed run may go on."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a log; `record` is None where it holds none."""

    mark: Mark
    record: dict[str, Any] | None

    @property
    def type(self) -> str:
        """Of the record."""
        return "" if self.record is None else self.record["type"]


class Follower:
    """Reads a file behind `cursor`. Whoever makes it closes it; `OSError` where reading fails.

    A file that was replaced is read to its end before the new one is begun.
    """

    def __init__(self, path: Path, cursor: Cursor) -> None:
        self.cursor = cursor
        self._path = path
        self._descriptor: int | None = None
        self._ready: deque[Line] = deque()
        self._is_at_anchor = True  # for all that is known

    def next(self) -> Line | None:
        """The next line that is not done, the same one until it is; None where there is none yet."""
        if not self._ready:
            self._read()
        return self._ready[0] if self._ready else None

    def done(self) -> None:
        """The line that came last is done."""
        line = self._ready.popleft()
        self.cursor = self.cursor.after(line.mark, keeps_last=self._is_at_anchor)
        self._is_at_anchor = line.type in _ANCHORS

    @property
    def backlog_bytes(self) -> int:
        """How much of the file is not done, as far as is known."""
        try:
            size = self._path.stat().st_size if self._descriptor is None else os.fstat(self._descriptor).st_size
        except OSError:
            return 0
        return max(0, size - self.cursor.offset)

    def close(self) -> None:
        """Give the file back."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _read(self) -> None:
        if self._descriptor is None and not self._open():
            return
        self._read_on()
        if not self._ready and self._was_replaced():
            self.close()
            if self._open():
                self._read_on()

    def _open(self) -> bool:
        try:
            self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        return True

    def _was_replaced(self) -> bool:
        assert self._descriptor is not None
        try:
            return not os.path.samestat(os.fstat(self._descriptor), self._path.stat())
        except FileNotFoundError:
            return False

    def _read_on(self) -> None:
        """Whatever whole lines are there, a block at a time; or one line that is longer than that."""
        self._go_back()
        begin, size = self.cursor.offset, _BLOCK_BYTES
        content = self._pread(begin, size)
        while b"\n" not in content and len(content) == size:
            size *= 2
            content = self._pread(begin, size)
        for text in content.split(b"\n")[:-1]:
            line = text + b"\n"
            self._ready.append(Line(Mark.of(line, begin), _record(line)))
            begin += len(line)

    def _go_back(self) -> None:
        """To the newest mark at which the file is as it was."""
        marks = list(self.cursor.marks)
        while marks and not self._is_there(marks[-1]):
            marks.pop()
            self._is_at_anchor = True
        self.cursor = Cursor(tuple(marks))

    def _is_there(self, mark: Mark) -> bool:
        return digest_of(self._pread(mark.start, mark.end - mark.start)) == mark.digest

    def _pread(self, begin: int, size: int) -> bytes:
        assert self._descriptor is not None
        return os.pread(self._descriptor, size, begin)


def _record(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) and isinstance(record.get("type"), str) else None
