"""The closer look: cuts lie where the box lies, its fit is the one that other software finds, and it helps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.special import softmax as scipy_softmax
from sklearn.linear_model import LogisticRegression
from test_classifier import CPU, RED, color_model, picture_with
from tiny import tiny_model
from torch import nn
from torch.nn import functional as F

from streamfilter.classifier import make_classifier
from streamfilter.classifier.boxes import GROWN, MOST_STRETCHED
from streamfilter.classifier.closer import CloserLook, blend, cut_out
from streamfilter.classifier.runtimes import TorchRuntime
from streamfilter.classifier.runtimes.base import close_maps
from streamfilter.model import DenseResNet, load_model, save_model
from streamfilter.model.closer import Closer, Cut, describe_closer, pack_closer, restore_closer
from streamfilter.model.device import choose_compute
from streamfilter.training.closer import (
    MODESTY,
    PENALTY,
    close_logits,
    evened,
    fit_closer,
    fit_linear,
    fit_to_more,
    weighed,
)
from streamfilter.training.closeups import CloseUps
from streamfilter.training.scene import SceneFacts
from streamfilter.training.spotting import Spots, found_in, join_spots, spot_labels
from streamfilter.training.targets import IGNORE
from streamfilter.training.validation import Found
from streamfilter.types import Features, Pixels

ROWS, WIDTH = 3, 512
NO_CLOSE_UPS = CloseUps(np.zeros((0, 0), np.float32), np.zeros(0, np.int64))
NOWHERE = SceneFacts(np.zeros((0, 4)), np.zeros(0, np.int64))


def closer(seed: int = 0, *, favours: int | None = None) -> Closer:
    """A random closer look of the tiny model; `favours`: one that always says this class."""
    rng = np.random.default_rng(seed)
    weight = torch.from_numpy(rng.normal(0, 0.1, (ROWS, WIDTH))).float()
    bias = torch.zeros(ROWS)
    if favours is not None:
        weight, bias = torch.zeros(ROWS, WIDTH), torch.eye(ROWS)[favours] * 40
    return Closer(weight, bias, 64, dense=0.5, close=2.0, none=0.25)


def spots(
    facts: list[SceneFacts], rows: Sequence[tuple[int, tuple[float, float, float, float], tuple[float, float, float]]]
) -> Spots:
    """Spots with their scene, box (x, y, width, height) and logits."""
    logits = np.array([row[2] for row in rows], np.float32)
    features = Features(logits, np.zeros((len(rows), 2), np.float32), np.ones(len(rows)))
    return Spots(
        tuple(facts),
        np.array([row[0] for row in rows], np.int64),
        np.array([row[1] for row in rows]),
        features,
        np.zeros((len(rows), 4), np.float32),
        np.zeros((0, 4), np.float32),
        np.zeros(0, np.int64),
        np.zeros(len(rows)),
    )


def separable(seed: int, count: int = 240, *, noise: float = 0.6) -> Spots:
    """Scenes with one spot each, of which the dense pass knows little and the closer look much."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, ROWS, count)
    facts = [
        NOWHERE if label == ROWS - 1 else SceneFacts(np.array([[0.2, 0.2, 0.6, 0.6]]), np.array([label]))
        for label in labels
    ]
    made = spots(facts, [(i, (0.2, 0.2, 0.4, 0.4), (0.0, 0.0, 0.0)) for i in range(count)])
    logits = rng.normal(0, 2, (count, ROWS)).astype(np.float32)
    close = rng.normal(0, noise, (count, 8)).astype(np.float32)
    close[np.arange(count), labels] += 1
    return replace(made.with_logits(logits), close=close, true_close=np.zeros((0, 8), np.float32))


