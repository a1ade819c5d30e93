"""Which windows a step learns from: hard negatives, unboxed pictures, logos in part."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from streamfilter.classifier.windows import window_boxes, window_grid
from streamfilter.training.batches import Batch
from streamfilter.training.loss import (
    HARD_WINDOWS,
    RANDOM_WINDOWS,
    WINDOWS_PER_LOGO,
    Chosen,
    choose_windows,
)
from streamfilter.training.scene import SceneFacts
from streamfilter.training.targets import scene_targets

GRID = (8, 12)
NONE = 2
WINDOWS = window_grid(*GRID)
NOTHING = SceneFacts(np.zeros((0, 4)), np.zeros(0, np.int64))
LOGO = SceneFacts(np.array([[1 / 12, 1 / 8, 5 / 12, 5 / 8]]), np.array([1], np.int64))


def batch_of(*facts: SceneFacts) -> Batch:
    return Batch(torch.zeros(len(facts), 1), facts, tuple(scene_targets(each, GRID, none=NONE) for each in facts))


def logits_of(scenes: int, seed: int = 0) -> torch.Tensor:
    return torch.randn((scenes, len(WINDOWS), NONE + 1), generator=torch.Generator().manual_seed(seed))


def chosen_from(logits: torch.Tensor, *facts: SceneFacts, free_search: bool = True, seed: int = 0) -> Chosen:
    return choose_windows(logits, batch_of(*facts), GRID, np.random.default_rng(seed), free_search=free_search)


def negatives(chosen: Chosen, scene: int = 0) -> list[int]:
    rows = zip(chosen.scene, chosen.window, chosen.target, strict=True)
    return [window for of, window, target in rows if of == scene and target == NONE]


def test_hard_negatives_are_among_those_that_look_most_like_a_label() -> None:
    logits = logits_of(1)
    picked = negatives(chosen_from(logits, NOTHING))
    assert len(picked) == HARD_WINDOWS + RANDOM_WINDOWS
    strangeness = logits[0, :, :NONE].logsumexp(1) - logits[0, :, NONE]
    hardest = set(strangeness.argsort(descending=True)[: HARD_WINDOWS * 8].tolist())
    assert set(picked[:HARD_WINDOWS]) <= hardest
    assert len(set(picked[:HARD_WINDOWS])) == HARD_WINDOWS


def test_a_window_that_the_network_falls_for_is_picked_before_any_other() -> None:
    logits = torch.zeros((1, len(WINDOWS), NONE + 1))
    logits[..., NONE] = 5.0
    fallen_for = list(range(0, len(WINDOWS), len(WINDOWS) // 190))[: HARD_WINDOWS * 8]
    logits[0, fallen_for, 0] = 9.0
    picked = negatives(chosen_from(logits, NOTHING))
    assert set(picked[:HARD_WINDOWS]) <= set(fallen_for)


def test_every_logo_has_its_windows_and_weighs_one() -> None:
    targets = scene_targets(LOGO, GRID, none=NONE)
    chosen = chosen_from(logits_of(1), LOGO)
    positive = [i for i, target in enumerate(chosen.target) if target == 1]
    assert 0 < len(positive) <= WINDOWS_PER_LOGO
    assert all(targets.owner[chosen.window[i]] == 0 for i in positive)
    assert sum(chosen.weight[i] for i in positive) == pytest.approx(1.0)
    assert sum(w for w, target in zip(chosen.weight, chosen.target, strict=True) if target == NONE) == pytest.approx(
        2.0
    )


def test_windows_that_teach_nothing_are_never_chosen() -> None:
    targets = scene_targets(LOGO, GRID, none=NONE)
    chosen = chosen_from(logits_of(1), LOGO)
    for window, target in zip(chosen.window, chosen.target, strict=True):
        assert targets.labels[window] == target


def test_a_window_called_the_pictures_own_label_is_never_a_negative() -> None:
    shown = SceneFacts(LOGO.boxes, LOGO.labels, whole_label=1)
    for seed in range(5):
        logits = logits_of(1, seed)
        calls = logits[0].argmax(dim=1)
        picked = negatives(chosen_from(logits, shown, seed=seed))
        assert picked
        assert all(int(calls[window]) != 1 for window in picked)
        everywhere = logits.clone()
        everywhere[..., 1] = 20.0
        assert negatives(chosen_from(everywhere, shown, seed=seed)) == []


def test_labels_that_may_stand_unboxed_in_a_mosaic_are_never_negatives_there() -> None:
    logits = logits_of(1)
    logits[..., NONE] = -9.0
    guesses = logits[0].argmax(dim=1)
    mosaic = replace(NOTHING, shown=(1,))
    picked = negatives(chosen_from(logits, mosaic))
    assert picked
    assert {int(guesses[window]) for window in picked} == {0}


def test_an_unboxed_picture_teaches_its_likeliest_window_alone() -> None:
    logits = logits_of(2)
    chosen = chosen_from(logits, SceneFacts(NOTHING.boxes, NOTHING.labels, whole_label=1), NOTHING)
    (row,) = [i for i, scene in enumerate(chosen.scene) if scene == 0]
    assert chosen.window[row] == int(logits[0, :, 1].argmax())
    assert (chosen.target[row], chosen.weight[row]) == (1, 0.5)


@pytest.mark.parametrize("grid", [(4, 4), (4, 6), (8, 12), (24, 32), (4, 40)])
def test_before_the_network_knows_anything_only_large_middle_windows_count(grid: tuple[int, int]) -> None:
    windows = window_grid(*grid)
    logits = torch.zeros((1, len(windows), 2))
    corner = int(np.flatnonzero((windows[:, 0] == 0) & (windows[:, 1] == 0))[0])
    logits[0, corner, 0] = 9.0
    facts = SceneFacts(NOTHING.boxes, NOTHING.labels, whole_label=0)
    batch = Batch(torch.zeros(1, 1), (facts,), (scene_targets(facts, grid, none=1),))
    chosen = choose_windows(logits, batch, grid, np.random.default_rng(0), free_search=False)
    x, y, width, height = window_boxes(windows, *grid)[chosen.window[0]]
    assert width * height > 0.2
    assert max(abs(x + width / 2 - 0.5), abs(y + height / 2 - 0.5)) < 0.25


def test_the_same_seed_chooses_the_same_windows() -> None:
    one, other = (chosen_from(logits_of(2), LOGO, NOTHING, seed=4) for _ in range(2))
    assert one == other
    assert one != chosen_from(logits_of(2), LOGO, NOTHING, seed=5)


def test_a_logo_in_part_teaches_its_label_by_that_much_and_none_by_the_rest() -> None:
    part = SceneFacts(LOGO.boxes, LOGO.labels, strengths=np.array([0.3]))
    own = set(np.flatnonzero(scene_targets(part, GRID, none=NONE).owner == 0).tolist())
    chosen = chosen_from(logits_of(1), part)
    shares = {1: 0.0, NONE: 0.0}
    for window, target, weight in zip(chosen.window, chosen.target, chosen.weight, strict=True):
        shares[target] += weight if window in own else 0.0
    assert shares == pytest.approx({1: 0.3, NONE: 0.7})
    assert part.whole_labels.tolist() == [-1]
    assert LOGO.whole_labels.tolist() == [1]


def test_a_batch_that_teaches_nothing_chooses_no_window() -> None:
    logits = torch.zeros((1, len(WINDOWS), NONE + 1))
    logits[..., 1] = 20.0
    ignored = SceneFacts(LOGO.boxes, np.array([-1], np.int64), whole_label=1)
    assert chosen_from(logits, ignored).window == []
