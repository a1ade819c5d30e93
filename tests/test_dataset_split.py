"""Parting a dataset into training and validation, and the report about both."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from labelled import write_pictures

from streamfilter.training.dataset import read_dataset
from streamfilter.training.examples import Dataset, Example, Kind
from streamfilter.training.report import report_on
from streamfilter.training.split import split

LABELS = ("A", "B", "C")


def example(number: int, kind: Kind, label: str | None, group: int) -> Example:
    return Example(Path(f"{number}.png"), label, kind, (), 64, 64, has_alpha=False, digest=str(number), group=group)


def dataset_of(*members: tuple[Kind, str | None, int]) -> Dataset:
    return Dataset(LABELS, tuple(example(number, *member) for number, member in enumerate(members)))


kinds = st.one_of(st.tuples(st.just("known"), st.sampled_from(LABELS)), st.sampled_from([("negative", None)]))
datasets = st.lists(st.tuples(kinds, st.integers(0, 60)), max_size=120).map(
    lambda members: dataset_of(*((kind, label, group) for (kind, label), group in members))
)
seeds = st.integers(0, 1000)


@given(datasets, st.sampled_from([0.1, 0.2, 0.5]), seeds)
def test_no_duplicate_group_is_on_both_sides_and_no_example_is_lost(
    dataset: Dataset, validation: float, seed: int
) -> None:
    training, held = split(dataset, validation=validation, seed=seed)
    assert not {e.group for e in training.examples} & {e.group for e in held.examples}
    assert sorted(e.digest for e in training.examples + held.examples) == sorted(e.digest for e in dataset.examples)


@given(datasets, seeds)
def test_the_same_seed_gives_the_same_parts(dataset: Dataset, seed: int) -> None:
    assert split(dataset, seed=seed) == split(dataset, seed=seed)


@given(datasets, seeds)
def test_every_label_with_examples_keeps_some_to_train_on(dataset: Dataset, seed: int) -> None:
    training, _ = split(dataset, seed=seed)
    had, kept = dataset.pictures_per_label(), training.pictures_per_label()
    assert all(kept[label] for label in LABELS if had[label])


@given(datasets, st.integers(1, 30), seeds)
def test_pictures_of_a_review_leave_all_others_on_their_side(dataset: Dataset, count: int, seed: int) -> None:
    shots = (Path(f"shot-{'a' * 24}-{number:024x}-0.jpg") for number in range(count))
    learned = [replace(example(0, "negative", None, 100 + n // 3), path=path) for n, path in enumerate(shots)]
    before = split(dataset, seed=seed)
    after = split(dataset.with_examples([*learned, *dataset.examples]), seed=seed)
    for old, new in zip(before, after, strict=True):
        assert tuple(e for e in new.examples if e not in learned) == old.examples


def test_a_fifth_of_every_label_and_kind_is_held_back() -> None:
    members: list[tuple[Kind, str | None, int]] = [("known", label, 0) for label in "A" * 50 + "B" * 30 + "C" * 5]
    members += [("negative", None, 0)] * 100 + [("unknown", None, 0)] * 40
    dataset = dataset_of(*((kind, label, number) for number, (kind, label, _) in enumerate(members)))
    _, held = split(dataset, seed=3)
    assert Counter((e.kind, e.label) for e in held.examples) == {
        ("known", "A"): 10,
        ("known", "B"): 6,
        ("known", "C"): 1,
        ("negative", None): 20,
        ("unknown", None): 8,
    }


def test_other_seeds_hold_back_other_examples() -> None:
    dataset = dataset_of(*(("known", "A", number) for number in range(50)))
    assert split(dataset, seed=1)[1] != split(dataset, seed=2)[1]


def test_of_under_five_pictures_none_is_held_back() -> None:
    dataset = dataset_of(*(("known", "A", number) for number in range(4)))
    assert split(dataset, validation=0.5, seed=0)[1].examples == ()


def test_where_all_copies_come_in_large_groups_the_smallest_is_held_back() -> None:
    dataset = dataset_of(*(("known", "A", group) for group in [0] * 5 + [1] * 3 + [2] * 6))
    assert {e.group for e in split(dataset, seed=0)[1].examples} == {1}


def test_a_label_of_one_picture_in_many_copies_is_all_trained_on() -> None:
    dataset = dataset_of(*(("known", "A", 0) for _ in range(9)))
    training, held = split(dataset, seed=0)
    assert (len(training.examples), len(held.examples)) == (9, 0)


def test_the_report_counts_and_names_what_was_read(tmp_path: Path) -> None:
    first, *_ = write_pictures(tmp_path / "k" / "A", range(10))
    write_pictures(tmp_path / "k" / "Few", range(20, 23))
    write_pictures(tmp_path / "n", range(30, 34))
    shutil.copy(first, tmp_path / "k" / "A" / "copy.png")
    for number in range(5):
        (tmp_path / "k" / "A" / f"bad{number}.jpg").write_bytes(b"")
    (tmp_path / "b.csv").write_text("A/001.png,0,0,30,30,A\nA/002.png,0,0,thirty,30,A\n", encoding="utf-8")
    dataset = read_dataset(tmp_path / "k", negatives=[tmp_path / "n"], boxes=tmp_path / "b.csv")
    report = report_on(dataset, split(dataset, seed=0)[1])
    assert report.pictures == {"A": 11, "Few": 3}
    assert report.validation == {"A": 2, "Few": 0}
    assert report.boxes == {"A": 1, "Few": 0}
    assert (report.negatives, report.unknown) == (4, 0)
    assert (report.exact_duplicates, report.near_duplicates) == (1, 0)
    assert report.problems == {"unreadable_picture": 5, "few_pictures": 1, "malformed_row": 1}
    lines = report.lines()
    assert len(lines) <= 12
    assert any("5 × unreadable picture" in line and "and 2 more" in line for line in lines)
    assert any("b.csv line 2" in line for line in lines)
    assert any("too few different pictures to validate: Few" in line for line in lines)


def test_the_shared_data_is_read_whole_and_parted_clean(test_data: Path) -> None:
    logos = test_data / "logos"
    if not logos.is_dir():
        pytest.skip(f"no logos in {test_data}")
    dataset = read_dataset(
        logos / "known",
        boxes=logos / "known_boxes.csv",
        unknown=[logos / "unknown"],
        unknown_boxes=logos / "unknown_boxes.csv",
    )
    training, held = split(dataset, seed=0)
    assert len(dataset.labels) == 27
    assert (len(dataset.of_kind("known")), len(dataset.of_kind("unknown"))) == (1073, 420)
    assert dataset.problems == ()
    assert not {e.group for e in training.examples} & {e.group for e in held.examples}
    assert min(held.pictures_per_label().values()) >= 5
