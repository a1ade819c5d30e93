"""How long to wait before a feed is tried again."""

from __future__ import annotations

import random

from streamfilter.config import LiveConfig
from streamfilter.live.faults import NEEDS_SOMEBODY, Cause

_GROWTH = 2.0


class Backoff:
    """Waits that double from `retry_first_s` to `retry_most_s`, each shortened by a random share, without end.

    Many feeds of one server that come back at once would bring it down again: so no two wait equally long. What only a
    person can put right waits `retry_slow_s` at once.
    """

    def __init__(self, config: LiveConfig, chance: random.Random | None = None) -> None:
        self._config = config
        self._chance = chance or random.Random()  # nothing here is secret, and a test may want to know it
        self._tries = 0

    def succeeded(self) -> None:
        """A picture came: the next wait is a short one again."""
        self._tries = 0

    def wait_s(self, cause: Cause) -> float:
        """The wait after one more failure: at most `longest_s`, at least 1 - `retry_jitter` of it."""
        longest_s = self.longest_s(cause)
        self._tries += 1
        return longest_s * (1 - self._config.retry_jitter * self._chance.random())

    def longest_s(self, cause: Cause) -> float:
        """The step that the next wait belongs to."""
        if cause in NEEDS_SOMEBODY:
            return self._config.retry_slow_s
        doublings = min(self._tries, 30)
        return min(self._config.retry_most_s, self._config.retry_first_s * _GROWTH**doublings)
