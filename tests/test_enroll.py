"""Enrolling through the whole command line: a mark that the demo's model was never taught is found, all else stays."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from media import regular_times, write_clip
from tiny import write_tiny_model

from streamfilter.cli.main import exit_code
from streamfilter.demo.folder import composite
from streamfilter.demo.marks import TAUGHT, UNTAUGHT
from streamfilter.demo.runner import MODEL
from streamfilter.demo.shapes import render
from streamfilter.errors import DatasetError, ModelError
from streamfilter.model import amend_model, load_model, model_info
from streamfilter.model.device import choose_compute
from streamfilter.types import Pixels

MARKS = {mark.name: mark for mark in (*TAUGHT, *UNTAUGHT)}
TAUGHT_ONE, NEW = "Trivane", "Pescara"
PART_S = 2.4
CPU = ["--device", "cpu"]
# Every look is asked: where a run asks adaptively, another label in the picture makes it ask elsewhere.
SAME_LOOKS = ["--set", "classifier.device=cpu", "--set", "classifier.threads=1", "--set", "sampler.adaptive=false"]

enrolling = importlib.import_module("streamfilter.enrolling.enroll")
scenes = importlib.import_module("streamfilter.enrolling.scenes")


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(enrolling, "SCENES", 24)
        patch.setattr(enrolling, "choose_compute", partial(choose_compute, threads=1))
        yield


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, one_thread: None) -> None:
    """Enough for a file to be made: what is found with it does not matter here."""
    monkeypatch.setattr(enrolling, "SCENES", 6)
    monkeypatch.setattr(scenes, "DRAWN", 4)


def cli(*arguments: object) -> int:
    return exit_code([str(argument) for argument in arguments])


def artwork(name: str, path: Path) -> Path:
    path.write_bytes(cv2.imencode(".png", cv2.cvtColor(render(MARKS[name], 220), cv2.COLOR_RGBA2BGRA))[1].tobytes())
    return path


def ground() -> Pixels:
    """Soft colours, `(360, 640, 3)`."""
    coarse = np.random.default_rng(4).integers(60, 200, (4, 6, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, (640, 360), interpolation=cv2.INTER_CUBIC), np.uint8)


def picture(name: str, time_s: float) -> Pixels:
    frame = ground()
    sprite = render(MARKS[name], 130)
    composite(frame, sprite, x=round(120 + 25 * time_s), y=110)
    return frame


def events(clip: Path, model: Path, log: Path) -> dict[str, list[dict[str, Any]]]:
    """Events by label, without what names the run."""
    assert cli("run", clip, "--model", model, "--events", log, "-q", *SAME_LOOKS) == 0
    found: dict[str, list[dict[str, Any]]] = {}
    for line in log.read_text("utf-8").splitlines():
        record = json.loads(line)
        if record["type"] == "event_close":
            names = {"seq", "run_id", "event_id"}
            found.setdefault(record["label"], []).append({k: v for k, v in record.items() if k not in names})
    return found


@pytest.fixture(scope="module")
def enrolled(tmp_path_factory: pytest.TempPathFactory, one_thread: None) -> Path:
    folder = tmp_path_factory.mktemp("enrolled")
    image = artwork(NEW, folder / "new.png")
    assert cli("enroll", MODEL, NEW, image, "--out", folder / "with.safetensors", "-q", *CPU) == 0
    return folder / "with.safetensors"


def test_an_enrolled_mark_is_found_on_a_clip_and_every_other_event_is_the_same(tmp_path: Path, enrolled: Path) -> None:
    times_s = regular_times(round(2 * PART_S * 25))
    clip = write_clip(
        tmp_path / "clip.mp4", ((t, picture(TAUGHT_ONE if t < PART_S else NEW, t % PART_S)) for t in times_s)
    )
    before = events(clip, MODEL, tmp_path / "before.jsonl")
    after = events(clip, enrolled, tmp_path / "after.jsonl")
    (new,) = after.pop(NEW)
    assert before.keys() == {TAUGHT_ONE}
    assert json.dumps(after) == json.dumps(before)
    assert new["start_s"] == pytest.approx(PART_S, abs=0.5)
    assert new["end_s"] == pytest.approx(2 * PART_S, abs=0.5)
    start = json.loads((tmp_path / "after.jsonl").read_text("utf-8").splitlines()[0])
    assert NEW in start["model"]["labels"]


def test_the_weights_are_copied_bit_by_bit_and_the_file_says_what_was_enrolled(enrolled: Path) -> None:
    first, second = load_model(MODEL), load_model(enrolled)
    for name, tensor in first.network.state_dict().items():
        assert tensor.equal(second.network.state_dict()[name]), name
    header = model_info(enrolled)
    assert header["enrolled"][NEW]["facts"]["pictures"] == 1
    added = {"enrolled": None, "references": None}
    assert {**header, **added} == {**model_info(MODEL), **added}
    assert second.all_labels == (*first.labels, NEW)


def test_removing_it_gives_the_model_that_was_there(tmp_path: Path, enrolled: Path) -> None:
    removed, copied = tmp_path / "removed.safetensors", tmp_path / "copied.safetensors"
    assert cli("enroll", enrolled, NEW, "--remove", "--out", removed, "-q") == 0
    amend_model(MODEL, copied, enrolled=(), references={})
    assert removed.read_bytes() == copied.read_bytes()


def test_the_same_pictures_give_the_same_file(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "tiny.safetensors")
    image = artwork(NEW, tmp_path / "new.png")
    for name in ("a", "b"):
        assert cli("enroll", model, NEW, image, "--out", tmp_path / name, "-q", *CPU) == 0
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_second_label_joins_the_first_and_force_enrolls_one_anew(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "tiny.safetensors")
    image, other = artwork(NEW, tmp_path / "new.png"), artwork("Houra", tmp_path / "other.png")
    assert cli("enroll", model, NEW, image, "--out", model, "--force", "-q", *CPU) == 0
    first = load_model(model).enrolled[0]
    assert cli("enroll", model, "Houra", other, "--out", model, "--force", "-q", *CPU) == 0
    both = load_model(model).enrolled
    assert [one.label for one in both] == [NEW, "Houra"]
    assert both[0].weight.equal(first.weight)
    assert cli("enroll", model, NEW, other, "--out", model, "--force", "-q", *CPU) == 0
    assert [one.label for one in load_model(model).enrolled] == ["Houra", NEW]


def test_photographs_take_boxes_and_negatives(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = write_tiny_model(tmp_path / "tiny.safetensors")
    (tmp_path / "street").mkdir()
    for path, frame in ((tmp_path / "photo.png", picture(NEW, 0)), (tmp_path / "street" / "a.png", ground())):
        path.write_bytes(cv2.imencode(".png", frame)[1].tobytes())
    (tmp_path / "street" / "broken.png").write_bytes(b"no picture")
    boxes = tmp_path / "boxes.csv"
    boxes.write_text(f"image,x1,y1,x2,y2,label\nphoto.png,118,108,330,242,{NEW}\nother.png,1,2,3,4,Other\n")
    arguments = [model, NEW, tmp_path / "photo.png", "--boxes", boxes, "--negatives", tmp_path / "street"]
    assert cli("enroll", *arguments, "--out", tmp_path / "new", *CPU) == 0
    assert model_info(tmp_path / "new")["enrolled"][NEW]["facts"]["negatives"] == 1
    assert "appearances in composed scenes" in capsys.readouterr().err


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a tiny model, one good picture and some that are of no use."""
    monkeypatch.chdir(tmp_path)
    write_tiny_model(tmp_path / "m")
    artwork(NEW, tmp_path / "new.png")
    (tmp_path / "copy.png").write_bytes((tmp_path / "new.png").read_bytes())
    (tmp_path / "broken.png").write_bytes(b"no picture")
    for name, frame in (
        ("flat.png", np.full((64, 64, 3), 90, np.uint8)),
        ("clear.png", np.zeros((64, 64, 4), np.uint8)),
        ("tiny.png", np.full((8, 8, 3), 90, np.uint8)),
    ):
        (tmp_path / name).write_bytes(cv2.imencode(".png", frame)[1].tobytes())
    (tmp_path / "boxes.csv").write_text("image,x1,y1,x2,y2,label\nelsewhere.png,1,2,30,40,Pescara\n")
    (tmp_path / "torn.csv").write_text("image,x1,y1,x2,y2,label\nnew.png,1,x,30,40,Pescara\n")
    (tmp_path / "empty").mkdir()
    (tmp_path / "there").write_text("precious")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (["Ring", "new.png"], DatasetError, "the network was taught"),
        ([" x", "new.png"], DatasetError, "spaces at its ends"),
        (["New", "missing.png"], DatasetError, "missing.png"),
        (["New", "broken.png"], DatasetError, "broken.png"),
        (["New", "flat.png"], DatasetError, "shows nothing"),
        (["New", "clear.png"], DatasetError, "shows nothing"),
        (["New", "tiny.png"], DatasetError, "8×8 pixels"),
        (["New", "new.png", "copy.png"], DatasetError, "same picture"),
        ([NEW, "new.png", "--boxes", "boxes.csv"], DatasetError, "no box of"),
        ([NEW, "new.png", "--boxes", "torn.csv"], DatasetError, "torn.csv"),
        (["New", "new.png", "--negatives", "empty"], DatasetError, "--negatives"),
        (["New", "new.png", "--negatives", "nowhere"], DatasetError, "nowhere"),
        (["New", "--remove"], DatasetError, "not enrolled"),
    ],
)
def test_what_cannot_be_enrolled_is_one_line_and_leaves_no_file(
    workplace: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    error: type[DatasetError],
    words: str,
) -> None:
    assert cli("enroll", "m", *arguments, "--out", "out") == error.exit_code
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert words in line
    assert not (workplace / "out").exists()


