"""Every score against another implementation of its paper, and what holds for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pytorch_ood.detector import GEN, KNN, EnergyBased, MaxLogit, ReAct, ViM
from scipy.special import logsumexp
from scipy.special import softmax as scipy_softmax
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors
from windows import CLASSES, WIDTH, brief_autoencoder, make_fitting, make_head, make_windows

from streamfilter.model.network import NetworkShape, build_network
from streamfilter.model.scores import head_of
from streamfilter.rejector.scores import SCORES, Fitting, Score, fit_scores
from streamfilter.rejector.scores.base import log_sum_exp, margins, normalised
from streamfilter.rejector.scores.knn import NEIGHBOUR, Knn, evenly
from streamfilter.rejector.scores.mahalanobis import Mahalanobis
from streamfilter.rejector.scores.max_softmax import MaxSoftmax
from streamfilter.rejector.scores.odin import TEMPERATURE, Odin
from streamfilter.rejector.scores.relative_mahalanobis import RelativeMahalanobis
from streamfilter.rejector.scores.vim import PRINCIPAL, Vim
from streamfilter.types import Features

FITTING = make_fitting()
PLAIN = make_fitting(head=make_head(sized=False))
"""Windows whose size does not matter: what networks of papers know."""
LOOKED_AT = make_windows(40, 11, head=FITTING.head)[0]


@pytest.fixture(scope="module", autouse=True)
def brief() -> Iterator[None]:
    with brief_autoencoder():
        yield


@pytest.fixture(scope="module")
def fitted(brief: None) -> dict[str, Score]:
    return fit_scores(FITTING)


def tensor(values: NDArray[np.floating]) -> torch.Tensor:
    return torch.from_numpy(np.asarray(values, np.float32))


def test_logits_of_an_embedding_are_those_that_the_network_gives_its_window() -> None:
    for none in (1, 3):
        network = build_network(NetworkShape("resnet18", CLASSES, reduced=8, embedding=WIDTH, none_classes=none))
        generator = torch.Generator().manual_seed(none)
        for values in (network.head.weight, network.window_gain, network.window_bias):
            values.data.normal_(0, 0.3, generator=generator)
        embeddings = torch.rand((9, WIDTH), generator=generator)
        windows = torch.randint(2, 20, (9, 4), generator=generator)
        with torch.inference_mode():
            means = torch.nn.functional.linear(embeddings, network.head.weight.flatten(1), network.head.bias)
            expected = network.window_logits(means[None], windows)[0].numpy()
        cells = windows[:, 2:].prod(dim=1).numpy().astype(np.float64)
        assert np.allclose(head_of(network).logits(embeddings.numpy(), cells), expected, atol=1e-4)


def test_max_softmax_is_one_less_scipys_likeliest_label() -> None:
    chances = scipy_softmax(LOOKED_AT.logits.astype(np.float64) / 1.3, axis=1)[:, :-1].max(axis=1)
    assert np.allclose(MaxSoftmax.fit(FITTING)(LOOKED_AT), 1 - chances, atol=1e-6)


def test_max_softmax_tells_certainties_apart_that_differ_by_less_than_rounding() -> None:
    logits = np.array([[50.0, 0, 0], [60.0, 0, 0]], np.float32)
    values = MaxSoftmax(1.0)(Features(logits, np.zeros((2, 1), np.float32), np.ones(2)))
    assert 0 < values[1] < values[0] < 1e-20


@pytest.mark.parametrize(("name", "theirs"), [("max_logit", MaxLogit.score), ("energy", EnergyBased.score)])
def test_logit_scores_are_pytorch_oods_on_margins(
    fitted: dict[str, Score], name: str, theirs: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    assert np.allclose(fitted[name](LOOKED_AT), theirs(tensor(margins(LOOKED_AT.logits))).numpy(), atol=1e-4)


def test_energy_is_the_log_odds_of_none_of_the_above(fitted: dict[str, Score]) -> None:
    none = scipy_softmax(LOOKED_AT.logits.astype(np.float64), axis=1)[:, -1]
    assert np.allclose(fitted["energy"](LOOKED_AT), np.log(none / (1 - none)))


def test_log_sum_exp_is_scipys_far_beyond_what_exp_can_hold() -> None:
    values = np.random.default_rng(0).normal(0, 2000, (50, 4))
    assert np.allclose(log_sum_exp(values), logsumexp(values, axis=1))


def test_gen_is_pytorch_oods_when_none_of_the_above_is_spread_over_the_labels(fitted: dict[str, Score]) -> None:
    mild = Features(LOOKED_AT.logits / 4, LOOKED_AT.embeddings, LOOKED_AT.cells)  # theirs cuts chances below 1e-7
    chances = scipy_softmax(mild.logits.astype(np.float64), axis=1)
    spread = chances[:, :-1] + chances[:, -1:] / CLASSES
    theirs = GEN.score(tensor(np.log(spread)), gamma=0.1).numpy() * CLASSES  # and is a mean
    assert np.allclose(fitted["gen"](mild), theirs, atol=1e-3)


def test_react_is_pytorch_oods_energy_behind_the_clipped_layer() -> None:
    head = PLAIN.head
    weight, bias = tensor(head.weight[:-1] - head.weight[-1]), tensor(head.bias[:-1] - head.bias[-1])
    ceiling = float(np.percentile(PLAIN.known.embeddings, 99))
    theirs = ReAct(torch.nn.Identity(), lambda z: z @ weight.T + bias, threshold=ceiling)
    features = make_windows(40, 11, head=head)[0]
    assert np.allclose(
        SCORES["react"].fit(PLAIN)(features), theirs.predict(tensor(features.embeddings)).numpy(), atol=1e-3
    )


def test_vim_is_pytorch_oods_with_as_many_directions() -> None:
    head, score = PLAIN.head, Vim.fit(PLAIN)
    weight, bias = tensor(head.weight[:-1] - head.weight[-1]), tensor(head.bias[:-1] - head.bias[-1])
    theirs = ViM(None, d=score.tensors()["basis"].shape[1], w=weight, b=bias)
    theirs.fit_features(tensor(PLAIN.known.embeddings), torch.from_numpy(PLAIN.labels))
    features = make_windows(40, 11, head=head)[0]
    expected = theirs.predict_features(tensor(features.embeddings)).numpy()
    assert np.allclose(score(features), expected, rtol=1e-3, atol=1e-2)


def test_vims_directions_hold_the_share_that_a_pca_around_its_origin_says() -> None:
    tensors = Vim.fit(PLAIN).tensors()
    around = PLAIN.known.embeddings - tensors["origin"]
    shares = PCA().fit(np.concatenate([around, -around])).explained_variance_ratio_.cumsum()  # the mean is the origin
    count = tensors["basis"].shape[1]
    assert shares[count - 1] >= PRINCIPAL > (shares[count - 2] if count > 1 else 0.0)


def test_knn_is_scikit_learns_and_pytorch_oods() -> None:
    score, rows = Knn.fit(FITTING), normalised(LOOKED_AT.embeddings)
    bank = normalised(FITTING.known.embeddings)
    nearest = NearestNeighbors(n_neighbors=NEIGHBOUR, metric="cosine").fit(bank).kneighbors(rows)[0][:, -1]
    assert np.allclose(score(LOOKED_AT), nearest, atol=2e-3)  # the bank is kept as float16
    theirs = KNN(None, k=NEIGHBOUR).fit_features(tensor(FITTING.known.embeddings), torch.from_numpy(FITTING.labels))
    euclidean = theirs.predict_features(tensor(LOOKED_AT.embeddings)).numpy()
    assert np.corrcoef(np.sqrt(2 * score(LOOKED_AT)), euclidean)[0, 1] > 0.999


def test_the_bank_takes_as_many_windows_of_each_label_as_there_are() -> None:
    labels = np.array([0] * 100 + [1] * 5 + [2] * 100)
    chosen = evenly(labels, 45, seed=0)
    assert np.bincount(labels[chosen]).tolist() == [20, 5, 20]
    assert len(set(chosen)) == 45
    assert np.array_equal(evenly(labels, 1000, seed=0), np.arange(205))


def whitened(
    rows: NDArray[np.floating], labels: NDArray[np.int64], queries: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Squared distances to every label's mean under scikit-learn's shrunk covariance of the labels' samples."""
    means = np.stack([rows[labels == label].mean(axis=0) for label in np.unique(labels)])
    fit = LedoitWolf(assume_centered=True).fit(rows - means[labels])
    return np.stack([LedoitWolf.mahalanobis(_shifted(fit, mean), queries) for mean in means], axis=1)


