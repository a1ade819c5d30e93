"""Files that are there whole or not at all, whenever the program, the disk or the machine stops."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def write_file(path: Path, data: bytes) -> None:
    """Put `data` at `path`; what was there stays until all of it is on the disk. Raises `OSError`, and leaves nothing.

    It is written as `NAME.part` beside it first.
    """
    partial = part_of(path)
    try:
        partial.write_bytes(data)
        sync(partial)
        partial.replace(path)
    except BaseException:
        discard(partial)
        raise


def part_of(path: Path) -> Path:
    """Where a file is written before it gets its name."""
    return path.with_name(path.name + ".part")


def discard(path: Path) -> None:
    """Remove a file that there may be, and give its room back at once, even where something still has it open."""
    with suppress(OSError):
        os.truncate(path, 0)
    with suppress(OSError):
        path.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Bring a file to the disk before it gets its name, or after a power cut the name could be there without it."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
