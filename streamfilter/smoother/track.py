"""One logo at one place: the evidence for it in seconds, and the event that it becomes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from streamfilter.smoother.thinning import Path
from streamfilter.smoother.time import Loss, Step
from streamfilter.types import Box, Candidate, Event, Evidence, Exposure, Opening, Rejection, Sighting, TrackPoint

LEAST_WEIGHT_S = 1e-3
"""The first look of a stream stands for no time, yet what it shows counts a little in the means."""


@dataclass(slots=True)
class Tally:
    """What was met while a track was alive; `watched_s` is time that looks stand for.

    `weight_s` is that of the looks alone, of the first one, too, all that it stands for. `drops` take no part in a
    checkpoint: files know none, and a resumed feed begins its tracks anew.
    """

    looks: int = 0
    gap_s: float = 0.0
    watched_s: float = 0.0
    weight_s: float = 0.0
    rejections: Counter[str] = field(default_factory=Counter)
    drops: int = field(default=0, compare=False)

    def add(self, other: Tally) -> None:
        """Take in what `other` counted."""
        self.looks += other.looks
        self.gap_s += other.gap_s
        self.watched_s += other.watched_s
        self.weight_s += other.weight_s
        self.rejections.update(other.rejections)
        self.drops += other.drops


@dataclass(slots=True)
class Mean:
    """Weighted means of what sightings show: area, centre, sharpness."""

    weight: float = 0.0
    area: float = 0.0
    x: float = 0.0
    y: float = 0.0
    sharpness: float = 0.0

    def add(self, candidate: Candidate, weight: float) -> None:
        """Take in one sighting."""
        x, y = candidate.box.center
        self.weight += weight
        self.area += weight * candidate.box.area
        self.x += weight * x
        self.y += weight * y
        self.sharpness += weight * candidate.sharpness


@dataclass(slots=True, eq=False)
class Track:
    """One label at one place, from its first accepted sighting on: `Track.begun`.

    `start_s` is the edge before the first sighting, `absent_s` the edge after the last one while it is not seen; both
    are final when they are set. `lead_s` is the time of accepting looks less that of all others; where the label was
    rejected there before, it begins below 0, and `doubted_s` count as if they had been its own. What comes after the
    last sighting is tallied apart, in `since`, and forgotten when the track ends. All fields are plain values, so that
    a checkpoint can hold them.
    """

    label: str
    number: int
    start_s: float
    start_pts: int
    box: Box
    best: Candidate
    seen_s: float
    seen_pts: int
    accepted_s: float
    was_alone: bool
    ordinal: int | None = None
    is_confirmed: bool = False
    evidence_s: float = 0.0
    lead_s: float = 0.0
    doubted_s: float = 0.0
    absent_s: float | None = None
    best_score: float = -1.0
    score_sum: float = 0.0
    score_weight: float = 0.0
    hits: int = 0
    largest: float = 0.0
    visible_s: float = 0.0
    alone_s: float = 0.0
    mean: Mean = field(default_factory=Mean)
    tally: Tally = field(default_factory=Tally)
    since: Tally = field(default_factory=Tally)
    path: Path = field(default_factory=Path)

    @classmethod
    def begun(cls, sighting: Sighting, step: Step, *, number: int, is_alone: bool) -> Track:
        """The track that begins with an accepted sighting."""
        assert sighting.label is not None
        track = cls(
            label=sighting.label,
            number=number,
            start_s=step.appeared_s,
            start_pts=step.pts,
            box=sighting.candidate.box,
            best=sighting.candidate,
            seen_s=step.appeared_s,
            seen_pts=step.pts,
            accepted_s=step.time_s,
            was_alone=is_alone,
        )
        track.see(sighting, step, is_alone=is_alone)
        return track

    def doubt(self, seconds: float) -> None:
        """The label was rejected at this place before, for so many seconds too much."""
        self.doubted_s += seconds
        self.lead_s -= seconds

    def see(self, sighting: Sighting, step: Step, *, is_alone: bool) -> None:
        """The logo was seen at this look; a rejected sighting holds the place but is no evidence."""
        self._count_visible(step, is_alone)
        self.since.looks += 1
        self.since.drops += step.drops if self.hits else 0
        weight_s = min(step.weight_s, step.time_s - self.start_s)
        self.since.watched_s += weight_s
        weight = max(step.weight_s, LEAST_WEIGHT_S)
        self.since.weight_s += weight
        if sighting.label is None:
            self.since.rejections[str(sighting.rejection)] += 1
            self.lead_s -= weight_s
        else:
            self.evidence_s += weight_s
            self.lead_s += weight_s
            self._accept(sighting, step, weight)
        self.tally.add(self.since)
        self.since = Tally()
        self.seen_s, self.seen_pts, self.absent_s = step.time_s, step.pts, None
        self.box = sighting.candidate.box
        self.largest = max(self.largest, self.box.area)
        self.mean.add(sighting.candidate, weight)
        self.path.add(TrackPoint(step.time_s, self.box, sighting.score))

    def miss(self, step: Step) -> None:
        """The logo was not seen at this look."""
        if self.absent_s is None:
            self.absent_s = step.vanished_s
        self.evidence_s -= step.weight_s
        self.lead_s -= step.weight_s
        self.since.looks += 1
        self.since.drops += step.drops
        self.since.watched_s += step.weight_s
        self.since.weight_s += step.weight_s

    def lose(self, loss: Loss) -> None:
        """Nothing is known of the logo in this gap."""
        if self.absent_s is None:
            self.absent_s = loss.start_s
        self.since.gap_s += loss.length_s
        self.since.watched_s += loss.before_weight_s

    def reject(self, rejection: Rejection) -> None:
        """A sighting of the label at this place was rejected and does not hold it."""
        self.since.rejections[str(rejection)] += 1

    @property
    def steadiness(self) -> float:
        """How much of the time from the first to the last sighting, and of that in doubt, accepted it, 0 to 1.

        Each look counts by the time that it stands for: where an edge is searched they are many and stand for little.
        """
        return self.score_weight / (self.tally.weight_s + self.doubted_s)

    @property
    def score(self) -> float:
        """Mean score of the accepted sightings, each weighted by the time its look stands for."""
        return min(1.0, max(0.0, self.score_sum / self.score_weight))

    def opening(self) -> Opening:
        """The record of the moment in which the track is confirmed."""
        return Opening(self.label, self.start_s, self.start_pts, self.ordinal or 0, self.box, self.score)

    def event(self, end_s: float, *, end_weight_s: float) -> Event:
        """The event that ended at `end_s`; `end_weight_s` is the watched time after the last sighting."""
        duration_s = end_s - self.start_s
        tail_s = end_s - self.seen_s
        return Event(
            label=self.label,
            start_s=self.start_s,
            end_s=end_s,
            start_pts=self.start_pts,
            end_pts=self.seen_pts,
            ordinal=self.ordinal or 0,
            score=self.score,
            best=self.best,
            evidence=Evidence(
                looks=self.tally.looks,
                hits=self.hits,
                rejections=dict(sorted(self.tally.rejections.items())),
                gap_s=self.tally.gap_s,
                coverage=min(1.0, (self.tally.watched_s + end_weight_s) / duration_s),
                drops=self.tally.drops,
            ),
            exposure=self._exposure(tail_s),
            track=self.path.points(),
        )

    def _accept(self, sighting: Sighting, step: Step, weight: float) -> None:
        self.accepted_s = step.time_s
        self.hits += 1
        self.score_sum += weight * sighting.score
        self.score_weight += weight
        if sighting.score > self.best_score:
            self.best_score, self.best = sighting.score, sighting.candidate

    def _count_visible(self, step: Step, is_alone: bool) -> None:
        """Time between two sightings is visible, but for the stretch in which the logo was away or nothing was seen."""
        left_s = step.time_s if self.absent_s is None else self.absent_s
        back_s = step.time_s if self.absent_s is None else step.appeared_s
        before_s, after_s = left_s - self.seen_s, step.time_s - back_s
        self.visible_s += before_s + after_s
        if self.absent_s is None:
            self.alone_s += before_s * (self.was_alone + is_alone) / 2
        else:
            self.alone_s += before_s * self.was_alone + after_s * is_alone
        self.was_alone = is_alone

    def _exposure(self, tail_s: float) -> Exposure:
        mean = self.mean
        return Exposure(
            visible_s=self.visible_s + tail_s,
            alone_s=self.alone_s + tail_s * self.was_alone,
            mean_share=mean.area / mean.weight,
            largest_share=self.largest,
            x=mean.x / mean.weight,
            y=mean.y / mean.weight,
            sharpness=mean.sharpness / mean.weight,
        )


def place_reach(track: Track, step: Step, *, reach: float, max_look_s: float) -> float:
    """How far the logo may have moved since it was seen, in box diagonals: `reach`, with time three times that."""
    unseen_s = step.time_s - track.seen_s
    return reach * (1 + min(2.0, unseen_s / max_look_s))
