"""When decoding cannot keep up: how old what is read has become, and which packets are passed over to catch up."""

from __future__ import annotations

# How long nothing but passing over must not have helped: then it is the feed that is late, and not its reader.
_IN_VAIN_S = 1.0
# The quickest arrival of the last while counts, since clocks drift.
_WHILE_S = 30.0


class Backlog:
    """Says how late each packet is read, against the quickest of the last while, and whether to pass it over.

    What waits in a socket is read late, but nothing tells how long it has waited. A reader that is more than `stale_s`
    late decodes nothing up to a key picture that is half as late at most. Reading alone is quick: when a second of it
    does not help, the feed itself has become later, and that is on time from then on.
    """

    def __init__(self, stale_s: float) -> None:
        self._stale_s = stale_s
        self._before_s: float | None = None
        self._least_s: float | None = None
        self._since_s = 0.0
        self._behind_s: float | None = None

    def late_s(self, shown_s: float, now_s: float) -> float:
        """How late the packet that is shown at `shown_s` is read at `now_s`, in seconds of two clocks."""
        offset_s = now_s - shown_s
        if self._least_s is None or now_s - self._since_s > _WHILE_S:
            self._before_s, self._least_s, self._since_s = self._least_s, offset_s, now_s
        self._least_s = min(self._least_s, offset_s)
        quickest_s = self._least_s if self._before_s is None else min(self._least_s, self._before_s)
        return offset_s - quickest_s

    def passes_over(self, late_s: float, now_s: float, *, is_key: bool) -> bool:
        """Whether to read on without decoding a packet that is so late."""
        if self._behind_s is None:
            if late_s <= self._stale_s:
                return False
            self._behind_s = now_s
        if now_s - self._behind_s > _IN_VAIN_S and late_s > self._stale_s / 2:
            self._before_s = self._least_s = None
            late_s = 0.0
        if is_key and late_s <= self._stale_s / 2:
            self._behind_s = None
        return self._behind_s is not None
