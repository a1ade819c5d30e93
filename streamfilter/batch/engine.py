"""The seam between an archive and what looks through its files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from streamfilter.batch.entries import Entry


@dataclass(frozen=True, slots=True)
class Ready:
    """What an engine runs with: the model's digest, the runtime's name, and where, for people."""

    digest: str
    runtime: str
    device: str


@dataclass(frozen=True, slots=True)
class Done:
    """A file is done: its log lies at its place, whole; or there is none, and `error` says why."""

    entry: Entry
    error: str | None = None


class Engine(Protocol):
    """Looks through files. A context manager, which ends all that it started. Raises `StreamFilterError`."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def ready(self) -> Ready:
        """Load the model. Raises `ModelError`."""

    def done(
        self, todo: Sequence[Entry], *, stop: Callable[[], bool], reach: Callable[[float], None]
    ) -> Iterator[Done]:
        """Each file as soon as it is done, in any order; fewer when `stop` says so.

        `reach` is told how many files are done by now, those that are being read by their share.
        """
