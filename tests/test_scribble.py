"""Scribbles are drawn into scenes, are nobody's logo, and follow the seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streamfilter.training.examples import Example
from streamfilter.training.scenes import SceneComposer, SceneSettings
from streamfilter.training.scribble import scribble


@pytest.mark.parametrize("seed", range(40))
def test_a_scribble_changes_a_plain_frame_and_the_same_seed_draws_the_same(seed: int) -> None:
    frames = [np.full((96, 128, 3), 127, np.uint8) for _ in range(2)]
    for frame in frames:
        scribble(frame, np.random.default_rng(seed))
    assert np.array_equal(*frames)
    assert frames[0].shape == (96, 128, 3)


def test_most_scribbles_can_be_seen() -> None:
    seen = 0
    for seed in range(60):
        frame = np.full((96, 128, 3), 127, np.uint8)
        scribble(frame, np.random.default_rng(seed))
        seen += bool((frame != 127).any())
    assert seen >= 55


def test_scribbles_bring_no_boxes(tmp_path: Path) -> None:
    settings = SceneSettings(height=96, width=128, scribbles=1.0)
    negative = Example(_flat(tmp_path / "flat.png"), None, "negative", (), 128, 96, has_alpha=False)
    composer = SceneComposer([negative], ("Pepsi",), settings)
    for seed in range(10):
        facts = composer.compose(seed).facts
        assert not len(facts.boxes)
        assert facts.whole_label == -1


def _flat(path: Path) -> Path:
    import cv2

    cv2.imwrite(str(path), np.full((96, 128, 3), 90, np.uint8))
    return path
