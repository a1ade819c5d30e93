"""Regions that were rejected and yet stay: logos, perhaps, that nobody has taught."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from streamfilter.config import SmootherConfig
from streamfilter.likeness import encode_likeness
from streamfilter.smoother.packing import packed, unpacked
from streamfilter.smoother.place import Place, distinct, overlaps, pair_up
from streamfilter.smoother.stream import TimeSmoother
from streamfilter.smoother.time import SLACK_S, Clock, Step
from streamfilter.smoother.track import Track, place_reach
from streamfilter.types import Box, Candidate, Event, Gap, Happening, Sighting, Unknown, Verdict


@dataclass(slots=True, eq=False)
class Region:
    """One place, whatever it was taken for. `likeness` is how it looked at its best.

    Of `track` the label is what the region looked like at first; its hits are the looks at which it was rejected. A
    label that is accepted at its place ends it, `is_over`, and shows that it was that logo all along, `is_known`.
    """

    track: Track
    likeness: str
    is_known: bool = False
    is_over: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class _State:
    clock: Clock
    regions: list[Region]
    born: int


class UnknownRegions:
    """Follows rejected sightings by place, whatever label they were rejected for.

    A region begins with a rejected sighting beside all accepted ones and ends like a track: after `bridge_s` without
    one, at a cut that it does not outlast, or when a label is accepted at its place. It is told when it lasted
    `unknown_s` and was seen at the share `steady` of the looks, unless it turned into a label from one look to the
    next: then it was that logo all along.
    """

    def __init__(self, config: SmootherConfig) -> None:
        self._config = config
        self._clock = Clock(config.max_look_s)
        self._regions: list[Region] = []
        self._born = 0

    def state(self) -> Any:
        """All that is remembered, as JSON values."""
        return packed(_State(self._clock, self._regions, self._born))

    def restore(self, state: Any) -> None:
        """Go on from what `state` gave. `ValueError` for anything else."""
        known: _State = unpacked(_State, state)
        self._clock, self._regions, self._born = known.clock, known.regions, known.born

    def update(self, verdict: Verdict) -> list[Unknown]:
        """Take in one look."""
        step = self._clock.look(verdict)
        out = self._settle([r for r in self._regions if self._is_away(r, step.appeared_s)])
        accepted = [s for s in verdict.sightings if s.label is not None]
        self._follow([s for s in verdict.sightings if self._is_stranger(s, accepted)], accepted, step)
        return out + self._settle([r for r in self._regions if self._is_over(r, step)])

    def gap(self, gap: Gap) -> list[Unknown]:
        """Take in a gap."""
        loss = self._clock.lose(gap)
        if loss is None:
            return []
        for region in self._regions:
            region.track.lose(loss)
        return self._settle([r for r in self._regions if self._is_away(r, loss.end_s)])

    def flush(self, end_s: float) -> list[Unknown]:
        """The stream ended: close what is there."""
        return self._settle(list(self._regions), end_s=end_s)

    def _is_stranger(self, sighting: Sighting, accepted: Sequence[Sighting]) -> bool:
        box = sighting.candidate.box
        return sighting.label is None and not any(self._overlap(box, one.candidate) for one in accepted)

    def _overlap(self, box: Box, candidate: Candidate) -> bool:
        return overlaps(box, candidate.box, self._config.place_iou)

    def _follow(self, strangers: list[Sighting], accepted: Sequence[Sighting], step: Step) -> None:
        seen = distinct(strangers, self._config.place_iou)
        places = [Place(r.track.box, self._reach(r.track, step)) for r in self._regions]
        pairs = pair_up(places, [s.candidate.box for s in seen], iou=self._config.place_iou)
        is_alone = len(seen) == 1 and not accepted
        for i, region in enumerate(self._regions):
            region.is_over = any(self._overlap(region.track.box, one.candidate) for one in accepted)
            region.is_known = region.is_over and region.track.absent_s is None
            if i in pairs:
                _see(region, seen[pairs[i]], step, is_alone=is_alone)
            else:
                region.track.miss(step)
        used = set(pairs.values())
        begun: Counter[int] = Counter(r.track.ordinal or 0 for r in self._regions if r.track.start_pts == step.pts)
        for j, sighting in enumerate(seen):
            if j not in used:
                self._begin(sighting, step, is_alone=is_alone, ordinal=begun.total())
                begun[0] += 1

    def _begin(self, sighting: Sighting, step: Step, *, is_alone: bool, ordinal: int) -> None:
        track = Track.begun(_as_hit(sighting), step, number=self._born, is_alone=is_alone)
        track.ordinal = ordinal
        track.tally.rejections[str(sighting.rejection)] += 1
        self._regions.append(Region(track, _likeness(sighting.candidate)))
        self._born += 1

    def _reach(self, track: Track, step: Step) -> float | None:
        if step.cuts_s:
            return None
        return place_reach(track, step, reach=self._config.place_reach, max_look_s=self._config.max_look_s)

    def _is_away(self, region: Region, time_s: float) -> bool:
        absent_s = region.track.absent_s
        return absent_s is not None and time_s - absent_s > self._config.bridge_s + SLACK_S

    def _is_over(self, region: Region, step: Step) -> bool:
        is_cut_off = region.track.absent_s is not None and bool(step.cuts_s)
        return region.is_over or is_cut_off or self._is_away(region, step.time_s)

    def _settle(self, ended: Sequence[Region], *, end_s: float | None = None) -> list[Unknown]:
        self._regions = [r for r in self._regions if not any(r is one for one in ended)]
        told = [(self._end_of(r.track, end_s), r) for r in ended if not r.is_known]
        lasting = [(end, r) for end, r in told if self._lasts(r.track, end)]
        lasting.sort(key=lambda item: (item[0], item[1].track.start_s, item[1].track.number))
        return [self._told(region, end) for end, region in lasting]

    def _end_of(self, track: Track, end_s: float | None) -> float:
        if track.absent_s is not None:
            return track.absent_s
        return track.seen_s if end_s is None else max(end_s, track.seen_s)

    def _lasts(self, track: Track, end_s: float) -> bool:
        is_long = end_s - track.start_s + SLACK_S >= self._config.unknown_s
        return is_long and end_s > track.start_s and track.steadiness >= self._config.steady

    def _told(self, region: Region, end_s: float) -> Unknown:
        track = region.track
        return Unknown(track.event(end_s, end_weight_s=self._clock.capped(end_s - track.seen_s)), region.likeness)


class WithUnknowns:
    """A smoother that also tells regions which were rejected and yet stay. See `stages.Smoother`."""

    def __init__(self, config: SmootherConfig) -> None:
        self._known = TimeSmoother(config)
        self._unknown = UnknownRegions(config)

    @property
    def rejections(self) -> dict[str, int]:
        """See `TimeSmoother`."""
        return self._known.rejections

    def state(self) -> Any:
        """All that is remembered, as JSON values."""
        return {"known": self._known.state(), "unknown": self._unknown.state()}

    def restore(self, state: Any) -> None:
        """Go on from what `state` gave. `ValueError` for anything else."""
        if not isinstance(state, dict) or state.keys() != {"known", "unknown"}:
            raise ValueError("this is no state of a smoother with unknowns")
        self._known.restore(state["known"])
        self._unknown.restore(state["unknown"])

    def update(self, verdict: Verdict) -> list[Happening]:
        """Take in one look; what has a label comes first."""
        return [*self._known.update(verdict), *self._unknown.update(verdict)]

    def gap(self, gap: Gap) -> list[Happening]:
        """Take in a gap."""
        return [*self._known.gap(gap), *self._unknown.gap(gap)]

    def ongoing(self) -> list[Event]:
        """See `TimeSmoother`."""
        return self._known.ongoing()

    def flush(self, end_s: float) -> list[Happening]:
        """The stream ended: close what is open."""
        return [*self._known.flush(end_s), *self._unknown.flush(end_s)]


def _see(region: Region, sighting: Sighting, step: Step, *, is_alone: bool) -> None:
    is_best = sighting.score > region.track.best_score
    region.track.see(_as_hit(sighting), step, is_alone=is_alone)
    region.track.tally.rejections[str(sighting.rejection)] += 1
    if is_best:
        region.likeness = _likeness(sighting.candidate)


def _as_hit(sighting: Sighting) -> Sighting:
    """For a track of unknowns, having been rejected is what counts."""
    return Sighting(sighting.candidate, sighting.candidate.label, None, sighting.score)


def _likeness(candidate: Candidate) -> str:
    return "" if candidate.features is None else encode_likeness(candidate.features.embeddings[0])
