"""Metrics, against scikit-learn where it has them and against slow and obvious code where not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics as sk

from streamfilter.evaluation.bootstrap import estimate, resample
from streamfilter.evaluation.curve import (
    FALSE_ALARM_RATES,
    Curve,
    aupr_in,
    aupr_out,
    auroc,
    best_accuracy,
    correct_at_false_alarm_rate,
    detection_error,
    fpr_when_known_accepted,
    known_lost_when_unknown_rejected,
    measure_curve,
    oscr_area,
    trace,
)
from streamfilter.evaluation.decisions import confusion, measure_decisions
from streamfilter.evaluation.reliability import calibration_error, reliability

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
ONE = np.ones


def sample(seed: int, known: int = 60, unknown: int = 40, levels: int | None = None) -> tuple[Floats, Flags, Flags]:
    """Unfamiliarity, is_known and is_right of drawn samples; with few `levels` most of them are tied."""
    rng = np.random.default_rng(seed)
    values = np.concatenate([rng.normal(0, 1, known), rng.normal(1.2, 1, unknown)])
    if levels is not None:
        values = np.round(values * levels) / levels
    is_known = np.arange(known + unknown) < known
    is_right = is_known & (rng.random(known + unknown) < 0.85)
    order = rng.permutation(len(values))
    return values[order], is_known[order], is_right[order]


drawn = st.builds(
    sample,
    st.integers(0, 10_000),
    known=st.integers(1, 50),
    unknown=st.integers(1, 50),
    levels=st.sampled_from([None, 1, 3]),
)


def accepted_shares(values: Floats, is_known: Flags, is_right: Flags) -> list[tuple[float, float, float]]:
    """K, C and U at every threshold, counted one by one."""
    rows = []
    for threshold in [-np.inf, *sorted(set(values.tolist()))]:
        accepted = values <= threshold
        rows.append(
            (
                float(accepted[is_known].mean()),
                float((accepted & is_right).sum() / is_known.sum()),
                float(accepted[~is_known].mean()),
            )
        )
    return rows


@given(drawn)
@settings(deadline=None)
def test_areas_and_precisions_agree_with_scikit_learn(case: tuple[Floats, Flags, Flags]) -> None:
    values, is_known, is_right = case
    curve = trace(values, is_known, is_right)
    assert auroc(curve)[0] == pytest.approx(sk.roc_auc_score(is_known, -values))
    assert aupr_in(curve)[0] == pytest.approx(sk.average_precision_score(is_known, -values))
    assert aupr_out(curve)[0] == pytest.approx(sk.average_precision_score(~is_known, values))


@given(drawn)
@settings(deadline=None)
def test_rates_at_thresholds_agree_with_counting(case: tuple[Floats, Flags, Flags]) -> None:
    values, is_known, is_right = case
    curve, rows = trace(values, is_known, is_right), accepted_shares(*case)
    slack = 1e-9
    assert fpr_when_known_accepted(curve)[0] == pytest.approx(min(u for k, _, u in rows if k >= 0.95 - slack))
    lost = min(1 - k for k, _, u in rows if u <= 0.05 + slack)
    assert known_lost_when_unknown_rejected(curve)[0] == pytest.approx(lost)
    assert detection_error(curve)[0] == pytest.approx(min((1 - k + u) / 2 for k, _, u in rows))
    for rate in FALSE_ALARM_RATES:
        expected = max(c for _, c, u in rows if u <= rate + slack)
        assert correct_at_false_alarm_rate(curve, rate)[0] == pytest.approx(expected)
    known, unknown = is_known.sum(), (~is_known).sum()
    best = max((c * known + (1 - u) * unknown) / len(values) for _, c, u in rows)
    assert best_accuracy(curve)[0] == pytest.approx(best)


@given(drawn)
@settings(deadline=None)
def test_the_oscr_area_is_the_chance_that_a_right_known_sample_is_more_familiar_than_an_unknown_one(
    case: tuple[Floats, Flags, Flags],
) -> None:
    values, is_known, is_right = case
    right, unknown = values[is_right], values[~is_known]
    wins = (right[:, None] < unknown).sum() + 0.5 * (right[:, None] == unknown).sum()
    curve = trace(values, is_known, is_right)
    assert oscr_area(curve)[0] == pytest.approx(wins / (is_known.sum() * len(unknown)))
    assert oscr_area(curve)[0] <= auroc(curve)[0] + 1e-12


def test_the_two_conventions_of_the_rate_at_95_percent_differ_where_they_should() -> None:
    is_known = np.arange(40) < 20
    values = np.concatenate([np.arange(20.0), np.full(18, 30.0), [5.5, 18.5]])
    curve = trace(values, is_known, is_known)
    assert fpr_when_known_accepted(curve)[0] == pytest.approx(1 / 20)  # 19 of 20 lie at 18 or below: 5.5 comes along
    assert known_lost_when_unknown_rejected(curve)[0] == pytest.approx(1 / 20)  # 5.5 may be accepted, 18.5 not


@given(drawn, st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_weights_count_a_sample_as_often_as_they_say(case: tuple[Floats, Flags, Flags], seed: int) -> None:
    values, is_known, is_right = case
    weights = resample(np.arange(len(values)), is_known.astype(np.int64), rounds=2, rng=np.random.default_rng(seed))
    weighted = measure_curve(trace(values, is_known, is_right, weights))
    for row, counts in enumerate(weights.astype(int)):
        rows = np.repeat(np.arange(len(values)), counts)
        repeated = measure_curve(trace(values[rows], is_known[rows], is_right[rows]))
        for name, value in repeated.items():
            assert weighted[name][row] == pytest.approx(value[0]), name


def test_perfect_separation_is_perfect_in_every_metric() -> None:
    is_known = np.arange(10) < 6
    found = measure_curve(trace(np.arange(10.0), is_known, is_known))
    worst_is_best = {"detection_error", "fpr_when_95_of_known_accepted", "known_lost_when_95_of_unknown_rejected"}
    for name, value in found.items():
        assert value[0] == (0.0 if name in worst_is_best else pytest.approx(1.0)), name


@pytest.mark.parametrize("is_known", [np.ones(3, bool), np.zeros(3, bool)])
def test_a_curve_needs_both_kinds(is_known: Flags) -> None:
    with pytest.raises(ValueError, match="known and unknown"):
        trace(np.zeros(3), is_known, is_known)


def test_an_unfamiliarity_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="not a number"):
        trace(np.array([0.0, np.nan]), np.array([True, False]), np.array([True, False]))


def test_a_curve_begins_with_nothing_accepted_and_ends_with_everything() -> None:
    values, is_known, is_right = sample(1)
    curve = trace(values, is_known, is_right)
    assert isinstance(curve, Curve)
    assert (curve.known_share[0, [0, -1]] == [0, 1]).all()
    assert (curve.unknown_share[0, [0, -1]] == [0, 1]).all()
    assert (np.diff(curve.thresholds) > 0).all()


@pytest.mark.parametrize("seed", range(5))
def test_decisions_agree_with_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, decided = rng.integers(0, 5, 80), rng.integers(0, 5, 80)
    decided = np.where(rng.random(80) < 0.6, truth, decided)
    found = measure_decisions(truth, decided, ONE((1, 80)), classes=5)
    assert found["open_set_accuracy"][0] == pytest.approx(sk.accuracy_score(truth, decided))
    expected = sk.f1_score(truth, decided, labels=np.unique(truth), average="macro")
    assert found["macro_f1"][0] == pytest.approx(expected)
    assert (confusion(truth, decided, 5) == sk.confusion_matrix(truth, decided, labels=range(5))).all()


def test_known_samples_are_right_wrong_or_rejected() -> None:
    truth, decided = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 1, 2, 1, 2, 0])
    found = {name: value[0] for name, value in measure_decisions(truth, decided, ONE((1, 6)), classes=3).items()}
    shares = found["known_named_right"], found["known_named_wrong"], found["known_rejected"]
    assert shares == (0.5, 0.25, 0.25)
    assert found["unknown_accepted"] == 0.5


@given(st.integers(0, 1000), st.integers(1, 200), st.integers(1, 20))
@settings(deadline=None)
def test_the_calibration_error_agrees_with_slow_binning(seed: int, count: int, bins: int) -> None:
    rng = np.random.default_rng(seed)
    confidence, is_right = rng.random(count), rng.random(count) < 0.5
    expected = 0.0
    for index in range(bins):
        low, high = index / bins, (index + 1) / bins
        inside = [i for i, c in enumerate(confidence) if low < c <= high]
        if inside:
            gap = abs(np.mean([is_right[i] for i in inside]) - np.mean([confidence[i] for i in inside]))
            expected += gap * len(inside) / count
    assert reliability(confidence, is_right, bins=bins).error == pytest.approx(expected, abs=1e-12)
    assert calibration_error(confidence, is_right, bins=bins)[0] == pytest.approx(expected, abs=1e-12)


def test_bins_of_confidence_hold_their_edges() -> None:
    diagram = reliability(np.array([0.0, 0.5, 1.0]), np.array([False, True, True]), bins=2)
    assert diagram.counts.tolist() == [2, 1]
    assert diagram.accuracy.tolist() == [0.5, 1.0]


def test_resamples_draw_whole_groups_and_keep_the_size_of_each_stratum() -> None:
    groups = np.array([0, 0, 0, 1, 2, 3, 3])
    strata = np.array([0, 0, 0, 0, 0, 1, 1])
    weights = resample(groups, strata, rounds=50, rng=np.random.default_rng(0))
    assert (weights[:, [0, 0]] == weights[:, 1:3]).all()
    assert (weights[:, 0] + weights[:, 3] + weights[:, 4] == 3).all()
    assert (weights[:, 5:] == 1).all()


def test_an_interval_is_the_same_for_the_same_seed_only() -> None:
    values, is_known, is_right = sample(3)
    strata, groups = is_known.astype(np.int64), np.arange(len(values))

    def found(seed: int) -> dict[str, object]:
        return dict(estimate(lambda w: measure_curve(trace(values, is_known, is_right, w)), groups, strata, seed=seed))

    assert found(1) == found(1)
    assert found(1) != found(2)


def test_one_group_has_no_interval() -> None:
    found = estimate(lambda weights: {"mean": weights.mean(axis=1)}, np.zeros(4, np.int64), np.zeros(4, np.int64))
    assert (found["mean"].value, found["mean"].low, found["mean"].high) == (1.0, None, None)


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    """Unfamiliarities N(0, 1) and N(1.2, 1): the true AUROC is Φ(1.2 / √2)."""
    truth, covered, rounds = 0.80193, 0, 300
    rng = np.random.default_rng(0)
    is_known = np.arange(160) < 80
    for _ in range(rounds):
        values = rng.normal(np.where(is_known, 0.0, 1.2), 1.0)
        found = estimate(
            lambda w, v=values: {"auroc": auroc(trace(v, is_known, is_known, w))},
            np.arange(160),
            is_known.astype(np.int64),
            rounds=300,
        )["auroc"]
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= truth <= found.high
    assert 0.90 <= covered / rounds <= 0.985


def test_intervals_over_groups_are_wider_where_samples_of_a_group_are_alike() -> None:
    rng = np.random.default_rng(5)
    clips = np.repeat(np.arange(20), 10)
    values = rng.normal(size=20)[clips] + 0.01 * rng.normal(size=200)

    def width(groups: NDArray[np.int64]) -> float:
        found = estimate(lambda w: {"mean": w @ values / w.sum(axis=1)}, groups, np.zeros(200, np.int64))["mean"]
        assert found.low is not None
        assert found.high is not None
        return found.high - found.low

    assert width(clips) > 2 * width(np.arange(200))
