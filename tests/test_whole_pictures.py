"""Pictures as they are, as scenes: at the size of a run, with each logo once, and the network at its fastest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny import tiny_model

from streamfilter.classifier.proposals import fit_size
from streamfilter.classifier.runtimes.choosing import is_installed
from streamfilter.model.device import Compute, choose_compute
from streamfilter.training import frozen
from streamfilter.training.examples import Example, Kind
from streamfilter.training.frozen import frozen_maps, frozen_runtime
from streamfilter.training.whole_pictures import MOST_CORRECTIONS, WholePictures, corrections
from streamfilter.types import Box

LABELS = ("Disc", "Ring")
BOX, COPY, ELSEWHERE = Box(0.1, 0.1, 0.4, 0.4), Box(0.12, 0.1, 0.4, 0.4), Box(0.6, 0.6, 0.3, 0.3)


def example(folder: Path, kind: Kind, label: str | None = None, *boxes: tuple[Box, str]) -> Example:
    path = folder / "picture.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 160, 3), np.uint8)).save(path)
    return Example(path, label, kind, boxes, 160, 90, has_alpha=False)


def test_a_picture_has_the_size_at_which_a_run_looks_at_it(tmp_path: Path) -> None:
    scene = WholePictures([example(tmp_path, "negative")], LABELS, short_side=64).compose(0)
    assert scene.pixels.shape[1::-1] == fit_size(160, 90, 64)
    assert not len(scene.facts.boxes)
    assert scene.facts.whole_label == -1


def test_a_logo_that_was_boxed_twice_is_one(tmp_path: Path) -> None:
    boxes = ((BOX, "Ring"), (COPY, "Ring"), (ELSEWHERE, "Ring"), (COPY, "Disc"), (BOX, "stranger"))
    facts = WholePictures([example(tmp_path, "known", "Ring", *boxes)], LABELS, short_side=64).compose(0).facts
    assert facts.labels.tolist() == [1, 1, 0]
    np.testing.assert_allclose(facts.boxes[1], [0.6, 0.6, 0.9, 0.9])
    assert facts.whole_label == 1


@pytest.mark.parametrize("boxes", [(), ((BOX, "Disc"),)])
def test_where_its_own_logo_is_not_boxed_no_place_is_said_to_be_empty(
    boxes: tuple[tuple[Box, str], ...], tmp_path: Path
) -> None:
    facts = WholePictures([example(tmp_path, "known", "Ring", *boxes)], LABELS, short_side=64).compose(0).facts
    assert (len(facts.boxes), facts.whole_label) == (0, 1)


def test_what_other_logos_show_is_none_of_the_labels(tmp_path: Path) -> None:
    facts = WholePictures([example(tmp_path, "unknown", None, (BOX, "any"))], LABELS, short_side=64).compose(0).facts
    assert (len(facts.boxes), facts.whole_label) == (0, -1)


def test_what_a_person_rejected_is_a_correction_and_what_was_accepted_is_none() -> None:
    def named(name: str, kind: Kind, label: str | None = None) -> Example:
        return Example(Path(name), label, kind, (), 160, 90, has_alpha=False)

    shot = f"shot-{'a1' * 12}"
    wrong = [named(f"{shot}-b2-0.jpg", "unknown"), named(f"{shot}-b2-1.jpg", "negative")]
    others = [named(f"{shot}-c3-0.jpg", "known", "Disc"), named("street.jpg", "negative")]
    assert corrections([*others, *wrong]) == wrong
    many = [named(f"{shot}-b{number}-0.jpg", "negative") for number in range(5 * MOST_CORRECTIONS)]
    some = corrections(many)
    assert len(some) == MOST_CORRECTIONS
    assert some[0] == many[0]
    assert some[-1] in many[-5:]


def test_a_frozen_network_says_the_same_whatever_runs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    network, compute = tiny_model().network, choose_compute("cpu", "float32", threads=1)
    if not is_installed("openvino"):
        pytest.skip("OpenVINO is not installed")
    pictures = list(np.random.default_rng(1).integers(0, 256, (3, 64, 96, 3), np.uint8))
    monkeypatch.setattr(frozen, "uses_openvino", _always)
    fast = (*frozen_maps(network, compute)(pictures), *frozen_runtime(network, compute).close([pictures]))
    monkeypatch.setattr(frozen, "uses_openvino", _never)
    plain = (*frozen_maps(network, compute)(pictures), *frozen_runtime(network, compute).close([pictures]))
    for one, other in zip(fast, plain, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-3, atol=2e-3 * float(np.abs(other).max()))


def _always(compute: Compute) -> bool:
    return True


def _never(compute: Compute) -> bool:
    return False
