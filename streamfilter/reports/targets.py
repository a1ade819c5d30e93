"""Presence that was promised ("visible in at least 95 % of the half"), and the absences that break it."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

from streamfilter.errors import ConfigError
from streamfilter.intervals import Interval, difference, intersection, total
from streamfilter.reports.figures import SourceReport

_FORM = re.compile(r"(?P<label>.+)=(?P<percent>[0-9.]+)\s*%?(?:@(?P<start>[0-9.]+)-(?P<end>[0-9.]+))?", re.DOTALL)


class Verdict(enum.StrEnum):
    """Whether a target was reached. `open`: only if the label was there in what was lost."""

    REACHED = "reached"
    MISSED = "missed"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Target:
    """`label` is to be seen in at least `share` (0 to 1) of `window` (seconds; None: all that was read)."""

    label: str
    share: float
    window: Interval | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """A target in one source. `absent`: when the label was not seen and could have been; `lost_s` of it nobody saw.

    `most_s`: had it been there in all that was lost or dropped.
    """

    target: Target
    window: Interval
    seen_s: float
    most_s: float
    absent: tuple[Interval, ...]
    lost_s: float
    verdict: Verdict

    @property
    def share(self) -> float:
        """Share of the window in which the label was seen for certain."""
        length_s = self.window[1] - self.window[0]
        return self.seen_s / length_s if length_s > 0 else 0.0


def parse_target(text: str) -> Target:
    """A target written `LABEL=95%` or `LABEL=95%@0-2700` (seconds). Raises `ConfigError`."""
    found = _FORM.fullmatch(text)
    try:
        if found is None:
            raise ValueError
        share = float(found["percent"]) / 100
        window = (float(found["start"]), float(found["end"])) if found["start"] is not None else None
        if not 0 < share <= 1 or (window is not None and window[1] <= window[0]):
            raise ValueError
    except ValueError:
        raise ConfigError(f"--target {text!r}: expected LABEL=95% or LABEL=95%@START-END in seconds") from None
    return Target(found["label"], share, window)


def check_target(target: Target, report: SourceReport) -> Checked:
    """Whether a source reaches a target, and when the label was absent."""
    window = target.window or report.window
    seen = [span for figures in report.labels if figures.label == target.label for span in figures.seen]
    seen_s = total(intersection(seen, [window]))
    unread = difference([window], [report.window])
    lost = intersection([*report.lost, *unread], [window])
    watched_s = window[1] - window[0] - total(lost)
    most_s = seen_s + total(lost) + min(report.dropped_s, max(0.0, watched_s - seen_s))
    wanted_s = target.share * (window[1] - window[0])
    absent = tuple(difference([window], seen))
    if seen_s >= wanted_s - 1e-6:
        verdict = Verdict.REACHED
    else:
        verdict = Verdict.MISSED if most_s < wanted_s - 1e-6 else Verdict.OPEN
    return Checked(target, window, seen_s, most_s, absent, total(lost), verdict)
