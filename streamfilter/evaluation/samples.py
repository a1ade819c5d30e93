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
from streamfilter.types import Candidate, Features, Sighting

Classes = NDArray[np.int64]
ScoreFunction = Callable[[Features], Floats]
"""Unfamiliarity `(n,)` of windows, larger = less familiar."""


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Pictures as arrays of length n; labels are numbered as the model has them, C stands for none of these.

    `truth`: what it shows. `seen`: the candidates that a run would see. `taken_for`: the label of the least unfamiliar
    of them (`chosen` is its place there), `unfamiliarity` what it has. `decided`: what a run would say at the model's
    own thresholds, by `verdicts`; `confidence`: the score (0 to 1) it has in the label `confident_in`, which is the
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
        """The window of a picture's least unfamiliar candidate."""
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
    """Samples of the pictures that could be read; at least one.

    The least unfamiliar candidate is looked for among those that a run sees, and is the likeliest where it sees none.
    """
    labels = judge.labels
    read = [(item.subject, item.candidates) for item in looked if item.candidates]
    seen = [_seen(candidates, judge.floor) for _, candidates in read]
    numbers = {label: number for number, label in enumerate(labels)}
    unfamiliarity, chosen = rank(seen, judge.score)
    best = [own[row] for own, row in zip(seen, chosen, strict=True)]
    verdicts = [_verdict(judge.rejector.judge(own)) for own in seen]
    return Samples(
        subjects=tuple(subject for subject, _ in read),
        labels=labels,
        truth=np.array([_number(numbers, subject.label) for subject, _ in read]),
        seen=tuple(seen),
        chosen=chosen,
        verdicts=tuple(verdicts),
        taken_for=np.array([numbers[candidate.label] for candidate in best]),
        unfamiliarity=unfamiliarity,
        decided=np.array([_number(numbers, sighting.label) for sighting in verdicts]),
        confidence=np.array([sighting.score for sighting in verdicts]),
        softmax=np.array([sighting.candidate.softmax for sighting in verdicts]),
        confident_in=np.array([numbers[sighting.candidate.label] for sighting in verdicts]),
    )


def rank(seen: Sequence[Sequence[Candidate]], score: ScoreFunction) -> tuple[Floats, Classes]:
    """How unfamiliar each picture's least unfamiliar candidate is, and which of its candidates that is: `(n,)` each."""
    values = score(Features.concatenate([_features(candidate) for own in seen for candidate in own]))
    parts = np.split(values, np.cumsum([len(own) for own in seen])[:-1])
    return np.array([part.min() for part in parts]), np.array([int(part.argmin()) for part in parts])


def _seen(candidates: Sequence[Candidate], floor: float) -> list[Candidate]:
    return [candidate for candidate in candidates if candidate.softmax >= floor] or list(candidates[:1])


def _verdict(sightings: Sequence[Sighting]) -> Sighting:
    """What a run would say of the picture: its surest accepted sighting, or its surest one where none is accepted."""
    accepted = [sighting for sighting in sightings if sighting.label is not None]
    return max(accepted or sightings, key=lambda sighting: sighting.score)


def _features(candidate: Candidate) -> Features:
    assert candidate.features is not None, "a candidate of a network has features"
    return candidate.features


def _number(numbers: Mapping[str, int], label: str | None) -> int:
    return len(numbers) if label is None else numbers[label]
