"""Stream time of feeds never steps back, whatever their PTS say; UTC stands beside it and is told once."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamfilter.config import LiveConfig
from streamfilter.live.backlog import Backlog
from streamfilter.live.backoff import Backoff
from streamfilter.live.clock import LiveClock, LiveMark
from streamfilter.live.faults import Cause
from streamfilter.live.wallclock import WallClock, utc_text

STEP_S = 0.04
WRAP_S = 2**33 / 90_000

hostile_pts = st.one_of(st.none(), st.floats(-1e9, 1e9), st.floats(-1, 1))


def played(clock: LiveClock, pts_s: list[float | None], *, from_s: float = 100.0) -> list[float]:
    return [clock.place(one, from_s + n * STEP_S).time_s for n, one in enumerate(pts_s)]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(hostile_pts, st.floats(0, 30), st.booleans()), max_size=40),
    st.floats(0, 1e6),
)
def test_stream_time_never_steps_back(frames: list[tuple[float | None, float, bool]], began_s: float) -> None:
    clock, now_s, last_s = LiveClock(), began_s, -1.0
    for pts_s, wait_s, is_new in frames:
        now_s += wait_s
        if is_new:
            clock.connect(rate_hz=25)
        moment = clock.place(pts_s, now_s)
        assert moment.time_s > last_s
        assert moment.end_s > moment.time_s
        assert moment.lost_from_s is None or last_s < moment.lost_from_s <= moment.time_s
        # No PTS, however wild, takes it far from the time that has passed.
        assert moment.time_s <= now_s - began_s + len(frames) * 2.1
        last_s = moment.time_s


def test_time_is_that_of_the_pts_from_the_first_frame_on() -> None:
    assert played(LiveClock(), [5.0, 5.04, 5.08, 5.16]) == pytest.approx([0.0, 0.04, 0.08, 0.16])


def test_a_first_frame_with_a_negative_pts_or_none_is_at_zero() -> None:
    assert played(LiveClock(), [-0.08, -0.04, 0.0]) == pytest.approx([0.0, 0.04, 0.08])
    assert played(LiveClock(), [None, 0.04, 0.08]) == pytest.approx([0.0, 0.04, 0.08])


def test_frames_without_pts_follow_at_the_usual_distance() -> None:
    assert played(LiveClock(), [1.0, 1.04, None, None, 1.16]) == pytest.approx([0.0, 0.04, 0.08, 0.12, 0.16])


def test_a_wrap_of_the_pts_goes_on_as_if_nothing_had_happened() -> None:
    assert played(LiveClock(), [WRAP_S - 0.08, WRAP_S - 0.04, 0.0, 0.04]) == pytest.approx([0.0, 0.04, 0.08, 0.12])


def test_a_leap_of_the_pts_moves_time_by_no_more_than_has_passed() -> None:
    clock = LiveClock()
    played(clock, [0.0, 0.04])
    moment = clock.place(5000.0, 100.08)
    assert moment.time_s == pytest.approx(0.08)
    assert moment.jumped
    assert clock.place(5000.04, 100.12).time_s == pytest.approx(0.12)


def test_a_pause_of_the_feed_that_its_pts_tell_is_a_hole() -> None:
    clock = LiveClock()
    played(clock, [0.0, 0.04])
    moment = clock.place(4.0, 104.0)
    assert (moment.lost_from_s, moment.time_s) == pytest.approx((0.08, 4.0))
    assert not moment.jumped


def test_after_a_reconnect_time_goes_on_by_what_has_passed() -> None:
    clock = LiveClock()
    played(clock, [7.0, 7.04])
    clock.connect(rate_hz=50)
    moment = clock.place(90_000.0, 103.04)
    assert (moment.lost_from_s, moment.time_s) == pytest.approx((0.08, 3.04))
    assert clock.place(90_000.02, 103.06).time_s == pytest.approx(3.06)


def test_a_resumed_feed_goes_on_from_its_mark() -> None:
    moment = LiveClock(mark=LiveMark(50.0, 50.04, 1000.0)).place(3.0, 1010.0)
    assert (moment.lost_from_s, moment.time_s) == pytest.approx((50.04, 60.0))


def test_utc_is_that_of_the_quickest_arrival() -> None:
    wall = WallClock()
    wall.arrived(0.0, 1000.5)
    assert wall.utc(0.0) == (1000.5, "arrival")
    wall.arrived(1.0, 1001.1)
    assert wall.utc(1.0) == (pytest.approx(1001.1), "arrival")
    assert wall.utc(0.0) == (1000.5, "arrival"), "what was told stays true"


def test_utc_follows_a_clock_that_drifts() -> None:
    wall = WallClock()
    for second in range(3600):
        wall.arrived(float(second), 1000.0 + second * 1.001)
    assert wall.utc(3599.0)[0] == pytest.approx(1000 + 3599 * 1.001, abs=0.3)


def test_the_cameras_own_word_goes_before_arrival_until_the_next_connection() -> None:
    wall = WallClock()
    wall.arrived(0.0, 1000.5)
    wall.reported(1.0, 1001.2)
    wall.arrived(2.0, 1002.1)
    assert wall.utc(2.0) == (pytest.approx(1002.2), "rtcp_ntp")
    wall.connect()
    wall.arrived(10.0, 1011.0)
    assert wall.utc(10.0) == (pytest.approx(1011.0), "arrival")


def test_utc_reads_as_iso_8601() -> None:
    assert utc_text(0.0) == "1970-01-01T00:00:00.000Z"
    assert utc_text(1_767_225_600.2504) == "2026-01-01T00:00:00.250Z"


@pytest.mark.parametrize("seed", range(5))
def test_waits_double_up_to_the_longest_and_begin_anew(seed: int) -> None:
    config = LiveConfig(retry_first_s=0.5, retry_most_s=4, retry_jitter=0.3)
    backoff = Backoff(config, random.Random(seed))
    for longest_s in (0.5, 1, 2, 4, 4, 4):
        assert 0.7 * longest_s <= backoff.wait_s(Cause.ENDED) <= longest_s
    backoff.succeeded()
    assert backoff.wait_s(Cause.SILENT) <= 0.5


def test_what_only_a_person_can_put_right_waits_long_at_once() -> None:
    config = LiveConfig()
    for cause in (Cause.REFUSED, Cause.UNKNOWN_PATH, Cause.UNSUPPORTED):
        assert Backoff(config).longest_s(cause) == config.retry_slow_s


def read(backlog: Backlog, reads: list[tuple[float, float]], *, gop: int = 10) -> list[float | None]:
    """How late each of these packets (shown at, read at) is decoded; None: it is passed over."""
    out: list[float | None] = []
    for number, (shown_s, now_s) in enumerate(reads):
        late_s = backlog.late_s(shown_s, now_s)
        is_over = backlog.passes_over(late_s, now_s, is_key=number % gop == 0)
        out.append(None if is_over else late_s)
    return out


def test_a_reader_that_keeps_up_passes_nothing_over() -> None:
    reads = [(n * STEP_S, 100 + n * STEP_S + 0.1 * (n % 4)) for n in range(200)]
    assert None not in read(Backlog(0.5), reads)


def test_a_reader_that_fell_behind_passes_over_until_it_has_caught_up_at_a_key_picture() -> None:
    on_time = [(n * STEP_S, 100 + n * STEP_S) for n in range(50)]
    stalled_s = 100 + 50 * STEP_S + 3.0
    waiting = [(n * STEP_S, stalled_s + (n - 50) * 0.001) for n in range(50, 125)]
    after = [(n * STEP_S, 100 + n * STEP_S) for n in range(128, 200)]
    decoded = read(Backlog(0.5), on_time + waiting + after)
    assert set(decoded[50:110]) == {None}
    assert None not in decoded[135:]
    assert all(late_s is None or late_s <= 0.5 for late_s in decoded), "nothing old is decoded"


def test_a_feed_that_is_late_itself_is_on_time_after_a_second() -> None:
    on_time = [(n * STEP_S, 100 + n * STEP_S) for n in range(50)]
    late = [(n * STEP_S, 104 + n * STEP_S) for n in range(50, 200)]
    decoded = read(Backlog(0.5), on_time + late)
    assert decoded[60] is None
    assert decoded[90:] == pytest.approx([0.0] * 110, abs=1e-6)
