"""Packets wait for each other where nobody waits for them, and none is lost or turned round by it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamfilter.live.bursts import LONGEST_S, bursts, is_unwanted
from streamfilter.live.faults import Cause, FeedLostError

steps = st.lists(st.tuples(st.floats(0, 0.3), st.booleans()), max_size=60)


def lost_after(packets: list[tuple[Any, float]]) -> Iterator[tuple[Any, float]]:
    yield from packets
    raise FeedLostError(Cause.ENDED, "the feed ended")


def _may_wait(packet: Any) -> bool:
    return bool(packet.may_wait)


@given(steps)
def test_every_packet_comes_in_order_and_before_the_loss_is_told(script: list[tuple[float, bool]]) -> None:
    now_s, packets = 0.0, []
    for number, (step_s, may_wait) in enumerate(script):
        now_s += step_s
        packets.append((SimpleNamespace(number=number, may_wait=may_wait), now_s))
    told: list[list[tuple[Any, float]]] = []
    with pytest.raises(FeedLostError):
        told.extend(bursts(lost_after(packets), _may_wait))
    for *held, (_, last_s) in filter(None, told):
        assert all(packet.may_wait for packet, _ in held), "who is waited for comes at once"
        assert all(last_s - read_s < LONGEST_S + 0.3 for _, read_s in held), "until the next packet at most"
    assert [packet.number for burst in told for packet, _ in burst] == list(range(len(packets)))


@given(st.floats(0.1, 60), st.floats(5, 60), st.floats(0, 1e6), st.integers(1, 200))
def test_no_picture_that_is_looked_at_may_wait(rate: float, frames_hz: float, from_s: float, count: int) -> None:
    since_s = from_s
    for number in range(1, count):
        time_s = from_s + number / frames_hz
        if math.floor(time_s * rate + 1e-6) > math.floor(since_s * rate + 1e-6):
            assert not is_unwanted(rate, time_s, since_s=since_s, is_key=False)
        since_s = time_s


def test_what_waits_depends_on_what_is_looked_at() -> None:
    assert is_unwanted(2.0, 0.9, since_s=0.86, is_key=True)
    assert not is_unwanted(2.0, 1.0, since_s=0.96, is_key=False)
    assert not is_unwanted("every", 0.9, since_s=0.86, is_key=False)
    assert is_unwanted("keyframes", 1.0, since_s=0.96, is_key=False)
    assert not is_unwanted("keyframes", 0.9, since_s=0.86, is_key=True)
