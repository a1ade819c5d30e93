"""The dial: candidates judged without their features, from what was measured, as a run judges them with all."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Self

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import LABELS, tiny_model

from streamfilter.calibration.dial import Dial
from streamfilter.config import RejectorConfig
from streamfilter.errors import ConfigError
from streamfilter.model import Model, Thresholds
from streamfilter.rejector import make_rejector
from streamfilter.rejector.scores import Head
from streamfilter.rejector.scores.base import Fitting, Floats, Tensors
from streamfilter.types import Box, Candidate, Features


class FirstEmbedding:
    """A score that is plain to see."""

    name: ClassVar[str] = "first"

    def __call__(self, features: Features) -> Floats:
        return features.embeddings[:, 0].astype(np.float64)

    def tensors(self) -> Tensors:
        return {}

    @classmethod
    def fit(cls, training: Fitting) -> Self:
        return cls()

    @classmethod
    def restore(cls, tensors: Tensors, head: Head) -> Self:
        return cls()


PLAIN = tiny_model(thresholds=Thresholds(max_softmax=0.5, none_class=0.6, mahalanobis=20.0))
SCORED = replace(
    PLAIN,
    thresholds=Thresholds(max_softmax=0.3, none_class=0.6, score="first", scores={"first": 0.25}),
    scores={"first": FirstEmbedding()},
)
probabilities = st.floats(0, 1)
candidates = st.builds(
    lambda label, softmax, none, distance, value: Candidate(
        Box(0.1, 0.1, 0.2, 0.2),
        label,
        softmax,
        none,
        distance,
        50.0,
        features=Features(np.zeros((1, 3), np.float32), np.array([[value, 0]], np.float32), np.ones(1)),
    ),
    st.sampled_from(LABELS),
    probabilities,
    probabilities,
    st.floats(0, 40),
    st.floats(-2, 2, width=32),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(candidates, max_size=6), st.floats(-2, 2))
def test_a_score_is_measured_once_and_decides_as_it_would_with_all_features(
    found: list[Candidate], threshold: float
) -> None:
    dial = Dial(SCORED, RejectorConfig())
    stripped = [replace(one, features=None) for one in found]
    mine = dial.decide(stripped, dial.measure(found), threshold)
    rejector = make_rejector(SCORED.thresholds, RejectorConfig(score_threshold=threshold), SCORED.scores)
    assert [(s.label, s.rejection, s.score) for s in mine] == [
        (s.label, s.rejection, s.score) for s in rejector.judge(found)
    ]


@settings(max_examples=60, deadline=None)
@given(st.lists(candidates, max_size=6), probabilities)
def test_where_no_score_decides_the_softmax_is_turned(found: list[Candidate], threshold: float) -> None:
    dial = Dial(PLAIN, RejectorConfig())
    rejector = make_rejector(PLAIN.thresholds, RejectorConfig(max_softmax=threshold))
    mine = dial.decide(found, dial.measure(found), -threshold)
    assert [(s.label, s.rejection) for s in mine] == [(s.label, s.rejection) for s in rejector.judge(found)]


@pytest.mark.parametrize(("model", "own", "setting"), [(PLAIN, 0.5, "max_softmax"), (SCORED, 0.25, "score_threshold")])
def test_what_is_written_is_what_a_run_then_takes(model: Model, own: float, setting: str) -> None:
    dial = Dial(model, RejectorConfig())
    assert dial.setting == f"rejector.{setting}"
    assert dial.value(dial.own) == own
    written = dial.written(model.thresholds, dial.own - 0.125)
    again = Dial(replace(model, thresholds=written), RejectorConfig())
    assert again.own == dial.own - 0.125
    assert again.value(again.own) == again.value(dial.own - 0.125)


@pytest.mark.parametrize(
    ("model", "config"),
    [
        (PLAIN, RejectorConfig(max_softmax=0.7)),
        (SCORED, RejectorConfig(score_threshold=0.7)),
    ],
)
def test_the_setting_that_is_looked_for_can_not_be_set(model: Model, config: RejectorConfig) -> None:
    with pytest.raises(ConfigError, match=r"is what calibrate looks for"):
        Dial(model, config)
    assert Dial(SCORED, RejectorConfig(max_softmax=0.4)).own == 0.25, "only a gate where a score decides"
