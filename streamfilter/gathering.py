"""All threads of a run over feeds: one for each feed, which fill one set of queues that the caller empties.

As in `buffering`: an exception of a feed is delivered where its next item would have come, and every thread is joined,
unless it hangs in a read that nothing can end: then it is left behind, and what it still yields is thrown away.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, Self, TypeVar

from streamfilter.freshest import Freshest, FreshLook

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ended:
    """The last item of a feed: it has ended, with an error or, when it was stopped, without."""

    error: BaseException | None


class Gathering(Generic[T]):
    """Threads in, one consumer out. A context manager that stops every thread and waits `join_s` for them at most."""

    def __init__(self, queues: Freshest[T | Ended], *, join_s: float) -> None:
        self._queues = queues
        self._join_s = join_s
        self._changed = threading.Condition()
        self._runners: dict[str, _Runner[T]] = {}
        self._left: list[threading.Thread] = []
        self._wakes_s = -math.inf  # when the consumer, if it waits, will wake of itself

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        until_s = time.monotonic() + self._join_s
        for feed in list(self._runners):
            self.leave(feed)
        for thread in self._left:
            thread.join(max(0.0, until_s - time.monotonic()))

    @property
    def left_behind(self) -> int:
        """Threads that nobody wants any more and that still run."""
        return sum(thread.is_alive() for thread in self._left)

    def start(self, feed: str, items: Callable[[Callable[[T], bool]], Iterable[FreshLook | T]]) -> None:
        """Read these items in a thread. `items` is given a function that puts an item of its own among them at once."""
        runner = _Runner(feed, items, self._put)
        self._runners[feed] = runner
        runner.thread.start()

    def leave(self, feed: str) -> None:
        """Want nothing more of a feed. Its thread ends at its next item, if it comes to one."""
        with self._changed:
            runner = self._runners.pop(feed)
            runner.is_wanted = False
            self._queues.remove(feed)
        self._left = [*(thread for thread in self._left if thread.is_alive()), runner.thread]

    def take(self, timeout_s: float) -> list[tuple[str, FreshLook | T | Ended]]:
        """What can be dealt with: at once, when it is due, or nothing after `timeout_s`."""
        until_s = time.monotonic() + timeout_s
        with self._changed:
            while (now_s := time.monotonic()) < (wakes_s := min(until_s, self._queues.due_s())):
                self._wakes_s = wakes_s
                self._changed.wait(wakes_s - now_s)
            self._wakes_s = -math.inf
            return self._queues.take(now_s)

    def paced(self, picture_s: float) -> None:
        """See `Freshest.paced`."""
        with self._changed:
            self._queues.paced(picture_s)

    def queued(self, feed: str) -> tuple[int, int]:
        """Looks of a feed that wait, and that were dropped so far."""
        with self._changed:
            return self._queues.queued(feed), self._queues.drops(feed)

    def _put(self, runner: _Runner[T], item: FreshLook | T | Ended) -> bool:
        with self._changed:
            if not runner.is_wanted:
                return False
            self._queues.put(runner.feed, item, time.monotonic())
            # With many feeds it would be woken many times for nothing.
            if self._queues.due_s() < self._wakes_s:
                self._changed.notify_all()
            return True


class _Runner(Generic[T]):
    """The thread of one feed."""

    def __init__(
        self,
        feed: str,
        items: Callable[[Callable[[T], bool]], Iterable[FreshLook | T]],
        put: Callable[[_Runner[T], FreshLook | T | Ended], bool],
    ) -> None:
        self.feed = feed
        self.is_wanted = True
        self._items = items
        self._put = put
        self.thread = threading.Thread(target=self._run, name=f"streamfilter-feed-{feed}", daemon=True)

    def _run(self) -> None:
        try:
            items = iter(self._items(lambda item: self._put(self, item)))
            try:
                for item in items:
                    if not self._put(self, item):
                        return
            finally:
                # A generator must end in the thread that ran it.
                close = getattr(items, "close", None)
                if close is not None:
                    close()
        except BaseException as error:  # noqa: BLE001 - whatever it is, it belongs to the consumer
            self._put(self, Ended(error))
        else:
            self._put(self, Ended(None))
