"""int8 decides where it is sure, float32 where int8's error could change a decision."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny import tiny_model

from streamfilter.classifier import DoubtingClassifier, make_classifier, make_doubting
from streamfilter.classifier.doubting import Doubt
from streamfilter.classifier.runtimes import choosing
from streamfilter.classifier.runtimes.conversion import as_onnx
from streamfilter.classifier.runtimes.int8 import observable
from streamfilter.config import ClassifierConfig, RejectorConfig, RunConfig, load_config
from streamfilter.evaluation.looking import Looker
from streamfilter.evaluation.pictures import find_unknown
from streamfilter.model import Int8
from streamfilter.model.network import network_digest
from streamfilter.quantising.quantise import _compared
from streamfilter.quantising.ranges import observed_scales
from streamfilter.rejector import Gates, ThresholdRejector, rejector_of
from streamfilter.rejector.softmax import softmax
from streamfilter.types import Box, Candidate, Features, Pixels, Sighting

LABELS = ("Ring", "Bolt")
TEMPERATURE = 2.0


def candidate(chance: float, *, label: str = "Ring", features: Features | None = None) -> Candidate:
    return Candidate(Box(0.1, 0.1, 0.3, 0.3), label, chance, 1 - chance, 4.0, 50.0, features=features)


def doubt(log_odds: float, *, least: float = 0.6) -> Doubt:
    model: Any = SimpleNamespace(labels=LABELS, thresholds=SimpleNamespace(temperature=TEMPERATURE))
    return Doubt(model, ThresholdRejector(Gates(none_class=1.0, max_softmax=least)), log_odds)


def at_odds(log_odds: float) -> float:
    return 1 / (1 + math.exp(-log_odds))


@pytest.mark.parametrize(
    ("above", "is_doubtful"), [(0.0, True), (0.29, True), (-0.29, True), (0.31, False), (-0.31, False)]
)
def test_a_candidate_is_in_doubt_as_near_to_the_threshold_as_was_measured(above: float, is_doubtful: bool) -> None:
    threshold = math.log(0.6 / 0.4)
    assert doubt(0.3).about([candidate(at_odds(threshold + above))]) is is_doubtful


def test_one_candidate_in_doubt_is_enough_and_none_at_all_are_no_doubt() -> None:
    assert doubt(0.3).about([candidate(0.99), candidate(0.6, label="Bolt"), candidate(0.1)])
    assert not doubt(0.3).about([candidate(0.99), candidate(0.1)])
    assert not doubt(0.3).about([])


class _Listening:
    """A rejector that remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Candidate] = []

    def judge(self, candidates: Sequence[Candidate]) -> tuple[Sighting, ...]:
        self.asked += candidates
        return tuple(Sighting(one, one.label, None, one.softmax) for one in candidates)


@given(
    logits=st.lists(st.floats(-8, 8, width=32), min_size=3, max_size=3),
    by=st.floats(0.01, 3.0),
)
def test_probabilities_and_logits_lean_alike(logits: list[float], by: float) -> None:
    row = np.array([logits], np.float32)
    chances = softmax(row, TEMPERATURE)[0]
    features = Features(row, np.zeros((1, 4), np.float32), np.ones(1))
    subject = replace(candidate(float(chances[0]), features=features), none_probability=float(chances[2]))
    listening, model = _Listening(), SimpleNamespace(labels=LABELS, thresholds=SimpleNamespace(temperature=TEMPERATURE))
    Doubt(model, listening, by).about([subject])  # type: ignore[arg-type]
    for leaning, sign in zip(listening.asked, (-1, 1), strict=True):
        assert leaning.features is not None
        expected = softmax(leaning.features.logits, TEMPERATURE)[0]
        assert leaning.softmax == pytest.approx(expected[0], abs=1e-6)
        assert leaning.none_probability == pytest.approx(expected[2], abs=1e-6)
        odds = [math.log(p / (1 - p)) for p in (leaning.softmax, float(chances[0]))]
        assert odds[0] - odds[1] == pytest.approx(sign * by, abs=1e-3)


def test_an_enrolled_label_has_no_logit_to_lean() -> None:
    features = Features(np.zeros((1, 3), np.float32), np.zeros((1, 4), np.float32), np.ones(1))
    assert doubt(0.3).about([candidate(0.6, label="Enrolled", features=features)])


