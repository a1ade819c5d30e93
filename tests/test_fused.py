"""The fusion of scores: its regression against SciPy's and scikit-learn's, its p-values by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression
from windows import brief_autoencoder, make_fitting, make_windows

from streamfilter.rejector.conformal import p_values
from streamfilter.rejector.logistic import fit_logistic
from streamfilter.rejector.scores.fused import LEAN, MEMBERS, Fused, fit_weights

FITTING = make_fitting()
RANKED = make_fitting(negatives=0)


@pytest.fixture(scope="module")
def weighted() -> Fused:
    with brief_autoencoder():
        return Fused.fit(FITTING)


@pytest.fixture(scope="module")
def ranked(weighted: Fused) -> Fused:
    return Fused.combine({member.name: member for member in weighted.members}, RANKED)


def problem(
    seed: int, count: int = 200, width: int = 5
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64]]:
    """Correlated columns, one of which points the wrong way, and uneven weights of the samples."""
    rng = np.random.default_rng(seed)
    y = rng.random(count) < 0.4
    slopes = np.linspace(-0.8, 1.5, width)
    x = rng.normal(size=(count, width)) + 0.7 * rng.normal(size=(count, 1)) + y[:, None] * slopes
    return x, y, rng.uniform(0.2, 3, count)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("penalty", [0.003, 0.1])
def test_the_regression_is_the_one_that_scipy_finds_within_the_bounds(seed: int, penalty: float) -> None:
    x, y, weight = problem(seed)

    def loss(beta: NDArray[np.float64]) -> float:
        odds = np.where(y, 1, -1) * (x @ beta[:-1] + beta[-1])
        return float((weight * np.logaddexp(0, -odds)).sum() / weight.sum() + penalty * (beta[:-1] ** 2).sum() / 2)

    theirs = minimize(
        loss, np.zeros(6), method="L-BFGS-B", bounds=[(0, None)] * 5 + [(None, None)], options={"ftol": 1e-14}
    ).x
    ours = fit_logistic(x, y, sample_weight=weight, penalty=penalty)
    assert np.allclose([*ours.weights, ours.bias], theirs, atol=2e-3)
    assert (ours.weights == 0).any()


def test_without_a_column_that_points_the_wrong_way_it_is_scikit_learns() -> None:
    x, y, weight = problem(1)
    x = x[:, 3:]
    ours = fit_logistic(x, y, sample_weight=weight, penalty=0.01)
    theirs = LogisticRegression(C=1 / (0.01 * weight.sum()), tol=1e-10, max_iter=1000).fit(x, y, sample_weight=weight)
    assert (theirs.coef_ > 0).all()
    assert np.allclose(ours.weights, theirs.coef_[0], atol=1e-4)
    assert ours.bias == pytest.approx(theirs.intercept_[0], abs=1e-4)


def test_p_values_count_themselves_and_ties() -> None:
    values = p_values(np.array([1.0, 2.0, 2.0, 3.0]), np.array([0.0, 1.0, 2.0, 2.5, 3.0, 9.0]))
    assert values.tolist() == [1.0, 1.0, 0.8, 0.4, 0.4, 0.2]


@settings(max_examples=50)
@given(st.lists(st.floats(-5, 5), max_size=20), st.lists(st.floats(-5, 5), min_size=1, max_size=10))
def test_p_values_lie_above_zero_and_fall_as_values_rise(reference: list[float], values: list[float]) -> None:
    p = p_values(np.array(reference), np.sort(values))
    assert ((p > 0) & (p <= 1)).all()
    assert (np.diff(p) <= 0).all()


@pytest.mark.parametrize("size", [9, 40, 199])
def test_p_values_of_the_known_are_valid_and_nearly_exact(size: int) -> None:
    rng = np.random.default_rng(size)
    draws = rng.gamma(0.5, size=(4000, size + 1))
    p = np.array([p_values(row[:-1], row[-1:])[0] for row in draws])
    for alpha in (0.05, 0.1, 0.3):
        exact = np.floor(alpha * (size + 1)) / (size + 1)
        noise = 4 * np.sqrt(exact * (1 - exact) / len(draws)) + 1e-9
        assert abs((p <= alpha).mean() - exact) <= noise, "valid: never above α, but for the simulation's own noise"


def test_fused_log_odds_are_those_of_its_members(weighted: Fused) -> None:
    tensors = {name: np.asarray(values, np.float64) for name, values in weighted.tensors().items()}
    features = make_windows(30, 5, head=FITTING.head, strange=True)[0]
    named = features.logits[:, :-1].argmax(axis=1)
    expected = np.full(30, tensors["bias"])
    for column, member in enumerate(weighted.members):
        deviation = (member(features) - tensors["usual"][named, column]) / tensors["spread"][column]
        expected += tensors["weights"][column] * np.clip(deviation, -20, 20)
    assert np.allclose(weighted(features), expected, atol=1e-4)


def test_what_is_usual_for_a_label_leans_on_all_labels_where_there_are_few(weighted: Fused) -> None:
    assert FITTING.held is not None
    usual = weighted.tensors()["usual"]
    values = weighted.members[0](FITTING.held)
    named = FITTING.held.logits[:, :-1].argmax(axis=1)
    own, count = np.median(values[named == 0]), int((named == 0).sum())
    assert usual[0, 0] == pytest.approx((count * own + LEAN * np.median(values)) / (count + LEAN), rel=1e-5)


def test_with_negatives_strangers_of_another_kind_score_higher_than_logos(weighted: Fused) -> None:
    known, strange = (make_windows(200, 30 + s, head=FITTING.head, strange=bool(s))[0] for s in (0, 1))
    assert (weighted(strange)[:, None] > weighted(known)).mean() > 0.85


def test_without_negatives_the_score_is_the_mean_of_ranks(ranked: Fused) -> None:
    assert RANKED.held is not None
    assert "weights" not in ranked.tensors()
    values = ranked(RANKED.held)
    assert ((values >= 0) & (values < 1)).all()
    assert values.mean() == pytest.approx(0.5, abs=0.01), "the logos that it was fitted to have every rank once"
    strange = make_windows(100, 31, head=RANKED.head, strange=True)[0]
    assert (ranked(strange)[:, None] > values).mean() > 0.75


def test_every_source_counts_the_same_however_many_strangers_it_has() -> None:
    rng = np.random.default_rng(3)
    known = rng.normal(0, 1, (300, 2))
    few, many = rng.normal([3, 0], 1, (10, 2)), rng.normal([0, 3], 1, (1000, 2))
    sources = np.array([0] * 10 + [1] * 1000)
    even = fit_weights(known, np.concatenate([few, many]), sources)
    again = fit_weights(known, np.concatenate([few, many[:10].repeat(100, axis=0)]), sources)
    assert 0.5 < even.weights[0] / even.weights[1] < 2
    assert again.weights[0] > 0


def test_the_penalty_is_the_one_that_does_best_on_the_source_left_out() -> None:
    rng = np.random.default_rng(4)
    known = rng.normal(0, 1, (400, 2))
    alike = rng.normal([2, 2], 1, (400, 2))
    unlike = np.concatenate([rng.normal([9, 0.3], 1, (200, 2)), rng.normal([0.3, 9], 1, (200, 2))])
    sources = np.repeat([0, 1], 200)
    lax, strict = (fit_weights(known, strange, sources).weights for strange in (alike, unlike))
    assert np.linalg.norm(lax) > np.linalg.norm(strict), "what one source teaches says little of the other"


def test_fitted_members_are_used_and_not_fitted_again(weighted: Fused) -> None:
    again = Fused.combine({member.name: member for member in weighted.members}, FITTING)
    assert all(a is b for a, b in zip(again.members, weighted.members, strict=True))
    features = make_windows(30, 5, head=FITTING.head)[0]
    assert np.array_equal(again(features), weighted(features))
    parts = {name.partition(".")[0] for name in weighted.tensors() if "." in name}
    assert parts <= {member.name for member in MEMBERS}
