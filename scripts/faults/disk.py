"""A disk that is full at a random byte: one clear error, what was written is whole, and the run goes on with more room.

As root on Linux the disk is a small tmpfs. Elsewhere the largest size of a file is limited instead.
"""

from __future__ import annotations

import os
import random
import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from faults.subject import Subject
from faults.tally import Tally, Trials

_ROOM = "64m"


def run(subject: Subject, trials: Trials) -> Tally:
    """One run per trial that is short of room, and is resumed with enough of it."""
    tally = Tally()
    with _disk(subject.folder / "disk") as shrink:
        for number, chance in trials:
            _try(subject, chance, shrink, tally=tally, trials=trials, number=number)
    return tally


Shrink = Callable[[int | None], Callable[[], None]]
"""Leave so many bytes of room, None for plenty. What it returns is called in the process that is to be short of it."""


def _try(subject: Subject, chance: random.Random, shrink: Shrink, *, tally: Tally, trials: Trials, number: int) -> None:
    log = subject.folder / "disk" / "log.jsonl"
    annotate = subject.folder / "disk" / "videos" if chance.randrange(4) == 0 else None
    _clear(log.parent)
    before = shrink(chance.randrange(len(subject.log)) if annotate is None else chance.randrange(500_000))
    short = subject.start(subject.arguments(log, annotate=annotate), before=before).ended()
    tally.counts["trials"] += 1
    tally.counts["out of room"] += short.code == 7
    content = log.read_bytes() if log.exists() else b""
    if short.code not in (7, subject.code) or len(short.errors) != 1:
        tally.found(trials, number, f"exit code {short.code}: {short.said[-300:]}")
    if not subject.log.startswith(content) or content[-1:] not in (b"", b"\n"):
        tally.found(trials, number, f"what is left of the log ({len(content)} bytes) is not its beginning")
    if annotate is not None and any(path.suffix == ".part" for path in annotate.glob("*")):
        tally.found(trials, number, "half a video was left behind")
    shrink(None)
    again = subject.start(subject.arguments(log, resume=True, annotate=annotate)).ended()
    tally.counts["runs compared"] += 1
    if again.code != subject.code or log.read_bytes() != subject.log:
        tally.found(trials, number, f"resumed, exit code {again.code}, the log differs: {again.said[-300:]}")


def _clear(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            path.unlink()


@contextmanager
def _disk(folder: Path) -> Iterator[Shrink]:
    folder.mkdir(exist_ok=True)
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], capture_output=True, check=False).returncode:
        yield lambda room: partial(_limit_files, room)
        return
    try:
        yield partial(_resize, folder)
    finally:
        subprocess.run(["umount", folder], check=True)


def _resize(folder: Path, room: int | None) -> Callable[[], None]:
    page = os.sysconf("SC_PAGE_SIZE")
    size = _ROOM if room is None else str(max(page, room // page * page))
    subprocess.run(["mount", "-o", f"remount,size={size}", folder], check=True)
    return lambda: None


def _limit_files(room: int | None) -> None:
    if room is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