@pytest.mark.parametrize("cut", ["box", "square"])
@pytest.mark.parametrize("size", [(40, 40), (160, 40), (30, 120), (200, 10)])
def test_a_cut_shows_the_box_in_its_middle_at_one_size(size: tuple[int, int], cut: Cut) -> None:
    width, height = size
    picture = picture_with((RED, (50, 40, width, height)))
    shown = cut_out(picture, np.array([50 / 256, 40 / 192, width / 256, height / 192]), 96, cut)
    longest = max(size)
    least = longest / MOST_STRETCHED if cut == "box" else longest
    expected = (96 / GROWN * width / max(width, least), 96 / GROWN * height / max(height, least))
    check_red(shown, *expected)


def check_red(cut: Pixels, width: float, height: float) -> None:
    """Red is in the middle of a cut, this wide and high."""
    is_red = np.abs(cut.astype(int) - RED).max(axis=2) < 40
    rows, columns = np.flatnonzero(is_red.any(axis=1)), np.flatnonzero(is_red.any(axis=0))
    assert cut.shape == (96, 96, 3)
    assert len(columns) == pytest.approx(width, abs=4)
    assert len(rows) == pytest.approx(height, abs=4)
    assert (rows[0] + rows[-1]) / 2 == pytest.approx(47.5, abs=1.5)
    assert (columns[0] + columns[-1]) / 2 == pytest.approx(47.5, abs=1.5)


def test_what_lies_outside_the_picture_repeats_its_edge() -> None:
    picture = picture_with((RED, (0, 0, 40, 192)))
    cut = cut_out(picture, np.array([-0.2, 0.2, 0.3, 0.3]), 64)
    assert (np.abs(cut[:, :32].astype(int) - RED).max(axis=2) < 10).all()


def test_both_opinions_are_added_with_their_weights() -> None:
    rng = np.random.default_rng(0)
    dense, close = rng.normal(0, 1, (5, ROWS)).astype(np.float32), rng.normal(0, 1, (5, ROWS))
    expected = 0.5 * dense + 2 * close + [0, 0, 0.25]
    np.testing.assert_allclose(blend(dense, close, closer(), np.zeros(5)), expected, rtol=1e-6)


def test_the_odds_that_a_box_is_a_mark_speak_against_none_of_the_above() -> None:
    rng = np.random.default_rng(0)
    dense, close = rng.normal(0, 1, (5, ROWS)).astype(np.float32), rng.normal(0, 1, (5, ROWS))
    odds = rng.normal(0, 3, 5)
    expected = 0.5 * dense + 2 * close + [0, 0, 0.25]
    expected[:, 2] -= 0.5 * odds
    np.testing.assert_allclose(blend(dense, close, replace(closer(), mark=0.5), odds), expected, rtol=1e-5)


def test_odds_that_know_more_than_both_looks_count_more() -> None:
    rng = np.random.default_rng(5)
    taught, held = separable(0, noise=3.0), separable(1, noise=3.0)
    told = 2 * np.where(spot_labels(held) < ROWS - 1, 1.0, -1.0) + rng.normal(0, 0.5, len(held.scene))
    plain = fit_closer(taught, NO_CLOSE_UPS, held)
    fitted = fit_closer(taught, NO_CLOSE_UPS, replace(held, odds=told))
    assert plain is not None
    assert fitted is not None
    assert fitted.mark > 1
    logits = close_logits(fitted, replace(held, odds=told)).features.logits
    is_none = logits.argmax(axis=1) == ROWS - 1
    assert (is_none == (spot_labels(held) == ROWS - 1)).mean() > 0.95


