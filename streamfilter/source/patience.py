"""How long anybody waits for a source: what reads it runs in a thread, which is left behind where nothing comes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from streamfilter.buffering import StalledError, prefetch
from streamfilter.config import SourceLimits
from streamfilter.errors import SourceError
from streamfilter.stages import SourceCounts

T = TypeVar("T")

_AHEAD = 2


class Patience:
    """Says when a source has not read a packet for `patience_s`: it hangs, on a network share that is gone perhaps."""

    def __init__(self, counts: SourceCounts, patience_s: float) -> None:
        self._counts = counts
        self._patience_s = patience_s
        self._packets = -1
        self._since_s = 0.0

    def __call__(self) -> bool:
        now_s = time.monotonic()
        if self._counts.packets != self._packets:
            self._packets, self._since_s = self._counts.packets, now_s
        return now_s - self._since_s >= self._patience_s


@contextmanager
def patiently(items: Iterable[T], counts: SourceCounts, limits: SourceLimits, *, name: str) -> Iterator[Iterator[T]]:
    """`items`, made of what is read of the source `name`, a little ahead and in a thread of their own.

    `counts` are those of the source. The items raise `SourceError` where it hangs. None of them may hold a decoder's
    picture: with what a damaged one is patched depends on when others were given back.
    """
    with prefetch(items, _AHEAD, is_stalled=Patience(counts, limits.patience_s)) as ahead:
        yield _unless_stalled(ahead, name, limits)


def _unless_stalled(items: Iterable[T], name: str, limits: SourceLimits) -> Iterator[T]:
    try:
        yield from items
    except StalledError:
        raise hangs(name, limits) from None


def hangs(name: str, limits: SourceLimits) -> SourceError:
    """The error of a source that hangs."""
    return SourceError(
        f"cannot read on in {name}: nothing came for source.limits.patience_s = {limits.patience_s:g} s; "
        "check the disk or the network, then --resume"
    )
