"""Which boxes are worth a closer look: the fit is what other software finds, and it decides what is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from test_regions import IN_A_CORNER, empty_output, looking_first, saying, show
from tiny import tiny_model

from streamfilter.classifier.marking import MOST_ODDS, evidence, mark_odds
from streamfilter.classifier.proposals import LEAST_WORTH, MOST_FITTED, Proposer
from streamfilter.config import ClassifierConfig
from streamfilter.model import load_model, save_model
from streamfilter.model.regions import EVIDENCE, Regions, pack_regions, restore_regions
from streamfilter.training.marking import FEWEST, PENALTY, Judged, fit_marking, judged_boxes
from streamfilter.training.scene import Scene, SceneFacts
from streamfilter.training.spotting import Spotter
from streamfilter.types import Pixels


def by(*weights: float, bias: float = 0.0) -> torch.Tensor:
    """What tells marks, with these weights of overlap, log odds of any label, likeliest label and area."""
    return torch.tensor([*weights, bias], dtype=torch.float32)


def judged(count: int, *, seed: int, marks: float = 0.3) -> list[Judged]:
    """Pictures of 3 to 9 boxes, whose evidence is the higher where they are marks."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        is_mark = rng.random(int(rng.integers(3, 10))) < marks
        spread = np.array([0.2, 3.0, 1.0, 2.0])
        found.append(Judged((rng.normal(0, 1, (len(is_mark), 4)) + 1.5 * is_mark[:, None]) * spread - 1, is_mark))
    return found


def test_the_evidence_of_a_box_is_its_overlap_its_odds_its_label_and_its_area() -> None:
    logits = np.log(np.array([[0.6, 0.1, 0.3], [0.01, 0.04, 0.95]], np.float32))
    boxes = np.array([[0.1, 0.2, 0.5, 0.25], [0.0, 0.0, 1.0, 1.0]])
    found = evidence(np.array([0.8, 0.1]), logits, boxes)
    expected = [
        [0.8, np.log(0.7 / 0.3), np.log(0.6), np.log(0.125)],
        [0.1, np.log(0.05 / 0.95), np.log(0.04), 0.0],
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


@given(st.integers(0, 2**32 - 1), st.floats(0, 300))
def test_the_evidence_of_any_box_is_finite_and_so_are_its_odds(seed: int, spread: float) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, spread, (5, 4)).astype(np.float32)
    found = evidence(rng.random(5), logits, rng.uniform(-0.5, 2, (5, 4)))
    odds = mark_odds(found, torch.from_numpy(rng.normal(0, 100, EVIDENCE + 1)).float())
    assert np.isfinite(found).all()
    assert (np.abs(odds) <= MOST_ODDS).all()


def test_the_fit_is_the_one_that_scikit_learn_finds_with_each_picture_counting_the_same() -> None:
    pictures = judged(200, seed=0)
    marking = fit_marking(pictures)
    assert marking is not None
    rows = np.concatenate([one.evidence for one in pictures])
    shares = np.concatenate([np.full(len(one.is_mark), 1 / len(one.is_mark)) for one in pictures])
    center, spread = rows.mean(axis=0), rows.std(axis=0)
    other = LogisticRegression(C=1 / (PENALTY * shares.sum()), tol=1e-9, max_iter=2000)
    other.fit((rows - center) / spread, np.concatenate([one.is_mark for one in pictures]), sample_weight=shares)
    expected = other.predict_proba((rows - center) / spread)[:, 1]
    np.testing.assert_allclose(expit(mark_odds(rows, marking)), expected, atol=1e-3)


def test_chances_are_as_large_as_the_share_of_marks_on_pictures_that_nobody_saw() -> None:
    marking = fit_marking(judged(400, seed=1))
    assert marking is not None
    pictures = judged(400, seed=2)
    chances = expit(mark_odds(np.concatenate([one.evidence for one in pictures]), marking))
    is_mark = np.concatenate([one.is_mark for one in pictures])
    for low, high in ((0.0, 0.1), (0.1, 0.5), (0.5, 0.9), (0.9, 1.0)):
        rows = (chances >= low) & (chances < high)
        assert is_mark[rows].mean() == pytest.approx(chances[rows].mean(), abs=0.06)


def test_few_pictures_with_marks_teach_nothing() -> None:
    assert fit_marking(judged(FEWEST - 1, seed=3)) is None
    assert fit_marking(judged(200, seed=3, marks=0.0)) is None
    nothing = Judged(np.zeros((0, EVIDENCE)), np.zeros(0, bool))
    assert fit_marking([nothing] * 100) is None


