"""The smoother on drawn verdicts: edges, bridges, cuts, gaps, places, counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest

from streamfilter.config import SmootherConfig
from streamfilter.smoother import make_smoother
from streamfilter.types import Box, Candidate, Event, Gap, Opening, Rejection, Sighting, Verdict

LEFT = Box(0.1, 0.1, 0.2, 0.2)
RIGHT = Box(0.7, 0.1, 0.2, 0.2)


TWO_LOOKS = SmootherConfig(onset_s=0.35)
"""Two sightings at 4 looks a second are enough."""


def seen(label: str = "Pepsi", box: Box = LEFT, *, score: float = 0.9, rejection: Rejection | None = None) -> Sighting:
    candidate = Candidate(
        box, label, softmax=score, none_probability=1 - score, distance=1.0, distance_percentile=50.0, sharpness=10.0
    )
    return Sighting(candidate, None if rejection else label, rejection, score)


def run(
    steps: Iterable[Verdict | Gap], *, end_s: float, config: SmootherConfig | None = None
) -> tuple[list[Event], list[Opening], dict[str, int]]:
    smoother = make_smoother(config or SmootherConfig())
    out: list[Opening | Event] = []
    for step in steps:
        out += smoother.gap(step) if isinstance(step, Gap) else smoother.update(step)
    out += smoother.flush(end_s)
    events = [r for r in out if isinstance(r, Event)]
    return events, [r for r in out if isinstance(r, Opening)], smoother.rejections


def looks(pattern: str, *, rate_hz: float = 4.0, cuts: Sequence[float] = (), start_s: float = 0.0) -> list[Verdict]:
    """One look a character: `#` accepted, `~` rejected with a score that holds, `-` rejected, `.` nothing."""
    kinds = {
        "#": (seen(),),
        "~": (seen(score=0.4, rejection=Rejection.FAR),),
        "-": (seen(score=0.1, rejection=Rejection.NONE_CLASS),),
        ".": (),
    }
    verdicts = []
    before_s = -1.0
    for n, kind in enumerate(pattern):
        time_s = start_s + n / rate_hz
        between = tuple(c for c in cuts if before_s < c <= time_s)
        verdicts.append(Verdict(time_s, round(time_s * 1000), kinds[kind], between))
        before_s = time_s
    return verdicts


def edges(events: Iterable[Event]) -> list[tuple[float, float]]:
    return [(e.start_s, e.end_s) for e in events]


def test_edges_lie_in_the_middle_between_a_look_with_and_one_without() -> None:
    events, _, _ = run(looks("...####...."), end_s=2.75)
    assert edges(events) == [(0.625, 1.625)]


def test_an_appearance_at_both_ends_of_the_stream_lasts_from_the_first_look_to_the_end() -> None:
    events, _, _ = run(looks("####"), end_s=0.97)
    assert edges(events) == [(0.0, 0.97)]


def test_pts_are_of_the_first_and_last_look_that_showed_it() -> None:
    (event,), (opening,), _ = run(looks("...####...."), end_s=2.75)
    assert (event.start_pts, event.end_pts, opening.start_pts) == (750, 1500, 750)


def test_looks_that_stand_for_little_say_little_about_whether_an_appearance_is_steady() -> None:
    searched = looks("~" * 10, rate_hz=50, start_s=0.78)
    events, _, _ = run([*looks("####"), *searched, *looks("#....", start_s=1.0)], end_s=2.25)
    assert edges(events) == [(0.0, 1.125)]
    assert (events[0].evidence.looks, events[0].evidence.hits) == (15, 5)


def test_edges_at_cuts_are_the_cuts() -> None:
    events, _, _ = run(looks("...####...", cuts=[0.6, 0.7, 1.52, 1.7]), end_s=2.5)
    assert edges(events) == [(0.7, 1.52)]


def test_a_blink_is_dropped_and_counted() -> None:
    events, openings, rejections = run(looks("...#......"), end_s=2.5)
    assert (events, openings, rejections) == ([], [], {"unstable": 1})


def test_a_flicker_that_is_seen_half_the_time_is_never_confirmed() -> None:
    events, _, rejections = run(looks("." + "#." * 20), end_s=10.5)
    assert events == []
    assert rejections == {"unstable": 20}


def test_a_blink_does_not_bring_forward_what_appears_after_it() -> None:
    events, _, _ = run(looks(".#..##..."), end_s=2.25, config=TWO_LOOKS)
    assert edges(events) == [(0.875, 1.375)]


def test_rejected_sightings_do_not_keep_an_unconfirmed_appearance_waiting() -> None:
    events, _, rejections = run(looks(".#~#...."), end_s=2.0, config=TWO_LOOKS)
    assert edges(events) == [(0.125, 0.875)]
    events, _, rejections = run(looks(".#~~~~~~~~#..."), end_s=3.5)
    assert events == []
    assert rejections == {"far": 8, "unstable": 2}


def test_a_miss_shorter_than_the_bridge_does_not_end_an_event() -> None:
    events, _, _ = run(looks("####...####"), end_s=2.75)
    assert edges(events) == [(0.0, 2.75)]
    assert events[0].exposure.visible_s == pytest.approx(2.0)
    assert (events[0].evidence.looks, events[0].evidence.hits) == (11, 8)


def test_after_the_bridge_the_event_ends_at_its_last_sighting() -> None:
    events, _, _ = run(looks("####........####"), end_s=4.0)
    assert edges(events) == [(0.0, 0.875), (2.875, 4.0)]


def test_a_rejected_sighting_holds_an_event_but_begins_none() -> None:
    events, _, rejections = run(looks("~~~~######~~~~....."), end_s=4.75)
    assert edges(events) == [(0.875, 3.375)]
    assert rejections == {"far": 8}
    assert events[0].evidence.hits == 6
    assert events[0].evidence.rejections == {"far": 4}


def test_what_flickers_for_long_is_no_event() -> None:
    events, openings, rejections = run(looks(".###~~~~##~~~~###~~~~...."), end_s=6.25)
    assert (events, openings) == ([], [])
    assert rejections == {"far": 12, "unstable": 1}


def test_what_was_certain_once_stays_an_event_however_poorly_it_is_seen_later() -> None:
    events, openings, _ = run(looks("." + "#" * 10 + "~" * 30 + "...."), end_s=11.25)
    assert len(openings) == 1
    assert edges(events) == [(0.125, 10.125)]


def test_a_sighting_below_the_hold_score_is_a_miss_that_is_counted_beside_the_event() -> None:
    events, _, rejections = run(looks("####--####"), end_s=2.5)
    assert edges(events) == [(0.0, 2.5)]
    assert events[0].evidence.rejections == {"none_class": 2}
    assert rejections == {"none_class": 2}


def test_the_score_is_the_mean_of_accepted_scores_weighted_by_time() -> None:
    verdicts = [
        Verdict(0.0, 0, ()),
        Verdict(0.25, 1, (seen(score=0.6),)),
        Verdict(0.75, 2, (seen(score=0.9),)),
        Verdict(1.0, 3, (seen(score=0.35, rejection=Rejection.FAR),)),
    ]
    (event,), _, _ = run(verdicts, end_s=1.0)
    assert event.score == pytest.approx((0.6 * 0.25 + 0.9 * 0.5) / 0.75)
    assert event.best.softmax == 0.9


def test_a_corner_logo_survives_a_cut() -> None:
    events, _, _ = run(looks("########", cuts=[0.9]), end_s=2.0)
    assert edges(events) == [(0.0, 2.0)]


def test_a_logo_elsewhere_after_a_cut_is_another_appearance() -> None:
    before, after = looks("####"), looks("####", start_s=1.0)
    moved = [Verdict(v.time_s, v.pts, (seen(box=RIGHT),), (0.9,) if n == 0 else ()) for n, v in enumerate(after)]
    events, _, _ = run(before + moved, end_s=2.0)
    assert edges(events) == [(0.0, 0.9), (0.9, 2.0)]


def test_a_logo_missed_in_the_first_look_after_a_cut_ended_at_the_cut() -> None:
    events, _, _ = run(looks("####.####", cuts=[0.9]), end_s=2.25)
    assert edges(events) == [(0.0, 0.9), (1.125, 2.25)]


def test_a_cut_resets_the_evidence_of_what_is_not_confirmed() -> None:
    events, _, rejections = run(looks(".#.", cuts=[]) + looks("#....", start_s=0.75, cuts=[0.7]), end_s=2.0)
    assert events == []
    assert rejections == {"unstable": 2}
    events, _, _ = run(looks("..##..", cuts=[0.6]), end_s=1.5)
    assert events == []


def test_a_long_gap_ends_an_event_where_the_gap_begins() -> None:
    steps: list[Verdict | Gap] = [*looks("####"), Gap(0.8, 3.0, "decode_error"), *looks("####", start_s=3.0)]
    events, _, _ = run(steps, end_s=4.0)
    assert edges(events) == [(0.0, 0.8), (3.0, 4.0)]


def test_what_the_first_look_after_a_gap_shows_begins_at_that_look() -> None:
    steps: list[Verdict | Gap] = [*looks(".."), Gap(0.3, 3.0, "decode_error"), *looks("####..", start_s=3.25)]
    events, _, _ = run(steps, end_s=4.5)
    assert edges(events) == [(3.25, 4.125)]


def test_a_short_gap_is_bridged_and_lowers_coverage() -> None:
    steps: list[Verdict | Gap] = [*looks("####"), Gap(0.8, 1.6, "decode_error"), *looks("####", start_s=1.6)]
    (event,), _, _ = run(steps, end_s=2.6)
    assert (event.start_s, event.end_s) == (0.0, 2.6)
    assert event.evidence.gap_s == pytest.approx(0.8)
    assert event.evidence.coverage == pytest.approx(1 - 0.8 / 2.6)
    assert event.exposure.visible_s == pytest.approx(1.8)


def test_an_event_never_reaches_into_a_gap_at_the_end() -> None:
    (event,), _, _ = run([*looks("####"), Gap(0.8, 1.2, "ended_early")], end_s=1.2)
    assert event.end_s == 0.8


def test_short_gaps_and_misses_add_up_to_a_long_absence() -> None:
    steps: list[Verdict | Gap] = [
        *looks("####"),
        Gap(0.8, 1.5, "decode_error"),
        *looks("..", start_s=1.5),
        *looks("####", start_s=2.0),
    ]
    events, _, _ = run(steps, end_s=3.0)
    assert edges(events) == [(0.0, 0.8), (1.875, 3.0)]


def test_two_copies_in_one_picture_are_two_events_with_ordinals() -> None:
    both = [Verdict(n / 4, n, (seen(box=RIGHT), seen(box=LEFT))) for n in range(8)]
    events, openings, _ = run(both, end_s=2.0)
    assert [e.ordinal for e in events] == [0, 1]
    assert [e.exposure.x for e in events] == pytest.approx([0.2, 0.8])
    assert [o.ordinal for o in openings] == [0, 1]
    assert [e.exposure.alone_s for e in events] == [0.0, 0.0]


def test_two_boxes_on_one_logo_are_one_event() -> None:
    tight = Box(0.15, 0.15, 0.08, 0.08)
    both = [Verdict(n / 4, n, (seen(score=0.7), seen(box=tight, score=0.8))) for n in range(8)]
    events, _, rejections = run(both, end_s=2.0)
    assert len(events) == 1
    assert rejections == {}


def test_a_moving_logo_is_one_event_with_a_thin_track() -> None:
    moving = [Verdict(n / 4, n, (seen(box=Box(0.02 * n, 0.5, 0.1, 0.1)),)) for n in range(40)]
    (event,), _, _ = run(moving, end_s=10.0)
    assert [p.time_s for p in event.track] == [0.0, 9.75]
    assert [p.box.x for p in event.track] == pytest.approx([0.0, 0.78])


def test_alone_time_is_what_no_other_logo_shares() -> None:
    other = seen("Nike", RIGHT)
    steps = [Verdict(n / 4, n, (seen(), other) if n >= 4 else (seen(),)) for n in range(8)]
    events, _, _ = run(steps, end_s=2.0)
    alone = {e.label: e.exposure.alone_s for e in events}
    assert alone == {"Pepsi": pytest.approx(0.875), "Nike": 0.0}


def test_an_opening_comes_when_the_evidence_suffices_and_never_without_its_event() -> None:
    smoother = make_smoother(SmootherConfig(onset_s=0.5, min_duration_s=0.4, certain_s=0.5))
    confirmed = [v.time_s for v in looks(".#####") if smoother.update(v)]
    assert confirmed == [0.75]


def test_after_a_cut_evidence_counts_from_the_cut() -> None:
    smoother = make_smoother(SmootherConfig(onset_s=0.3, min_duration_s=0.3, certain_s=0.3))
    confirmed = [v.time_s for v in looks("..####", cuts=[0.4]) if smoother.update(v)]
    assert confirmed == [0.75]


def test_an_appearance_shorter_than_the_least_duration_never_opens() -> None:
    config = SmootherConfig(onset_s=0.25, min_duration_s=0.6)
    events, openings, rejections = run(looks("..##..."), end_s=1.75, config=config)
    assert (events, openings, rejections) == ([], [], {"unstable": 1})


def test_one_sighting_far_from_the_look_before_counts_for_a_bounded_time() -> None:
    config = SmootherConfig(onset_s=0.6, max_look_s=0.5)
    events, _, _ = run(looks("..#..", rate_hz=0.2), end_s=25.0, config=config)
    assert events == []


def test_looks_that_run_back_in_time_are_refused() -> None:
    smoother = make_smoother(SmootherConfig())
    smoother.update(Verdict(1.0, 1, ()))
    with pytest.raises(ValueError, match="time order"):
        smoother.update(Verdict(0.5, 0, ()))


def test_flushing_twice_returns_nothing_more() -> None:
    smoother = make_smoother(SmootherConfig())
    for verdict in looks("####"):
        smoother.update(verdict)
    assert len(smoother.flush(1.0)) == 2  # the opening and its event
    assert smoother.flush(1.0) == []


def test_an_event_of_hours_stays_small() -> None:
    smoother = make_smoother(SmootherConfig())
    for n in range(40_000):
        x = 0.1 + 0.05 * ((n * 7919) % 101) / 101
        smoother.update(Verdict(n / 4, n, (seen(box=Box(x, 0.1, 0.2, 0.2)),)))
    (event,) = smoother.flush(10_000.0)
    assert isinstance(event, Event)
    assert len(event.track) < 600
    assert event.track[0].time_s == 0.0
    assert event.track[-1].time_s == 9999.75
