"""What was rejected at a place for long is not believed there as soon as it passes once."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_smoother import LEFT, RIGHT, edges, looks, run, seen

from streamfilter.smoother.doubts import MEMORY_S, MOST, Doubts
from streamfilter.smoother.time import Step
from streamfilter.types import Box, Rejection, Sighting, Verdict

SECOND = "####"
REJECTED = seen(score=0.2, rejection=Rejection.LOW_SOFTMAX)


def step(time_s: float) -> Step:
    return Step(time_s, round(time_s * 1000), time_s - 0.25, 0.25, ())


def test_a_second_of_acceptance_is_no_event_where_the_label_was_rejected_for_long() -> None:
    events, _, rejections = run(looks("-" * 40 + SECOND + "-" * 8), end_s=13.0)
    assert events == []
    assert rejections == {"none_class": 48, "unstable": 1}


@pytest.mark.parametrize("before", ["." * 40, "-" * 8, ""])
def test_it_is_one_where_it_was_never_seen_or_hardly_rejected(before: str) -> None:
    events, _, _ = run(looks(before + SECOND + "." * 8), end_s=13.0)
    assert len(events) == 1


def test_what_is_accepted_for_longer_than_it_was_in_doubt_is_an_event_from_its_beginning() -> None:
    events, _, _ = run(looks("-" * 20 + "#" * 40 + "." * 8), end_s=17.0)
    assert edges(events) == [(4.875, 14.875)]


def test_doubt_is_about_one_place_one_label_and_one_shot() -> None:
    doubted = looks("-" * 40)

    def after(*sightings: Sighting, cut: bool = False) -> int:
        later = [Verdict(t := 10 + n / 4, round(t * 1000), sightings, (t,) if cut and not n else ()) for n in range(4)]
        return len(run([*doubted, *later, *looks("." * 8, start_s=11.0)], end_s=13.0)[0])

    assert after(seen()) == 0
    assert after(seen(box=RIGHT)) == 1
    assert after(seen("Nike")) == 1
    assert after(seen(), cut=True) == 1


def test_what_is_accepted_most_of_the_time_is_not_in_doubt() -> None:
    doubts = Doubts(grace_s=0.0, iou=0.1)
    for n in range(40):
        doubts.note([REJECTED if n % 4 == 0 else seen()], step(n / 4))
    assert doubts.about(seen(), 10.0) == 0.0


@given(st.integers(1, 100), st.floats(0, 100), st.floats(0, 5))
def test_doubt_grows_with_every_rejection_beyond_the_grace_and_fades(
    count: int, later_s: float, grace_s: float
) -> None:
    doubts = Doubts(grace_s=grace_s, iou=0.1)
    expected = 0.0
    for n in range(count):
        expected = expected * math.exp(-0.25 / MEMORY_S) + 0.25
        doubts.note([REJECTED], step(n / 4))
    expected *= math.exp(-later_s / MEMORY_S)
    assert doubts.about(seen(), (count - 1) / 4 + later_s) == pytest.approx(max(0.0, expected - grace_s), abs=1e-6)


def test_only_so_many_places_are_remembered_those_last_seen() -> None:
    doubts = Doubts(grace_s=0.0, iou=0.1)
    for n in range(40):
        box = Box(n / 50, 0.1, 0.01, 0.01)
        doubts.note([seen(box=box, score=0.2, rejection=Rejection.FAR)], step(n / 4))
    assert [doubt.box.x for doubt in doubts.places] == [n / 50 for n in range(40 - MOST, 40)]
    assert not Doubts(grace_s=0.0, iou=0.1).about(seen(box=LEFT), 1.0)
