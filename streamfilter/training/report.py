"""Sums a dataset up for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from streamfilter.training.examples import Dataset, Example

_NAMED_PER_KIND = 3


@dataclass(frozen=True, slots=True)
class DatasetReport:
    """Counts of a dataset and of its two parts.

    `pictures`, `validation` and `boxes` count per label; `exact_duplicates` and `near_duplicates` count the pictures
    that repeat an earlier one byte for byte, or nearly. `problems` count by kind, `named` holds the first few of each.
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
    named: tuple[str, ...]

    def lines(self) -> list[str]:
        """The report as text, one line each."""
        counts = sorted(self.pictures.values())
        head = [
            f"labels            {len(self.pictures)}, {counts[0]} to {counts[-1]} pictures each, {sum(counts)} in all",
            f"boxes             {sum(self.boxes.values())}, of {sum(map(bool, self.boxes.values()))} labels",
            f"negatives         {self.negatives} photographs, {self.unknown} with other logos",
            f"held back         {sum(self.validation.values())} label pictures for validation",
            f"duplicates        {self.exact_duplicates} exact, {self.near_duplicates} near; each kept on one side",
        ]
        unheld = [label for label, count in self.validation.items() if not count]
        if unheld:
            head.append(f"not validated     {', '.join(unheld)}")
        problems = [f"{kind.replace('_', ' '):<25} {count}" for kind, count in self.problems.items()]
        return [*head, *problems, *(f"  {line}" for line in self.named)]


def report(dataset: Dataset, validation: Dataset) -> DatasetReport:
    """Sum up a dataset and the part of it that is held back for validation."""
    exact, near = _count_duplicates(dataset.examples)
    boxes = Counter(label for example in dataset.of_kind("known") for _, label in example.boxes)
    return DatasetReport(
        pictures=dataset.pictures_per_label(),
        validation=validation.pictures_per_label(),
        boxes={label: boxes[label] for label in dataset.labels},
        negatives=len(dataset.of_kind("negative")),
        unknown=len(dataset.of_kind("unknown")),
        exact_duplicates=exact,
        near_duplicates=near,
        ignored_files=dataset.ignored_files,
        problems=dict(Counter(str(problem.kind) for problem in dataset.problems).most_common()),
        named=_first_of_each_kind(dataset),
    )


def _count_duplicates(examples: Iterable[Example]) -> tuple[int, int]:
    examples = list(examples)
    different = len({example.digest for example in examples})
    return len(examples) - different, different - len({example.group for example in examples})


def _first_of_each_kind(dataset: Dataset) -> tuple[str, ...]:
    seen: Counter[str] = Counter()
    named: list[str] = []
    for problem in dataset.problems:
        seen[problem.kind] += 1
        if seen[problem.kind] <= _NAMED_PER_KIND:
            named.append(str(problem))
    return tuple(named)
