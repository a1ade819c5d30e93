"""A whole archive: what is done already is left alone, the rest is looked through, an index tells what came of it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from streamfilter import __version__
from streamfilter.batch.engine import Engine
from streamfilter.batch.entries import Entry
from streamfilter.batch.index import Outcome, outcome_of, write_index
from streamfilter.batch.remote import FETCHED, remote_fingerprint
from streamfilter.batch.told import Made, Told, read_told
from streamfilter.config import RunConfig
from streamfilter.console import Progress
from streamfilter.errors import SinkError, SourceError
from streamfilter.sinks import run_digest
from streamfilter.sinks.locking import LockedError, lock
from streamfilter.source.discovery import is_url, redacted
from streamfilter.source.opening import fingerprint

UNFINISHED = ".unfinished"
"""The folder, in that of the logs, of all that is not whole."""
INDEX_EVERY_S = 30.0
_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Archive:
    """What is to be done: the files, the folder of their logs, and whether logs of other runs are replaced."""

    entries: Sequence[Entry]
    out: Path
    force: bool = False

    @property
    def unfinished(self) -> Path:
        """The folder of logs that are being written."""
        return self.out / UNFINISHED


@dataclass(frozen=True, slots=True)
class BatchSummary:
    """What came of an archive, file by file. `wall_s` and `before`, how many were done already, are for people."""

    outcomes: Mapping[Entry, Outcome]
    before: int
    wall_s: float

    @property
    def failed(self) -> list[tuple[Entry, str]]:
        """The files that failed, and why."""
        return [(entry, one.error) for entry, one in self.outcomes.items() if one.error is not None]

    def count(self, state: str) -> int:
        """How many files are in this state."""
        return sum(one.state == state for one in self.outcomes.values())


def run_batch(
    archive: Archive,
    engine: Engine,
    config: RunConfig,
    *,
    stop: Callable[[], bool],
    say: Callable[[str], None],
    follow: Callable[[int], AbstractContextManager[Progress]],
) -> BatchSummary:
    """Look through an archive; whole logs and the index are in its folder, however this ends.

    `say` hears what people should know; `follow` shows how many of so many files are done. A file that fails is told in
    its outcome. Raises `SinkError` when another batch writes into the folder, when it holds logs of other settings or
    another model, and when it cannot be written; `ModelError` as a run does.
    """
    began_s = time.monotonic()
    with _folder(archive):
        ready = engine.ready()
        say(f"{len(archive.entries)} files with {ready.device}")
        made = Made(__version__, config.digest(), ready.digest, ready.runtime)
        outcomes = _before(archive, made, say)
        before = sum(one.state == "finished" for one in outcomes.values())
        todo = [entry for entry in archive.entries if outcomes[entry].state != "finished"]
        with follow(len(todo)) as progress, _indexed(archive, made, outcomes) as index:
            for done in engine.done(todo, stop=stop, reach=progress.reach):
                told = read_told(archive.out / done.entry.log) if done.error is None else None
                outcomes[done.entry] = outcome_of(told) if told else Outcome("failed", error=done.error)
                index.write(at_most_every_s=INDEX_EVERY_S)
    return BatchSummary(outcomes, before, time.monotonic() - began_s)


class _Index:
    """Keeps the index up with the outcomes."""

    def __init__(self, archive: Archive, made: Made, outcomes: Mapping[Entry, Outcome]) -> None:
        self._archive, self._made, self._outcomes = archive, made, outcomes
        self._written_s = time.monotonic()

    def write(self, *, at_most_every_s: float = 0.0) -> None:
        if time.monotonic() - self._written_s >= at_most_every_s:
            outcomes = self._outcomes.items()
            write_index(self._archive.out, self._made, outcomes, unfinished=self._archive.unfinished)
            self._written_s = time.monotonic()


@contextmanager
def _indexed(archive: Archive, made: Made, outcomes: Mapping[Entry, Outcome]) -> Iterator[_Index]:
    """An index that is up to date when the block ends, however it does."""
    index = _Index(archive, made, outcomes)
    try:
        yield index
    finally:
        index.write()


@contextmanager
def _folder(archive: Archive) -> Iterator[None]:
    """The folder of the logs, made and locked while the block runs; what a killed batch had fetched is gone then."""
    try:
        archive.unfinished.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(archive.out, os.O_RDONLY)
    except OSError as error:
        raise SinkError(f"cannot write into {archive.out}: {error.strerror}; check the folder and its rights") from None
    try:
        lock(descriptor, archive.out)
        for left in archive.unfinished.glob(f"{FETCHED}*"):
            left.unlink(missing_ok=True)
        yield
        with suppress(OSError):  # a log that was begun is gone on with the next time
            archive.unfinished.rmdir()
    except LockedError:
        raise SinkError(f"another batch writes into {archive.out}: wait for it, or stop it") from None
    finally:
        os.close(descriptor)


def _before(archive: Archive, made: Made, say: Callable[[str], None]) -> dict[Entry, Outcome]:
    """What came of each file before. Raises `SinkError` for logs of other runs, unless they may be replaced."""
    if archive.force:
        return {entry: Outcome() for entry in archive.entries}
    told = {entry: read_told(archive.out / entry.log) for entry in archive.entries}
    others = [(entry, differs) for entry, one in told.items() if one and (differs := one.made.differs(made))]
    if others:
        entry, differs = others[0]
        raise SinkError(
            f"{archive.out} holds {len(others)} logs of {differs}, such as {entry.log}: name another --out, or add "
            "--force to look anew"
        )
    there = [(entry, one) for entry, one in told.items() if one]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        prints = dict(zip((entry for entry, _ in there), pool.map(lambda one: _print(one[0]), there), strict=True))
    return {entry: _outcome(entry, told[entry], prints.get(entry, ""), made, say) for entry in archive.entries}


def _print(entry: Entry) -> str:
    with suppress(SourceError):
        return remote_fingerprint(entry.source) if is_url(entry.source) else fingerprint(entry.source)
    return ""


def _outcome(entry: Entry, told: Told | None, print_: str, made: Made, say: Callable[[str], None]) -> Outcome:
    if told is None:
        return Outcome()
    if not print_ and told.error is None:
        say(f"{redacted(entry.source)} cannot be read any more: its log stays as it is")
        return outcome_of(told)
    if told.run_id != run_digest(made.config, made.model, (print_,)):
        say(f"{redacted(entry.source)} has changed since it was looked at: it is done again")
        return Outcome()
    if told.error is not None:
        say(f"{redacted(entry.source)} failed before: it is tried again")
        return Outcome()
    return outcome_of(told)