@pytest.mark.parametrize("seed", range(12))
def test_weights_of_opinions_stay_finite_however_few_and_easy_the_spots_are(seed: int) -> None:
    """With seed 9 a step of the search went to infinity, and every weight was none."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 8))
    held = separable(seed, count)
    dense_scale, close_scale = 10 ** rng.uniform(-4, 1), 10 ** rng.uniform(-1, 2)
    dense = rng.normal(0, dense_scale, (count, ROWS)).astype(np.float32)
    dense[np.arange(count), spot_labels(held)] += dense_scale * rng.uniform(0, 3)
    alone = Closer(torch.from_numpy(rng.normal(0, close_scale, (ROWS, 8))).float(), torch.zeros(ROWS), 96)
    found = weighed(alone, held.with_logits(dense), None)
    assert np.isfinite([found.dense, found.close, found.mark, found.none]).all()


@pytest.mark.parametrize("cut", ["box", "square"])
def test_the_closer_look_is_a_linear_map_of_mean_and_maximum_of_layer_3(cut: Cut) -> None:
    """Of all of it for a square around the box, without the margin for the stretched box itself."""
    model, compute = tiny_model(), choose_compute("cpu", "float32", threads=1)
    own = replace(closer(), cut=cut)
    picture = np.random.default_rng(1).integers(0, 256, (96, 128, 3), np.uint8)
    boxes = np.array([[0.1, 0.1, 0.5, 0.6], [0.4, 0.2, 0.3, 0.3]])
    dense = np.zeros((2, ROWS), np.float32)
    runtime = TorchRuntime(model.network, compute, cut)
    (seen,) = CloserLook(own, runtime).look([dense], [picture], [boxes], [np.zeros(2)])
    cuts = torch.from_numpy(np.stack([cut_out(picture, box, 64, cut) for box in boxes])).permute(0, 3, 1, 2).float()
    with torch.inference_mode():
        maps = model.network.lower(cuts)
    maps = maps[:, :, 1:3, 1:3] if cut == "box" else maps
    features = torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], 1)
    np.testing.assert_allclose(seen.features, features, rtol=1e-3, atol=1e-4)
    expected = 2 * (features @ own.weight.T).numpy() + [0, 0, 0.25]
    np.testing.assert_allclose(seen.logits, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("side", [96, 160, 112])
@pytest.mark.parametrize("cut", ["box", "square"])
def test_a_closer_look_reads_the_quarters_of_a_cut_too(side: int, cut: Cut) -> None:
    """A middle row or column of cells, which 112 pixels have, belongs to both sides."""
    network, compute = tiny_model().network, choose_compute("cpu", "float32", threads=1)
    cuts = np.random.default_rng(side).integers(0, 256, (2, side, side, 3), np.uint8)
    (read,) = TorchRuntime(network, compute, cut).close([list(cuts)])
    with torch.inference_mode():
        maps = network.lower(torch.from_numpy(cuts).permute(0, 3, 1, 2).float())
    maps = maps[:, :, 1:-1, 1:-1] if cut == "box" else maps
    quarters = F.adaptive_avg_pool2d(maps, 2).permute(0, 2, 3, 1).flatten(1)
    expected = torch.cat([maps.mean((2, 3)), maps.amax((2, 3)), quarters], 1)
    np.testing.assert_allclose(read, expected, rtol=1e-3, atol=1e-4)


def test_a_closer_look_tells_the_same_parts_in_another_order_apart() -> None:
    """By mean and maximum alone a mark and the same mark with its halves changed over are one."""
    (model, other) = (replace(closer(), weight=torch.zeros(ROWS, parts * WIDTH // 2)) for parts in (2, 6))
    model.weight[0], other.weight[0, 2 * WIDTH // 2 : 3 * WIDTH // 2] = 1, 1  # all, and the upper left quarter
    maps = torch.rand(1, WIDTH // 2, 4, 4, generator=torch.Generator().manual_seed(0))

    class Maps(nn.Module):
        def lower(self, pictures: torch.Tensor) -> torch.Tensor:
            return pictures

    def said(look: Closer, shown: torch.Tensor) -> float:
        read = close_maps(cast(DenseResNet, Maps()), shown, "square")[0]
        return float(look.weight[0] @ read[: look.weight.shape[1]])

    assert said(model, maps) == pytest.approx(said(model, maps.flip(3)), rel=1e-5)
    assert abs(said(other, maps) - said(other, maps.flip(3))) > 0.1


def test_a_closer_look_may_change_what_a_candidate_is_and_can_be_switched_off() -> None:
    picture = picture_with((RED, (64, 64, 64, 64)))
    tiny = tiny_model()
    plain = make_classifier(tiny, CPU).classify([picture])[0]
    for favoured, label in enumerate(tiny.labels):
        model = replace(tiny_model(), closer=closer(favours=favoured))
        found = make_classifier(model, CPU).classify([picture])[0]
        assert {candidate.label for candidate in found} == {label}
        off = make_classifier(model, CPU.model_copy(update={"closer": False})).classify([picture])[0]
        assert off == plain


def test_what_a_closer_look_finds_to_be_nothing_is_below_the_floor() -> None:
    model = replace(tiny_model(), closer=closer(favours=ROWS - 1))
    config = CPU.model_copy(update={"floor": 0.2})
    assert make_classifier(model, config).classify([picture_with((RED, (64, 64, 64, 64)))]) == [[]]


def test_a_model_without_a_closer_look_is_judged_by_the_dense_pass_alone() -> None:
    found = make_classifier(color_model(), CPU).classify([picture_with((RED, (64, 64, 64, 64)))])[0]
    assert found[0].label == "Ring"


def test_a_closer_look_survives_its_file(tmp_path: Path) -> None:
    save_model(replace(tiny_model(), closer=closer()), tmp_path / "model.safetensors")
    loaded = load_model(tmp_path / "model.safetensors").closer
    assert loaded is not None
    assert torch.equal(loaded.weight, closer().weight)
    assert describe_closer(loaded) == describe_closer(closer())


@pytest.mark.parametrize(
    "change",
    [{"side": 63}, {"side": 64.0}, {"side": 1 << 20}, {"dense": float("nan")}, {"none": "much"}],
    ids=lambda change: str(change),
)
def test_a_header_that_is_none_is_refused(change: dict[str, object]) -> None:
    header = describe_closer(closer())["closer"] | change
    with pytest.raises((ValueError, TypeError)):
        restore_closer(header, pack_closer(closer()), rows=ROWS, channels=WIDTH // 2)


def test_tensors_that_do_not_fit_are_refused() -> None:
    header, tensors = describe_closer(closer())["closer"], pack_closer(closer())
    with pytest.raises(ValueError, match="rows"):
        restore_closer(header, tensors, rows=ROWS + 1, channels=WIDTH // 2)
    with pytest.raises(ValueError, match="expected"):
        restore_closer(header, {}, rows=ROWS, channels=WIDTH // 2)
    with pytest.raises(ValueError, match="header"):
        restore_closer(None, tensors, rows=ROWS, channels=WIDTH // 2)
    with pytest.raises(ValueError, match="finite"):
        restore_closer(
            header, tensors | {"closer.bias": torch.full((ROWS,), torch.inf)}, rows=ROWS, channels=WIDTH // 2
        )


def test_the_linear_fit_is_the_one_that_scikit_learn_finds() -> None:
    rng = np.random.default_rng(3)
    inputs, labels = rng.normal(0, 1, (300, 6)).astype(np.float32), rng.integers(0, ROWS, 300)
    inputs[np.arange(300), labels] += 1
    weight, bias = fit_linear(torch.from_numpy(inputs), torch.from_numpy(labels), ROWS, shares=torch.ones(300))
    other = LogisticRegression(C=1 / (PENALTY * 300), tol=1e-8, max_iter=2000).fit(inputs, labels)
    np.testing.assert_allclose(weight.numpy(), other.coef_, atol=2e-3)
    np.testing.assert_allclose((bias - bias.mean()).numpy(), other.intercept_ - other.intercept_.mean(), atol=2e-3)


def test_the_opinion_that_knows_more_counts_more() -> None:
    fitted = fit_closer(separable(0), NO_CLOSE_UPS, separable(1))
    assert fitted is not None
    assert fitted.close > 3 * fitted.dense
    fresh = close_logits(fitted, separable(2))
    right = fresh.features.logits.argmax(axis=1) == spot_labels(fresh)
    assert right.mean() > 0.7
    assert right.mean() > (separable(2).features.logits.argmax(axis=1) == spot_labels(fresh)).mean() + 0.3


def best_spots(seed: int, *, known: int = 300, strange: int = 60, prior: float = 0.0) -> Found:
    """Best spots of pictures; `prior` is what none of the above has too much."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, ROWS - 1, known)

    def features(truth: np.ndarray) -> Features:
        logits = rng.normal(0, 1.5, (len(truth), ROWS))
        logits[np.arange(len(truth)), truth] += 2
        logits[:, -1] += prior
        return Features(logits.astype(np.float32), np.zeros((len(truth), 2), np.float32), np.ones(len(truth)))

    return Found(features(labels), labels, np.ones(known), features(np.full(strange, ROWS - 1)))


