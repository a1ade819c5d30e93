"""Where cuts lie, what is copied, and when packets are decoded: pure arithmetic."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamfilter.cutting.h264 import as_record, joined, nal_units, parameter_sets
from streamfilter.cutting.hide import hide
from streamfilter.cutting.index import IndexedPacket, PacketIndex
from streamfilter.cutting.plan import decode_times, make_plan
from streamfilter.cutting.spans import Splice, others, snapped
from streamfilter.intervals import Interval, total
from streamfilter.types import Box

steps = st.lists(st.sampled_from([0.02, 0.04, 0.1]), min_size=2, max_size=40)
wishes = st.lists(st.tuples(st.floats(-0.5, 4.5), st.floats(-0.5, 4.5)), max_size=6)


def times_of(lengths: list[float]) -> list[float]:
    times = [0.0]
    for length in lengths:
        times.append(round(times[-1] + length, 6))
    return times


def frames_in(spans: list[Interval], times: list[float]) -> list[int]:
    splice = Splice(tuple(spans))
    return [number for number, time_s in enumerate(times[:-1]) if splice.place(time_s) is not None]


@settings(deadline=None)
@given(steps, wishes)
def test_kept_and_dropped_hold_every_frame_exactly_once(lengths: list[float], wanted: list[Interval]) -> None:
    times = times_of(lengths)
    kept = snapped(wanted, times)
    both = frames_in(kept, times) + frames_in(others(kept, times), times)
    assert sorted(both) == list(range(len(times) - 1))


@settings(deadline=None)
@given(steps, wishes)
def test_the_length_is_what_was_wanted_within_a_frame(lengths: list[float], wanted: list[Interval]) -> None:
    times = times_of(lengths)
    inside = [(max(a, times[0]), min(b, times[-1])) for a, b in wanted]
    assert total(snapped(wanted, times)) == pytest.approx(total(inside), abs=max(lengths) + 1e-4)


def test_a_single_interval_holds_the_frames_that_begin_in_it() -> None:
    times = [number / 25 for number in range(101)]
    assert snapped([(1.14, 2.02)], times) == [(1.16, 2.04)]
    assert snapped([(1.0, 2.0)], times) == [(1.0, 2.0)]


def test_what_is_spliced_plays_without_a_hole() -> None:
    splice = Splice(((1.0, 2.0), (3.0, 3.5)))
    assert splice.place(0.99) is None
    assert splice.place(1.0) == 0.0
    assert splice.place(2.0) is None
    assert splice.place(3.0) == pytest.approx(1.0)
    assert splice.length_s == pytest.approx(1.5)


@settings(deadline=None)
@given(st.integers(1, 12).flatmap(lambda n: st.permutations(list(range(n)))))
def test_every_packet_is_decoded_before_it_is_shown(order: list[int]) -> None:
    pts = [number * 100 for number in order]
    dts = decode_times(pts, [100] * len(pts))
    assert len(dts) == len(pts)
    assert all(a < b for a, b in pairwise(dts))
    assert all(d <= p for d, p in zip(dts, pts, strict=True))
    assert any(d == p for d, p in zip(dts, pts, strict=True)), "no more delay than is needed"


def index_of(pts: list[int], opening: set[int]) -> PacketIndex:
    packets = tuple(IndexedPacket(time, 1, time in opening, True) for time in pts)
    return PacketIndex(packets, Fraction(1, 25), Fraction(0), "h264", None)


def test_groups_that_lean_on_the_one_before_are_one_with_it() -> None:
    closed = index_of([0, 2, 1, 3, 5, 4], {0, 3})
    assert closed.groups == [range(3), range(3, 6)]
    leading = index_of([0, 2, 1, 4, 3, 5], {0, 4})  # 3 is decoded after the key frame 4 and shown before it
    assert leading.groups == [range(6)]


def test_only_groups_that_a_cut_goes_through_are_encoded_anew() -> None:
    index = index_of([0, 2, 1, 3, 5, 4, 6, 8, 7], {0, 3, 6})
    plan = make_plan(index, Splice(((1 / 25, 6 / 25),)).place)
    assert [(part.packets, part.wanted) for part in plan.parts] == [(range(3), (1, 2)), (range(3, 6), None)]
    assert plan.pts == (0, 1, 2, 4, 3)
    assert plan.copied == 3


def test_groups_that_are_drawn_over_are_encoded_anew() -> None:
    index = index_of([0, 2, 1, 3, 5, 4], {0, 3})
    plan = make_plan(index, Splice(((0, 1),)).place, touched=lambda time_s: abs(time_s - 4 / 25) < 1e-9)
    assert [part.wanted for part in plan.parts] == [None, (3, 4, 5)]


@pytest.mark.parametrize("length", [0, 2, 4])
def test_nal_units_are_taken_apart_and_joined(length: int) -> None:
    units = [b"\x65abc", b"\x06\x01\x80", b"\x41" + b"x" * 300]
    assert list(nal_units(joined(iter(units), length), length)) == units


def test_a_record_takes_more_parameter_sets_and_keeps_its_tail() -> None:
    sps, pps, tail = b"\x67\x64\x00\x0b\x80rest", b"\x68\x80", b"\xfd\xf8\xf8\x00"
    record = b"\x01\x64\x00\x0b\xff\xe1\x00\x09" + sps + b"\x01\x00\x02" + pps + tail
    sets = parameter_sets(record)
    assert (sets.sps, sets.pps, sets.ids) == ((sps,), (pps,), frozenset({0}))
    both = as_record(sets | sets, record)
    assert parameter_sets(both).sps == (sps, sps)
    assert both.endswith(tail)


def test_a_margin_ends_at_the_edge_of_the_picture() -> None:
    box = Box(0.0, 0.4, 0.2, 0.2).grown(0.5)
    assert (box.x, box.y, box.width, box.height) == pytest.approx((0.0, 0.3, 0.3, 0.4))


@pytest.mark.parametrize("way", ["blur", "pixelate"])
def test_what_is_hidden_has_no_detail_left_and_the_rest_stays(way: str) -> None:
    import numpy as np

    rng = np.random.default_rng(0)
    before = rng.integers(0, 256, (80, 120, 3), dtype=np.uint8)
    after = before.copy()
    hide(after, [Box(0.25, 0.25, 0.5, 0.5)], "blur" if way == "blur" else "pixelate")
    assert np.array_equal(after[:20], before[:20])
    assert after[20:60, 30:90].std() < 0.35 * before[20:60, 30:90].std()
