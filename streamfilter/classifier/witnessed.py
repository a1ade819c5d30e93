"""Asks the geometric witness about the likeliest candidates of each picture, where the picture still is at hand."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from streamfilter.config import RejectorConfig
from streamfilter.model import Model
from streamfilter.rejector.geometry import Witness, cut_out
from streamfilter.stages import Classifier, Rejector
from streamfilter.types import Candidate, Pixels, Rejection, Sighting

MOST_ASKED = 4
"""Taught candidates of a picture that the witness is asked about, and as many enrolled ones: each takes some 15 ms."""
LARGEST_NONE = 0.5
"""A taught label that is less likely than none at all is not worth the question."""


def with_witness(
    inner: Classifier, model: Model, config: RejectorConfig, rejector: Rejector | None = None
) -> Classifier:
    """`inner` with the witness of a model, as `rejector.geometry` asks; `inner` itself where the model has none.

    `rejector`: see `WitnessedClassifier`.
    """
    if config.geometry == "off" or not model.references:
        return inner
    enrolled = {one.label for one in model.enrolled}
    return WitnessedClassifier(inner, Witness(model.references), enrolled=enrolled, rejector=rejector)


class WitnessedClassifier:
    """See `stages.Classifier`: what `inner` finds, the likeliest of it with `Candidate.inliers`.

    `enrolled`: labels of which the witness knows more than the network, so that it is asked about every candidate.
    `rejector`: the one that will judge, so that it is asked only where its word can change a verdict; None: several
    will.
    """

    def __init__(
        self, inner: Classifier, witness: Witness, *, enrolled: Collection[str] = (), rejector: Rejector | None = None
    ) -> None:
        self._inner, self._witness, self._enrolled = inner, witness, frozenset(enrolled)
        self._rejector = rejector

    @property
    def labels(self) -> tuple[str, ...]:
        return self._inner.labels

    def analysis_size(self, width: int, height: int) -> tuple[int, int]:
        """As `inner` has it."""
        return self._inner.analysis_size(width, height)

    def classify(self, pictures: Sequence[Pixels]) -> list[list[Candidate]]:
        """Candidates of each picture, likeliest first. Pictures: `(H, W, 3)` uint8 RGB, at `analysis_size`."""
        found = self._inner.classify(pictures)
        return [self._asked(candidates, picture) for candidates, picture in zip(found, pictures, strict=True)]

    def _asked(self, candidates: list[Candidate], picture: Pixels) -> list[Candidate]:
        known = [i for i, candidate in enumerate(candidates) if self._witness.knows(candidate.label)]
        added = [i for i in known if candidates[i].label in self._enrolled]
        taught = [i for i in known if i not in added and candidates[i].none_probability <= LARGEST_NONE]
        for index in self._open(candidates, taught[:MOST_ASKED] + added[:MOST_ASKED]):
            candidate = candidates[index]
            match = self._witness.compare(cut_out(picture, candidate.box), candidate.label)
            candidates[index] = replace(candidate, inliers=match.inliers)
        return candidates

    def _open(self, candidates: Sequence[Candidate], indices: Sequence[int]) -> Iterator[int]:
        """Those of these candidates whose verdict the witness may change."""
        if self._rejector is None or not indices:
            yield from indices
            return
        sightings = self._rejector.judge(candidates)
        yield from (index for index in indices if self._is_open(sightings[index]))

    def _is_open(self, sighting: Sighting) -> bool:
        if sighting.rejection is Rejection.NONE_CLASS:
            return sighting.candidate.label in self._enrolled
        return sighting.rejection is not None
