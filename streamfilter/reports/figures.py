"""The numbers per source and label. Every one is plain interval arithmetic over the events that count.

Seconds seen are those that at least one event of the label covers, less what was lost in gaps: two copies at once count
once. What was lost could all have shown the label, so it gives the upper bound: "41.7 s seen, at most 44.1 s". So could
every look at a feed that was dropped, for as long as a look stands for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from streamfilter.eventlog import Log, LoggedEvent, LoggedGap, LoggedSource
from streamfilter.intervals import Interval, difference, intersection, total, union
from streamfilter.reports.heat import heat_map

Heat = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Figures:
    """One label in one source, or in all of them.

    `seen_s`: at least one copy was on screen; `most_s` adds all that was lost or dropped. `alone_s`: no other label was
    there. `copies_s` sums over the events without bridged absences, so copies at once count each. `share` and
    `largest_share` are of the picture's area, `x`, `y` the mean centre (0 to 1), `sharpness` the mean variance of the
    Laplacian, all weighted by time. `of_time` is the share of the watched time, `of_voice` of the seconds that all
    labels were seen, `of_area` of their seconds weighted by size. `longest_s` is the longest stretch on screen. `heat`:
    `(9, 16)`, in
    seconds. What no event told is None.
    """

    label: str
    events: tuple[LoggedEvent, ...]
    seen: tuple[Interval, ...]
    seen_s: float
    most_s: float
    alone_s: float
    copies_s: float
    longest_s: float
    share: float | None
    largest_share: float | None
    x: float | None
    y: float | None
    sharpness: float | None
    of_time: float
    of_voice: float
    of_area: float
    best_score: float
    mean_score: float
    heat: Heat

    @property
    def appearances(self) -> int:
        """How many events."""
        return len(self.events)


@dataclass(frozen=True, slots=True, eq=False)
class SourceReport:
    """One source of one log. `window` is what was read, `lost` what of it nobody saw, `watched_s` the rest.

    `dropped_s`: how much of that the looks stand for that nobody had time for; the log does not say when they were.
    """

    log: Log
    source: LoggedSource
    window: Interval
    lost: tuple[Interval, ...]
    watched_s: float
    dropped_s: float
    labels: tuple[Figures, ...]

    @property
    def lost_s(self) -> float:
        """Seconds in which frames were lost."""
        return total(self.lost)

    def most_s(self, seen_s: float) -> float:
        """How long something may have been seen that was seen for `seen_s`."""
        return seen_s + self.lost_s + min(self.dropped_s, max(0.0, self.watched_s - seen_s))


def report_sources(logs: Iterable[Log]) -> list[SourceReport]:
    """The numbers of every source, in the order of the logs; its labels by seconds seen, the longest first."""
    return [_source_report(log, source) for log in logs for source in log.sources]


def totals(reports: Sequence[SourceReport]) -> list[Figures]:
    """The numbers per label over all sources: seconds and appearances add up, shares are weighted again."""
    by_label: dict[str, list[tuple[SourceReport, Figures]]] = {}
    for report in reports:
        for figures in report.labels:
            by_label.setdefault(figures.label, []).append((report, figures))
    watched_s = sum(report.watched_s for report in reports)
    found = []
    for label, pairs in by_label.items():
        events = tuple(event for _, figures in pairs for event in figures.events)
        seen_s = sum(figures.seen_s for _, figures in pairs)
        shown_in = {id(report) for report, _ in pairs}
        unseen_s = sum(report.most_s(0.0) for report in reports if id(report) not in shown_in)
        found.append(
            _figures(
                label,
                events,
                seen=(),
                seen_s=seen_s,
                most_s=sum(figures.most_s for _, figures in pairs) + unseen_s,
                alone_s=sum(figures.alone_s for _, figures in pairs),
                longest_s=max(figures.longest_s for _, figures in pairs),
                watched_s=watched_s,
                heat=np.sum([figures.heat for _, figures in pairs], axis=0),
            )
        )
    return _with_voice(found)


def lost_intervals(source: LoggedSource, gaps: Iterable[LoggedGap], window: Interval) -> list[Interval]:
    """What of the window nobody saw: gaps, and the rest of a source whose reading was broken off."""
    lost = [(gap.start_s, gap.end_s) for gap in gaps if gap.source == source.name]
    if source.state not in ("", "finished") and source.end_s is not None:
        lost.append((source.end_s, window[1]))
    return intersection(lost, [window])


def _source_report(log: Log, source: LoggedSource) -> SourceReport:
    events = [event for event in log.kept if event.source == source.name]
    gaps = [gap for gap in log.gaps if gap.source == source.name]
    window = _window(source, events, gaps)
    lost = lost_intervals(source, gaps, window)
    watched_s = total([window]) - total(lost)
    dropped = max(source.dropped, sum(event.evidence.drops for event in events if event.evidence is not None))
    report = SourceReport(log, source, window, tuple(lost), watched_s, dropped * (source.look_s or 0.0), ())
    groups: dict[str, list[LoggedEvent]] = {}
    for event in events:
        groups.setdefault(event.label or "", []).append(event)
    spans = {label: difference(_times(group), lost) for label, group in groups.items()}
    found = []
    for label, group in groups.items():
        others = [span for other, own in spans.items() if other != label for span in own]
        seen = spans[label]
        found.append(
            _figures(
                label,
                tuple(sorted(group, key=lambda event: (event.start_s, event.event_id))),
                seen=tuple(seen),
                seen_s=total(seen),
                most_s=report.most_s(total(seen)),
                alone_s=total(difference(seen, others)),
                longest_s=max((end_s - start_s for start_s, end_s in seen), default=0.0),
                watched_s=watched_s,
                heat=heat_map(group),
            )
        )
    return replace(report, labels=tuple(_with_voice(found)))


def _window(source: LoggedSource, events: Sequence[LoggedEvent], gaps: Sequence[LoggedGap]) -> Interval:
    """What was to be read of a source, as far as its log tells."""
    is_whole = source.state in ("", "finished") and source.end_s is not None
    known = [source.end_s, None if is_whole else source.duration_s]
    ends = [end_s for end_s in known if end_s is not None]
    ends += [event.end_s for event in events] + [gap.end_s for gap in gaps]
    start_s = min([source.start_s, *(event.start_s for event in events)])
    return start_s, max([start_s, *ends])


def _figures(
    label: str,
    events: tuple[LoggedEvent, ...],
    *,
    seen: tuple[Interval, ...],
    seen_s: float,
    most_s: float,
    alone_s: float,
    longest_s: float,
    watched_s: float,
    heat: Heat,
) -> Figures:
    shares = [event.exposure.largest_share for event in events if event.exposure is not None]
    return Figures(
        label=label,
        events=events,
        seen=seen,
        seen_s=seen_s,
        most_s=most_s,
        alone_s=alone_s,
        copies_s=sum(_weight(event) for event in events),
        longest_s=longest_s,
        share=_mean(events, lambda event: event.exposure.mean_share if event.exposure else None),
        largest_share=max(shares, default=None),
        x=_mean(events, lambda event: event.exposure.x if event.exposure else None),
        y=_mean(events, lambda event: event.exposure.y if event.exposure else None),
        sharpness=_mean(events, lambda event: event.exposure.sharpness if event.exposure else None),
        of_time=seen_s / watched_s if watched_s > 0 else 0.0,
        of_voice=0.0,
        of_area=0.0,
        best_score=max(event.score for event in events),
        mean_score=_mean(events, lambda event: event.score) or 0.0,
        heat=heat,
    )


def _with_voice(found: Sequence[Figures]) -> list[Figures]:
    """The same with each label's share of voice, the longest seen first."""
    seconds = sum(figures.seen_s for figures in found)
    areas = sum(_area_s(figures) for figures in found)
    voiced = [
        replace(
            figures,
            of_voice=figures.seen_s / seconds if seconds > 0 else 0.0,
            of_area=_area_s(figures) / areas if areas > 0 else 0.0,
        )
        for figures in found
    ]
    return sorted(voiced, key=lambda figures: (-figures.seen_s, figures.label))


def _area_s(figures: Figures) -> float:
    """Seconds that are weighted by the share of the picture."""
    return figures.copies_s * (figures.share or 0.0)


def _times(events: Iterable[LoggedEvent]) -> list[Interval]:
    return union((event.start_s, event.end_s) for event in events)


def _weight(event: LoggedEvent) -> float:
    """Seconds that an event was visible, bridged absences left out where the log tells them."""
    return event.exposure.visible_s if event.exposure is not None else event.duration_s


def _mean(events: Iterable[LoggedEvent], value: Callable[[LoggedEvent], float | None]) -> float | None:
    """The mean over the events that tell it, weighted by the seconds they were visible."""
    told = [(found, _weight(event)) for event in events if (found := value(event)) is not None]
    weight = sum(seconds for _, seconds in told)
    return sum(found * seconds for found, seconds in told) / weight if weight > 0 else None
