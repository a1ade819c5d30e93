"""A promise is a value of the model file: what goes in comes out, what makes no sense is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import tiny_model

from streamfilter.config import ClassifierConfig, RejectorConfig, RunConfig, SamplerConfig, SmootherConfig
from streamfilter.model import load_model, model_info, save_model
from streamfilter.probability import ProbabilityCurve, restore_curve
from streamfilter.promise import FalseEvents, FalseLooks, Kept, Promise, deciding_settings, restore_promise

PROMISE = Promise(
    decided_by="rejector.max_softmax",
    threshold=0.9,
    settings=deciding_settings(RunConfig()),
    footage="ab" * 32,
    false_events=FalseEvents(1.0, confidence=0.95, events=2, hours=12.5, clips=40, wanted_per_hour=1.0),
    false_looks=FalseLooks(0.01, confidence=0.95, accepted=3, looks=800),
    kept=(Kept("Ring", lost_share=0.1, appearances=31, clips=12),),
)


def test_promise_and_curve_survive_the_model_file_and_so_does_every_weight(tmp_path: Path) -> None:
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    save_model(tiny_model(), first, weights="int8")
    model = replace(load_model(first), promise=PROMISE, probability=ProbabilityCurve(1.5, 0.5, -0.2))
    save_model(model, second, weights=model_info(first)["weights"])
    again = load_model(second)
    assert again.promise == PROMISE
    assert again.probability == ProbabilityCurve(1.5, 0.5, -0.2)
    before, after = load_model(first).network.state_dict(), again.network.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_model_that_was_never_calibrated_promises_nothing(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_model(tiny_model(), path)
    assert "promise" not in model_info(path)
    assert load_model(path).promise is None
    assert load_model(path).probability is None


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("threshold", "high"),
        ("threshold", float("nan")),
        ("false_events", {"per_hour": 1.0}),
        ("false_events", {**PROMISE.tree()["false_events"], "hours": -1.0}),
        ("false_events", {**PROMISE.tree()["false_events"], "per_hour": True}),
        ("false_looks", []),
        ("kept", [{"label": "Ring"}]),
        ("settings", 3),
    ],
)
def test_a_promise_that_makes_no_sense_is_refused(part: str, value: Any) -> None:
    with pytest.raises(ValueError, match="promise"):
        restore_promise({**PROMISE.tree(), part: value})


def test_a_promise_comes_through_json_unchanged() -> None:
    assert restore_promise(json.loads(json.dumps(PROMISE.tree()))) == PROMISE


@pytest.mark.parametrize(
    ("config", "broken"),
    [
        (RunConfig(), []),
        (RunConfig(classifier=ClassifierConfig(batch=1, device="cpu", threads=3)), []),
        (RunConfig(sampler=SamplerConfig(rate=8.0)), ["sampler.rate"]),
        (
            RunConfig(smoother=SmootherConfig(onset_s=0.1), rejector=RejectorConfig(max_softmax=0.2)),
            ["rejector.max_softmax", "smoother.onset_s"],
        ),
    ],
)
def test_a_promise_is_broken_by_the_settings_it_stands_on_and_by_no_others(
    config: RunConfig, broken: list[str]
) -> None:
    assert PROMISE.broken_by(config) == broken


@given(
    st.floats(0, 5), st.floats(0, 5), st.floats(-5, 5), st.lists(st.floats(0, 1), min_size=2, max_size=9, unique=True)
)
def test_a_curve_gives_probabilities_and_never_falls(a: float, b: float, c: float, scores: list[float]) -> None:
    values = [ProbabilityCurve(a, b, c)(score) for score in sorted(scores)]
    assert all(0 <= value <= 1 for value in values)
    assert values == sorted(values)


@given(st.floats(0.001, 0.999))
def test_the_plain_curve_changes_nothing(score: float) -> None:
    assert ProbabilityCurve()(score) == pytest.approx(score, abs=1e-12)


@pytest.mark.parametrize("tree", [{"a": -1.0}, {"a": "x"}, {"d": 1.0}, {"c": float("inf")}, 3])
def test_a_curve_that_is_none_is_refused(tree: Any) -> None:
    with pytest.raises(ValueError, match="probability"):
        restore_curve(tree)
