"""Packets that wait for the next ones, to be decoded in a row: with many feeds that costs a tenth less than one by one.

Between two pictures of one feed come those of all the others, so nothing of what a picture needs is left in the caches.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Literal

from av import Packet
from av.stream import Stream

from streamfilter.live.faults import FeedLostError

LONGEST_S = 0.2
"""No packet waits longer for others, whoever wants it or not."""

_MOST = 16
# So early by rounding, as a share of the time between two looks, a picture is still the one that is looked at.
_SLACK = 0.01


def bursts(
    packets: Iterator[tuple[Packet[Stream], float]], may_wait: Callable[[Packet[Stream]], bool]
) -> Iterator[list[tuple[Packet[Stream], float]]]:
    """Packets with the time at which they were read, as many at once as may wait for each other.

    What is held when the feed is lost comes before that is raised.
    """
    held: list[tuple[Packet[Stream], float]] = []
    try:
        for packet, read_s in packets:
            held.append((packet, read_s))
            if len(held) == _MOST or read_s - held[0][1] >= LONGEST_S or not may_wait(packet):
                yield held
                held = []
    except FeedLostError:
        yield held
        raise


def is_unwanted(rate: float | Literal["every", "keyframes"], time_s: float, *, since_s: float, is_key: bool) -> bool:
    """Whether no look falls on a picture after `since_s` until `time_s`, in stream time."""
    if rate == "every":
        return False
    if rate == "keyframes":
        return not is_key
    return math.floor(time_s * rate + _SLACK) <= math.floor(since_s * rate)
