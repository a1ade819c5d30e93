"""All waiting, dropping and threading between stages: run an iterator ahead in a thread, group items into batches."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Generic, Literal, Self, TypeVar

T = TypeVar("T")

ASK_EVERY_S = 1.0
"""How often a waiting consumer asks whether there is still something to wait for."""


class StalledError(Exception):
    """The producer has come to nothing for too long and was given up; its thread may hang for ever."""


def prefetch(
    items: Iterable[T],
    depth: int,
    *,
    when_full: Literal["wait", "drop_oldest"] = "wait",
    is_stalled: Callable[[], bool] = lambda: False,
) -> Prefetch[T]:
    """Run `items` in a thread of its own, at most `depth` of them ahead of the consumer.

    Use it in a `with` block, which stops and joins the thread however the block ends. Order is kept, and an exception
    of `items` is raised where it would have come. `drop_oldest` never lets the producer wait: the consumer gets the
    newest items, `dropped` counts the others. `is_stalled` is asked each second in which the consumer waits: where it
    says so, the thread is left behind and `StalledError` raised, since nothing can end a read that hangs.
    """
    return Prefetch(items, depth, when_full=when_full, is_stalled=is_stalled)


def within(patience_s: float, work: Callable[[], T], *, too_late: Callable[[T], object] = lambda result: None) -> T:
    """What `work` returns or raises; it runs in a thread of its own, since nothing can end a call that hangs.

    Raises `StalledError` after `patience_s` seconds. The thread is left behind then, and gives what comes of it after
    all to `too_late`.
    """
    attempt = _Attempt(work, too_late)
    if not attempt.ended.wait(patience_s) and attempt.give_up():
        raise StalledError
    error, attempt.error = attempt.error, None
    if error is None:
        return attempt.results[0]
    try:
        raise error
    finally:
        del error  # its traceback leads here: a circle that would hold every picture on its way until it is collected


class _Attempt(Generic[T]):
    """A call in a thread, until it ends or is given up, whichever is first."""

    def __init__(self, work: Callable[[], T], too_late: Callable[[T], object]) -> None:
        self.ended = threading.Event()
        self.results: list[T] = []
        self.error: BaseException | None = None
        self._is_given_up = False
        self._lock = threading.Lock()
        self._work = work
        self._too_late = too_late
        threading.Thread(target=self._run, name="streamfilter-within", daemon=True).start()

    def give_up(self) -> bool:
        """False when it has ended in the last moment."""
        with self._lock:
            self._is_given_up = not self.ended.is_set()
            return self._is_given_up

    def _run(self) -> None:
        try:
            self.results.append(self._work())
        except BaseException as error:  # noqa: BLE001 - whatever it is, it belongs to the caller
            self.error = error
        with self._lock:
            self.ended.set()
            is_late = self._is_given_up
        if is_late and self.results:
            self._too_late(self.results[0])


class Prefetch(Generic[T]):
    """An iterator over what a thread produces. See `prefetch`."""

    def __init__(
        self,
        items: Iterable[T],
        depth: int,
        *,
        when_full: Literal["wait", "drop_oldest"],
        is_stalled: Callable[[], bool],
    ) -> None:
        if depth < 1:
            raise ValueError(f"prefetch depth {depth}: expected at least 1")
        self.dropped = 0
        self._items = items
        self._depth = depth
        self._drops = when_full == "drop_oldest"
        self._is_stalled = is_stalled
        self._is_left_behind = False
        self._ready: deque[T] = deque()
        self._changed = threading.Condition()
        self._stopped = False
        self._ended = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._produce, name="streamfilter-prefetch", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        with self._changed:
            while not self._changed.wait_for(lambda: self._ready or self._ended or self._stopped, ASK_EVERY_S):
                if self._is_stalled():
                    self._is_left_behind = True
                    raise StalledError
            if self._ready and not self._stopped:
                item = self._ready.popleft()
                self._changed.notify_all()
                return item
            error, self._error = self._error, None
        self._thread.join()
        if error is None:
            raise StopIteration
        try:
            raise error
        finally:
            del error  # as in `within`

    def close(self) -> None:
        """Stop the producer after the item it is at, drop what is ready, and join the thread."""
        with self._changed:
            self._stopped = True
            self._ready.clear()
            self._changed.notify_all()
        if not self._is_left_behind:
            self._thread.join()

    def _produce(self) -> None:
        try:
            self._run()
        except BaseException as error:  # noqa: BLE001 - whatever it is, it belongs to the consumer
            with self._changed:
                self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _run(self) -> None:
        iterator = iter(self._items)
        try:
            for item in iterator:
                if not self._deliver(item):
                    return
        finally:
            # A generator must end in the thread that ran it, or its `finally` would run under the consumer's feet.
            close = getattr(iterator, "close", None)
            if close is not None:
                close()

    def _deliver(self, item: T) -> bool:
        """Hand one item over; False when nobody wants any more."""
        with self._changed:
            if self._drops:
                while len(self._ready) >= self._depth:
                    self._ready.popleft()
                    self.dropped += 1
            else:
                self._changed.wait_for(lambda: len(self._ready) < self._depth or self._stopped)
            if self._stopped:
                return False
            self._ready.append(item)
            self._changed.notify_all()
            return True


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items in lists of `size`, in order; the last list may be shorter, none is empty."""
    if size < 1:
        raise ValueError(f"batch size {size}: expected at least 1")
    batch: list[T] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