def test_a_file_is_replaced_only_with_force(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli("enroll", "m", "New", "new.png", "--out", "there") == ModelError.exit_code
    assert "--force" in capsys.readouterr().err
    assert cli("enroll", "m", "New", "new.png", "--out", "empty") == ModelError.exit_code
    assert (workplace / "there").read_text() == "precious"


@pytest.mark.parametrize("arguments", [["New"], ["New", "new.png", "--remove"]])
def test_pictures_are_for_enrolling_and_none_for_removing(workplace: Path, arguments: list[str]) -> None:
    assert cli("enroll", "m", *arguments, "--out", "out") == 2


def test_a_label_is_enrolled_twice_only_with_force(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli("enroll", "m", "New", "new.png", "--out", "once", "-q", *CPU) == 0
    assert cli("enroll", "once", "New", "new.png", "--out", "twice") == DatasetError.exit_code
    assert "enrolled already" in capsys.readouterr().err


def test_many_pictures_are_taken_with_a_word_about_training(
    workplace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = []
    monkeypatch.setattr(enrolling, "MANY_PICTURES", 2)
    for number in range(3):
        sprite = render(MARKS[NEW], 100 + number)
        names.append(f"{number}.png")
        Path(names[-1]).write_bytes(cv2.imencode(".png", sprite)[1].tobytes())
    assert cli("enroll", "m", "New", *names, "--out", "out", *CPU) == 0
    assert "streamfilter train" in capsys.readouterr().err
