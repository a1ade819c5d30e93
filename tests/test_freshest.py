"""Many feeds, one network: order is kept, turns are taken, the freshest wins, and every drop is counted."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamfilter.freshest import Freshest, FreshLook

STALE_S = 0.5
WAIT_S = 0.1


def look(number: int, now_s: float, *, is_still: bool = False) -> FreshLook:
    """The look with this number; its cut is its number, so that it can be told whose cuts it carries."""
    return FreshLook(float(number), number, now_s, (float(number),), is_still, lambda: np.zeros((2, 2, 3), np.uint8))


def queues(*, depth: int = 2, batch: int = 4) -> Freshest[str]:
    return Freshest(depth=depth, batch=batch, wait_s=WAIT_S, stale_s=STALE_S)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from("abc"), st.booleans()),
        st.tuples(st.just("note"), st.sampled_from("abc"), st.just(False)),
        st.tuples(st.just("take"), st.floats(0, 0.7), st.just(False)),
    ),
    max_size=60,
)


@settings(deadline=None)
@given(steps, st.integers(1, 3), st.integers(1, 5))
def test_nothing_is_lost_uncounted_stale_or_out_of_order(
    script: list[tuple[str, str | float, bool]], depth: int, batch: int
) -> None:
    fresh = queues(depth=depth, batch=batch)
    now_s, number = 0.0, 0
    put: dict[str, list[int | str]] = {feed: [] for feed in "abc"}
    taken: dict[str, list[FreshLook | str]] = {feed: [] for feed in "abc"}
    for what, which, is_still in [*script, ("take", 0.2, False), *[("take", WAIT_S, False)] * 60]:
        if isinstance(which, float):
            now_s += which
            got = fresh.take(now_s)
            asked = [item for _, item in got if isinstance(item, FreshLook) and not item.is_still]
            assert len(asked) <= batch
            assert all(now_s - item.arrived_s <= STALE_S for item in asked)
            for feed, item in got:
                taken[feed].append(item)
            continue
        number += 1
        item: FreshLook | str = look(number, now_s, is_still=is_still) if what == "put" else f"note {number}"
        fresh.put(which, item, now_s)
        put[which].append(number if what == "put" else f"note {number}")
        assert fresh.queued(which) <= depth
    assert fresh.due_s() == math.inf
    for feed in "abc":
        order = [item.pts if isinstance(item, FreshLook) else item for item in taken[feed]]
        assert order == [one for one in put[feed] if one in set(order)]
        assert [one for one in order if isinstance(one, str)] == [one for one in put[feed] if isinstance(one, str)]
        looks = [item for item in taken[feed] if isinstance(item, FreshLook)]
        wanted = [one for one in put[feed] if isinstance(one, int)]
        assert len(looks) + fresh.drops(feed) == len(wanted)
        told = sum(item.drops for item in looks)
        last = looks[-1].pts if looks else 0
        assert told == sum(one <= last for one in wanted) - len(looks)
        assert [int(cut) for item in looks for cut in item.cuts_s] == [one for one in wanted if one <= last]


def test_feeds_take_turns_however_much_one_of_them_sends() -> None:
    fresh = queues(depth=3, batch=2)
    for number in range(9):
        fresh.put("loud", look(number, 0.0), 0.0)
    for feed in ("a", "b", "c"):
        fresh.put(feed, look(1, 0.0), 0.0)
    served = [[feed for feed, _ in fresh.take(0.2)] for _ in range(3)]
    assert served == [["loud", "a"], ["b", "c"], ["loud", "loud"]]


def test_a_batch_waits_for_others_but_not_when_it_is_full() -> None:
    fresh = queues(batch=2)
    fresh.put("a", look(1, 0.0), 0.0)
    assert fresh.due_s() == pytest.approx(WAIT_S)
    assert fresh.take(0.05) == []
    fresh.put("b", look(1, 0.05), 0.05)
    assert fresh.due_s() == -math.inf
    assert len(fresh.take(0.05)) == 2


def test_what_needs_no_network_waits_for_nothing_but_its_turn() -> None:
    fresh = queues()
    fresh.put("a", "note", 0.0)
    fresh.put("a", look(1, 0.0, is_still=True), 0.0)
    fresh.put("a", look(2, 0.0), 0.0)
    fresh.put("a", "later", 0.0)
    assert len(fresh.take(0.0)) == 2
    assert [item for _, item in fresh.take(0.2)][-1] == "later"


def test_a_still_picture_is_looked_at_when_the_look_that_it_repeats_was_dropped() -> None:
    fresh = queues(depth=1)
    fresh.put("a", look(1, 0.0), 0.0)
    fresh.put("a", look(2, 0.1, is_still=True), 0.1)
    ((_, item),) = fresh.take(0.3)
    assert isinstance(item, FreshLook)
    assert (item.pts, item.is_still, item.drops) == (2, False, 1)


def test_a_slow_network_is_given_no_more_at_once_than_passes_before_what_waits_is_stale() -> None:
    for picture_s, expected in ((0.001, 4), (STALE_S / 2 - 0.01, 2), (STALE_S, 1), (10.0, 1), (0.0, 4)):
        fresh = queues(batch=4)
        fresh.paced(picture_s)
        for number, feed in enumerate("abcdef"):
            fresh.put(feed, look(number, 0.0), 0.0)
        assert len(fresh.take(WAIT_S)) == expected
        assert fresh.due_s() == (-math.inf if 6 - expected >= expected else WAIT_S)


def test_a_feed_that_was_removed_is_forgotten() -> None:
    fresh = queues()
    fresh.put("a", look(1, 0.0), 0.0)
    fresh.remove("a")
    assert (fresh.due_s(), fresh.queued("a"), fresh.take(1.0)) == (math.inf, 0, [])


def test_senseless_bounds_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        queues(depth=0)
