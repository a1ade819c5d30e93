"""From folders to samples: which pictures count, what the cache keeps, what a picture is taken for."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
from tiny import LABELS, tiny_model

from streamfilter.classifier import make_classifier
from streamfilter.classifier.attack import fgsm
from streamfilter.config import ClassifierConfig, RunConfig, load_config
from streamfilter.console import Console
from streamfilter.errors import DatasetError, SinkError
from streamfilter.evaluation.cache import CandidateCache, default_cache, pack, unpack
from streamfilter.evaluation.looking import Looked, Looker
from streamfilter.evaluation.pictures import Subject, find_subjects, read_subject
from streamfilter.evaluation.robustness import spread_over_labels
from streamfilter.evaluation.samples import NOTHING, collect, make_judge
from streamfilter.evaluation.sections import measure
from streamfilter.evaluation.shifts import SHIFTS, Shift, apply_shift, h264, jpeg, noisy
from streamfilter.rejector import make_rejector
from streamfilter.types import Box, Candidate, Features, Pixels

RING, STAR = LABELS


def drawn(seed: int, width: int = 96, height: int = 64) -> Pixels:
    """A picture of its own for every seed."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def write(path: Path, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), drawn(seed))
    return path


def candidate(label: str, softmax: float, *, logits: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Candidate:
    """A candidate with features."""
    features = Features(np.array([logits], np.float32), np.ones((1, 4), np.float32), np.array([9.0]))
    other = STAR if label == RING else RING
    return Candidate(Box(0.1, 0.2, 0.3, 0.4), label, softmax, 0.2, 3.0, 50.0, runner_up=other, features=features)


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    """Known pictures of two labels and of a folder that is none, near and far ones, one picture in two places."""
    for number, name in enumerate(("known/Ring/a.png", "known/Ring/b.png", "known/Star/a.png", "known/Other/a.png")):
        write(tmp_path / name, number)
    for number, name in enumerate(("far/deep/a.png", "far/b.png", "near/a.png"), start=10):
        write(tmp_path / name, number)
    write(tmp_path / "far" / "again.png", 12)
    return {name: tmp_path / name for name in ("known", "far", "near")}


def test_a_picture_counts_once_and_folders_of_no_label_are_named(folders: dict[str, Path]) -> None:
    found = find_subjects(folders["known"], [folders["far"]], [folders["near"]], labels=LABELS)
    counted = [(subject.kind, subject.label, subject.path.name) for subject in found.pictures]
    assert counted == [
        ("known", "Ring", "a.png"),
        ("known", "Ring", "b.png"),
        ("known", "Star", "a.png"),
        ("near", None, "a.png"),
        ("far", None, "b.png"),
        ("far", None, "a.png"),
    ]
    problems = " ".join(map(str, found.problems))
    assert "Other: is no label of the model" in problems
    assert "again.png: is the picture" in problems


def test_without_a_folder_called_like_a_label_there_is_nothing_to_evaluate(folders: dict[str, Path]) -> None:
    with pytest.raises(DatasetError, match="called like a label of the model"):
        find_subjects(folders["known"], [folders["far"]], [], labels=("Square",))


def test_without_an_unknown_picture_there_is_nothing_to_reject(folders: dict[str, Path]) -> None:
    with pytest.raises(DatasetError, match="--far or --near"):
        find_subjects(folders["known"], [], [], labels=LABELS)


def test_every_field_of_a_candidate_survives_the_cache_to_the_last_bit() -> None:
    classifier = make_classifier(tiny_model(), ClassifierConfig(floor=0.0, device="cpu", threads=1), perturbs=True)
    (found,) = classifier.classify([drawn(3)])
    found[0] = dataclasses.replace(found[0], inliers=7)
    again = unpack(pack(found, LABELS), LABELS)
    assert len(again) == len(found) > 1
    for before, after in zip(found, again, strict=True):
        for field in dataclasses.fields(Candidate):
            if field.name != "features":
                assert getattr(before, field.name) == getattr(after, field.name), field.name
        assert before.features is not None
        assert after.features is not None
        for field in dataclasses.fields(Features):
            assert np.array_equal(getattr(before.features, field.name), getattr(after.features, field.name)), field.name


def test_a_picture_without_a_candidate_is_kept_too(tmp_path: Path) -> None:
    cache = CandidateCache(tmp_path, "model", LABELS)
    cache.put("picture", [])
    assert cache.get("picture") == []
    assert cache.get("another picture") is None


def test_a_damaged_file_of_the_cache_is_as_good_as_none(tmp_path: Path) -> None:
    cache = CandidateCache(tmp_path, "model", LABELS)
    cache.put("picture", [candidate(RING, 0.9)])
    (path,) = tmp_path.rglob("*.npz")
    for content in (path.read_bytes()[:100], b"", b"something else"):
        path.write_bytes(content)
        assert cache.get("picture") is None


def test_another_model_or_treatment_has_a_place_of_its_own(tmp_path: Path) -> None:
    CandidateCache(tmp_path, "model", LABELS).put("picture", [candidate(RING, 0.9)])
    assert CandidateCache(tmp_path, "model", LABELS).get("picture jpeg") is None
    assert CandidateCache(tmp_path, "other", LABELS).get("picture") is None


def test_a_cache_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SinkError, match="give another with --cache"):
        CandidateCache(tmp_path / "file" / "cache", "model", LABELS)


