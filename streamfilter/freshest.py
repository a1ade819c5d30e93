"""Which looks of many feeds the network sees next, and which it never sees: pure rules, without threads or clocks.

Every feed has a queue of its own, so order is kept per feed. Feeds take turns. When the network cannot keep up, the
freshest look wins: the older one is dropped, counted, and what it knew (cuts, a picture that changed) goes over to the
next one. What is not a look is never dropped.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Generic, TypeGuard, TypeVar

from streamfilter.types import Pixels

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class FreshLook:
    """A look of a feed that waits for the network. See `types.Look`.

    `arrived_s` is when its picture came (monotonic), `drops` how many looks since the one before were dropped.
    `pixels` converts the picture to the size of analysis.
    """

    time_s: float
    pts: int
    arrived_s: float
    cuts_s: tuple[float, ...]
    is_still: bool
    pixels: Callable[[], Pixels]
    drops: int = 0

    def instead_of(self, older: FreshLook) -> FreshLook:
        """This look, when that one before it is dropped: a picture that nobody saw cannot be unchanged."""
        return replace(
            self,
            cuts_s=older.cuts_s + self.cuts_s,
            is_still=self.is_still and older.is_still,
            drops=self.drops + older.drops + 1,
        )


@dataclass(slots=True)
class _Queue(Generic[T]):
    """What waits of one feed, with the time at which it was put there. `dropped`: one that no look has followed yet."""

    waiting: deque[tuple[FreshLook | T, float]] = field(default_factory=deque)
    dropped: FreshLook | None = None
    drops: int = 0

    def without_network(self) -> list[FreshLook | T]:
        """What lies before the first look that needs the network, taken out."""
        taken: list[FreshLook | T] = []
        while self.waiting and not _needs_network(self.waiting[0][0]):
            taken.append(self.waiting.popleft()[0])
        return taken

    def drop_oldest(self) -> None:
        """Drop the oldest look; the next one learns of it, when there is one."""
        looks = [index for index, (item, _) in enumerate(self.waiting) if isinstance(item, FreshLook)]
        older = self.waiting[looks[0]][0]
        assert isinstance(older, FreshLook)
        self.drops += 1
        if len(looks) > 1:
            newer, put_s = self.waiting[looks[1]]
            assert isinstance(newer, FreshLook)
            self.waiting[looks[1]] = (newer.instead_of(older), put_s)
        else:
            self.dropped = older
        del self.waiting[looks[0]]


class Freshest(Generic[T]):
    """The queues of all feeds; `T` is what travels with the looks. Times are monotonic seconds.

    `depth`: looks that may wait per feed; `batch`: most looks that the network takes at once; `wait_s`: how long a look
    waits for others to share a batch; `stale_s`: what is older when it would be taken is dropped.
    """

    def __init__(self, *, depth: int, batch: int, wait_s: float, stale_s: float) -> None:
        if depth < 1 or batch < 1:
            raise ValueError(f"depth {depth}, batch {batch}: expected at least 1 of each")
        self._depth = depth
        self._batch = self._most = batch
        self._wait_s = wait_s
        self._stale_s = stale_s
        self._queues: dict[str, _Queue[T]] = {}

    def put(self, feed: str, item: FreshLook | T, now_s: float) -> None:
        """One more of this feed; drops its oldest look where too many wait."""
        queue = self._queues.setdefault(feed, _Queue())
        if isinstance(item, FreshLook) and queue.dropped is not None:
            item, queue.dropped = item.instead_of(queue.dropped), None
        queue.waiting.append((item, now_s))
        while sum(isinstance(one, FreshLook) for one, _ in queue.waiting) > self._depth:
            queue.drop_oldest()

    def paced(self, picture_s: float) -> None:
        """The network takes so long for a picture: together it sees as many as pass before what waits is too old."""
        self._most = max(1, min(self._batch, int(self._stale_s / picture_s))) if picture_s > 0 else self._batch

    def remove(self, feed: str) -> None:
        """Forget a feed."""
        self._queues.pop(feed, None)

    def queued(self, feed: str) -> int:
        """Looks of a feed that wait."""
        queue = self._queues.get(feed)
        return 0 if queue is None else sum(isinstance(one, FreshLook) for one, _ in queue.waiting)

    def drops(self, feed: str) -> int:
        """Looks of a feed that were dropped so far."""
        queue = self._queues.get(feed)
        return 0 if queue is None else queue.drops

    def due_s(self) -> float:
        """When `take` has something to give: in the past where it has now, infinity where nothing waits."""
        put_s = [put_s for queue in self._queues.values() for item, put_s in queue.waiting if _needs_network(item)]
        is_ready = len(put_s) >= self._most
        if is_ready or any(q.waiting and not _needs_network(q.waiting[0][0]) for q in self._queues.values()):
            return -math.inf
        return min(put_s) + self._wait_s if put_s else math.inf

    def take(self, now_s: float) -> list[tuple[str, FreshLook | T]]:
        """What can be dealt with now, at most `batch` looks that need the network among it; in order per feed."""
        taken = [(feed, item) for feed, queue in self._queues.items() for item in self._freshened(queue, now_s)]
        if self.due_s() > now_s:
            return taken
        room = self._most
        while room and (turn := [feed for feed, queue in self._queues.items() if queue.waiting]):
            for feed in turn[:room]:
                queue = self._queues.pop(feed)
                self._queues[feed] = queue  # whoever was served goes to the end of the line
                taken.append((feed, queue.waiting.popleft()[0]))
                taken += [(feed, item) for item in queue.without_network()]
            room -= min(room, len(turn))
        return taken

    def _freshened(self, queue: _Queue[T], now_s: float) -> list[FreshLook | T]:
        """What lies before the first look that the network shall see; those that are too old for it are dropped."""
        taken: list[FreshLook | T] = queue.without_network()
        while queue.waiting and self._is_stale(queue.waiting[0][0], now_s):
            queue.drop_oldest()
            taken += queue.without_network()
        return taken

    def _is_stale(self, item: FreshLook | T, now_s: float) -> bool:
        return isinstance(item, FreshLook) and now_s - item.arrived_s > self._stale_s


def _needs_network(item: object) -> TypeGuard[FreshLook]:
    return isinstance(item, FreshLook) and not item.is_still
