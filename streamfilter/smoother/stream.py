"""All tracks of one stream: sightings in, openings and events out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from streamfilter.config import SmootherConfig
from streamfilter.smoother.doubts import Doubt, Doubts
from streamfilter.smoother.packing import packed, unpacked
from streamfilter.smoother.place import Place, distinct, in_order, overlaps, pair_up
from streamfilter.smoother.time import SLACK_S, Clock, Step
from streamfilter.smoother.track import Track, place_reach
from streamfilter.types import Event, Gap, Happening, Opening, Rejection, Sighting, Verdict


@dataclass(frozen=True, slots=True, eq=False)
class _State:
    """What a checkpoint holds of a smoother. `ordinals`: label, start PTS and count."""

    clock: Clock
    tracks: list[Track]
    born: int
    ordinals: list[tuple[str, int, int]]
    rejections: dict[str, int]
    doubts: list[Doubt]


class TimeSmoother:
    """Evidence over seconds decides when an appearance begins and ends.

    A track begins with an accepted sighting, which counts from the edge before it: half a look, or a cut. Each look
    that accepts it again adds the time that the look stands for, a look without it subtracts that; at `onset_s` the
    track is confirmed. From then on sightings of its label with at least `hold_score` keep it, rejected or not, and it
    may be away for `bridge_s`. It is an event once the looks that accept it lead all others by `certain_s`, or at its
    end when they stand for the share `steady` of the time of all; what flickers is none. Both count what was rejected
    of its label at its place before it began, in the same shot, where that was for longer than `certain_s` (`Doubts`).
    At a cut unconfirmed tracks are dropped, and confirmed ones end unless the first look after it shows them at the
    same place. Nothing is claimed for a gap.

    An event's `score` is the mean score of its accepted sightings, weighted by the time their looks stand for: the
    probability that the label is right at a look taken at random. `start_pts` and `end_pts` are of the first and the
    last look that showed it. `Evidence.looks` are the looks from the first to the last of these, `hits` those that were
    accepted. `Exposure.visible_s` leaves out bridged absence; `alone_s` is the part of it in which no other logo was
    seen.
    """

    def __init__(self, config: SmootherConfig) -> None:
        self._config = config
        self._clock = Clock(config.max_look_s)
        self._tracks: list[Track] = []
        self._doubts = Doubts(config.certain_s, config.place_iou)
        self._born = 0
        self._ordinals: Counter[tuple[str, int]] = Counter()
        self._rejections: Counter[str] = Counter()

    @property
    def rejections(self) -> dict[str, int]:
        """Rejected sightings by reason, and as `unstable` the appearances that were too short or never confirmed."""
        return dict(sorted(self._rejections.items()))

    def state(self) -> Any:
        """All that the smoother remembers, as JSON values."""
        ordinals = [(label, pts, count) for (label, pts), count in self._ordinals.items()]
        doubts = self._doubts.places
        return packed(_State(self._clock, self._tracks, self._born, ordinals, dict(self._rejections), doubts))

    def restore(self, state: Any) -> None:
        """Go on from what `state` gave, to the last bit. `ValueError` for anything else."""
        known: _State = unpacked(_State, state)
        self._clock, self._tracks, self._born = known.clock, known.tracks, known.born
        self._ordinals = Counter({(label, pts): count for label, pts, count in known.ordinals})
        self._rejections = Counter(known.rejections)
        self._doubts.places = known.doubts

    def update(self, verdict: Verdict) -> list[Happening]:
        """Take in one look; an opening comes before its event. `ValueError` when its time lies before the last look."""
        step = self._clock.look(verdict)
        self._rejections.update(str(s.rejection) for s in verdict.sightings if s.rejection is not None)
        if step.cuts_s:
            self._doubts.forget()
            self._drop([t for t in self._tracks if not self._is_confirmed(t)])
        out = self._settle([t for t in self._tracks if self._is_away_too_long(t, step.appeared_s)])
        self._follow(verdict.sightings, step)
        self._doubts.note(verdict.sightings, step)
        return out + self._settle([t for t in self._tracks if self._is_over(t, step)])

    def gap(self, gap: Gap) -> list[Happening]:
        """Take in a gap; what would be away for longer than `bridge_s` ends where it was last known."""
        loss = self._clock.lose(gap)
        if loss is None:
            return []
        for track in self._tracks:
            track.lose(loss)
        return self._settle([t for t in self._tracks if self._is_away_too_long(t, loss.end_s)])

    def ongoing(self) -> list[Event]:
        """What is open and was told: each as the event that it would be, had it ended where it was seen last."""
        return [t.event(t.seen_s, end_weight_s=0.0) for t in self._tracks if t.ordinal is not None]

    def flush(self, end_s: float) -> list[Happening]:
        """The stream ended at `end_s`: close what is open. A second call returns nothing."""
        return self._settle(list(self._tracks), end_s=end_s)

    def _follow(self, sightings: Sequence[Sighting], step: Step) -> None:
        """Give each sighting to the track that it continues, or to a new one."""
        matches: list[tuple[Track, Sighting]] = []
        newcomers: list[Sighting] = []
        for label in sorted({s.candidate.label for s in sightings}):
            found, fresh = self._match([s for s in sightings if s.candidate.label == label], label, step)
            matches += found
            newcomers += fresh
        is_alone = len(matches) + len(newcomers) == 1
        seen = {track.number for track, _ in matches}
        for track in self._tracks:
            if track.number not in seen:
                track.miss(step)
        for track, sighting in matches:
            track.see(sighting, step, is_alone=is_alone)
        for sighting in newcomers:
            track = Track.begun(sighting, step, number=self._born, is_alone=is_alone)
            track.doubt(self._doubts.about(sighting, step.time_s))
            self._tracks.append(track)
            self._born += 1

    def _match(
        self, sightings: list[Sighting], label: str, step: Step
    ) -> tuple[list[tuple[Track, Sighting]], list[Sighting]]:
        """Tracks of one label that go on with their sightings, and sightings that begin a track."""
        config = self._config
        tracks = [t for t in self._tracks if t.label == label]
        strong = [s for s in sightings if s.label is not None or s.score >= config.hold_score]
        usable = distinct(strong, config.place_iou)
        places = [Place(t.box, self._reach(t, step)) for t in tracks]
        pairs = pair_up(places, [s.candidate.box for s in usable], iou=config.place_iou)
        used = set(pairs.values())
        self._count_rejected(tracks, [s for s in sightings if not any(s is usable[j] for j in used)])
        fresh = [s for j, s in enumerate(usable) if j not in used and s.label is not None]
        return [(tracks[i], usable[j]) for i, j in sorted(pairs.items())], fresh

    def _reach(self, track: Track, step: Step) -> float | None:
        if step.cuts_s:
            return None
        return place_reach(track, step, reach=self._config.place_reach, max_look_s=self._config.max_look_s)

    def _count_rejected(self, tracks: Sequence[Track], sightings: Iterable[Sighting]) -> None:
        """A rejected sighting that holds no track is still evidence beside the track at its place."""
        for sighting in in_order(sightings):
            box = sighting.candidate.box
            near = [t for t in tracks if overlaps(t.box, box, self._config.place_iou)]
            if near and sighting.rejection is not None:
                max(near, key=lambda t: (t.box.iou(box), -t.number)).reject(sighting.rejection)

    def _is_confirmed(self, track: Track) -> bool:
        if not track.is_confirmed and track.evidence_s + SLACK_S >= self._config.onset_s:
            track.is_confirmed = True
        return track.is_confirmed

    def _is_over(self, track: Track, step: Step) -> bool:
        """Whether the track has ended, for all that is known at this look."""
        if self._is_confirmed(track):
            return track.absent_s is not None and (bool(step.cuts_s) or self._is_away_too_long(track, step.time_s))
        is_waning = track.absent_s is not None and track.evidence_s <= SLACK_S
        return is_waning or step.time_s - track.accepted_s > self._config.bridge_s + SLACK_S

    def _is_away_too_long(self, track: Track, time_s: float) -> bool:
        return track.absent_s is not None and time_s - track.absent_s > self._config.bridge_s + SLACK_S

    def _settle(self, ended: list[Track], *, end_s: float | None = None) -> list[Happening]:
        """Take ended tracks out; report openings, then events by end, start, label and age."""
        ends = {t.number: self._end_of(t, end_s) for t in ended}
        lasting = [t for t in ended if self._lasts(t, ends[t.number]) and self._is_believed(t)]
        living = [t for t in self._tracks if t.number not in ends and self._lasts(t, t.seen_s) and self._is_certain(t)]
        opened = self._open(living + lasting)
        lasting.sort(key=lambda t: (ends[t.number], t.start_s, t.label, t.number))
        events = [self._close(t, ends[t.number]) for t in lasting]
        kept = {t.number for t in lasting}
        self._drop([t for t in ended if t.number not in kept])
        return [*opened, *events]

    def _end_of(self, track: Track, end_s: float | None) -> float:
        """The edge after the last sighting; the stream's end when it was still seen there."""
        if track.absent_s is not None:
            return track.absent_s
        return track.seen_s if end_s is None else max(end_s, track.seen_s)

    def _lasts(self, track: Track, end_s: float) -> bool:
        duration_s = end_s - track.start_s
        return self._is_confirmed(track) and duration_s > 0 and duration_s + SLACK_S >= self._config.min_duration_s

    def _is_certain(self, track: Track) -> bool:
        """Whether the track will be an event, whatever comes."""
        return track.ordinal is not None or track.lead_s + SLACK_S >= self._config.certain_s

    def _is_believed(self, track: Track) -> bool:
        """Whether a track that has ended was an event: a stranger passes for a label now and then, a logo mostly."""
        return self._is_certain(track) or track.steadiness >= self._config.steady

    def _open(self, tracks: Iterable[Track]) -> list[Opening]:
        """Report tracks that are certain to become events, each once; number those that begin together."""
        unopened = sorted((t for t in tracks if t.ordinal is None), key=lambda t: (t.start_s, t.label, t.number))
        for track in unopened:
            key = (track.label, track.start_pts)
            track.ordinal = self._ordinals[key]
            self._ordinals[key] += 1
        alive = {(t.label, t.start_pts) for t in self._tracks}
        self._ordinals = Counter({key: count for key, count in self._ordinals.items() if key in alive})
        return [t.opening() for t in unopened]

    def _close(self, track: Track, end_s: float) -> Event:
        self._tracks.remove(track)
        return track.event(end_s, end_weight_s=self._clock.capped(end_s - track.seen_s))

    def _drop(self, tracks: Sequence[Track]) -> None:
        if tracks:
            self._rejections[str(Rejection.UNSTABLE)] += len(tracks)
        self._tracks = [t for t in self._tracks if t not in tracks]
