"""Files that are there whole or not at all, also after a power cut."""

from __future__ import annotations

import os
from pathlib import Path

from streamfilter.errors import SinkError
from streamfilter.sinks.output import sync_folder


def place(made: Path, path: Path) -> None:
    """Move a file that is whole and on the disk to its place. Raises `SinkError`."""
    try:
        made.replace(path)
    except OSError as error:
        raise SinkError(f"cannot write {path}: {error.strerror}; check the folder and its rights") from None
    sync_folder(path)


def write_whole(path: Path, content: bytes, *, folder: Path) -> None:
    """Put a file with this content in its place; until it is whole it lies in `folder`. Raises `SinkError`."""
    made = folder / path.name
    try:
        with made.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise SinkError(f"cannot write {path}: {error.strerror}; make room and run again") from None
    place(made, path)