def _shifted(fit: LedoitWolf, mean: NDArray[np.floating]) -> LedoitWolf:
    fit.location_ = mean
    return fit


def test_mahalanobis_is_scikit_learns_distance_to_the_nearest_mean() -> None:
    rows = FITTING.known.embeddings.astype(np.float64)
    expected = np.sqrt(whitened(rows, FITTING.labels, LOOKED_AT.embeddings).min(axis=1))
    assert np.allclose(Mahalanobis.fit(FITTING)(LOOKED_AT), expected, rtol=1e-3)


def test_relative_mahalanobis_is_scikit_learns_less_the_distance_to_all_that_was_taught() -> None:
    assert FITTING.strange is not None
    rows, queries = normalised(FITTING.known.embeddings), normalised(LOOKED_AT.embeddings)
    taught = np.concatenate([rows, normalised(FITTING.strange.embeddings)])
    of_all = whitened(taught, np.zeros(len(taught), np.int64), queries)[:, 0]
    expected = whitened(rows, FITTING.labels, queries).min(axis=1) - of_all
    assert np.allclose(RelativeMahalanobis.fit(FITTING)(LOOKED_AT), expected, rtol=1e-3, atol=1e-2)


def test_the_autoencoder_gives_back_what_it_was_taught_and_not_what_it_was_not(fitted: dict[str, Score]) -> None:
    score = fitted["vae"]
    flipped = Features(LOOKED_AT.logits, LOOKED_AT.embeddings[:, ::-1].copy(), LOOKED_AT.cells)
    assert np.median(score(LOOKED_AT)) < 0.7 * np.median(score(flipped))


