"""The losses against pytorch-ood, scikit-learn and formulas by hand; every one with finite gradients."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_ood.loss import EntropicOpenSetLoss, ObjectosphereLoss
from sklearn.cluster import KMeans
from torch.nn import functional as F

from streamfilter.classifier.windows import window_grid, window_means
from streamfilter.config import TrainConfig
from streamfilter.model import DenseResNet, NetworkShape, build_network
from streamfilter.model.network import collapse
from streamfilter.training.losses.entropic import Entropic, entropic
from streamfilter.training.losses.none_class import NoneClass, Weighted
from streamfilter.training.losses.none_clusters import NoneClusters, kmeans, nearest
from streamfilter.training.losses.objective import Objective, make_objective
from streamfilter.training.losses.objectosphere import objectosphere
from streamfilter.training.losses.picked import Picked, WindowLoss, window_embeddings

LABELS, WIDTH = 3, 6
WINDOWS = torch.from_numpy(window_grid(4, 6))


def picked_of(*, none_classes: int = 1, count: int = 12, seed: int = 0) -> Picked:
    """Windows of every label and of none, with gradient."""
    generator = torch.Generator().manual_seed(seed)
    return Picked(
        logits=(3 * torch.randn((count, LABELS + none_classes), generator=generator)).requires_grad_(True),
        embeddings=torch.rand((count, WIDTH), generator=generator).requires_grad_(True),
        windows=WINDOWS[torch.randint(len(WINDOWS), (count,), generator=generator)],
        targets=torch.arange(count) % (LABELS + 1),
        weights=torch.rand((count,), generator=generator),
        labels=LABELS,
    )


def as_outliers(targets: torch.Tensor) -> torch.Tensor:
    """Targets as pytorch-ood has them: negative for none of the labels."""
    return torch.where(targets == LABELS, -1, targets)


def network_of(none_classes: int = 1) -> DenseResNet:
    torch.manual_seed(0)
    network = build_network(
        NetworkShape("resnet18", LABELS, reduced=8, embedding=WIDTH, none_classes=none_classes)
    ).eval()
    network.head.weight.data.normal_()
    return network


@given(st.integers(0, 10_000), st.floats(0.1, 20.0))
@settings(deadline=None, max_examples=25)
def test_the_entropic_loss_is_pytorch_oods(seed: int, scale: float) -> None:
    picked = picked_of(seed=seed)
    logits = (scale * picked.logits[:, :LABELS]).detach().requires_grad_(True)
    ours, theirs = entropic(logits, picked.targets), EntropicOpenSetLoss("none")(logits, as_outliers(picked.targets))
    assert torch.allclose(ours, theirs, atol=1e-5)
    (gradient,) = torch.autograd.grad(ours.sum(), logits, retain_graph=True)
    (expected,) = torch.autograd.grad(theirs.sum(), logits)
    assert torch.allclose(gradient, expected, atol=1e-5)


@given(st.integers(0, 10_000), st.floats(0.1, 5.0))
@settings(deadline=None, max_examples=25)
def test_the_objectosphere_term_is_pytorch_oods_beyond_its_entropic_part(seed: int, radius: float) -> None:
    picked = picked_of(seed=seed)
    logits, embeddings = picked.logits[:, :LABELS].detach(), picked.embeddings
    theirs = ObjectosphereLoss(alpha=1.0, xi=radius, reduction="none")(logits, embeddings, as_outliers(picked.targets))
    ours = objectosphere(embeddings, picked.is_known, radius)
    assert torch.allclose(ours, theirs - entropic(logits, picked.targets), atol=1e-4)
    (gradient,) = torch.autograd.grad(ours.sum(), embeddings, retain_graph=True)
    (expected,) = torch.autograd.grad(theirs.sum(), embeddings)
    assert torch.allclose(gradient, expected, atol=1e-4)


def test_one_none_class_is_pytorchs_cross_entropy_by_weight() -> None:
    picked = picked_of()
    loss, whole = Objective(NoneClass())(picked)
    rows = zip(picked.logits.detach(), picked.targets, picked.weights, strict=True)
    terms = [float(F.cross_entropy(logits[None], target[None], label_smoothing=0.02) * w) for logits, target, w in rows]
    assert float(loss.detach()) == pytest.approx(sum(terms) / float(picked.weights.sum()), rel=1e-5)
    assert whole is picked


def test_nothing_to_learn_from_is_no_loss_and_no_gradient() -> None:
    picked = picked_of(count=0)
    loss, _ = Objective(NoneClass(), length=0.1, radius=2.0)(picked)
    loss.backward()
    assert float(loss.detach()) == 0.0


def test_the_weighted_loss_is_its_formula_by_hand() -> None:
    picked = picked_of()
    logits = picked.logits.detach().double().numpy()
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    targets = picked.targets.numpy()
    expected = -np.log(chances[np.arange(len(targets)), targets]) / np.where(targets == LABELS, LABELS, 1)
    assert np.allclose(Weighted(NoneClass(smoothing=0.0))(picked).detach().numpy(), expected, atol=1e-5)


def test_the_pair_of_losses_is_the_sum_of_both_by_hand() -> None:
    picked = picked_of()
    loss, _ = Objective(Weighted(NoneClass(smoothing=0.0)), length=0.3, radius=1.5)(picked)
    length = np.linalg.norm(picked.embeddings.detach().double().numpy(), axis=1)
    sphere = np.where(picked.is_known.numpy(), np.maximum(1.5 - length, 0) ** 2, length**2)
    terms = Weighted(NoneClass(smoothing=0.0))(picked).detach().double().numpy() + 0.3 * sphere
    weights = picked.weights.double().numpy()
    assert float(loss.detach()) == pytest.approx(float((terms * weights).sum() / weights.sum()), rel=1e-5)


def test_an_embedding_of_zeros_has_a_finite_gradient() -> None:
    embeddings = torch.zeros((2, 4), requires_grad=True)
    objectosphere(embeddings, torch.tensor([True, False]), 2.0).sum().backward()
    assert embeddings.grad is not None
    assert bool(embeddings.grad.isfinite().all())


def test_none_of_the_entropic_loss_has_the_odds_of_likeness_to_uniform() -> None:
    network = network_of()
    Entropic(network)
    embeddings = 4 * torch.rand(len(WINDOWS), WIDTH)
    logits = network.embedding_logits(embeddings, WINDOWS).detach()
    chances = logits[:, :LABELS].softmax(1)
    divergence = (1 / LABELS) * (1 / LABELS / chances).log().sum(1)
    odds = logits.softmax(1)[:, LABELS] / (1 - logits.softmax(1)[:, LABELS])
    assert torch.allclose(odds, (-divergence).exp(), rtol=1e-3)
    shared = logits[:, :LABELS] + 7.0
    assert torch.allclose(shared.mean(1) - logits[:, :LABELS].mean(1), torch.tensor(7.0))


def test_mining_takes_the_negatives_of_the_largest_entropic_loss() -> None:
    network = network_of()
    Entropic(network)
    logits = network.embedding_logits(4 * torch.rand(len(WINDOWS), WIDTH), WINDOWS).detach()
    strangeness = logits[:, :LABELS].logsumexp(1) - logits[:, LABELS]
    losses = entropic(logits[:, :LABELS], torch.full((len(WINDOWS),), LABELS))
    assert torch.allclose(strangeness, losses - math.log(LABELS), atol=1e-4)


def test_the_entropic_none_follows_the_labels_and_moves_nothing_but_its_bias() -> None:
    network = network_of()
    loss = Entropic(network)
    embeddings = torch.rand(len(WINDOWS), WIDTH)
    picked = replace(
        picked_of(count=len(WINDOWS)), windows=WINDOWS, logits=network.embedding_logits(embeddings, WINDOWS)
    )
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
    full = loss(picked).mean()
    bare = entropic(picked.logits[:, :LABELS], picked.targets).mean()
    (expected,) = torch.autograd.grad(bare, network.head.weight, retain_graph=True)
    optimiser.zero_grad()
    full.backward()
    assert network.head.weight.grad is not None
    assert torch.allclose(network.head.weight.grad, expected, atol=1e-6)
    assert network.window_bias.grad is not None
    assert bool(network.window_bias.grad.any())
    optimiser.step()
    loss.after_step(picked)
    assert torch.allclose(network.head.weight[LABELS], network.head.weight[:LABELS].mean(0))


@pytest.mark.parametrize("seed", range(4))
def test_kmeans_ends_where_scikit_learns_does_from_the_same_start(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    corners = torch.tensor([[0.0, 0.0], [5.0, 0.0], [0.0, 5.0]])
    points = torch.cat([corner + torch.randn((40, 2), generator=generator) for corner in corners])
    start = points[torch.randperm(len(points), generator=generator)[:3]]
    theirs = KMeans(3, init=start.double().numpy(), n_init=1, tol=0).fit(points.double().numpy())
    ours = kmeans(points.double(), 3, start=start.double())
    assert np.allclose(ours.numpy(), theirs.cluster_centers_, atol=1e-8)
    assert np.array_equal(nearest(points.double(), ours).numpy(), theirs.labels_)
    alone = kmeans(points, 3, seed=seed)
    assert float(torch.cdist(corners, alone).amin(1).max()) < 1.0


def test_a_centre_without_points_stays_and_equal_points_do_no_harm() -> None:
    points = torch.ones(5, 2)
    start = torch.tensor([[1.0, 1.0], [9.0, 9.0]])
    assert torch.equal(kmeans(points, 2, start=start), start)
    assert torch.equal(kmeans(points, 2, seed=3), torch.ones(2, 2))


def test_negatives_are_one_class_until_they_were_clustered_and_then_each_its_clusters() -> None:
    loss = NoneClusters(2, WIDTH, steps=7, smoothing=0.0)
    picked = picked_of(none_classes=2, count=16)
    sides = torch.zeros(16, WIDTH)
    sides[torch.arange(16), (torch.arange(16) % 8 == LABELS).long()] = 1.0
    picked = replace(picked, embeddings=sides)
    together = F.cross_entropy(collapse(picked.logits, LABELS), picked.targets, reduction="none")
    assert loss.is_warming_up
    assert torch.allclose(loss(picked), together)
    loss.after_step(picked)
    assert not loss.is_warming_up
    own = LABELS + nearest(sides, loss.centres)
    assert len(set(own[~picked.is_known].tolist())) == 2
    apart = F.cross_entropy(picked.logits, torch.where(picked.is_known, picked.targets, own), reduction="none")
    assert torch.allclose(loss(picked), apart)
    assert torch.allclose(loss(picked)[picked.is_known], together[picked.is_known])


def test_too_few_negatives_are_not_clustered() -> None:
    loss = NoneClusters(5, WIDTH, steps=1)
    loss.after_step(picked_of(none_classes=5, count=8))
    assert loss.is_warming_up


@pytest.mark.parametrize("of", ["none_class", "entropic", "weighted", "clusters", "clustered"])
def test_every_loss_has_finite_gradients_and_learns_from_them(of: str) -> None:
    network = network_of(none_classes=2 if of.startswith("cluster") else 1)
    loss: WindowLoss = NoneClass()
    if of == "entropic":
        loss = Entropic(network)
    elif of == "weighted":
        loss = Weighted(NoneClass(smoothing=0.0))
    elif of.startswith("cluster"):
        loss = NoneClusters(2, WIDTH, steps=1 if of == "clustered" else 1000)
    objective = Objective(loss, length=0.01, radius=3.0)
    embeddings = torch.rand(len(WINDOWS), WIDTH, requires_grad=True)
    plain = picked_of(count=len(WINDOWS))
    optimiser = torch.optim.Adam([embeddings, *network.head.parameters(), network.window_bias], lr=0.05)
    losses = []
    for _ in range(30):
        logits = network.embedding_logits(embeddings, WINDOWS)
        total, whole = objective(replace(plain, logits=logits, embeddings=embeddings, windows=WINDOWS))
        optimiser.zero_grad()
        total.backward()
        for parameter in (embeddings, network.head.weight, network.window_bias):
            assert parameter.grad is not None
            assert bool(parameter.grad.isfinite().all())
        optimiser.step()
        objective.after_step(whole)
        losses.append(float(total.detach()))
    assert losses[-1] < 0.8 * losses[1]


def test_window_embeddings_are_the_means_of_their_windows() -> None:
    cells = torch.randn((3, WIDTH, 4, 6), generator=torch.Generator().manual_seed(0))
    every = window_means(cells, WINDOWS)
    scenes, chosen = [0, 2, 2, 1], [5, 0, 9, 3]
    assert torch.allclose(window_embeddings(cells, scenes, WINDOWS[chosen]), every[scenes, chosen], atol=1e-6)
    assert window_embeddings(cells, [], WINDOWS[[]]).shape == (0, WIDTH)


@pytest.mark.parametrize(
    ("changes", "needs"),
    [
        ({}, False),
        ({"loss": "entropic"}, False),
        ({"loss": "weighted"}, False),
        ({"none_classes": 4}, True),
        ({"loss": "weighted", "none_classes": 4}, True),
        ({"objectosphere": 0.1}, True),
        ({"synthetic": {"pushed": 0.1}}, True),
        ({"synthetic": {"adversarial": 0.1}}, True),
        ({"synthetic": {"erased": 0.1}}, False),
    ],
)
def test_embeddings_are_only_read_where_something_needs_them(changes: dict[str, object], *, needs: bool) -> None:
    config = TrainConfig(**changes)  # type: ignore[arg-type]
    objective = make_objective(network_of(config.none_classes), config, steps=10)
    assert objective.needs_embeddings is needs
