"""Seconds by stage: proxies around the real stages that pass everything on and note how long it took."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")


class Stopwatch:
    """Adds up wall seconds by name and, by thread, the CPU seconds of that thread alone."""

    def __init__(self) -> None:
        self.wall_s: defaultdict[str, float] = defaultdict(float)
        self._own_s: defaultdict[int, float] = defaultdict(float)
        self._lock = threading.Lock()

    def own_s(self) -> float:
        """CPU seconds that this thread has spent in what is timed."""
        return self._own_s[threading.get_ident()]

    def timed(self, name: str, work: Callable[..., T]) -> Callable[..., T]:
        """The same function, timed. Of what is timed within what is timed only the wall seconds count: `within`."""

        def called(*arguments: Any, **named: Any) -> T:
            began_s = time.thread_time()
            try:
                return inner(*arguments, **named)
            finally:
                with self._lock:
                    self._own_s[threading.get_ident()] += time.thread_time() - began_s

        inner = self.within(name, work)
        return called

    def within(self, name: str, work: Callable[..., T]) -> Callable[..., T]:
        """As `timed`, for what is called by what is timed itself."""

        def called(*arguments: Any, **named: Any) -> T:
            began_s = time.perf_counter()
            try:
                return work(*arguments, **named)
            finally:
                with self._lock:
                    self.wall_s[name] += time.perf_counter() - began_s

        return called

    def each(self, name: str, items: Iterable[T]) -> Iterator[T]:
        """The same items; the time that each takes to come is added up."""
        following = self.timed(name, iter(items).__next__)
        while True:
            try:
                item = following()
            except StopIteration:
                return
            yield item


class Timed:
    """An object some of whose methods are timed, `METHOD=NAME`; all else of it is its own."""

    def __init__(self, subject: Any, watch: Stopwatch, **names: str) -> None:
        self._subject, self._watch, self._names = subject, watch, names

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._subject, name)
        return self._watch.timed(self._names[name], found) if name in self._names else found
