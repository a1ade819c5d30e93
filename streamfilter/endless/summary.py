"""What a run over feeds met: sums, since the events themselves would fill the memory in weeks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from streamfilter.live import FeedCounters
from streamfilter.metrics import LatencyNumbers
from streamfilter.summary import LabelTotal


@dataclass(frozen=True, slots=True)
class FeedResult:
    """One feed, as far as it came. `totals` are by label, `latency` is from the light of a look to its records."""

    name: str
    counters: FeedCounters
    seen_s: float
    totals: tuple[LabelTotal, ...]
    rejections: Mapping[str, int]
    latency: LatencyNumbers


@dataclass(frozen=True, slots=True)
class LiveSummary:
    """A run over feeds that was stopped after `wall_s`. `hung`: threads that were left behind in a read."""

    feeds: tuple[FeedResult, ...]
    wall_s: float
    hung: int = 0


@dataclass(slots=True)
class Totals:
    """Counts the events of one feed by label."""

    by_label: dict[str, LabelTotal] = field(default_factory=dict)

    def add(self, label: str, duration_s: float, score: float) -> None:
        """One more appearance."""
        self.merge(LabelTotal(label, 1, duration_s, score))

    def merge(self, more: LabelTotal) -> None:
        """More appearances of a label."""
        old = self.by_label.get(more.label, LabelTotal(more.label, 0, 0.0, 0.0))
        self.by_label[more.label] = LabelTotal(
            more.label,
            old.appearances + more.appearances,
            old.seconds_s + more.seconds_s,
            max(old.best_score, more.best_score),
        )

    def totals(self) -> tuple[LabelTotal, ...]:
        """The longest on screen first."""
        return tuple(sorted(self.by_label.values(), key=lambda total: (-total.seconds_s, total.label)))
