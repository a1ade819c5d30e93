"""Bounds on counts and shares: against SciPy, and by drawing clips whose rates are known."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from streamfilter.calibration.bound import (
    ALIKE,
    count_chance,
    count_upper,
    effective_clips,
    hours_needed,
    likeness,
    rate_upper,
    share_chance,
    share_upper,
)
from streamfilter.calibration.choosing import Bound, choose, measure_footage, thresholds_to_try

LEVELS = (30.0, 10.0, 3.0, 1.0)
"""Events an hour at four thresholds, the loosest first."""

events_seen = st.integers(0, 400)
confidences = st.floats(0.5, 0.999)


@given(events_seen, confidences)
def test_the_poisson_bound_is_that_of_garwood(events: int, confidence: float) -> None:
    garwood = stats.chi2.ppf(confidence, 2 * events + 2) / 2
    assert count_upper(events, confidence=confidence) == pytest.approx(garwood, rel=1e-9)


@given(events_seen, st.floats(0.01, 500), st.floats(0.05, 100))
def test_the_chance_of_few_events_is_that_of_scipy(events: int, mean: float, shape: float) -> None:
    assert count_chance(events, mean) == pytest.approx(stats.poisson.cdf(events, mean), rel=1e-8, abs=1e-290)
    negative_binomial = stats.nbinom.cdf(events, shape, shape / (shape + mean))
    assert count_chance(events, mean, shape) == pytest.approx(negative_binomial, rel=1e-8, abs=1e-290)


@given(st.integers(1, 500), st.data(), confidences)
def test_the_bound_on_a_share_is_that_of_clopper_and_pearson(
    trials: int, data: st.DataObject, confidence: float
) -> None:
    hits = data.draw(st.integers(0, trials - 1))
    expected = stats.beta.ppf(confidence, hits + 1, trials - hits)
    assert share_upper(hits, trials, confidence=confidence) == pytest.approx(expected, rel=1e-7)
    assert share_chance(hits, trials, expected) == pytest.approx(stats.binom.cdf(hits, trials, expected), rel=1e-7)


def test_what_always_hits_may_always_hit() -> None:
    assert share_upper(5, 5, confidence=0.95) == 1.0
    assert share_chance(5, 5, 1.0) == 1.0
    assert share_chance(4, 5, 1.0) == 0.0
    assert share_chance(0, 5, 0.0) == 1.0


@given(st.integers(0, 50), st.floats(0.1, 100), confidences)
def test_clips_that_differ_never_lower_a_bound(events: int, shape: float, confidence: float) -> None:
    alike = count_upper(events, confidence=confidence)
    assert count_upper(events, confidence=confidence, shape=shape) >= alike
    assert count_upper(events, confidence=confidence, shape=1e7) == pytest.approx(alike, rel=1e-3)


def test_no_event_gives_the_rule_of_three() -> None:
    assert rate_upper(0, 0.4, confidence=0.95) == pytest.approx(7.5, abs=0.02)
    assert hours_needed(1.0, 0.4, confidence=0.95, shape=1e9) - 0.4 == pytest.approx(2.6, abs=0.01)


def test_without_an_hour_nothing_is_promised() -> None:
    assert rate_upper(0, 0.0, confidence=0.95) == math.inf
    assert effective_clips([]) == 0.0


@given(st.floats(0.05, 20), st.floats(0.1, 50), st.floats(0.5, 40))
def test_the_hours_needed_carry_what_was_wanted_and_no_fewer_do(per_hour: float, hours: float, shape: float) -> None:
    needed = hours_needed(per_hour, hours, confidence=0.95, shape=shape)
    for factor, holds in ((1.001, True), (0.999, False)):
        length = needed * factor
        carried = rate_upper(0, length, confidence=0.95, shape=shape * length / hours)
        assert (carried <= per_hour) is holds


def test_clips_of_one_length_are_as_many_as_they_are_and_one_long_one_counts_once() -> None:
    assert effective_clips([0.5] * 8) == pytest.approx(8)
    assert effective_clips([100.0, 0.01, 0.01]) == pytest.approx(1, abs=0.01)


def test_events_that_come_in_few_clips_show_that_clips_differ() -> None:
    hours = [0.2] * 20
    spread = [[2] * 20]
    clustered = [[0] * 19 + [40]]
    assert likeness(spread, hours) == pytest.approx(ALIKE)
    assert likeness(clustered, hours) < 0.05
    assert likeness([*spread, *clustered], hours) == likeness(clustered, hours)
    assert likeness([[0] * 19 + [4]], hours) == ALIKE, "too few events to tell"


@pytest.mark.parametrize("shape", [0.1, 0.4])
def test_the_shape_of_the_rates_is_found_again(shape: float) -> None:
    rng = np.random.default_rng(3)
    hours = rng.exponential(0.3, 1500) + 0.02
    counts = rng.poisson(rng.gamma(shape, 10 / shape, 1500) * hours)
    assert likeness([counts.tolist()], hours.tolist()) == pytest.approx(shape, rel=0.15)


def drawn_rates(kind: str, clips: int, rng: np.random.Generator) -> np.ndarray:
    """Rates of clips with the mean 1."""
    if kind == "alike":
        return np.ones(clips)
    if kind == "lognormal":
        spread = math.log(3)
        return rng.lognormal(-spread / 2, math.sqrt(spread), clips)
    if kind == "a fifth of the clips":
        return (rng.random(clips) < 0.2) / 0.2
    return rng.gamma(float(kind.split()[1]), 1 / float(kind.split()[1]), clips)


def drawn_footage(kind: str, clips: int, mean_hours: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Hours per clip, and events per threshold and clip: stricter thresholds keep some of the events of looser ones."""
    hours = rng.exponential(mean_hours, clips) + 0.02
    counts = [rng.poisson(drawn_rates(kind, clips, rng) * hours * LEVELS[0])]
    for looser, stricter in itertools.pairwise(LEVELS):
        counts.append(rng.binomial(counts[-1], stricter / looser))
    return hours, np.array(counts)


