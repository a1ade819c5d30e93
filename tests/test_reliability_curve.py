"""The curve from scores to probabilities: against scikit-learn, and on scores whose worth is known."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from streamfilter.calibration.probabilities import FEW, fit_scores
from streamfilter.calibration.reliability import fit_curve, held_out
from streamfilter.evaluation.reliability import calibration_error
from streamfilter.evaluation.times import Truth
from streamfilter.probability import ProbabilityCurve
from streamfilter.types import Box, Candidate, Event, Evidence, Exposure


def drawn(curve: ProbabilityCurve, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Scores, and whether each is right with the probability that the curve gives it."""
    rng = np.random.default_rng(seed)
    scores = rng.uniform(0.02, 0.98, count)
    return scores, rng.random(count) < [curve(score) for score in scores]


def test_the_fit_is_the_logistic_regression_of_scikit_learn() -> None:
    scores, right = drawn(ProbabilityCurve(1.4, 0.6, -0.8), 600)
    inputs = np.stack([np.log(scores), -np.log1p(-scores)], axis=1)
    other = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(inputs, right)
    curve = fit_curve(scores, right, stay=0.0)
    assert (curve.a, curve.b, curve.c) == pytest.approx((*other.coef_[0], other.intercept_[0]), rel=1e-3)


@pytest.mark.parametrize("truth", [ProbabilityCurve(2.0, 0.5, -1.0), ProbabilityCurve(0.5, 2.0, 1.0)])
def test_the_curve_that_made_the_labels_is_found_again(truth: ProbabilityCurve) -> None:
    curve = fit_curve(*drawn(truth, 20_000))
    for score in (0.1, 0.3, 0.5, 0.7, 0.9):
        assert curve(score) == pytest.approx(truth(score), abs=0.02)


def test_scores_that_are_worth_the_less_the_higher_they_are_give_no_falling_curve() -> None:
    scores, right = drawn(ProbabilityCurve(1.0, 1.0, 0.0), 500)
    curve = fit_curve(scores, ~right)
    assert min(curve.a, curve.b) >= 0
    assert curve(0.9) >= curve(0.1)


def test_few_events_that_are_all_right_do_not_make_certainty() -> None:
    curve = fit_curve(np.array([0.6, 0.7]), np.array([True, True]))
    assert 0.6 < curve(0.6) < 0.95


def test_the_error_falls_on_clips_that_were_left_out() -> None:
    scores, right = drawn(ProbabilityCurve(1.0, 1.0, -2.0), 600)
    clips = [str(i // 20) for i in range(600)]
    before = calibration_error(scores, right)[0]
    after = calibration_error(held_out(scores, right, clips), right)[0]
    assert after < before / 2


def test_a_single_clip_has_no_other_to_be_fitted_on() -> None:
    scores, right = drawn(ProbabilityCurve(), 30)
    assert held_out(scores, right, ["one"] * 30).tolist() == scores.tolist()


def event(start_s: float, score: float, label: str = "Ring") -> Event:
    candidate = Candidate(Box(0.1, 0.1, 0.3, 0.3), label, score, 0.1, 3.0, 50.0)
    evidence, exposure = Evidence(4, 4, {}, 0.0, 1.0), Exposure(1, 1, 0.1, 0.1, 0.2, 0.2, 1.0)
    return Event(label, start_s, start_s + 1, 0, 1, 0, score, candidate, evidence, exposure, ())


def test_an_event_is_right_where_the_truth_shows_its_label() -> None:
    truth = [Truth("Ring", 0.0, 1.0, "hard"), Truth("Star", 10.0, 11.0, "clear")]
    fit = fit_scores([("a", [event(0.2, 0.9), event(5.0, 0.6), event(10.0, 0.7)], truth), ("b", [event(0.0, 0.8)], [])])
    assert (fit.right, fit.wrong, fit.curve) == (1, 3, None)
    assert fit.error_before == fit.error_after > 0


def test_enough_right_and_wrong_events_give_a_curve() -> None:
    rights = [event(i, 0.9) for i in range(FEW)]
    wrongs = [event(i, 0.4) for i in range(FEW)]
    truth = [Truth("Ring", 0.0, FEW + 1.0, "clear")]
    fit = fit_scores([("a", rights, truth), ("b", wrongs, [])])
    assert fit.curve is not None
    assert fit.curve(0.9) > 0.9 > 0.4 > fit.curve(0.4)


def test_no_event_at_all_is_no_error() -> None:
    assert fit_scores([]).error_before == 0.0
