"""Three thresholds: which one rejects, in which order, and where each comes from."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamfilter.config import RejectorConfig
from streamfilter.model import Thresholds
from streamfilter.rejector import ThresholdRejector, make_rejector
from streamfilter.types import Box, Candidate, Rejection, Sighting

FITTED = Thresholds(temperature=2.0, none_class=0.4, max_softmax=0.6, mahalanobis=10.0)


def candidate(softmax: float = 0.9, none: float = 0.05, distance: float = 4.0) -> Candidate:
    return Candidate(Box(0.1, 0.1, 0.3, 0.3), "Ring", softmax, none, distance, 50.0)


def judged(subject: Candidate, **configured: float) -> Sighting:
    (sighting,) = make_rejector(FITTED, RejectorConfig(**configured)).judge([subject])
    return sighting


@pytest.mark.parametrize(
    ("subject", "reason"),
    [
        (candidate(), None),
        (candidate(none=0.41, softmax=0.59), Rejection.NONE_CLASS),
        (candidate(softmax=0.59), Rejection.LOW_SOFTMAX),
        (candidate(distance=10.01), Rejection.FAR),
        (candidate(none=0.41, softmax=0.1, distance=99.0), Rejection.NONE_CLASS),
        (candidate(softmax=0.1, distance=99.0), Rejection.LOW_SOFTMAX),
    ],
)
def test_the_first_threshold_that_is_crossed_gives_the_reason(subject: Candidate, reason: Rejection | None) -> None:
    sighting = judged(subject)
    assert sighting.rejection is reason
    assert sighting.label == ("Ring" if reason is None else None)
    assert sighting.candidate is subject
    assert sighting.score == subject.softmax


def test_what_lies_on_a_threshold_is_accepted() -> None:
    assert judged(candidate(softmax=0.6, none=0.4, distance=10.0)).label == "Ring"


@pytest.mark.parametrize(
    ("subject", "configured", "reason"),
    [
        (candidate(none=0.3), {"none_class": 0.2}, Rejection.NONE_CLASS),
        (candidate(none=0.0001), {"none_class": 0.0}, Rejection.NONE_CLASS),
        (candidate(none=0.41), {"none_class": 1.0}, None),
        (candidate(softmax=0.7), {"max_softmax": 0.8}, Rejection.LOW_SOFTMAX),
        (candidate(softmax=0.1), {"max_softmax": 0.0}, None),
        (candidate(distance=4.0), {"mahalanobis": 3.0}, Rejection.FAR),
        (candidate(distance=50.0), {"mahalanobis": 60.0}, None),
    ],
)
def test_a_configured_threshold_wins_over_the_models_even_where_it_is_zero(
    subject: Candidate, configured: dict[str, float], reason: Rejection | None
) -> None:
    assert judged(subject, **configured).rejection is reason


def test_an_infinite_distance_threshold_rejects_nothing() -> None:
    rejector = make_rejector(Thresholds(), RejectorConfig())
    assert rejector.judge([candidate(distance=1e300)])[0].label == "Ring"
    assert math.isinf(Thresholds().mahalanobis)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 100)), max_size=8))
def test_every_candidate_has_one_sighting_in_order(values: list[tuple[float, float, float]]) -> None:
    subjects = [candidate(softmax, none, distance) for softmax, none, distance in values]
    sightings = ThresholdRejector(none_class=0.5, max_softmax=0.5, mahalanobis=20.0).judge(subjects)
    assert [sighting.candidate for sighting in sightings] == subjects


def test_a_probability_a_rounding_error_above_one_is_still_a_score() -> None:
    assert judged(candidate(softmax=1.0000000002)).score == 1.0