@dataclass
class _Told:
    """A classifier that finds what it is told to in pictures of one grey, and remembers which it saw."""

    chances: dict[int, float]
    runtime: None = None
    why: str = ""
    labels: tuple[str, ...] = LABELS
    seen: list[int] = field(default_factory=list)

    def classify(self, pictures: Sequence[Pixels]) -> list[list[Candidate]]:
        self.seen += [int(picture[0, 0, 0]) for picture in pictures]
        return [[candidate(self.chances[int(picture[0, 0, 0])])] for picture in pictures]


def test_only_pictures_in_doubt_are_looked_at_again_and_each_answer_stays_with_its_picture() -> None:
    quick, sure = _Told({1: 0.99, 2: 0.6, 3: 0.01, 4: 0.59}), _Told({2: 0.7, 4: 0.2})
    pictures = [np.full((4, 4, 3), grey, np.uint8) for grey in (1, 2, 3, 4)]
    found = DoubtingClassifier(quick, sure, doubt(0.3)).classify(pictures)  # type: ignore[arg-type]
    assert [one.softmax for own in found for one in own] == [0.99, 0.7, 0.01, 0.2]
    assert (quick.seen, sure.seen) == ([1, 2, 3, 4], [2, 4])


def test_a_picture_that_the_witness_decides_is_decided_alike_and_doubted_as_in_a_run() -> None:
    model = tiny_model()
    rejector = ThresholdRejector(Gates(none_class=1.0, max_softmax=0.6))
    seen = [[replace(candidate(chance), inliers=99)] for chance in (0.01, 0.6)]
    unseen = [[candidate(0.99)], [candidate(0.99)]]
    found = _compared(model, rejector, Int8("", {}, 1.0, 2, 1, doubt=0.3), seen, unseen)
    assert (found.agreement, found.in_doubt) == (1.0, 0.5)


@pytest.mark.skipif(not choosing.is_installed("openvino"), reason="OpenVINO is not installed")
def test_what_was_looked_at_with_other_thresholds_is_looked_at_again(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    (tmp_path / "pictures").mkdir()
    cv2.imwrite(str(tmp_path / "pictures" / "a.png"), rng.integers(0, 256, (64, 96, 3), np.uint8))
    model = replace(tiny_model(seed=3), digest="d" * 64)
    tensors = observable(as_onnx(model.network, "dense", cut="box", keep=False))[1]
    int8 = Int8(network_digest(model.network), {"dense": (0.05,) * len(tensors)}, 1.0, 500, 100, doubt=0.5)
    settings = [f"classifier.{one}" for one in ("precision=int8", "runtime=openvino", "device=cpu", "threads=1")]
    counts = []
    for least in ("0.5", "0.6", "0.6"):
        config = load_config(RunConfig, None, [*settings, f"rejector.max_softmax={least}"])
        looker = Looker(replace(model, int8=int8), config, tmp_path / "cache")
        assert len(list(looker.look(find_unknown(tmp_path / "pictures")))) == 1
        counts.append(looker.looks)
    assert counts == [1, 1, 0]


@pytest.mark.skipif(not choosing.is_installed("openvino"), reason="OpenVINO is not installed")
def test_a_model_that_is_always_in_doubt_finds_in_int8_what_it_finds_without() -> None:
    model = replace(tiny_model(seed=3), digest="d" * 64)
    rng = np.random.default_rng(0)
    pictures = [cv2.resize(one, (96, 64)) for one in rng.integers(0, 256, (4, 8, 12, 3), np.uint8)]
    plain = as_onnx(model.network, "dense", cut="box", keep=False)
    scales = {"dense": observed_scales(plain, [picture[None] for picture in pictures])}
    measured = replace(model, int8=Int8(network_digest(model.network), scales, 1.0, 500, 100, doubt=20.0, in_doubt=1.0))
    config = ClassifierConfig(device="cpu", threads=1, runtime="openvino", precision="int8", floor=0.0)
    rejector = rejector_of(measured, RejectorConfig())
    found = make_doubting(measured, config, rejector)
    assert isinstance(found, DoubtingClassifier)
    assert "100% of them by looking again" in found.why
    sure = make_classifier(model, config.model_copy(update={"precision": "auto"}))
    quick = make_classifier(measured, config)
    wanted = [[one.softmax for one in own] for own in sure.classify(pictures)]
    assert wanted == [[one.softmax for one in own] for own in found.classify(pictures)]
    assert wanted != [[one.softmax for one in own] for own in quick.classify(pictures)]
    assert not isinstance(
        make_doubting(model, config.model_copy(update={"precision": "float32"}), rejector), DoubtingClassifier
    )
