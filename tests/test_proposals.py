"""What the dense pass proposes: no window that could matter is left out before its probability is known."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamfilter.classifier.proposals import _possible
from streamfilter.rejector.softmax import softmax


@given(
    seed=st.integers(0, 10_000),
    labels=st.integers(1, 30),
    floor=st.floats(0, 1),
    temperature=st.floats(0.2, 5),
    spread=st.floats(0.1, 20),
)
def test_a_window_that_some_label_could_be_in_is_never_left_out(
    seed: int, labels: int, floor: float, temperature: float, spread: float
) -> None:
    logits = np.random.default_rng(seed).normal(0, spread, (50, labels + 1)).astype(np.float32)
    likely = np.flatnonzero(1 - softmax(logits, temperature)[:, -1] >= floor)
    assert set(likely) <= set(_possible(logits, floor=floor, temperature=temperature))


def test_windows_in_which_nothing_could_be_are_left_out() -> None:
    logits = np.array([[0, 0, 9], [9, 0, 0], [0, 0, 0]], np.float32)
    assert _possible(logits, floor=0.1, temperature=1.0).tolist() == [1, 2]
    assert _possible(logits, floor=0.0, temperature=1.0).tolist() == [0, 1, 2]
