"""From candidates to one sample per picture: what it was taken for, how unfamiliar it is, what was decided."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamfilter.config import RunConfig
from streamfilter.evaluation.bootstrap import Floats
from streamfilter.evaluation.looking import Looked
from streamfilter.evaluation.pictures import Kind, Subject
from streamfilter.model import Model
from streamfilter.rejector import chosen_score
from streamfilter.rejector.scores.max_softmax import MaxSoftmax
from streamfilter.stages import Rejector
from streamfilter.types import Box, Candidate, Features, Rejection, Sighting

Classes = NDArray[np.int64]
NOTHING = -1
"""Stands for the label of what was not seen at all."""
_NOTHING_SEEN = Sighting(Candidate(Box(0, 0, 1, 1), "", 0.0, 1.0, 0.0, 100.0), None, Rejection.NONE_CLASS, 0.0)
ScoreFunction = Callable[[Features], Floats]
"""Unfamiliarity `(n,)` of windows, larger = less familiar."""


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Pictures as arrays of length n; labels are numbered as the model has them, C stands for none of these.

    `truth`: what it shows. `seen`: the candidates that a run would see. `taken_for`: the label of the least unfamiliar
    of them (`chosen` is its place there), `unfamiliarity` what it has. Where a run sees nothing at all, the first two
    are `NOTHING` and the picture is as unfamiliar as any. `decided`: what a run would say at the model's own
    thresholds, by `verdicts`; `confidence`: the score (0 to 1) it has in the label `confident_in`, which is the
    likeliest where it says none; `softmax`: the bare probability of the network in the same.
    """

    subjects: tuple[Subject, ...]
    labels: tuple[str, ...]
    truth: Classes
    seen: tuple[list[Candidate], ...]
    chosen: Classes
    verdicts: tuple[Sighting, ...]
    taken_for: Classes
    unfamiliarity: Floats
    decided: Classes
    confidence: Floats
    softmax: Floats
    confident_in: Classes

    def __len__(self) -> int:
        return len(self.subjects)

    @property
    def none(self) -> int:
        """The number that stands for none of these."""
        return len(self.labels)

    @property
    def is_known(self) -> NDArray[np.bool_]:
        """Which pictures show a label, `(n,)`."""
        return np.asarray(self.truth != self.none)

    def best(self, row: int) -> Features:
        """The window of a picture's least unfamiliar candidate; there is one where `chosen` is not -1."""
        return _features(self.seen[row][int(self.chosen[row])])

    def rows_of(self, kind: Kind) -> NDArray[np.intp]:
        """The rows of one kind of picture."""
        return np.flatnonzero([subject.kind == kind for subject in self.subjects])


@dataclass(frozen=True, slots=True, eq=False)
class Judge:
    """How candidates are judged: by the `rejector` as in a run, and on a scale by its score, called `name`.

    `floor`: the probability from which on a run sees a candidate.
    """

    labels: tuple[str, ...]
    rejector: Rejector
    score: ScoreFunction
    name: str
    floor: float


def make_judge(model: Model, rejector: Rejector, config: RunConfig) -> Judge:
    """The judge of a model's candidates; without a score of its own, maximum softmax ranks them."""
    name = chosen_score(model.thresholds, config.rejector)
    score: ScoreFunction = model.scores[name] if name else MaxSoftmax(model.thresholds.temperature)
    return Judge(model.all_labels, rejector, score, name or MaxSoftmax.name, config.classifier.floor)


def collect(looked: Sequence[Looked], judge: Judge) -> Samples:
    """Samples of the pictures that could be read.

    The least unfamiliar candidate is looked for among those that a run sees, and is the likeliest where it sees none.
    A picture without any candidate was looked at like the others, and found to be nothing.
    """
    labels = judge.labels
    read = [(item.subject, item.candidates) for item in looked if item.candidates is not None]
    seen = [_seen(candidates, judge.floor) for _, candidates in read]
    numbers = {label: number for number, label in enumerate(labels)}
    unfamiliarity, chosen = rank(seen, judge.score)
    taken_for = [numbers[own[row].label] if own else NOTHING for own, row in zip(seen, chosen, strict=True)]
    verdicts = [_verdict(judge.rejector.judge(own)) for own in seen]
    return Samples(
        subjects=tuple(subject for subject, _ in read),
        labels=labels,
        truth=np.array([_number(numbers, subject.label) for subject, _ in read]),
        seen=tuple(seen),
        chosen=chosen,
        verdicts=tuple(verdicts),
        taken_for=np.array(taken_for),
        unfamiliarity=unfamiliarity,
        decided=np.array([_number(numbers, sighting.label) for sighting in verdicts]),
        confidence=np.array([sighting.score for sighting in verdicts]),
        softmax=np.array([sighting.candidate.softmax for sighting in verdicts]),
        confident_in=np.array([numbers.get(sighting.candidate.label, NOTHING) for sighting in verdicts]),
    )


def rank(seen: Sequence[Sequence[Candidate]], score: ScoreFunction) -> tuple[Floats, Classes]:
    """How unfamiliar each picture's least unfamiliar candidate is, and which of its candidates that is: `(n,)` each.

    A picture without one is as unfamiliar as the most unfamiliar candidate of all, and has -1.
    """
    some = [row for row, own in enumerate(seen) if own]
    unfamiliarity, chosen = np.zeros(len(seen)), np.full(len(seen), NOTHING, np.int64)
    if some:
        values = score(Features.concatenate([_features(candidate) for row in some for candidate in seen[row]]))
        parts = np.split(values, np.cumsum([len(seen[row]) for row in some])[:-1])
        unfamiliarity[:] = values.max()
        unfamiliarity[some] = [part.min() for part in parts]
        chosen[some] = [int(part.argmin()) for part in parts]
    return unfamiliarity, chosen


def _seen(candidates: Sequence[Candidate], floor: float) -> list[Candidate]:
    return [candidate for candidate in candidates if candidate.softmax >= floor] or list(candidates[:1])


def _verdict(sightings: Sequence[Sighting]) -> Sighting:
    """What a run would say of the picture: its surest accepted sighting, or its surest one where none is accepted."""
    if not sightings:
        return _NOTHING_SEEN
    accepted = [sighting for sighting in sightings if sighting.label is not None]
    return max(accepted or sightings, key=lambda sighting: sighting.score)


def _features(candidate: Candidate) -> Features:
    assert candidate.features is not None, "a candidate of a network has features"
    return candidate.features


def _number(numbers: Mapping[str, int], label: str | None) -> int:
    return len(numbers) if label is None else numbers[label]