def test_none_of_the_above_is_moved_as_far_as_scipy_moves_it() -> None:
    found = best_spots(0, prior=2.0)
    logits = np.concatenate([found.known.logits, found.strange.logits]).astype(np.float64)
    labels = np.append(found.labels, np.full(60, ROWS - 1))
    shares = np.repeat([0.5 / 300, 0.5 / 60], [300, 60])

    def loss(values: np.ndarray) -> float:
        heated = (logits + np.array([0, 0, values[1]])) / np.exp(values[0])
        chances = scipy_softmax(heated, axis=1)[np.arange(360), labels]
        return float(-(np.log(chances) * shares).sum() + MODESTY * (values**2).sum())

    theirs = minimize(loss, [0.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-10}).x[1]
    assert evened(closer(), found).none - closer().none == pytest.approx(theirs, abs=0.01)


def test_what_all_proposals_together_say_too_much_of_none_is_taken_back() -> None:
    plain, biased = (evened(closer(), best_spots(1, prior=prior)).none for prior in (0.0, 3.0))
    assert plain - biased == pytest.approx(3.0, abs=0.1)


def test_without_strangers_or_without_logos_nothing_tells_how_far_to_move() -> None:
    assert evened(closer(), best_spots(0, known=0)).none == closer().none
    assert evened(closer(), best_spots(0, strange=0)).none == closer().none


