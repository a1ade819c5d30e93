"""Shrunk covariance and Mahalanobis distance, against scikit-learn and against the formula with an explicit inverse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.covariance import EmpiricalCovariance, LedoitWolf

from streamfilter.rejector.mahalanobis import fit_mahalanobis, ledoit_wolf, mahalanobis


def samples(seed: int, n: int, d: int) -> np.ndarray:
    """Correlated features of very different scales, far from the origin."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) * np.exp(rng.normal(size=d)) + 5.0


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(2, 60), d=st.integers(2, 40))
def test_the_shrunk_covariance_is_scikit_learns(seed: int, n: int, d: int) -> None:
    centered = samples(seed, n, d) - 5.0
    theirs = LedoitWolf(assume_centered=True).fit(centered)
    ours, shrinkage = ledoit_wolf(centered)
    assert shrinkage == pytest.approx(theirs.shrinkage_, abs=1e-9)
    assert np.allclose(ours, theirs.covariance_, rtol=1e-9, atol=1e-9 * np.abs(theirs.covariance_).max())


def test_a_single_dimension_has_nothing_to_shrink_towards_but_itself() -> None:
    centered = samples(1, 9, 1) - 5.0
    assert np.allclose(ledoit_wolf(centered)[0], LedoitWolf(assume_centered=True).fit(centered).covariance_)


def test_samples_without_any_spread_shrink_to_a_multiple_of_the_identity() -> None:
    covariance, shrinkage = ledoit_wolf(np.zeros((4, 3)))
    assert (covariance == 0).all()
    assert shrinkage == 1.0


@pytest.mark.parametrize(("n", "d"), [(400, 6), (30, 64), (7, 200)], ids=["many", "fewer than dimensions", "very few"])
def test_distances_are_scikit_learns_and_the_formulas(n: int, d: int) -> None:
    features = samples(n, n, d).astype(np.float32)
    labels = np.arange(n) % 3
    features += labels[:, None] * 3.0
    means, whitening = fit_mahalanobis(features, labels, 3)
    ours = mahalanobis(features[:50], means, whitening)

    wide = features.astype(np.float64)
    centers = np.array([wide[labels == label].mean(axis=0) for label in range(3)])
    theirs = LedoitWolf(assume_centered=True).fit(wide - centers[labels])
    inverse = np.linalg.inv(theirs.covariance_)
    for label in range(3):
        assert np.allclose(means[label], centers[label])
        away = wide[:50] - centers[label]
        assert np.allclose(ours[:, label], np.sqrt(np.einsum("nd,de,ne->n", away, inverse, away)), rtol=1e-5)
        assert np.allclose(ours[:, label] ** 2, theirs.mahalanobis(away), rtol=1e-5)


def test_with_very_many_samples_shrinkage_hardly_matters() -> None:
    features = samples(3, 20_000, 4)
    plain = EmpiricalCovariance(assume_centered=True).fit(features - features.mean(axis=0))
    means, whitening = fit_mahalanobis(features.astype(np.float32), np.zeros(len(features), np.int64), 1)
    ours = mahalanobis(features[:100].astype(np.float32), means, whitening)[:, 0]
    assert np.allclose(ours**2, plain.mahalanobis(features[:100] - features.mean(axis=0)), rtol=0.02)


def test_a_constant_dimension_gives_finite_distances() -> None:
    features = samples(5, 20, 4).astype(np.float32)
    features[:, 2] = 7.0
    means, whitening = fit_mahalanobis(features, np.zeros(20, np.int64), 1)
    assert np.isfinite(mahalanobis(features, means, whitening)).all()
    means, whitening = fit_mahalanobis(np.ones((5, 3), np.float32), np.zeros(5, np.int64), 1)
    assert np.isfinite(mahalanobis(np.zeros((1, 3), np.float32), means, whitening)).all()


def test_a_class_without_samples_gets_the_mean_of_all() -> None:
    features = samples(6, 12, 5).astype(np.float32)
    means, _ = fit_mahalanobis(features, np.array([0, 2] * 6), 3)
    assert np.allclose(means[1], features.mean(axis=0), rtol=1e-5)
    assert np.allclose(means[2], features[1::2].mean(axis=0), rtol=1e-5)


def test_a_single_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        fit_mahalanobis(np.zeros((1, 3), np.float32), np.zeros(1, np.int64), 1)