@pytest.mark.parametrize("kind", ["alike", "gamma 1", "gamma 0.5", "gamma 0.25", "lognormal", "a fifth of the clips"])
@pytest.mark.parametrize(("clips", "mean_hours"), [(30, 0.3), (100, 0.1)])
def test_the_promise_holds_where_clips_differ_far_more_than_chance(kind: str, clips: int, mean_hours: float) -> None:
    rng = np.random.default_rng(11)
    draws, broken = 200, 0
    for _ in range(draws):
        hours, counts = drawn_footage(kind, clips, mean_hours, rng)
        bound = measure_footage(counts.tolist(), hours.tolist(), confidence=0.95)
        strict_first = counts[::-1].sum(axis=1).tolist()
        # The strictest of these thresholds yields a hair more than is wanted: to choose any of them breaks the promise.
        choice = choose([0.0, 1.0, 2.0, 3.0], strict_first, bound, wanted_per_hour=0.999, own=-1.0)
        broken += choice.is_as_wanted
    assert broken <= stats.binom.ppf(0.99, draws, 0.05)


def test_counts_taken_for_poisson_would_break_the_promise_on_such_clips() -> None:
    rng = np.random.default_rng(11)
    broken = 0
    for _ in range(200):
        hours, counts = drawn_footage("gamma 0.25", 30, 0.3, rng)
        broken += rate_upper(int(counts[-1].sum()), hours.sum(), confidence=0.95) <= 0.999
    assert broken > stats.binom.ppf(0.999, 200, 0.05)


FIRM = Bound(hours=10.0, clips=50, shape=50.0, confidence=0.95)


def test_the_loosest_threshold_within_what_is_wanted_is_chosen() -> None:
    limit = next(n for n in range(100) if FIRM.per_hour(n) > 1.0)
    choice = choose([0.0, 1.0, 2.0, 3.0], [0, limit - 1, limit, 0], FIRM, wanted_per_hour=1.0, own=0.5)
    assert (choice.threshold, choice.events, choice.per_hour, choice.is_as_wanted) == (1.0, limit - 1, 1.0, True)


def test_the_first_threshold_beyond_what_is_wanted_ends_the_search() -> None:
    assert choose([0.0, 1.0, 2.0], [0, 99, 0], FIRM, wanted_per_hour=1.0, own=0.5).threshold == 0.0


@pytest.mark.parametrize(("own", "expected"), [(0.5, 0.5), (1.0, 1.0), (2.0, 1.0), (9.0, 1.0)])
def test_too_little_footage_keeps_to_what_was_quiet_and_never_loosens_the_models_own(
    own: float, expected: float
) -> None:
    little = Bound(hours=0.4, clips=500, shape=500.0, confidence=0.95)
    steps = sorted({0.0, 1.0, 2.0, own})
    events = [0 if step <= 1.0 else 1 for step in steps]
    choice = choose(steps, events, little, wanted_per_hour=1.0, own=own)
    assert not choice.is_as_wanted
    assert choice.threshold == expected
    assert choice.events == 0
    assert choice.per_hour == pytest.approx(7.5, abs=0.1)
    assert choice.missing_hours == pytest.approx(2.6, abs=0.1)


@given(st.lists(st.floats(-10, 10), max_size=400), st.lists(st.floats(-10, 10), max_size=50), st.floats(-10, 10))
def test_thresholds_to_try_begin_where_no_stranger_passes_and_hold_the_models_own(
    strangers: list[float], logos: list[float], own: float
) -> None:
    steps = thresholds_to_try(np.array(strangers), np.array(logos), own)
    assert steps == sorted(set(steps))
    assert own in steps
    assert max([own, *strangers, *logos]) == steps[-1]
    assert not strangers or steps[0] < min(strangers)
    assert len(steps) < 200
