"""One thread reads, another closes: what is read from is never given back under a read."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from typing import Generic, TypeVar

T = TypeVar("T")


class Guarded(Generic[T]):
    """`items` that any thread may close. What they are read from is given back when none of them is being read.

    That is at once, or when a read that hangs comes back after all. The items end then: a reader that was left behind,
    but does not hang, must not read on in what is gone.
    """

    def __init__(self, items: Generator[T], give_back: Callable[[], None]) -> None:
        self._items = items
        self._give_back = give_back
        self._reading = threading.Lock()
        self._ending = threading.Lock()
        self._is_over = False
        self._is_given_back = False

    def __iter__(self) -> Generator[T]:
        while True:
            try:
                with self._reading:
                    if self._is_over:
                        return
                    try:
                        item = next(self._items)
                    except StopIteration:
                        return
            finally:
                if self._is_over:
                    self._end()
            yield item
            del item  # it is gone as soon as whoever asked for it has no use for it

    def close(self) -> None:
        """End the items, without waiting."""
        self._is_over = True
        if self._reading.acquire(blocking=False):
            try:
                self._end()
            finally:
                self._reading.release()

    def _end(self) -> None:
        with self._ending:
            if self._is_given_back:
                return
            self._is_given_back = True
            self._items.close()
            self._give_back()