class _Boxes:
    """A spotter that proposes the same two boxes in every picture."""

    together, none = 2, 5
    asked = 0

    def evidence(self, pictures: Sequence[Pixels]) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
        self.asked += len(pictures)
        boxes = np.array([[0.1, 0.1, 0.4, 0.4], [0.6, 0.6, 0.3, 0.3]])
        return [(boxes, np.arange(8.0).reshape(2, 4)) for _ in pictures]


def test_what_is_a_mark_is_told_by_a_scenes_boxes_and_by_nothing_where_a_mark_may_be_anywhere() -> None:
    nowhere = SceneFacts(np.zeros((0, 4)), np.zeros(0, np.int64))
    corner = np.array([[0.1, 0.1, 0.5, 0.5]])
    facts = [
        nowhere,
        SceneFacts(corner, np.array([3])),
        replace(nowhere, whole_label=2),
        SceneFacts(corner, np.array([-1])),
    ]

    def compose(seed: int) -> Scene:
        return Scene(np.zeros((64, 64, 3), np.uint8), facts[seed])

    passed: list[float] = []
    spotter = _Boxes()
    found = judged_boxes(cast(Spotter, spotter), compose, range(4), advance=passed.append)
    assert [one.is_mark.tolist() for one in found] == [[False, False], [True, False], [False]]
    assert found[2].evidence.tolist() == [[4, 5, 6, 7]], "a mark that is half hidden is neither"
    assert sum(passed) == 4
    assert spotter.asked == 3, "what tells nothing needs no network"


def test_places_that_are_hardly_a_mark_are_not_worth_a_look_and_the_others_stay_in_their_order() -> None:
    network = tiny_model().network
    output = empty_output(16, 24)
    show(output, 0, slice(1, 3), slice(1, 3))
    show(output, 1, slice(10, 12), slice(14, 16))
    regions = saying(0.5, 0, 0, -0.14, -0.14)

    def proposer(marking: torch.Tensor | None, floor: float = 0.5) -> Proposer:
        told = replace(regions, marking=marking)
        return Proposer(network, ClassifierConfig(), floor=floor, places=True, regions=told)

    def places(marking: torch.Tensor | None, floor: float = 0.5) -> NDArray[np.float64]:
        return proposer(marking, floor).propose(output).boxes

    plain = places(None)
    boxes, found = proposer(None).evidence(output)
    rows = (plain[:, None] == boxes).all(axis=2).argmax(axis=1)
    is_sure = found[rows, 1] > 5
    assert 0 < is_sure.sum() < len(plain)
    np.testing.assert_array_equal(places(by(0, 0.01, 0, 0)), plain)
    np.testing.assert_array_equal(places(by(0, 1000, 0, 0, bias=-5000)), plain[is_sure])
    assert len(places(by(0, 0, 0, 0, bias=-9))) == 0
    assert len(places(by(0, 0, 0, 0, bias=-9), floor=0.0)) == MOST_FITTED, "nothing is left out where all is asked for"
    edge = float(np.log(LEAST_WORTH * 0.5 / (1 - LEAST_WORTH * 0.5)))
    assert len(places(by(0, 0, 0, 0, bias=edge + 1e-3))) > len(places(by(0, 0, 0, 0, bias=edge - 1e-3))) == 0


def test_what_is_small_at_half_the_size_is_looked_at_in_full_whatever_it_is_worth_there() -> None:
    picture = np.full((512, 768, 3), IN_A_CORNER, np.uint8)
    plain, runtime = looking_first()
    plain.classify([picture])
    told = replace(saying(0.5, 0, 0, -0.14, -0.14), marking=by(0, 0, 0, 0, bias=-9))
    classifier, other = looking_first(regions=told)
    assert classifier.classify([picture]) == [[]]
    assert other.sizes == runtime.sizes == [(256, 384), (256, 384)]
    assert runtime.cuts > other.cuts == 0


def test_a_marking_comes_back_from_the_model_file_and_files_without_one_are_read(tmp_path: Path) -> None:
    for marking in (None, by(1.5, 0.5, 1.0, 0.25, bias=-3)):
        regions = replace(saying(0.5, 0, 0, 0, 0), marking=marking)
        save_model(replace(tiny_model(), regions=regions), tmp_path / "m.safetensors")
        found = load_model(tmp_path / "m.safetensors").regions
        assert found is not None
        assert (found.marking is None) if marking is None else torch.equal(cast(torch.Tensor, found.marking), marking)


@pytest.mark.parametrize("wrong", [torch.zeros(EVIDENCE), torch.full((EVIDENCE + 1,), torch.inf)])
def test_a_marking_that_is_none_is_refused(wrong: torch.Tensor) -> None:
    regions: Regions = replace(saying(0, 0, 0, 0, 0), marking=wrong)
    with pytest.raises(ValueError, match="regions"):
        restore_regions(pack_regions(regions), embedding=regions.weight.shape[1] // 16)
