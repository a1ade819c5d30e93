"""How far a sink has come in a file of lines: the last line it is done with, and earlier ones to fall back to.

A line is known by where it lies and by a digest of it; a log's lines hold the run's identity and their number. So a log
that was cut back to an earlier line and has grown again, or was replaced, is noticed, and the newest line that is still
there as it was is where to go on. Where none is, the file is another one and is begun anew.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

VERSION = 1
ANCHORS = 32
"""So many places are remembered at which a run may have to go on."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A line of a file: bytes `start` to `end`, line end included, and a digest of them."""

    start: int
    end: int
    digest: str

    @classmethod
    def of(cls, line: bytes, start: int) -> Mark:
        """The mark of a line that begins at byte `start`."""
        return cls(start, start + len(line), digest_of(line))


def digest_of(line: bytes) -> str:
    """64 bits of a SHA-256, hexadecimal."""
    return hashlib.sha256(line).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Cursor:
    """Everything up to the last of `marks` is done. The others, ascending, are places to fall back to."""

    marks: tuple[Mark, ...] = ()

    @property
    def offset(self) -> int:
        """Where the first byte lies that is not done."""
        return self.marks[-1].end if self.marks else 0

    def after(self, mark: Mark, *, keeps_last: bool) -> Cursor:
        """The cursor behind one more line; the one that was last stays as a place to fall back to, or goes."""
        kept = self.marks if keeps_last else self.marks[:-1]
        return Cursor((*kept[-ANCHORS:], mark))


def load_cursor(path: Path) -> Cursor:
    """What was saved there; a fresh cursor where nothing was, or where it cannot be understood."""
    try:
        saved = json.loads(path.read_bytes())
        if saved["v"] != VERSION:
            return Cursor()
        return Cursor(tuple(Mark(int(start), int(end), str(digest)) for start, end, digest in saved["marks"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Cursor()


def save_cursor(path: Path, cursor: Cursor) -> None:
    """Put it on the disk, whole or not at all. Raises `OSError`."""
    marks = [[mark.start, mark.end, mark.digest] for mark in cursor.marks]
    new = path.with_name(f"{path.name}.new")
    with new.open("wb") as file:
        file.write(json.dumps({"v": VERSION, "marks": marks}).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
