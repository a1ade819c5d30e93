"""Waiting, dropping and threads: the rules that the pipeline stands on."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamfilter.buffering import batched, prefetch, within

PATIENCE_S = 30


def threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "streamfilter-prefetch"}


@given(st.lists(st.integers(), max_size=50), st.integers(1, 8))
def test_order_is_kept_and_nothing_is_lost(items: list[int], depth: int) -> None:
    with prefetch(items, depth) as ahead:
        assert list(ahead) == items
        assert ahead.dropped == 0
    assert not threads()


@given(st.lists(st.integers(), max_size=20), st.integers(1, 4))
def test_the_producers_exception_comes_after_its_items(items: list[int], depth: int) -> None:
    def failing() -> Iterator[int]:
        yield from items
        raise RuntimeError("broken")

    seen: list[int] = []
    with prefetch(failing(), depth) as ahead:
        with pytest.raises(RuntimeError, match="broken"):
            seen.extend(ahead)
        assert not list(ahead)
    assert len(seen) <= len(items)
    assert not threads()


def test_items_before_an_exception_are_delivered() -> None:
    def failing() -> Iterator[int]:
        yield from (1, 2, 3)
        raise RuntimeError("broken")

    with prefetch(failing(), 8) as ahead:
        assert [next(ahead) for _ in range(3)] == [1, 2, 3]
        with pytest.raises(RuntimeError):
            next(ahead)


def test_an_early_close_stops_joins_and_closes_the_producer_in_its_own_thread() -> None:
    closed_in = []

    def endless() -> Iterator[int]:
        number = 0
        try:
            while True:
                yield number
                number += 1
        finally:
            closed_in.append(threading.current_thread())

    with prefetch(endless(), 3) as ahead:
        worker = threads()
        assert [next(ahead) for _ in range(5)] == [0, 1, 2, 3, 4]
    assert set(closed_in) == worker
    assert not threads()
    assert not list(ahead)


def test_an_exception_of_the_consumer_joins_the_thread() -> None:
    def consume() -> None:
        with prefetch(iter(range(10**9)), 2) as ahead:
            raise KeyError(next(ahead))

    with pytest.raises(KeyError):
        consume()
    assert not threads()


def test_the_producer_runs_at_most_depth_items_ahead() -> None:
    made = []
    full = threading.Event()

    def counting() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            if number == 4:
                full.set()
            yield number

    with prefetch(counting(), 4) as ahead:
        assert full.wait(PATIENCE_S)
        assert len(made) == 5
        assert next(ahead) == 0


@given(st.integers(1, 5), st.integers(0, 40))
def test_drop_oldest_delivers_the_newest_and_counts_what_it_dropped(depth: int, count: int) -> None:
    done = threading.Event()

    def fast() -> Iterator[int]:
        yield from range(count)
        done.set()

    with prefetch(fast(), depth, when_full="drop_oldest") as ahead:
        assert done.wait(PATIENCE_S)
        kept = list(ahead)
    assert kept == list(range(count))[-depth:]
    assert ahead.dropped == count - len(kept)


def test_closing_twice_is_harmless() -> None:
    ahead = prefetch([1, 2, 3], 1)
    ahead.close()
    ahead.close()
    assert not threads()


@pytest.mark.parametrize("depth", [0, -1])
def test_a_depth_below_one_is_refused(depth: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        prefetch([], depth)


@given(st.lists(st.integers(), max_size=60), st.integers(1, 9))
def test_batches_hold_every_item_once_in_order(items: list[int], size: int) -> None:
    batches = list(batched(items, size))
    assert [item for batch in batches for item in batch] == items
    assert all(len(batch) == size for batch in batches[:-1])
    assert all(0 < len(batch) <= size for batch in batches)


def test_a_batch_is_handed_on_before_the_next_item_is_asked_for() -> None:
    asked = []

    def counting() -> Iterator[int]:
        for number in range(10):
            asked.append(number)
            yield number

    assert next(batched(counting(), 3)) == [0, 1, 2]
    assert asked == [0, 1, 2]


def test_an_empty_batch_size_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        next(batched([1], 0))


@pytest.mark.parametrize("raising", ["within", "prefetch"])
def test_an_error_holds_nothing_once_it_was_told(raising: str) -> None:
    """It came from a picture of 130 MB, which stayed until garbage was collected."""

    class Picture:
        pass

    seen: list[weakref.ref[Picture]] = []

    def failing() -> Iterator[int]:
        picture = Picture()
        seen.append(weakref.ref(picture))
        raise ValueError("too large")
        yield 1

    def read() -> None:
        if raising == "within":
            within(60, lambda: next(failing()))
        with prefetch(failing(), 1) as items:
            next(items)

    gc.disable()
    try:
        with suppress(ValueError):
            read()
        assert seen[0]() is None
    finally:
        gc.enable()
