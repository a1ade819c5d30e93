"""Labels that were enrolled: their row, their probability, their limits, and who holds a place that two want."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from tiny import EMBEDDING, tiny_model

from streamfilter.classifier import make_classifier
from streamfilter.classifier.enrolled import EnrolledFinder
from streamfilter.classifier.windows import window_grid, window_means
from streamfilter.config import ClassifierConfig, RejectorConfig
from streamfilter.enrolling.fit import DECAY, Linear, platt, regress, taught_windows
from streamfilter.enrolling.windows import Windows, window_sizes
from streamfilter.model import Enrolled, Statistics
from streamfilter.model.enrolled import describe_enrolled, pack_enrolled, restore_enrolled
from streamfilter.rejector import Gates, ThresholdRejector, make_rejector, with_enrolled
from streamfilter.rejector.witnessed import ENOUGH
from streamfilter.types import Box, Candidate

CPU = ClassifierConfig(device="cpu", precision="float32", threads=1, floor=0.2)
LEFT, RIGHT = Box(0.1, 0.1, 0.3, 0.3), Box(0.6, 0.6, 0.3, 0.3)


def enrolled(label: str = "New", *, threshold: float = 0.6, far: float = 20.0, seed: int = 0) -> Enrolled:
    generator = torch.Generator().manual_seed(seed)
    return Enrolled(
        label,
        weight=torch.randn(EMBEDDING, generator=generator),
        mean=torch.rand(EMBEDDING, generator=generator),
        quantiles=torch.linspace(0, 20, 101),
        bias=0.25,
        size=(0.5, -0.1),
        threshold=threshold,
        far=far,
        facts={"pictures": 3},
    )


def candidate(label: str, softmax: float, box: Box = LEFT, *, distance: float = 5.0) -> Candidate:
    return Candidate(box, label, softmax, 1 - softmax, distance, 50.0)


def verdicts(candidates: list[Candidate], config: RejectorConfig | None = None) -> list[str | None]:
    """The label of each candidate, or why there is none."""
    taught = ThresholdRejector(Gates(none_class=0.5, max_softmax=0.7, mahalanobis=10))
    labels = [enrolled("First"), enrolled("Second", threshold=0.9)]
    sightings = with_enrolled(taught, labels, config or RejectorConfig()).judge(candidates)
    assert [s.candidate for s in sightings] == candidates
    return [s.label or str(s.rejection) for s in sightings]


def test_each_enrolled_label_is_judged_by_its_own_limits() -> None:
    found = verdicts(
        [
            candidate("Ring", 0.65),
            candidate("First", 0.65),
            candidate("Second", 0.65, RIGHT),
            candidate("First", 0.45),
            candidate("First", 0.9, RIGHT, distance=21),
        ]
    )
    assert found == ["low_softmax", "First", "low_softmax", "none_class", "far"]


def test_configured_thresholds_hold_for_enrolled_labels_too() -> None:
    strict = RejectorConfig(max_softmax=0.95, mahalanobis=1.0)
    assert verdicts([candidate("First", 0.9)], strict) == ["low_softmax"]
    assert verdicts([candidate("First", 0.97)], strict) == ["far"]
    assert verdicts([candidate("First", 0.97)], RejectorConfig(none_class=0.01)) == ["none_class"]


def test_a_taught_label_that_is_accepted_holds_its_place_however_sure_an_enrolled_one_is() -> None:
    assert verdicts([candidate("First", 0.99), candidate("Ring", 0.75)]) == ["taken", "Ring"]
    assert verdicts([candidate("First", 0.99), candidate("Ring", 0.75, RIGHT)]) == ["First", "Ring"]
    assert verdicts([candidate("First", 0.99), candidate("Ring", 0.6)]) == ["First", "low_softmax"]


def test_of_two_enrolled_labels_the_one_that_came_first_holds_the_place() -> None:
    assert verdicts([candidate("Second", 0.99), candidate("First", 0.7)]) == ["taken", "First"]
    assert verdicts([candidate("Second", 0.99), candidate("First", 0.5)]) == ["Second", "low_softmax"]


@given(
    st.lists(st.tuples(st.sampled_from(["Ring", "First", "Second"]), st.floats(0, 1), st.sampled_from([LEFT, RIGHT])))
)
def test_no_decision_about_a_taught_label_depends_on_what_was_enrolled(found: list[tuple[str, float, Box]]) -> None:
    candidates = [candidate(label, softmax, box) for label, softmax, box in found]
    alone = verdicts([c for c in candidates if c.label == "Ring"])
    together = verdicts(candidates)
    assert [v for c, v in zip(candidates, together, strict=True) if c.label == "Ring"] == alone


def test_a_witnessed_enrolled_label_is_accepted_at_any_score_but_not_at_a_place_that_is_taken() -> None:
    seen = replace(candidate("First", 0.25, distance=99), inliers=ENOUGH)
    assert verdicts([seen]) == ["First"]
    assert verdicts([replace(seen, inliers=ENOUGH - 1)]) == ["none_class"]
    assert verdicts([seen, candidate("Ring", 0.75)]) == ["taken", "Ring"]


def test_without_enrolled_labels_the_rejector_is_the_models_own() -> None:
    taught = make_rejector(tiny_model().thresholds, RejectorConfig())
    assert with_enrolled(taught, [], RejectorConfig()) is taught


def test_candidates_of_taught_labels_are_the_same_beside_enrolled_ones() -> None:
    plain, more = tiny_model(), replace(tiny_model(), enrolled=(enrolled(), enrolled("Other", seed=1)))
    picture = np.random.default_rng(3).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    before = make_classifier(plain, CPU).classify([picture])[0]
    after = make_classifier(more, CPU).classify([picture])[0]
    assert [c for c in after if c.label in plain.labels] == before
    added = [c for c in after if c.label not in plain.labels]
    assert {c.label for c in added} <= {"New", "Other"}
    assert len(added) > 0
    assert [c.softmax for c in after] == sorted((c.softmax for c in after), reverse=True)
    for one in added:
        assert one.none_probability == pytest.approx(1 - one.softmax)
        assert one.features is not None
        assert 0 <= one.distance_percentile <= 100


def test_the_probability_follows_its_formula() -> None:
    labels = [enrolled(), enrolled("Other", seed=1)]
    embedding = torch.rand((EMBEDDING, 6, 9), generator=torch.Generator().manual_seed(5))
    windows = window_grid(6, 9)
    chances = EnrolledFinder(labels, CPU, torch.device("cpu")).chances(embedding, windows)
    for number, label in enumerate(labels):
        for index in range(0, len(windows), 7):
            top, left, height, width = windows[index]
            mean = embedding[:, top : top + height, left : left + width].double().mean(dim=(1, 2)).numpy()
            size = np.log2(height * width) / 2 - 3
            value = mean @ label.weight.numpy() + label.bias + label.size[0] * size + label.size[1] * size**2
            assert chances[number, index] == pytest.approx(1 / (1 + np.exp(-value)), abs=1e-5)


def test_a_row_says_the_same_of_a_scene_as_of_its_windows() -> None:
    row = Linear(torch.randn(EMBEDDING), torch.tensor([0.4, -0.2]), torch.tensor(0.3))
    cells = torch.rand((EMBEDDING, 6, 9), generator=torch.Generator().manual_seed(5))
    windows = torch.from_numpy(window_grid(6, 9))
    means = window_means(cells[None], windows)[0].numpy()
    of_windows = row.of_windows(Windows(means, window_sizes(windows).numpy()))
    assert torch.allclose(row.of_scene(cells, windows), of_windows, atol=1e-4)
    assert torch.allclose(row.scaled(2, 1).of_scene(cells, windows), 2 * of_windows + 1, atol=1e-4)


def clouds(seed: int, apart: float) -> tuple[Windows, Windows]:
    rng = np.random.default_rng(seed)
    own, others = rng.normal(apart, 1, (40, 5)), rng.normal(0, 1, (160, 5))
    sizes = rng.normal(0, 1, 200)
    return (
        Windows(own.astype(np.float32), sizes[:40].astype(np.float32)),
        Windows(others.astype(np.float32), sizes[40:].astype(np.float32)),
    )


def test_the_row_is_the_logistic_regression_that_scikit_learn_finds() -> None:
    own, others = clouds(1, 0.8)
    both = Windows.join([own, others])
    inputs = np.column_stack([both.embeddings, both.sizes, both.sizes**2]).astype(np.float64)
    spread = inputs.std(axis=0, ddof=1) + 1e-3 * inputs.std(ddof=1) + 1e-9
    is_own = np.arange(200) < 40
    weight = np.where(is_own, 0.5 / 40, 0.5 / 160)
    theirs = LogisticRegression(C=1 / (2 * DECAY), tol=1e-10, max_iter=2000)
    theirs.fit((inputs - inputs.mean(axis=0)) / spread, is_own, sample_weight=weight)
    expected = theirs.decision_function((inputs - inputs.mean(axis=0)) / spread)
    assert np.allclose(regress(own, others).of_windows(both).numpy(), expected, atol=2e-2)


def test_platts_line_is_the_one_that_scikit_learn_finds_for_his_targets() -> None:
    rng = np.random.default_rng(2)
    own, strange = rng.normal(4, 1, 30), rng.normal(0, 2, 50)
    gain, shift = platt(own, strange)
    high, low = 31 / 32, 1 / 52
    values = np.concatenate([own, strange, own, strange])[:, None]
    target = np.repeat([1, 1, 0, 0], [30, 50, 30, 50])
    weight = np.repeat([high / 60, low / 100, (1 - high) / 60, (1 - low) / 100], [30, 50, 30, 50])
    theirs = LogisticRegression(C=1e9, tol=1e-10, max_iter=5000).fit(values, target, sample_weight=weight)
    assert gain == pytest.approx(theirs.coef_[0, 0], rel=1e-2)
    assert shift == pytest.approx(theirs.intercept_[0], rel=2e-2)


def test_windows_of_taught_labels_have_the_models_means_and_spread() -> None:
    factor = np.random.default_rng(1).normal(size=(4, 4)) * 0.3
    values, vectors = np.linalg.eigh(factor @ factor.T + 0.05 * np.eye(4))
    whitening = vectors / np.sqrt(values)
    means = torch.full((300, 4), 9.0)
    statistics = Statistics(means, torch.from_numpy(whitening).float(), torch.zeros((300, 101)))
    drawn = taught_windows(statistics, np.random.default_rng(0)).embeddings
    assert np.allclose(drawn.mean(axis=0), 9, atol=0.1)
    assert np.allclose(np.cov((drawn - 9) @ whitening, rowvar=False), np.eye(4), atol=0.15)


def test_what_is_packed_comes_back() -> None:
    labels = (enrolled(), enrolled("Other", far=float("inf"), seed=1))
    back = restore_enrolled(describe_enrolled(labels), pack_enrolled(labels), labels=("Ring",), embedding=EMBEDDING)
    for one, other in zip(labels, back, strict=True):
        for name in ("weight", "mean", "quantiles"):
            assert getattr(one, name).equal(getattr(other, name))
        rest = ("label", "bias", "size", "threshold", "far", "facts")
        assert [getattr(one, name) for name in rest] == [getattr(other, name) for name in rest]
    assert restore_enrolled({}, {}, labels=("Ring",), embedding=EMBEDDING) == ()


@pytest.mark.parametrize(
    "fault", ["clash", "list", "missing", "extra", "shape", "nan", "threshold", "far", "bias", "key"]
)
def test_damaged_enrolled_labels_are_refused(fault: str) -> None:
    header, tensors = describe_enrolled([enrolled()]), pack_enrolled([enrolled()])
    labels = ("New",) if fault == "clash" else ("Ring",)
    if fault == "missing":
        del tensors["enrolled.0.mean"]
    elif fault == "extra":
        tensors["enrolled.1.mean"] = torch.zeros(EMBEDDING)
    elif fault == "shape":
        tensors["enrolled.0.mean"] = torch.zeros(3)
    elif fault == "nan":
        tensors["enrolled.0.weight"][0] = float("nan")
    elif fault == "key":
        del header["New"]["size"]
    elif fault in header["New"]:
        header["New"][fault] = {"threshold": 1.5, "far": -1.0, "bias": float("nan")}[fault]
    given = ["New"] if fault == "list" else header
    with pytest.raises((ValueError, KeyError, TypeError)):
        restore_enrolled(given, tensors, labels=labels, embedding=EMBEDDING)  # type: ignore[arg-type]
