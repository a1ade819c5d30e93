"""Sums a dataset up for people."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from streamfilter.training.examples import Dataset, Example, Problem

_NAMED = 3


@dataclass(frozen=True, slots=True)
class DatasetReport:
    """Counts of a dataset and of the part that is held back.

    `pictures`, `validation` and `boxes` count per label; `exact_duplicates` and `near_duplicates` count the pictures
    that repeat an earlier one byte for byte, or nearly. `problems` count by kind; `explained` names the first of each.
    """

    pictures: dict[str, int]
    validation: dict[str, int]
    boxes: dict[str, int]
    negatives: int
    unknown: int
    exact_duplicates: int
    near_duplicates: int
    ignored_files: int
    problems: dict[str, int]
    explained: tuple[str, ...]

    def counts(self) -> dict[str, Any]:
        """The counts alone: a model file is passed on, and the files of its maker's machine are nobody's business."""
        return {name: value for name, value in asdict(self).items() if name != "explained"}

    def lines(self) -> list[str]:
        """The report as text, one line each."""
        counts = sorted(self.pictures.values())
        boxed = sum(count > 0 for count in self.boxes.values())
        unheld = [label for label, count in self.validation.items() if not count]
        return [
            f"labels       {len(counts)} with {counts[0]} to {counts[-1]} pictures each, {sum(counts)} in all",
            f"boxes        {sum(self.boxes.values())} on {boxed} labels",
            f"strangers    {self.negatives} pictures without a logo, {self.unknown} with other logos",
            f"validation   {sum(self.validation.values())} of the label pictures are held back",
            f"duplicates   {self.exact_duplicates} exact, {self.near_duplicates} near; never on both sides",
            *([f"unchecked    too few different pictures to validate: {_first(unheld)}"] if unheld else []),
            f"problems     {sum(self.problems.values())}, and {self.ignored_files} files that are no pictures",
            *(f"  {line}" for line in self.explained),
        ]


def report_on(dataset: Dataset, validation: Dataset) -> DatasetReport:
    """Sum up a dataset and the part of it that is held back for validation."""
    exact, near = _count_duplicates(dataset.examples)
    boxes = Counter(label for example in dataset.of_kind("known") for _, label in example.boxes)
    by_kind: dict[str, list[Problem]] = defaultdict(list)
    for problem in dataset.problems:
        by_kind[str(problem.kind)].append(problem)
    return DatasetReport(
        pictures=dataset.pictures_per_label(),
        validation=validation.pictures_per_label(),
        boxes={label: boxes[label] for label in dataset.labels},
        negatives=len(dataset.of_kind("negative")),
        unknown=len(dataset.of_kind("unknown")),
        exact_duplicates=exact,
        near_duplicates=near,
        ignored_files=dataset.ignored_files,
        problems={kind: len(problems) for kind, problems in by_kind.items()},
        explained=tuple(_explain(kind, problems) for kind, problems in by_kind.items()),
    )


def _count_duplicates(examples: Sequence[Example]) -> tuple[int, int]:
    different = len({example.digest for example in examples})
    return len(examples) - different, different - len({example.group for example in examples})


def _explain(kind: str, problems: Sequence[Problem]) -> str:
    names = _first([problem.what for problem in problems])
    return f"{len(problems)} × {kind.replace('_', ' ')}: {names}: {problems[0].detail}"


def _first(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