def test_what_it_was_weighed_on_is_learned_in_the_end_and_the_weights_stay() -> None:
    taught, held, fresh = separable(0, count=60), separable(1, count=600), separable(2)
    shown = CloseUps(np.eye(8, dtype=np.float32), np.arange(8) % ROWS)
    first = fit_closer(taught, shown, held)
    assert first is not None
    more = fit_to_more(first, [taught, held], [shown, NO_CLOSE_UPS])
    alone = fit_closer(join_spots([taught, held]), shown, held)
    assert alone is not None
    torch.testing.assert_close(more.weight, alone.weight)
    assert (more.dense, more.close, more.none, more.mark) == (first.dense, first.close, first.none, first.mark)

    def right(one: Closer) -> float:
        return float((close_logits(one, fresh).features.logits.argmax(axis=1) == spot_labels(fresh)).mean())

    assert right(more) > right(first)


def mistaken(seed: int, count: int = 20) -> Spots:
    """Spots of a stranger that the dense pass is sure is the first label, and that looks half like it up close."""
    rng = np.random.default_rng(seed)
    rows = [(i, (0.2, 0.2, 0.4, 0.4), (5.0, 0.0, 0.0)) for i in range(count)]
    close = rng.normal(0, 0.2, (count, 8)).astype(np.float32)
    close[:, [0, 5]] += 1
    return replace(spots([NOWHERE] * count, rows), close=close, true_close=np.zeros((0, 8), np.float32))


