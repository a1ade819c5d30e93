"""Parts a dataset into training and validation examples without near-duplicates on both sides."""

from __future__ import annotations

import random
from collections import Counter, defaultdict

from streamfilter.training.dataset import FEW_PICTURES
from streamfilter.training.duplicates import shot_of
from streamfilter.training.examples import Dataset, Example

Stratum = tuple[str, str | None]
Groups = dict[int, list[Example]]


def split(dataset: Dataset, *, validation: float = 0.2, seed: int) -> tuple[Dataset, Dataset]:
    """The training and the validation part. Whole duplicate groups go to one side; the same seed gives the same parts.

    Of every label, the negatives and the unknown logos the share `validation`, 0 to 0.5, is held back: at least one
    example where there are five and they are not all copies of one picture, none where there are fewer. Pictures that
    a review taught are parted by themselves, so all others stay on the side on which they were before.
    """
    groups: Groups = defaultdict(list)
    for example in dataset.examples:
        groups[example.group].append(example)
    learned = {group for group, members in groups.items() if all(shot_of(member.path.name) for member in members)}
    chosen: set[int] = set()
    for part in (groups.keys() - learned, learned):
        own = {group: members for group, members in groups.items() if group in part}
        chosen |= _held_back(own, validation=validation, seed=seed)
    return (
        dataset.with_examples(e for e in dataset.examples if e.group not in chosen),
        dataset.with_examples(e for e in dataset.examples if e.group in chosen),
    )


def _held_back(groups: Groups, *, validation: float, seed: int) -> set[int]:
    total = Counter(_stratum(example) for members in groups.values() for example in members)
    wanted = {stratum: _wanted(count, validation) for stratum, count in total.items()}
    order = list(groups)
    random.Random(seed).shuffle(order)
    # Copies go to training where they can: a validation part full of one picture would say little.
    order.sort(key=lambda group: len(groups[group]) > 1)
    held: Counter[Stratum] = Counter()
    chosen: set[int] = set()
    for group in order:
        gain = Counter(_stratum(example) for example in groups[group])
        if all(held[s] + n <= wanted[s] for s, n in gain.items()):
            held.update(gain)
            chosen.add(group)
    _hold_back_one_each(groups, chosen, total=total, held=held, wanted=wanted)
    return chosen


def _stratum(example: Example) -> Stratum:
    return example.kind, example.label


def _wanted(count: int, validation: float) -> int:
    return 0 if count < FEW_PICTURES or validation <= 0 else max(1, round(count * validation))


def _hold_back_one_each(
    groups: Groups,
    chosen: set[int],
    *,
    total: Counter[Stratum],
    held: Counter[Stratum],
    wanted: dict[Stratum, int],
) -> None:
    """Where only large groups were left, the smallest that leaves something to train on is held back all the same."""
    for stratum in sorted(s for s, n in wanted.items() if n and not held[s]):
        able = [
            (len(members), group, gain)
            for group, members in groups.items()
            if stratum in (gain := Counter(map(_stratum, members)))
            and all(held[s] + n < total[s] for s, n in gain.items())
        ]
        if able:
            _, group, gain = min(able, key=lambda item: item[:2])
            held.update(gain)
            chosen.add(group)
