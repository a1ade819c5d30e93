"""Which trials a campaign makes, and what came of them."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Trials:
    """`count` faults, each from a random source of its own, so that any of them can be repeated alone.

    Between two of them is a pause of `pause_s`.
    """

    count: int
    seed: int
    minutes: float | None
    say: Callable[[str], None]
    pause_s: float = 0.0

    def __iter__(self) -> Iterator[tuple[int, random.Random]]:
        end_s = None if self.minutes is None else time.monotonic() + 60 * self.minutes
        for number in range(self.count):
            if end_s is not None and time.monotonic() > end_s:
                self.say(f"time is up after {number} trials")
                return
            if number and number % 20 == 0:
                self.say(f"{number} of {self.count} trials done")
            if number:
                time.sleep(self.pause_s)
            yield number, random.Random(f"{self.seed}/{number}")


@dataclass
class Tally:
    """Counts by name, and each finding with what repeats it."""

    counts: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)

    def found(self, trials: Trials, number: int, what: str) -> None:
        """Note a finding, and tell it at once: a night is long."""
        finding = f"trial {number} of seed {trials.seed}: {what}"
        self.findings.append(finding)
        trials.say(finding)

    def lines(self) -> list[str]:
        """The result for people."""
        return [*(f"{name}: {count}" for name, count in self.counts.items()), f"findings: {len(self.findings)}"]
