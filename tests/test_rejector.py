"""Three thresholds: which one rejects, in which order, and where each comes from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamfilter.config import RejectorConfig
from streamfilter.errors import ConfigError
from streamfilter.model import Thresholds
from streamfilter.rejector import Gates, ThresholdRejector, make_rejector
from streamfilter.rejector.scores import Score
from streamfilter.rejector.scores.base import Unfitted
from streamfilter.rejector.scores.max_softmax import MaxSoftmax
from streamfilter.rejector.scores.odin import Odin
from streamfilter.types import Box, Candidate, Features, Rejection, Sighting

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
    sightings = ThresholdRejector(Gates(none_class=0.5, max_softmax=0.5, mahalanobis=20.0)).judge(subjects)
    assert [sighting.candidate for sighting in sightings] == subjects


def test_a_probability_a_rounding_error_above_one_is_still_a_score() -> None:
    assert judged(candidate(softmax=1.0000000002)).score == 1.0


@dataclass(frozen=True)
class FirstChannel(Unfitted):
    """A score that says what stands in the first channel of the embedding."""

    name: ClassVar[str] = "first"

    def __call__(self, features: Features) -> np.ndarray:
        return features.embeddings[:, 0].astype(np.float64)


SCORED = FITTED.with_threshold("first", 3.0).with_threshold("max_softmax", 0.2)
SCORES: dict[str, Score] = {"first": FirstChannel(), "max_softmax": MaxSoftmax(1.0)}


def with_features(first: float, *, softmax: float = 0.9, none: float = 0.05, distance: float = 4.0) -> Candidate:
    """Its logits say the same as its probabilities."""
    logits = np.log(np.array([[softmax, 1 - softmax - none, none]], np.float32))
    features = Features(logits, np.array([[first, 0.0]], np.float32), np.ones(1))
    return Candidate(Box(0.1, 0.1, 0.3, 0.3), "Ring", softmax, none, distance, 50.0, features=features)


def scored(subject: Candidate, **configured: object) -> Rejection | None:
    config = RejectorConfig.model_validate({"score": "first", **configured})
    return make_rejector(SCORED, config, SCORES).judge([subject])[0].rejection


def test_what_is_beyond_the_scores_threshold_is_far_and_what_is_on_it_is_not() -> None:
    assert scored(with_features(3.0)) is None
    assert scored(with_features(3.01)) is Rejection.FAR
    assert scored(with_features(3.01), score_threshold=4.0) is None
    assert scored(with_features(0.01), score_threshold=0.0) is Rejection.FAR


def test_gates_give_their_reason_before_the_score() -> None:
    assert scored(with_features(9.0, softmax=0.55, none=0.41)) is Rejection.NONE_CLASS
    assert scored(with_features(9.0, softmax=0.55)) is Rejection.LOW_SOFTMAX


def test_the_fitted_distance_is_no_second_threshold_beside_a_score() -> None:
    assert scored(with_features(0.0, distance=10.01)) is None
    assert scored(with_features(0.0, distance=10.01), mahalanobis=10.0) is Rejection.FAR
    assert scored(with_features(9.0, distance=10.01), score="none") is Rejection.FAR
    assert scored(with_features(9.0), score="none") is None


def test_auto_is_the_score_that_was_chosen_last_and_its_reason_is_its_own() -> None:
    assert SCORED.score == "max_softmax"
    assert scored(with_features(9.0, softmax=0.81), score="auto") is None
    assert scored(with_features(9.0, softmax=0.79), score="auto") is Rejection.LOW_SOFTMAX
    assert scored(with_features(9.0, softmax=0.79), score="auto", max_softmax=0.7) is None
    assert scored(with_features(9.0, softmax=0.79), score="auto", max_softmax=0.7, score_threshold=0.1) is not None


def test_one_threshold_moves_and_the_measured_values_stay() -> None:
    rejector = make_rejector(SCORED, RejectorConfig(score="first"), SCORES)
    subjects = [with_features(float(first)) for first in range(6)]
    values = rejector.measure(subjects)
    assert values.tolist() == [0, 1, 2, 3, 4, 5]
    for threshold in (-1.0, 2.0, 2.5, 9.0):
        moved = rejector.with_threshold(threshold)
        assert moved.decide(subjects, values) == moved.judge(subjects)
        assert [s.label is not None for s in moved.judge(subjects)] == [v <= threshold for v in values]


def test_a_candidate_without_features_is_left_to_the_gates() -> None:
    rejector = make_rejector(SCORED, RejectorConfig(score="first"), SCORES)
    known, bare, far = rejector.judge([with_features(1.0), candidate(), with_features(9.0)])
    assert (known.rejection, bare.rejection, far.rejection) == (None, None, Rejection.FAR)
    assert rejector.judge([]) == ()


def test_a_score_that_the_model_does_not_have_is_one_clear_error() -> None:
    with pytest.raises(ConfigError, match="'frist': this model has first, max_softmax"):
        scored(candidate(), score="frist")
    with pytest.raises(ConfigError, match="no score at all"):
        make_rejector(FITTED, RejectorConfig(score="knn"))


def test_odin_needs_nothing_but_a_threshold() -> None:
    with pytest.raises(ConfigError, match="set rejector"):
        scored(candidate(), score="odin")
    subject = with_features(0.0)
    assert subject.features is not None
    value = float(Odin()(subject.features)[0])
    assert scored(subject, score="odin", score_threshold=value) is None
    assert scored(subject, score="odin", score_threshold=value - 1e-9) is Rejection.FAR