def test_the_autoencoders_error_is_the_one_that_torch_computes(fitted: dict[str, Score]) -> None:
    weights = {name: torch.from_numpy(values) for name, values in fitted["vae"].tensors().items()}
    rows = (tensor(normalised(LOOKED_AT.embeddings)) - weights["mean"]) / weights["deviation"]

    def layer(values: torch.Tensor, name: str) -> torch.Tensor:
        return torch.nn.functional.linear(values, weights[f"{name}_weight"], weights[f"{name}_bias"])

    back = layer(layer(layer(layer(rows, "encode").relu(), "code"), "decode").relu(), "restore")
    expected = torch.nn.functional.mse_loss(back, rows, reduction="none").mean(dim=1).numpy()
    assert np.allclose(fitted["vae"](LOOKED_AT), expected, rtol=1e-4)


def test_odin_reads_the_perturbed_logits_and_the_others_where_there_are_none() -> None:
    other = LOOKED_AT.logits[::-1].copy()
    perturbed = Features(LOOKED_AT.logits, LOOKED_AT.embeddings, LOOKED_AT.cells, other)
    for features, logits in ((LOOKED_AT, LOOKED_AT.logits), (perturbed, other)):
        chances = scipy_softmax(logits.astype(np.float64) / TEMPERATURE, axis=1)
        assert np.allclose(Odin()(features), 1 - chances[:, :-1].max(axis=1))


@pytest.mark.parametrize("name", sorted(SCORES))
def test_a_restored_score_says_the_same_to_the_last_bit(fitted: dict[str, Score], name: str) -> None:
    tensors = {part: np.array(values) for part, values in fitted[name].tensors().items()}
    assert all(values.dtype in (np.float16, np.float32) for values in tensors.values())
    again = SCORES[name].restore(tensors, FITTING.head)
    assert np.array_equal(again(LOOKED_AT), fitted[name](LOOKED_AT))
    back = again.tensors()
    assert back.keys() == tensors.keys()
    assert all(np.array_equal(back[part], tensors[part]) for part in tensors)


