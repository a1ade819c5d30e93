"""The geometric witness: known warps are recovered, strangers and impossible views are not believed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import tiny_model

from streamfilter.classifier import WitnessedClassifier, with_witness
from streamfilter.classifier.witnessed import MOST_ASKED
from streamfilter.config import RejectorConfig
from streamfilter.model import load_model, save_model
from streamfilter.model.references import pack_references, restore_references
from streamfilter.rejector import Gates, ThresholdRejector
from streamfilter.rejector.geometry import SIDE, Match, Reference, Witness, cut_out, describe, is_sound, match
from streamfilter.rejector.witnessed import ENOUGH, can_testify
from streamfilter.training.examples import Example
from streamfilter.training.references import REFERENCES, label_references, whole_references
from streamfilter.types import Box, Candidate, Pixels, Rejection


def mark(seed: int, *, width: int = 256, height: int = 200) -> Pixels:
    """A drawn mark full of corners, `(height, width, 3)`."""
    rng = np.random.default_rng(seed)
    picture = np.full((height, width, 3), 235, np.uint8)
    for _ in range(40):
        x, y = int(rng.integers(8, width - 40)), int(rng.integers(8, height - 40))
        size = tuple(int(v) for v in rng.integers(8, 34, 2))
        color = tuple(int(v) for v in rng.integers(0, 200, 3))
        if rng.random() < 0.5:
            cv2.rectangle(picture, (x, y), (x + size[0], y + size[1]), color, -1)
        else:
            cv2.putText(picture, chr(int(rng.integers(65, 91))), (x, y + size[1]), 0, size[1] / 22, color, 2)
    return picture


def view(seed: int, bend: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """A homography `(3, 3)` that moves the corners of a mark by up to `bend` of its size."""
    rng = np.random.default_rng(seed)
    corners = np.array([[0, 0], [256, 0], [256, 200], [0, 200]], np.float32)
    moved = corners + rng.uniform(-bend, bend, (4, 2)).astype(np.float32) * (256, 200)
    return np.asarray(cv2.getPerspectiveTransform(corners, moved.astype(np.float32)), np.float64)


@pytest.mark.parametrize("seed", range(5))
def test_a_known_warp_is_recovered_within_a_pixel(seed: int) -> None:
    picture, homography = mark(seed), view(seed, 0.08)
    warped = np.asarray(cv2.warpPerspective(picture, homography, (256, 200), borderMode=cv2.BORDER_REPLICATE), np.uint8)
    found = match(describe(picture), describe(warped))
    assert found.homography is not None
    grid = np.array([[[x, y] for x in range(60, 200, 35) for y in range(50, 150, 25)]], np.float32)
    error = cv2.perspectiveTransform(grid, found.homography) - cv2.perspectiveTransform(grid, homography)
    assert np.linalg.norm(error, axis=2).max() < 1
    assert found.inliers >= 4 * ENOUGH
    assert found.evidence > 1


def test_pictures_that_have_nothing_to_do_with_each_other_are_rejected() -> None:
    witness = Witness({"A": [describe(mark(seed)) for seed in range(8)]})
    assert max(witness.compare(mark(seed), "A").inliers for seed in range(50, 62)) < ENOUGH
    textures = [np.random.default_rng(seed).integers(0, 256, (25, 32, 3), dtype=np.uint8) for seed in range(8)]
    crops = [np.asarray(cv2.resize(each, (256, 200), interpolation=cv2.INTER_CUBIC), np.uint8) for each in textures]
    assert max(witness.compare(crop, "A").inliers for crop in crops) < ENOUGH


def test_a_small_and_blurred_copy_is_still_the_mark() -> None:
    small = cv2.GaussianBlur(cv2.resize(mark(1), (110, 86), interpolation=cv2.INTER_AREA), (0, 0), 0.6)
    assert Witness({"A": [describe(mark(1))]}).compare(np.asarray(small, np.uint8), "A").inliers >= ENOUGH


def test_a_mirrored_mark_is_not_the_mark() -> None:
    assert Witness({"A": [describe(mark(1))]}).compare(np.ascontiguousarray(mark(1)[:, ::-1]), "A").inliers < ENOUGH


def test_a_blank_crop_or_an_unknown_label_is_no_match() -> None:
    witness = Witness({"A": [describe(mark(1))], "B": [describe(np.full((64, 64, 3), 90, np.uint8))]})
    assert witness.compare(np.full((40, 60, 3), 128, np.uint8), "A").inliers == 0
    assert witness.compare(mark(1), "other").inliers == 0
    assert [witness.knows(label) for label in ("A", "B", "other")] == [True, False, False]
    assert describe(np.full((1, 1, 3), 9, np.uint8)).points.shape == (0, 2)


def test_the_witness_says_the_same_again_in_any_order_and_state() -> None:
    references = {"A": [describe(mark(seed)) for seed in range(3)]}
    warped = np.asarray(cv2.warpPerspective(mark(2), view(9, 0.1), (256, 200)), np.uint8)
    first = Witness(references).compare(warped, "A")
    cv2.setRNGSeed(77)
    Witness(references).compare(mark(30), "A")
    again = Witness(references).compare(warped, "A")
    assert first.homography is not None
    assert again.homography is not None
    assert (first.inliers, first.features) == (again.inliers, again.features)
    assert first.homography.tobytes() == again.homography.tobytes()


@given(st.integers(0, 10_000), st.floats(0.3, 4), st.floats(-3, 3))
def test_views_of_a_plane_are_sound_and_their_mirror_images_are_not(seed: int, scale: float, turn: float) -> None:
    rotate = np.array([[np.cos(turn), -np.sin(turn), 5], [np.sin(turn), np.cos(turn), -9], [0, 0, 1]])
    homography = rotate @ np.diag([scale, scale, 1]) @ view(seed, 0.12)
    assert is_sound(homography, (256, 200))
    assert not is_sound(np.diag([-1.0, 1, 1]) @ homography, (256, 200))


@pytest.mark.parametrize(
    "corners",
    [
        [[0, 0], [256, 200], [256, 0], [0, 200]],
        [[0, 0], [256, 0], [256, 4], [0, 4]],
        [[0, 0], [2, 0], [2, 1.6], [0, 1.6]],
        [[0, 0], [4000, 0], [4000, 3000], [0, 3000]],
        [[0, 0], [256, 0], [150, 100], [140, 100]],
    ],
    ids=["folded", "crushed", "tiny", "huge", "pinched"],
)
def test_degenerate_homographies_are_refused(corners: list[list[float]]) -> None:
    flat = np.array([[0, 0], [256, 0], [256, 200], [0, 200]], np.float32)
    assert not is_sound(np.asarray(cv2.getPerspectiveTransform(flat, np.array(corners, np.float32))), (256, 200))


def test_a_crop_has_a_margin_and_stays_in_the_picture() -> None:
    picture = np.arange(100 * 200 * 3, dtype=np.int64).reshape(100, 200, 3).astype(np.uint8)
    assert cut_out(picture, Box(0.5, 0.5, 0.2, 0.2)).shape == (24, 48, 3)
    assert cut_out(picture, Box(0, 0, 1, 1)).shape == (100, 200, 3)
    assert cut_out(picture, Box(1, 1, 0, 0)).shape == (1, 1, 3)


class Finder:
    """Finds the same candidates in every picture."""

    labels = ("A", "B")

    def __init__(self, *candidates: Candidate) -> None:
        self.candidates = candidates

    def analysis_size(self, width: int, height: int) -> tuple[int, int]:
        return width, height

    def classify(self, pictures: Sequence[Pixels]) -> list[list[Candidate]]:
        return [list(self.candidates) for _ in pictures]


def candidate(label: str = "A", none: float = 0.2, *, inliers: int | None = None, softmax: float = 0.3) -> Candidate:
    return Candidate(Box(0, 0, 1, 1), label, softmax, none, 99.0, 100.0, inliers=inliers)


def test_the_witness_is_asked_about_the_likeliest_candidates_that_it_can_judge() -> None:
    several = (candidate("B"), candidate(none=0.7), *(candidate() for _ in range(MOST_ASKED + 2)))
    classifier = WitnessedClassifier(Finder(*several), Witness({"A": [describe(mark(1))]}))
    (found,) = classifier.classify([mark(1)])
    assert [c.inliers is not None for c in found] == [False, False, *[True] * MOST_ASKED, False, False]
    assert [replace(c, inliers=None) for c in found] == list(several)
    assert found[2].inliers is not None
    assert found[2].inliers >= ENOUGH
    assert classifier.labels == Finder.labels
    assert classifier.analysis_size(30, 20) == (30, 20)


def test_the_witness_is_asked_about_enrolled_labels_however_unlikely_and_beside_the_taught_ones() -> None:
    several = [*(candidate() for _ in range(MOST_ASKED + 1)), candidate("B", none=0.75), candidate(none=0.75)]
    witness = Witness({"A": [describe(mark(1))], "B": [describe(mark(2))]})
    (found,) = WitnessedClassifier(Finder(*several), witness, enrolled={"B"}).classify([mark(2)])
    assert [c.inliers is not None for c in found] == [*[True] * MOST_ASKED, False, True, False]


def test_the_witness_is_asked_only_where_its_word_can_change_a_verdict() -> None:
    rejector = ThresholdRejector(Gates(none_class=0.4, max_softmax=0.6, mahalanobis=100))
    several = [candidate(softmax=0.7), candidate(softmax=0.3), candidate(none=0.45), candidate(none=0.4)]
    witness = Witness({"A": [describe(mark(1))]})
    (every,) = WitnessedClassifier(Finder(*several), witness).classify([mark(1)])
    (asked,) = WitnessedClassifier(Finder(*several), witness, rejector=rejector).classify([mark(1)])
    assert [c.inliers is not None for c in every] == [True] * 4
    assert [c.inliers is not None for c in asked] == [False, True, False, True]
    verdicts = [[(s.label, s.rejection, s.score) for s in rejector.judge(found)] for found in (every, asked)]
    assert verdicts[0] == verdicts[1]
    assert [label for label, _, _ in verdicts[1]] == ["A", "A", None, "A"]


def test_an_enrolled_label_is_witnessed_where_none_of_the_above_is_likelier() -> None:
    several = [candidate("B", none=0.75, softmax=0.1), candidate("B", none=0.1, softmax=0.9)]
    rejector = ThresholdRejector(Gates(none_class=0.5, max_softmax=0.6, mahalanobis=100))
    witness = Witness({"B": [describe(mark(2))]})
    (found,) = WitnessedClassifier(Finder(*several), witness, enrolled={"B"}, rejector=rejector).classify([mark(2)])
    assert [c.inliers is not None for c in found] == [True, False]


def test_a_model_without_references_or_settings_without_geometry_have_no_witness() -> None:
    finder = Finder()
    model = replace(tiny_model(), references=REFERENCED)
    assert with_witness(finder, tiny_model(), RejectorConfig()) is finder
    assert with_witness(finder, model, RejectorConfig(geometry="off")) is finder
    assert isinstance(with_witness(finder, model, RejectorConfig()), WitnessedClassifier)


def test_a_witnessed_candidate_is_accepted_at_any_score_but_not_against_the_none_class() -> None:
    rejector = ThresholdRejector(Gates(none_class=0.5, max_softmax=0.6, mahalanobis=50))
    sightings = rejector.judge(
        [candidate(inliers=ENOUGH), candidate(inliers=ENOUGH - 1), candidate(), candidate(none=0.6, inliers=40)]
    )
    assert [s.rejection for s in sightings] == [None, *[Rejection.LOW_SOFTMAX] * 2, Rejection.NONE_CLASS]
    assert sightings[0].score == 0.3


def example(path: Path, picture: Pixels, *, box: Box | None = None) -> Example:
    path.write_bytes(cv2.imencode(".png", picture[..., ::-1] if picture.shape[2] == 3 else picture)[1].tobytes())
    boxes = () if box is None else ((box, "A"),)
    return Example(path, "A", "known", boxes, picture.shape[1], picture.shape[0], picture.shape[2] == 4)


def test_references_are_cut_from_boxes_and_artwork_and_are_bounded(tmp_path: Path) -> None:
    boxed = [example(tmp_path / f"{i}.png", mark(i), box=Box(0.1, 0.1, 0.8, 0.8)) for i in range(REFERENCES + 3)]
    plain = example(tmp_path / "plain.png", mark(90))
    artwork = example(tmp_path / "art.png", np.dstack([mark(91), np.full((200, 256), 254, np.uint8)]))
    assert len(label_references(boxed, ("A", "B"))["A"]) == REFERENCES
    assert label_references([plain], ("A",)) == {}
    assert len(label_references([plain, artwork], ("A",))["A"]) == 1
    assert len(whole_references([plain, artwork], "A")) == 2


REFERENCED = {"Ring": [describe(mark(1)), describe(mark(2))], "Star": [describe(mark(3))]}


def assert_same(before: Mapping[str, Sequence[Reference]], after: Mapping[str, Sequence[Reference]]) -> None:
    assert list(before) == list(after)
    for label, own in before.items():
        for one, other in zip(own, after[label], strict=True):
            assert np.abs(one.points - other.points).max() <= 1 / 64
            assert (one.descriptors == other.descriptors).all()
            assert one.size == other.size


def test_references_come_back_from_the_model_file(tmp_path: Path) -> None:
    save_model(replace(tiny_model(), references=REFERENCED), tmp_path / "m", weights="int8")
    loaded = load_model(tmp_path / "m").references
    assert_same(REFERENCED, loaded)
    assert Witness(loaded).compare(mark(2), "Ring").inliers > 4 * ENOUGH


def test_packed_references_are_small_and_none_are_nothing() -> None:
    packed = pack_references(REFERENCED)
    features = sum(len(one) for own in REFERENCED.values() for one in own)
    assert sum(tensor.nbytes for tensor in packed.values()) == 132 * features + 16 * 3
    assert_same(REFERENCED, restore_references(list(REFERENCED), packed))
    assert pack_references({}) == {}
    assert restore_references(None, {}) == {}


@pytest.mark.parametrize("fault", ["missing", "label", "count", "size", "type", "short", "names", "twice"])
def test_damaged_references_are_refused(fault: str) -> None:
    packed = pack_references(REFERENCED)
    names: object = {"names": "Ring", "twice": ["Ring", "Ring"]}.get(fault, list(REFERENCED))
    if fault == "missing":
        del packed["references.points"]
    elif fault == "type":
        packed["references.points"] = packed["references.points"].to(torch.int32)
    elif fault == "short":
        packed["references.descriptors"] = packed["references.descriptors"][1:]
    elif fault in ("label", "count", "size"):
        column, value = {"label": (0, 7), "count": (3, -3), "size": (1, SIDE + 1)}[fault]
        packed["references.pictures"][0, column] = value
    with pytest.raises((ValueError, KeyError)):
        restore_references(names, packed)


def test_only_a_picture_with_features_to_spare_can_testify() -> None:
    assert can_testify([range(3), range(3 * ENOUGH)])
    assert not can_testify([range(3 * ENOUGH - 1)])
    assert not can_testify([])


def test_no_match_has_no_evidence() -> None:
    assert Match().evidence == 0