def test_what_was_corrected_is_learned_against_the_dense_pass_and_costs_little_else() -> None:
    taught, held, stranger, fresh = separable(0), separable(1), mistaken(3), separable(2)
    taken = []
    right = []
    for corrected in (None, mistaken(4)):
        fitted = fit_closer(taught, NO_CLOSE_UPS, held, corrected)
        assert fitted is not None
        taken.append((close_logits(fitted, stranger).features.logits.argmax(axis=1) == 0).mean())
        right.append((close_logits(fitted, fresh).features.logits.argmax(axis=1) == spot_labels(fresh)).mean())
    assert taken == [pytest.approx(1.0), pytest.approx(0.0)]
    assert right[1] > right[0] - 0.1


def test_there_is_no_closer_look_without_a_logo_to_learn_from() -> None:
    nothing = spots([NOWHERE], [(0, (0.1, 0.1, 0.2, 0.2), (0.0, 0.0, 1.0))])
    assert fit_closer(nothing, NO_CLOSE_UPS, separable(0)) is None
    assert fit_closer(separable(0), NO_CLOSE_UPS, nothing) is None


def test_a_spot_shows_the_logo_that_it_covers_and_nothing_where_there_is_none() -> None:
    boxed = SceneFacts(np.array([[0.2, 0.2, 0.6, 0.6], [0.7, 0.7, 0.9, 0.9]]), np.array([1, -1]))
    found = spots(
        [boxed, NOWHERE],
        [
            (0, (0.2, 0.2, 0.4, 0.4), (0, 0, 0)),
            (0, (0.3, 0.3, 0.2, 0.2), (0, 0, 0)),  # a quarter of the logo: neither
            (0, (0.7, 0.7, 0.2, 0.2), (0, 0, 0)),  # a region that is neither taught nor forbidden
            (0, (0.0, 0.7, 0.2, 0.2), (0, 0, 0)),
            (1, (0.5, 0.5, 0.2, 0.2), (9, 0, 0)),
        ],
    )
    assert spot_labels(found).tolist() == [1, IGNORE, IGNORE, 2, 2]


def test_in_a_picture_without_boxes_only_a_sure_spot_of_its_own_label_counts() -> None:
    whole = SceneFacts(np.zeros((0, 4)), np.zeros(0, np.int64), 0)
    rows = [
        (0, (0.1, 0.1, 0.2, 0.2), (3.0, 0, 0)),
        (0, (0.5, 0.5, 0.2, 0.2), (2.0, 0, 0)),
        (0, (0, 0, 1, 1), (0, 9.0, 0)),
    ]
    assert spot_labels(spots([whole], rows)).tolist() == [0, IGNORE, IGNORE]
    unsure = [(0, (0.1, 0.1, 0.2, 0.2), (0.1, 0, 0))]
    assert spot_labels(spots([whole], unsure)).tolist() == [IGNORE]


def test_each_logo_has_its_best_spot_each_empty_scene_its_likeliest_and_what_nobody_proposed_is_lost() -> None:
    boxed = SceneFacts(np.array([[0.2, 0.2, 0.6, 0.6], [0.8, 0.8, 0.9, 0.9]]), np.array([1, 0]))
    found = found_in(
        spots(
            [boxed, NOWHERE],
            [
                (0, (0.2, 0.2, 0.4, 0.4), (0, 1, 0)),
                (0, (0.22, 0.2, 0.4, 0.4), (0, 3, 0)),
                (1, (0.1, 0.1, 0.1, 0.1), (0, 0, 5)),
                (1, (0.5, 0.5, 0.1, 0.1), (2, 0, 0)),
            ],
        )
    )
    assert found.labels.tolist() == [1]
    assert found.lost == 1
    assert found.known.logits.tolist() == [[0, 3, 0]]
    assert found.strange.logits.tolist() == [[2, 0, 0]]
    assert found.heights.tolist() == pytest.approx([0.4])
