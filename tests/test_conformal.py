"""Conformal quantiles over clips: coverage by drawing, the plain quantile, and what too few clips can not carry."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from streamfilter.calibration.conformal import clips_needed, lost_share, strictest_kept

limits_of_clips = st.lists(st.lists(st.floats(-5, 5), min_size=1, max_size=4), min_size=1, max_size=30)
shares = st.sampled_from([0.05, 0.1, 0.2, 0.5])


def flat(clips: list[list[float]]) -> tuple[np.ndarray, list[int]]:
    return np.array([v for clip in clips for v in clip]), [i for i, clip in enumerate(clips) for _ in clip]


@pytest.mark.parametrize(("share", "needed"), [(0.5, 1), (0.2, 4), (0.1, 9), (0.05, 19), (0.01, 99), (0.3, 3)])
def test_one_place_must_be_left_for_the_new_clip(share: float, needed: int) -> None:
    assert clips_needed(share) == needed
    limits = np.zeros(needed)
    assert strictest_kept(limits, range(needed), share=share) == 0.0
    assert strictest_kept(limits[1:], range(needed - 1), share=share) == math.inf


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=60), shares)
def test_with_one_appearance_a_clip_it_is_the_split_conformal_quantile(values: list[float], share: float) -> None:
    """Vovk: of n + 1 places, floor(share (n + 1)) may be lost, the new one among them."""
    may_be_lost = math.floor(share * (len(values) + 1) + 1e-9)
    expected = sorted(values, reverse=True)[may_be_lost - 1] if may_be_lost >= 1 else math.inf
    assert strictest_kept(np.array(values), range(len(values)), share=share) == expected


@given(limits_of_clips, shares)
def test_what_is_seen_to_be_lost_at_the_quantile_is_within_the_share(clips: list[list[float]], share: float) -> None:
    limits, owners = flat(clips)
    threshold = strictest_kept(limits, owners, share=share)
    if math.isfinite(threshold):
        assert lost_share(limits, owners, threshold) <= share + 1e-9
        assert threshold in limits


@given(limits_of_clips, shares)
def test_a_clip_that_is_told_twice_over_has_still_one_vote(clips: list[list[float]], share: float) -> None:
    limits, owners = flat(clips)
    doubled = np.concatenate([limits, limits])
    assert strictest_kept(doubled, owners + owners, share=share) == strictest_kept(limits, owners, share=share)
    assert lost_share(doubled, owners + owners, 0.0) == pytest.approx(lost_share(limits, owners, 0.0))


@pytest.mark.parametrize(("clips", "share"), [(12, 0.1), (40, 0.1), (40, 0.05), (9, 0.2)])
def test_an_appearance_in_a_new_clip_is_lost_as_seldom_as_promised_though_clips_differ(
    clips: int, share: float
) -> None:
    rng = np.random.default_rng(5)
    lost, draws = 0.0, 2000
    for _ in range(draws):
        levels = rng.normal(0, 2, clips + 1)  # hard clips and easy ones: their appearances go together
        counts = rng.geometric(0.4, clips + 1)
        limits = [level + rng.normal(0, 0.3, count) for level, count in zip(levels, counts, strict=True)]
        owners = [clip for clip, count in enumerate(counts[:-1]) for _ in range(count)]
        threshold = strictest_kept(np.concatenate(limits[:-1]), owners, share=share)
        lost += float((limits[-1] > threshold).mean())
    assert lost <= stats.binom.ppf(0.999, draws, share)
    assert lost >= stats.binom.ppf(0.001, draws, share - 1 / (clips + 1)), (
        "and not far more seldom: it gives nothing away"
    )


def test_what_no_threshold_keeps_is_lost_at_every_one() -> None:
    limits = np.array([math.inf] * 5 + [0.0] * 5)
    assert strictest_kept(limits, range(10), share=0.2) == math.inf
    assert lost_share(limits, range(10), 100.0) == 0.5
