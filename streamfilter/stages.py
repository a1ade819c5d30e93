"""The seams between the stages: what each takes in and gives out.

    source ──► sampler ──► gate ──► classifier ──► rejector ──► smoother ──► sinks
    Frame      Look        Look     Candidates     Sightings    Events       JSONL

A stage is passive: it starts no thread, reads no configuration file and prints nothing. Source, sampler and gate are
generators over one another; a `Gap` passes through each of them untouched and in order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from types import TracebackType
from typing import Any, Protocol, Self

from streamfilter.types import (
    Candidate,
    Frame,
    Gap,
    Happening,
    Look,
    Picture,
    Pixels,
    Sighting,
    Verdict,
)


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """What is known of a source when it has been opened. `name` is what logs and events call it: never a secret.

    `fingerprint` identifies the content (a digest), `duration_s` is the declared duration, None when none is declared.
    `width` and `height` are of the displayed picture. `is_live`: it has no end, and its fingerprint is of this run.
    """

    name: str
    fingerprint: str
    container: str
    codec: str
    width: int
    height: int
    duration_s: float | None
    rate_hz: float | None
    time_base: Fraction
    has_audio: bool
    is_live: bool = False


@dataclass(slots=True)
class SourceCounts:
    """What a source has met so far; the source counts, the pipeline reads.

    `packets` were read, of every stream: as long as it grows, the source is alive. `decode_errors` are packets that
    gave no picture, `damaged_frames` pictures that the decoder had to patch.
    """

    packets: int = 0
    frames: int = 0
    decode_errors: int = 0
    damaged_frames: int = 0
    frames_without_pts: int = 0
    ended_early_s: float = 0.0
    notes: list[str] = field(default_factory=list)


class Source(Protocol):
    """One container or feed. A context manager: whoever opens it closes it."""

    facts: SourceFacts
    counts: SourceCounts

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def frames(self) -> Iterator[Frame | Gap]:
        """Frames in time order, and a `Gap` where some were lost. `SourceError` when no picture can be decoded."""


class Sampler(Protocol):
    """Chooses the frames that are looked at."""

    def looks(self, frames: Iterable[Frame | Gap]) -> Iterator[Look | Gap]: ...


class Gate(Protocol):
    """Marks the looks whose picture has not changed (`Look.is_still`)."""

    def pass_through(self, looks: Iterable[Look | Gap]) -> Iterator[Look | Gap]: ...


class Classifier(Protocol):
    """Finds candidates in pictures. What it says of a picture does not depend on the others of its batch."""

    @property
    def labels(self) -> tuple[str, ...]: ...

    def analysis_size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height in pixels at which a picture of this displayed size is analysed."""

    def classify(self, pictures: Sequence[Pixels]) -> list[list[Candidate]]:
        """Candidates of each picture, likeliest first. Pictures: `(H, W, 3)` uint8 RGB, at `analysis_size`.

        They may also be parts of such pictures whose sides divide by 32; then the candidates' boxes are of that part.
        """


class Rejector(Protocol):
    """Decides per candidate: a label, or none of these and why."""

    def judge(self, candidates: Sequence[Candidate]) -> tuple[Sighting, ...]: ...


class Smoother(Protocol):
    """Turns sightings over time into events."""

    def update(self, verdict: Verdict) -> list[Happening]: ...

    def gap(self, gap: Gap) -> list[Happening]: ...

    def flush(self, end_s: float) -> list[Happening]:
        """The stream ended at `end_s`: close what is open."""

    @property
    def rejections(self) -> dict[str, int]:
        """Rejected sightings and appearances so far, counted by reason; `unstable` are those the smoother dropped."""


class Sink(Protocol):
    """Takes records of the event log, one after the other, in a thread of its own.

    A context manager, entered before the first record. What it raises there is told and tried again later.
    """

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def deliver(self, record: Mapping[str, Any], *, key: str) -> None:
        """Return when the receiver has the record for good.

        `key` is the same whenever the same record comes again, after a crash for example. Raises `RefusedError` for a
        record that will never be taken; after any other error it comes again.
        """


def at_analysis_size(picture: Picture, classifier: Classifier) -> Pixels:
    """A picture as the classifier wants it, `(H, W, 3)` uint8 RGB."""
    return picture.rgb(*classifier.analysis_size(picture.width, picture.height))
