"""Scores and their thresholds as training fits them, and as they are fitted anew."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import EMBEDDING, LABELS, tiny_model
from windows import brief_autoencoder, make_head, make_windows

from streamfilter.model import Model, Thresholds, load_model, save_model
from streamfilter.model.scores import head_of, pack_scores
from streamfilter.rejector.scores import DEFAULT, SCORES
from streamfilter.rejector.scores.energy import Energy
from streamfilter.rejector.scores.max_softmax import MaxSoftmax
from streamfilter.training.refit import settings_of
from streamfilter.training.rejection import KEPT, LEAST_KEPT, Material, fit_rejection, fit_score_thresholds, fitting
from streamfilter.training.validation import Found
from streamfilter.types import Features

HEAD = make_head()


def found(seed: int, *, logos: int, strangers: int) -> Found:
    known, labels = make_windows(logos, seed, head=HEAD)
    strange = make_windows(strangers, seed + 1, head=HEAD, strange=True)[0]
    return Found(known, labels, np.full(logos, 0.3), strange)


def tiny_found(model: Model, seed: int, *, logos: int = 30, strangers: int = 20) -> Found:
    """Windows as the tiny model's network would read them."""
    rng, head = np.random.default_rng(seed), head_of(model.network)

    def windows(count: int, shift: float) -> Features:
        embeddings = np.abs(rng.normal(shift, 1, (count, EMBEDDING))).astype(np.float32)
        cells = rng.integers(4, 100, count).astype(np.float64)
        return Features(head.logits(embeddings, cells).astype(np.float32), embeddings, cells)

    return Found(windows(logos, 1.0), rng.integers(0, len(LABELS), logos), np.full(logos, 0.3), windows(strangers, 0.0))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 200), st.sampled_from([0.01, 0.05, 0.2]))
def test_no_more_than_the_false_share_of_strangers_pass_gates_and_score(
    seed: int, strangers: int, false_share: float
) -> None:
    material = Material(found(1, logos=20, strangers=0), found(seed, logos=100, strangers=strangers), {})
    thresholds = Thresholds(temperature=1.2)
    scores = {"max_softmax": MaxSoftmax(1.2), "energy": Energy()}
    values = fit_score_thresholds(scores, material, thresholds, false_share=false_share)
    for name, score in scores.items():
        strange = material.held.strange
        passed = (score(strange) <= values[name]) & (MaxSoftmax(1.2)(strange) <= 0.5)
        kept = (score(material.held.known) <= values[name]).mean()
        assert passed.sum() <= false_share * strangers or kept == pytest.approx(LEAST_KEPT, abs=0.02)
        assert LEAST_KEPT - 0.02 <= kept <= KEPT + 0.01


def test_where_the_gates_stop_every_stranger_the_score_keeps_nearly_every_logo() -> None:
    held = found(3, logos=300, strangers=40)
    nobody = held.strange.logits.copy()
    nobody[:, -1] += 100
    held = replace(held, strange=replace(held.strange, logits=nobody))
    value = fit_score_thresholds({"energy": Energy()}, Material(held, held, {}), Thresholds(), false_share=0.05)
    assert (Energy()(held.known) <= value["energy"]).mean() == pytest.approx(KEPT, abs=0.005)


def test_without_held_out_logos_the_taught_ones_bound_the_threshold() -> None:
    taught, empty = found(3, logos=100, strangers=0), found(4, logos=0, strangers=0)
    value = fit_score_thresholds({"energy": Energy()}, Material(taught, empty, {}), Thresholds(), false_share=0.05)
    assert value["energy"] == pytest.approx(np.quantile(Energy()(taught.known), KEPT))


def test_every_source_of_strangers_has_a_number_and_an_empty_one_has_none() -> None:
    model = tiny_model()
    strange = tiny_found(model, 3).strange
    empty = strange.rows(slice(0, 0))
    material = Material(tiny_found(model, 1), tiny_found(model, 2), {"a": strange, "b": empty, "c": strange})
    training = fitting(model.network, material, temperature=1.0, seed=0)
    assert training.sources is not None
    assert np.bincount(training.sources).tolist() == [20, 20]
    bare = fitting(model.network, replace(material, strangers={}), temperature=1.0, seed=0)
    assert bare.negatives is None
    assert bare.sources is None


@pytest.fixture(scope="module")
def fitted() -> Model:
    model = tiny_model()
    strangers = {"photographs": tiny_found(model, 5).strange, "drawn": tiny_found(model, 6).strange}
    material = Material(tiny_found(model, 1), tiny_found(model, 2), strangers)
    with brief_autoencoder():
        scores, thresholds = fit_rejection(model.network, material, model.thresholds, false_share=0.1, seed=0)
    return replace(model, scores=scores, thresholds=thresholds)


def test_a_model_has_every_score_that_reads_features(fitted: Model) -> None:
    assert set(fitted.scores) == set(SCORES) - {"odin"} == set(fitted.thresholds.scores)
    assert fitted.thresholds.score == DEFAULT
    assert fitted.thresholds.temperature == tiny_model().thresholds.temperature


def test_scores_come_back_from_the_file_as_they_went_in(fitted: Model, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    save_model(fitted, path)
    back = load_model(path)
    assert back.thresholds == fitted.thresholds
    assert back.scores.keys() == fitted.scores.keys()
    features = tiny_found(fitted, 9).known
    for name, score in back.scores.items():
        if name not in ("react", "fused"):  # these use the head, which the file keeps as float16
            assert np.array_equal(score(features), fitted.scores[name](features)), name
    assert np.allclose(back.scores["fused"](features), fitted.scores["fused"](features), atol=0.05)


def test_what_scores_share_is_kept_once(fitted: Model) -> None:
    packed = pack_scores(fitted.scores)
    assert "scores.knn.bank" in packed
    assert not any(name.startswith("scores.fused.knn") for name in packed)
    alone = pack_scores({"fused": fitted.scores["fused"]})
    assert torch.equal(alone["scores.fused.knn.bank"], packed["scores.knn.bank"])


def test_settings_are_read_from_what_the_model_file_tells() -> None:
    model = tiny_model()
    told = replace(model.provenance, settings={"seed": 5, "validation": 0.3, "computed_on": "cpu"})
    assert (settings_of(replace(model, provenance=told)).seed, settings_of(model).seed) == (5, 0)