def test_the_cache_lies_where_the_user_keeps_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache() == tmp_path / "streamfilter" / "features"


def test_a_second_look_asks_the_network_nothing_and_says_the_same(folders: dict[str, Path], tmp_path: Path) -> None:
    model = dataclasses.replace(tiny_model(), digest="tiny")
    config = load_config(RunConfig, None, ["classifier.device=cpu", "classifier.threads=1"])
    subjects = find_subjects(folders["known"], [folders["far"]], [], labels=LABELS).pictures
    first, second = (Looker(model, config, tmp_path / "cache") for _ in range(2))
    before, after = list(first.look(subjects)), list(second.look(subjects))
    assert (first.looks, second.looks) == (len(subjects), 0)
    for one, other in zip(before, after, strict=True):
        assert one.subject == other.subject
        assert one.candidates == other.candidates
        assert one.candidates
    list(second.look(subjects[:1], treatment=lambda picture: jpeg(picture, quality=10), name="jpeg 10"))
    assert second.looks == 1


def test_a_picture_that_cannot_be_read_is_told_and_the_others_are_looked_at(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    subjects = [
        Subject(tmp_path / "broken.png", "far", None, "1"),
        Subject(write(tmp_path / "fine.png", 1), "far", None, "2"),
    ]
    looker = Looker(tiny_model(), load_config(RunConfig, None, ["classifier.threads=1"]), tmp_path / "cache")
    broken, fine = looker.follow(subjects, "pictures", Console(-1))
    assert broken.candidates is None
    assert "broken.png" in broken.problem
    assert fine.candidates


def test_a_picture_is_taken_for_its_least_unfamiliar_candidate_and_decided_as_a_run_would() -> None:
    model = tiny_model()
    rejector = make_rejector(model.thresholds, RunConfig().rejector, {})
    judge = make_judge(model, rejector, RunConfig())
    sure, unsure = (4.0, 0.0, 0.0), (0.0, 0.4, 0.2)
    pictures = [
        (RING, [candidate(RING, 0.9, logits=sure), candidate(STAR, 0.3, logits=unsure)]),
        (None, [candidate(STAR, 0.3, logits=unsure), candidate(RING, 0.1, logits=sure)]),
        (None, [candidate(STAR, 0.1, logits=unsure), candidate(RING, 0.05, logits=sure)]),
    ]
    looked = [
        Looked(Subject(Path(f"{i}.png"), "known" if label else "far", label, str(i)), candidates)
        for i, (label, candidates) in enumerate(pictures)
    ]
    samples = collect([*looked, Looked(looked[0].subject, None, "unreadable")], judge)
    assert len(samples) == 3
    assert samples.truth.tolist() == [0, 2, 2]
    assert samples.decided.tolist() == [0, 2, 2]
    assert samples.taken_for.tolist() == [0, 1, 1]  # below the run's floor only the likeliest is seen
    assert samples.unfamiliarity[0] < samples.unfamiliarity[1]
    assert samples.confidence.tolist() == [0.9, 0.3, 0.1]
    assert (samples.best(0).logits == np.float32(sure)).all()


def test_a_picture_in_which_nothing_is_seen_counts_as_rejected_and_as_the_least_familiar() -> None:
    model = tiny_model()
    judge = make_judge(model, make_rejector(model.thresholds, RunConfig().rejector, {}), RunConfig())
    seen = [candidate(RING, 0.9, logits=(4.0, 0.0, 0.0))]
    strange = [candidate(STAR, 0.3, logits=(0.0, 0.4, 0.2))]
    pictures = [(RING, seen), (RING, []), (None, strange), (None, [])]
    samples = collect(
        [
            Looked(Subject(Path(f"{i}.png"), "known" if label else "far", label, str(i)), candidates)
            for i, (label, candidates) in enumerate(pictures)
        ],
        judge,
    )
    assert len(samples) == 4
    assert samples.decided.tolist() == [0, 2, 2, 2]
    assert samples.taken_for.tolist() == [0, NOTHING, 1, NOTHING]
    assert samples.confident_in.tolist() == [0, NOTHING, 1, NOTHING]
    assert samples.unfamiliarity[1] == samples.unfamiliarity[3] == samples.unfamiliarity.max()
    # Of four pairs two are in order, one is a tie and one is not: the missed logo is no likelier than the stranger.
    unfamiliarity, is_known = samples.unfamiliarity, samples.is_known
    pairs = [np.sign(b - a) for a in unfamiliarity[is_known] for b in unfamiliarity[~is_known]]
    measured = measure(samples, np.arange(4), rounds=10)
    assert measured["auroc"].value == pytest.approx(np.mean(pairs) / 2 + 0.5)
    assert measured["known_rejected"].value == 0.5
    assert measured["unknown_accepted"].value == 0.0


@pytest.mark.parametrize("shift", [shift for shift in SHIFTS if shift.kind != "fgsm"], ids=lambda shift: shift.name)
def test_a_treatment_keeps_the_size_and_harms_the_same_picture_the_same_way(shift: Shift) -> None:
    picture = drawn(1)
    treated = apply_shift(shift, picture)
    assert (treated.shape, treated.dtype) == (picture.shape, np.uint8)
    assert np.array_equal(treated, apply_shift(shift, picture))
    assert np.array_equal(treated, picture) == (shift.kind == "none")


@pytest.mark.parametrize("kind", ["jpeg", "h264", "blur", "noise"])
def test_a_larger_dose_harms_more(kind: str) -> None:
    picture = noisy(drawn(2), sigma=12)
    doses = [shift for shift in SHIFTS if shift.kind == kind]
    harm = [np.abs(apply_shift(shift, picture).astype(int) - picture).mean() for shift in doses]
    assert harm == sorted(harm)
    assert harm[0] < harm[-1]


def test_h264_at_its_best_quality_is_nearly_the_picture() -> None:
    picture = cv2.cvtColor(cv2.cvtColor(drawn(4), cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    assert np.abs(h264(np.asarray(picture, np.uint8), crf=1).astype(int) - picture).mean() < 2.5


def test_an_attack_moves_every_value_by_its_levels_at_most_and_makes_the_label_less_likely() -> None:
    model, picture = tiny_model(), drawn(5)
    classifier = make_classifier(model, ClassifierConfig(device="cpu", floor=0.0, precision="float32", threads=1))
    best = classifier.classify([picture])[0][0]
    attacked = fgsm(model.network, picture, LABELS.index(best.label), levels=4)
    assert 0 < np.abs(attacked.astype(int) - picture).max() <= 4
    (after,) = classifier.classify([attacked])
    assert max((c.softmax for c in after if c.label == best.label), default=0.0) < best.softmax


def test_the_subset_has_every_label_before_any_label_twice() -> None:
    subjects = [Subject(Path(f"{i}"), "known", label, f"{i}") for i, label in enumerate("aaaaabbc")]
    chosen = spread_over_labels(subjects, 4)
    assert {subject.label for subject in chosen} == set("abc")
    assert chosen == spread_over_labels(subjects, 4)
    assert len(spread_over_labels(subjects, 100)) == 8
    assert spread_over_labels(subjects, 0) == []


def test_transparent_parts_are_gray(tmp_path: Path) -> None:
    picture = np.zeros((20, 20, 4), np.uint8)
    picture[:10] = (10, 200, 30, 255)
    cv2.imwrite(str(tmp_path / "a.png"), picture)
    read = read_subject(tmp_path / "a.png")
    assert read[0, 0].tolist() == [30, 200, 10]
    assert read[-1, 0].tolist() == [128, 128, 128]
