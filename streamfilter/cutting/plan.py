"""Which groups of pictures are copied and which are encoded anew, and when every packet is decoded. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from streamfilter.cutting.index import PacketIndex


@dataclass(frozen=True, slots=True)
class Part:
    """A group of packets, by their numbers in decoding order, that goes into the result.

    `wanted`: PTS of the pictures that are encoded anew, in the order in which they are shown; None: all are copied.
    """

    packets: range
    wanted: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of a stream. `pts`, `dts`, `durations`: of the packets of the result, in decoding order."""

    parts: tuple[Part, ...]
    pts: tuple[int, ...]
    dts: tuple[int, ...]
    durations: tuple[int, ...]

    @property
    def copied(self) -> int:
        """Pictures that are copied bit for bit."""
        return sum(len(part.packets) for part in self.parts if part.wanted is None)


def make_plan(
    index: PacketIndex, place: Callable[[float], float | None], *, touched: Callable[[float], bool] = lambda _: False
) -> Plan:
    """A plan for the pictures that `place` gives a time in the result (in seconds).

    A group is copied when all of it stays and none of it is `touched` (drawn over); both take seconds of stream time.
    """
    parts, pts, durations = [], [], []
    for group in index.groups:
        packets = [index.packets[at] for at in group]
        placed = {p.pts: place(index.seconds(p.pts)) if p.is_shown else None for p in packets}
        wanted = [p for p in packets if placed[p.pts] is not None]
        if not wanted:
            continue
        whole = len(wanted) == len(packets) and not any(touched(index.seconds(p.pts)) for p in packets)
        ordered = wanted if whole else sorted(wanted, key=lambda packet: packet.pts)
        parts.append(Part(group, None if whole else tuple(p.pts for p in ordered)))
        pts += [round((placed[p.pts] or 0.0) / index.time_base) for p in ordered]
        durations += [p.duration for p in ordered]
    return Plan(tuple(parts), tuple(pts), tuple(decode_times(pts, durations)), tuple(durations))


def decode_times(pts: Sequence[int], durations: Sequence[int]) -> list[int]:
    """A DTS for every packet in decoding order: ascending, never after its PTS, as late as that allows.

    The n-th packet is decoded when the (n - d)-th picture is shown, with the least delay d that fits every packet.
    """
    shown = sorted(pts)
    rank = {time: number for number, time in enumerate(shown)}
    delay = max((number - rank[time] for number, time in enumerate(pts)), default=0)
    step = max(1, min(durations, default=1))
    ahead = [shown[0] - step * (delay - number) for number in range(min(delay, len(shown)))] if shown else []
    return ahead + shown[: len(shown) - len(ahead)]
