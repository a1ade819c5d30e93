"""What a run found and met, source by source: values that the pipeline fills in and the console tells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from streamfilter.errors import StreamFilterError
from streamfilter.types import Event


@dataclass(frozen=True, slots=True)
class SourceResult:
    """One source of a run. `seen_s` is the stream time that was decoded, gaps left out, `error` what ended it early.

    `rejections`: rejected sightings and appearances by reason. `still_looks` reused the verdict of the look before.
    """

    name: str
    events: tuple[Event, ...] = ()
    rejections: dict[str, int] = field(default_factory=dict)
    frames: int = 0
    looks: int = 0
    still_looks: int = 0
    decode_errors: int = 0
    damaged_frames: int = 0
    gaps: int = 0
    gap_s: float = 0.0
    seen_s: float = 0.0
    notes: tuple[str, ...] = ()
    error: StreamFilterError | None = None


@dataclass(frozen=True, slots=True)
class LabelTotal:
    """All appearances of one label. `seconds_s` sums their durations, so two copies at once count twice."""

    label: str
    appearances: int
    seconds_s: float
    best_score: float


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A whole run. `wall_s` is for people only: it never goes into the log.

    `is_resumed`: part of it was done before, in a time that is not known.
    """

    sources: tuple[SourceResult, ...]
    wall_s: float
    interrupted: bool = False
    is_resumed: bool = False

    @property
    def labels(self) -> list[LabelTotal]:
        """Totals per label, the longest on screen first."""
        return label_totals(event for source in self.sources for event in source.events)

    @property
    def rejections(self) -> dict[str, int]:
        """Rejected sightings and appearances by reason, the commonest first."""
        counts: Counter[str] = Counter()
        for source in self.sources:
            counts.update(source.rejections)
        return dict(counts.most_common())

    @property
    def failed(self) -> tuple[SourceResult, ...]:
        """The sources that ended with an error."""
        return tuple(source for source in self.sources if source.error is not None)

    @property
    def seen_s(self) -> float:
        """Stream time that was decoded, over all sources."""
        return sum(source.seen_s for source in self.sources)

    def count(self, what: str) -> int:
        """Sum over the sources of a counter: such as `frames`, `looks` or `gaps`."""
        return sum(int(getattr(source, what)) for source in self.sources)


def label_totals(events: Iterable[Event]) -> list[LabelTotal]:
    """Totals per label, the longest on screen first; labels with equal time in alphabetical order."""
    groups: dict[str, list[Event]] = {}
    for event in events:
        groups.setdefault(event.label, []).append(event)
    totals = [
        LabelTotal(label, len(group), sum(e.end_s - e.start_s for e in group), max(e.score for e in group))
        for label, group in groups.items()
    ]
    return sorted(totals, key=lambda total: (-total.seconds_s, total.label))
