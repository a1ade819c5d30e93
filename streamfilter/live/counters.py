"""What a feed has met so far: plain numbers that whoever reads it writes and anybody may read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class FeedCounters:
    """One feed since the run began; everything but `queued`, `state` and the times only grows.

    `seen_at_s`: when its last picture came, `alive_at_s`: when its thread last did anything, both by the monotonic
    clock. `state`: `connecting`, `open`, or the cause for which it is lost. `dropped` are looks that a newer one, or
    their age, took the place of; `passed_over` are pictures that were not even decoded, since there was no time.
    `packets` are those of every stream, `events` are by label.
    """

    state: str = "connecting"
    seen_at_s: float | None = None
    alive_at_s: float = 0.0
    connections: int = 0
    failures: int = 0
    packets: int = 0
    frames: int = 0
    looks: int = 0
    still_looks: int = 0
    dropped: int = 0
    passed_over: int = 0
    decode_errors: int = 0
    damaged_frames: int = 0
    frames_without_pts: int = 0
    gaps: int = 0
    gap_s: float = 0.0
    queued: int = 0
    left_behind: int = 0
    events: Counter[str] = field(default_factory=Counter)

    @property
    def reconnects(self) -> int:
        """Times that the feed came back."""
        return max(0, self.connections - 1)
