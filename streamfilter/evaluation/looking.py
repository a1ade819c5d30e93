"""Lets the network look at pictures: all candidates of each, from the cache where they are known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from streamfilter.classifier import DoubtingClassifier, make_doubting, with_witness
from streamfilter.config import RunConfig
from streamfilter.console import Console
from streamfilter.errors import DatasetError
from streamfilter.evaluation.cache import CandidateCache, code_digest
from streamfilter.evaluation.pictures import Subject, read_subject, resized
from streamfilter.model import Model
from streamfilter.rejector import rejector_of
from streamfilter.stages import Classifier
from streamfilter.types import Candidate, Pixels

EVERY_WINDOW = 0.0
"""Floor of the likeliest label's probability: even a picture without anything has a least unfamiliar window."""
Treatment = Callable[[Pixels], Pixels]
"""What is done to a picture at the size of analysis, before the network sees it: `(H, W, 3)` uint8 RGB in and out."""


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """A picture and all that the network found in it, likeliest first; None where the picture could not be read."""

    subject: Subject
    candidates: list[Candidate] | None
    problem: str = ""


class Looker:
    """The classifier of a model with its floor lowered, behind a cache."""

    def __init__(self, model: Model, config: RunConfig, folder: Path, *, perturbs: bool = False) -> None:
        """`perturbs`: candidates carry what the ODIN score reads, which takes three more passes of every picture.

        Raises `ModelError` for a device that is not there, `SinkError` for a cache that cannot be written.
        """
        lowered = config.classifier.model_copy(update={"floor": EVERY_WINDOW})
        dense = make_doubting(model, lowered, rejector_of(model, config.rejector), perturbs=perturbs)
        self.classifier: Classifier = with_witness(dense, model, config.rejector)
        self.looks = 0
        self._batch = lowered.batch
        settings = lowered.model_dump_json(exclude={"batch", "threads", "device"})
        # Whoever doubts looks again at what lies near the thresholds.
        judged = (
            config.rejector.model_dump_json() if isinstance(dense, DoubtingClassifier) else config.rejector.geometry
        )
        identity = f"{model.digest} {settings} {perturbs} {judged} {dense.runtime.name} {code_digest()}"
        self._cache = CandidateCache(folder, identity, model.all_labels)

    def look(
        self, subjects: Iterable[Subject], *, treatment: Treatment | None = None, name: str = ""
    ) -> Iterator[Looked]:
        """Each picture's candidates, in order; `name` tells treatments apart and must say all about one."""
        waiting = iter(subjects)
        while batch := list(islice(waiting, self._batch)):
            yield from self._look_at(batch, treatment, name)

    def follow(self, subjects: Sequence[Subject], what: str, console: Console) -> Iterator[Looked]:
        """As `look`, with a progress bar."""
        with console.progress(what, len(subjects)) as progress:
            for item in self.look(subjects):
                progress.advance()
                yield item

    def prepared(self, subject: Subject) -> Pixels:
        """The picture at the size of analysis. Raises `DatasetError` when it cannot be read."""
        picture = read_subject(subject.path)
        return resized(picture, *self.classifier.analysis_size(picture.shape[1], picture.shape[0]))

    def _look_at(self, batch: Sequence[Subject], treatment: Treatment | None, name: str) -> list[Looked]:
        looked = {s.digest: Looked(s, self._cache.get(_key(s, name))) for s in batch}
        fresh: list[tuple[Subject, Pixels]] = []
        for subject in batch:
            if looked[subject.digest].candidates is not None:
                continue
            try:
                picture = self.prepared(subject)
            except DatasetError as error:
                looked[subject.digest] = Looked(subject, None, str(error))
                continue
            fresh.append((subject, picture if treatment is None else treatment(picture)))
        for subject, candidates in self._classify(fresh):
            self._cache.put(_key(subject, name), candidates)
            looked[subject.digest] = Looked(subject, candidates)
        return [looked[subject.digest] for subject in batch]

    def _classify(self, fresh: Sequence[tuple[Subject, Pixels]]) -> Iterator[tuple[Subject, list[Candidate]]]:
        """Pictures of one size pass together."""
        self.looks += len(fresh)
        for shape in sorted({picture.shape for _, picture in fresh}):
            alike = [(subject, picture) for subject, picture in fresh if picture.shape == shape]
            found = self.classifier.classify([np.ascontiguousarray(picture) for _, picture in alike])
            yield from zip([subject for subject, _ in alike], found, strict=True)


def _key(subject: Subject, name: str) -> str:
    return f"{subject.digest} {name}"
