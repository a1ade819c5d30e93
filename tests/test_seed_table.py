"""The script that runs the paper's protocol, on stand-ins: scikit-learn's digits against drawn letters and noise."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.datasets import load_digits

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The scripts folder is where imports are looked for, as when a script in it runs."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    yield
    for name in [name for name in sys.modules if name.split(".")[0] in ("seed_table", "reproduce_seed_table")]:
        del sys.modules[name]


def write_digits(folder: Path, per_digit: int = 60) -> Path:
    """scikit-learn's digits as pictures, a folder for each digit."""
    digits = load_digits()
    for digit in range(10):
        (folder / str(digit)).mkdir(parents=True)
        for index, picture in enumerate(digits.images[digits.target == digit][:per_digit]):
            large = cv2.resize((picture * 15.9).astype(np.uint8), (28, 28), interpolation=cv2.INTER_LINEAR)
            cv2.imwrite(str(folder / str(digit) / f"{index}.png"), large)
    return folder


def write_letters(folder: Path, letters: str, count: int = 150) -> Path:
    """Letters drawn dark on light, somewhat moved and turned."""
    rng = np.random.default_rng(len(letters))
    folder.mkdir()
    for index in range(count):
        picture = np.full((56, 56), 255, np.uint8)
        place = int(rng.integers(8, 18)), int(rng.integers(38, 48))
        cv2.putText(picture, letters[index % len(letters)], place, int(rng.integers(0, 5)), 1.2, 0, 3)
        turn = cv2.getRotationMatrix2D((28, 28), float(rng.uniform(-20, 20)), 1.0)
        cv2.imwrite(str(folder / f"{index}.png"), cv2.warpAffine(picture, turn, (56, 56), borderValue=255))
    return folder


@pytest.mark.usefixtures("scripts")
def test_both_protocols_run_on_stand_ins_and_noise_is_told_apart(tmp_path: Path) -> None:
    from reproduce_seed_table import main

    digits = write_digits(tmp_path / "digits")
    letters = write_letters(tmp_path / "letters", "ABEFGHKMNPRTWXY")
    signs = write_letters(tmp_path / "signs", "#%&?@$+*=")
    arguments = ["--known", "digits", "--outliers", "letters", "--epochs", "12", "--score", "max_softmax"]
    for name, folder in (("digits", digits), ("letters", letters), ("signs", signs)):
        arguments += ["--folder", f"{name}={folder}"]
    for name in ("letters", "signs", "uniform"):
        arguments += ["--unknown", name]
    done = CliRunner().invoke(main, [*arguments, "--loss", "weighted", "--limit", "240"])
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)
    assert len(rows) == 2 * 3
    taught = {(row["protocol"], row["unknown"]) for row in rows if row["was_taught"]}
    assert taught == {("paper", "letters")}
    for row in rows:
        auroc = row["metrics"]["auroc"]
        assert auroc["low"] <= auroc["value"] <= auroc["high"]
        if row["was_taught"] or row["unknown"] == "uniform":
            assert auroc["value"] > 0.9, row
    assert "| leave-one-out | weighted | max_softmax |" in done.stderr


@pytest.mark.usefixtures("scripts")
def test_a_set_that_cannot_be_had_is_one_clear_line(tmp_path: Path) -> None:
    from reproduce_seed_table import main

    digits = write_digits(tmp_path / "digits", per_digit=2)
    known = ["--known", "digits", "--folder", f"digits={digits}"]
    done = CliRunner().invoke(main, [*known, "--unknown", "notmnist", "--outliers", "notmnist"])
    assert done.exit_code == 1
    assert "--folder notmnist=DIR" in done.stderr


@pytest.mark.usefixtures("scripts")
def test_pictures_of_a_folder_become_light_signs_on_dark_ground(tmp_path: Path) -> None:
    from seed_table.sets import load_set

    found = load_set("letters", tmp_path, {"letters": write_letters(tmp_path / "letters", "AB", count=20)})
    assert (found.train.shape, found.test.shape) == ((16, 28, 28), (4, 28, 28))
    assert found.train.mean(axis=(1, 2)).max() < 127


@pytest.mark.usefixtures("scripts")
@pytest.mark.parametrize("loss", ["plain", "none_class", "entropic", "weighted"])
def test_a_head_gives_the_logits_that_the_network_gave(loss: str) -> None:
    from seed_table.network import head_of, look, teach

    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (40, 28, 28)).astype(np.uint8)
    network = teach((pictures, np.arange(40) % 3), pictures, loss=loss, epochs=1, seed=0, device="cpu")  # type: ignore[arg-type]
    features = look(network, pictures)
    assert features.logits.shape == (40, 4)
    assert np.allclose(head_of(network).logits(features.embeddings, features.cells), features.logits, atol=1e-4)
