"""What decisions teach: which pictures of which events, as what. Pure; `harvest.py` takes them out of the videos.

An accepted event shows its label, a renamed one the label it was given. A rejected one shows that something is none of
the labels: its crops are unknown logos, which training pastes into scenes like logos; and where nothing else is to be
seen, its whole frames are photographs without a logo. A rejected region that had no label is that alone. Open and
skipped events teach nothing.
"""

from __future__ import annotations

import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from streamfilter.annotate.track import box_at
from streamfilter.eventlog import Decision, LoggedEvent, safe_name
from streamfilter.review.library import Entry, Library, event_key
from streamfilter.types import Box

Kind = Literal["known", "unknown", "negatives"]

PER_EVENT = 6
SAME_SHOT_S = 2.0
"""Events of one source that are nearer to each other than this may show the same picture."""
LONGEST_SHOT_S = 60.0
"""An event that begins later than this is taken for another shot, or a channel's corner logo would join a whole day."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """One picture to take: a crop of `box` at `time_s` of a source, or with `box` None the whole frame.

    `folder` is the one that it goes to, inside that of its kind; `stem` its name, which begins with that of the shot:
    pictures of one shot must not lie on both sides of a split.
    """

    source: int
    time_s: float
    box: Box | None
    kind: Kind
    folder: str
    stem: str


def lessons(library: Library, *, per_event: int = PER_EVENT) -> list[Lesson]:
    """What the decisions in a library teach, by source and time: at most `per_event` pictures an event and kind."""
    watch = _Watch(library.entries)
    found = [
        lesson
        for entry, shot in zip(library.entries, shots_of(library.entries), strict=True)
        for lesson in _lessons_of(entry, watch, shot=shot, per_event=per_event)
    ]
    return sorted(found, key=lambda one: (one.source, one.time_s, one.stem))


def shots_of(entries: Sequence[Entry]) -> list[str]:
    """A key per event, the same for events of one source that are near in time. `entries` by source and start."""
    shots: list[str] = []
    source, start_s, end_s = -1, 0.0, 0.0
    for entry in entries:
        event = entry.event
        is_near = event.start_s <= min(end_s + SAME_SHOT_S, start_s + LONGEST_SHOT_S)
        if entry.source == source and is_near:
            shots.append(shots[-1])
            end_s = max(end_s, event.end_s)
        else:
            shots.append(event_key(event.event_id))
            source, start_s, end_s = entry.source, event.start_s, event.end_s
    return shots


def picture_times(event: LoggedEvent, count: int) -> list[float]:
    """At most `count` times at which the event's box is known, spread over it."""
    track = event.track
    if not track:
        return []
    first, last = max(event.start_s, track[0].time_s), min(event.end_s, track[-1].time_s)
    if last <= first:
        return [track[0].time_s]
    return [first + (last - first) * (number + 0.5) / count for number in range(count)]


def folder_name(label: str) -> str:
    """The folder of a label: its own name, as training reads it back, unless that is no name for a folder."""
    hidden = any(unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") for char in label)
    is_path = any(separator in label for separator in (os.sep, os.altsep, "/", "\\") if separator)
    is_long = len(label.encode("utf-8", "replace")) > 200
    is_plain = bool(label) and label == label.strip() and not label.startswith(".") and not label.endswith(".")
    return label if is_plain and not (hidden or is_path or is_long) else safe_name(label)


def _lessons_of(entry: Entry, watch: _Watch, *, shot: str, per_event: int) -> Iterator[Lesson]:
    event = entry.event
    stem = f"shot-{shot}-{event_key(event.event_id)}"
    for number, time_s in enumerate(picture_times(event, per_event)):
        box = box_at(event.track, time_s)
        if event.decision in (Decision.ACCEPTED, Decision.RELABELLED) and event.label is not None:
            yield Lesson(entry.source, time_s, box, "known", folder_name(event.label), f"{stem}-{number}")
        elif event.decision is Decision.REJECTED:
            if event.logged_label is not None:
                folder = folder_name(f"not {event.logged_label}")
                yield Lesson(entry.source, time_s, box, "unknown", folder, f"{stem}-{number}")
            if watch.is_free(entry.source, time_s):
                yield Lesson(entry.source, time_s, None, "negatives", "review", f"{stem}-{number}")


class _Watch:
    """When something that was not rejected may be on screen."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        spans: dict[int, list[tuple[float, float]]] = defaultdict(list)
        for entry in entries:
            if not entry.event.is_rejected:
                spans[entry.source].append((entry.event.start_s - SAME_SHOT_S, entry.event.end_s + SAME_SHOT_S))
        self._spans = {source: np.array(known) for source, known in spans.items()}

    def is_free(self, source: int, time_s: float) -> bool:
        """Whether nothing else is known to be in the picture of `source` at that time."""
        spans = self._spans.get(source)
        return spans is None or not bool(np.any((spans[:, 0] <= time_s) & (time_s <= spans[:, 1])))