@pytest.mark.parametrize("name", sorted(set(SCORES) - {"fused"}))
def test_the_same_fit_gives_the_same_score(fitted: dict[str, Score], name: str) -> None:
    assert np.array_equal(SCORES[name].fit(FITTING)(LOOKED_AT), fitted[name](LOOKED_AT))


@pytest.mark.parametrize("name", sorted(SCORES))
def test_one_window_is_measured_as_it_is_among_many_and_none_is_none(fitted: dict[str, Score], name: str) -> None:
    values = fitted[name](LOOKED_AT)
    assert values.shape == (40,)
    assert values.dtype == np.float64
    assert np.isfinite(values).all()
    assert np.allclose(fitted[name](LOOKED_AT.rows(slice(7, 8))), values[7], rtol=1e-5, atol=1e-6)
    assert fitted[name](LOOKED_AT.rows(slice(0, 0))).shape == (0,)


@pytest.mark.parametrize("name", sorted(SCORES))
def test_strangers_are_less_familiar_than_logos(fitted: dict[str, Score], name: str) -> None:
    strange = make_windows(200, 21, head=FITTING.head, strange=True)[0]
    known = make_windows(200, 22, head=FITTING.head)[0]
    assert (fitted[name](strange)[:, None] > fitted[name](known)).mean() > 0.6


@pytest.mark.parametrize("name", ["max_softmax", "max_logit", "energy", "gen", "odin", "vim"])
def test_more_for_the_likeliest_label_is_never_less_familiar(fitted: dict[str, Score], name: str) -> None:
    logits = np.tile(np.array([[1.0, 0.5, -1.0, 0.0, 0.7]], np.float32), (30, 1))
    logits[:, 0] += np.linspace(0, 12, 30)
    features = Features(logits, np.tile(LOOKED_AT.embeddings[:1], (30, 1)), np.full(30, 64.0))
    assert (np.diff(fitted[name](features)) <= 1e-12).all()


@pytest.mark.parametrize("name", ["max_softmax", "max_logit", "energy", "gen", "odin", "vim"])
def test_more_for_none_of_the_above_is_less_familiar(fitted: dict[str, Score], name: str) -> None:
    logits = np.tile(np.array([[3.0, 0.5, -1.0, 0.0, 0.0]], np.float32), (30, 1))
    logits[:, -1] += np.linspace(0, 8, 30)
    features = Features(logits, np.tile(LOOKED_AT.embeddings[:1], (30, 1)), np.full(30, 64.0))
    assert (np.diff(fitted[name](features)) > 0).all()


@pytest.mark.parametrize("name", sorted(SCORES))
def test_a_score_is_fitted_to_two_windows_of_one_label_and_nothing_else(name: str) -> None:
    few = Fitting(known=FITTING.known.rows(slice(0, 2)), labels=np.array([1, 1]), head=FITTING.head)
    assert np.isfinite(SCORES[name].fit(few)(LOOKED_AT)).all()


@pytest.mark.parametrize("name", ["mahalanobis", "relative_mahalanobis", "knn", "vim", "vae", "react", "max_softmax"])
def test_tensors_that_do_not_fit_are_refused(fitted: dict[str, Score], name: str) -> None:
    tensors = dict(fitted[name].tensors())
    for part, values in tensors.items():
        with pytest.raises(ValueError, match=f"{part} is missing"):
            SCORES[name].restore({p: v for p, v in tensors.items() if p != part}, FITTING.head)
        for wrong in (np.full_like(values, np.nan), np.ones((*values.shape, 2), np.float32)):
            with pytest.raises(ValueError, match=part):
                SCORES[name].restore({**tensors, part: wrong}, FITTING.head)


def test_material_that_does_not_belong_together_is_refused() -> None:
    with pytest.raises(ValueError, match="2 labels"):
        Fitting(known=LOOKED_AT, labels=np.zeros(2, np.int64), head=FITTING.head)
    with pytest.raises(ValueError, match="one for every negative"):
        Fitting(known=LOOKED_AT, labels=np.zeros(40, np.int64), head=FITTING.head, negatives=LOOKED_AT)
