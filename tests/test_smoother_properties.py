"""What holds for every stream that the smoother may meet, drawn by hypothesis."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from streamfilter.config import SmootherConfig
from streamfilter.smoother import make_smoother
from streamfilter.types import Box, Candidate, Event, Gap, Opening, Rejection, Sighting, Verdict

CONFIG = SmootherConfig(onset_s=0.6, min_duration_s=0.4, bridge_s=1.0, max_look_s=0.5, hold_score=0.3)
PLACES = [Box(x, y, 0.02, 0.02) for x in (0.1, 0.5, 0.9) for y in (0.2, 0.8)]
"""So small that no logo can be thought to have moved from one to another."""

RATES_HZ = (2.0, 4.0, 8.0, 25.0)

thorough = settings(deadline=None, max_examples=100)


def sighting(place: int, label: str = "Pepsi", *, score: float = 0.9, rejection: Rejection | None = None) -> Sighting:
    candidate = Candidate(PLACES[place], label, score, 1 - score, 1.0, 50.0)
    return Sighting(candidate, None if rejection else label, rejection, score)


def run(steps: Iterable[Verdict | Gap], end_s: float, config: SmootherConfig = CONFIG) -> list[Opening | Event]:
    smoother = make_smoother(config)
    out: list[Opening | Event] = []
    for step in steps:
        out += smoother.gap(step) if isinstance(step, Gap) else smoother.update(step)
    out += smoother.flush(end_s)
    assert smoother.flush(end_s) == []
    return out


def events_of(out: Iterable[Opening | Event]) -> list[Event]:
    return [r for r in out if isinstance(r, Event)]


def unstable(steps: Iterable[Verdict | Gap], end_s: float) -> int:
    smoother = make_smoother(CONFIG)
    for step in steps:
        if isinstance(step, Gap):
            smoother.gap(step)
        else:
            smoother.update(step)
    smoother.flush(end_s)
    return smoother.rejections.get("unstable", 0)


def place_of(event: Event) -> int:
    return PLACES.index(event.best.box)


def overlap_s(one: tuple[float, float], other: tuple[float, float]) -> float:
    return max(0.0, min(one[1], other[1]) - max(one[0], other[0]))


@dataclass(frozen=True)
class Stream:
    """Looks and gaps in time order."""

    steps: tuple[Verdict | Gap, ...]
    end_s: float

    @property
    def looks(self) -> list[Verdict]:
        return [s for s in self.steps if isinstance(s, Verdict)]

    @property
    def gaps(self) -> list[Gap]:
        return [s for s in self.steps if isinstance(s, Gap)]

    @property
    def cuts_s(self) -> list[float]:
        return [c for look in self.looks for c in look.cuts_s]


SIGHTINGS = st.builds(
    lambda place, label, kind: sighting(place, label, score=kind[0], rejection=kind[1]),
    st.integers(0, 2),
    st.sampled_from(["Nike", "Pepsi"]),
    st.sampled_from(
        [(0.9, None), (0.8, None), (0.7, None), (0.4, Rejection.FAR), (0.1, Rejection.NONE_CLASS)],
    ),
)


@st.composite
def streams(draw: st.DrawFn) -> Stream:
    """Looks at uneven times; sightings tend to stay from look to look, or nothing would ever be confirmed."""
    time_s = draw(st.floats(0, 5))
    steps: list[Verdict | Gap] = []
    shown: list[Sighting] = []
    for n in range(draw(st.integers(1, 40))):
        before_s = time_s
        if n and draw(st.integers(0, 9)) == 0:
            lost = Gap(time_s + draw(st.floats(0, 0.2)), time_s + 0.2 + draw(st.floats(0, 2)), "decode_error")
            steps.append(lost)
            time_s = before_s = lost.end_s
        time_s += draw(st.floats(0.02, 0.7)) if n else 0.0
        cuts = sorted({before_s + share * (time_s - before_s) for share in draw(CUT_SHARES)}) if n else []
        if draw(st.integers(0, 3)) == 0:
            shown = draw(st.lists(SIGHTINGS, max_size=4))
        steps.append(Verdict(time_s, n, tuple(shown), tuple(c for c in cuts if before_s < c <= time_s)))
    return Stream(tuple(steps), time_s + draw(st.floats(0, 0.5)))


CUT_SHARES = st.sampled_from([(), (), (), (), (), (0.5,), (1.0,), (0.3, 0.7)])


@thorough
@given(streams())
def test_events_lie_in_the_looked_at_time_and_end_after_they_start(stream: Stream) -> None:
    for event in events_of(run(stream.steps, stream.end_s)):
        assert stream.looks[0].time_s <= event.start_s < event.end_s <= stream.end_s
        assert event.end_s - event.start_s >= CONFIG.min_duration_s - 1e-5
        assert event.start_s <= event.track[0].time_s <= event.track[-1].time_s <= event.end_s
        times = {look.pts: look.time_s for look in stream.looks}
        assert event.start_s <= times[event.start_pts] <= times[event.end_pts] <= event.end_s


@thorough
@given(streams())
def test_events_of_one_label_at_one_place_are_disjoint(stream: Stream) -> None:
    events = events_of(run(stream.steps, stream.end_s))
    for label, place in {(e.label, place_of(e)) for e in events}:
        mine = sorted((e.start_s, e.end_s) for e in events if (e.label, place_of(e)) == (label, place))
        assert all(first[1] <= second[0] for first, second in pairwise(mine))


@thorough
@given(streams())
def test_no_event_stands_on_less_than_the_onset_evidence(stream: Stream) -> None:
    events = events_of(run(stream.steps, stream.end_s))
    for event in events:
        seen_s, mark_s = 0.0, stream.looks[0].time_s
        for step in stream.steps:
            if isinstance(step, Gap):
                mark_s = step.end_s
                continue
            here = [s for s in step.sightings if s.label == event.label and s.candidate.box == event.best.box]
            if here and event.start_s <= step.time_s <= event.end_s:
                seen_s += min(step.time_s - mark_s, CONFIG.max_look_s)
            mark_s = step.time_s
        assert seen_s >= CONFIG.onset_s - 1e-5


@thorough
@given(streams())
def test_a_cut_lies_inside_an_event_only_when_the_logo_is_seen_on_both_sides(stream: Stream) -> None:
    for event in events_of(run(stream.steps, stream.end_s)):
        inside = [c for c in stream.cuts_s if event.start_s < c < event.end_s]
        seen_s = [
            look.time_s
            for look in stream.looks
            if any(s.candidate.label == event.label and s.candidate.box == event.best.box for s in look.sightings)
        ]
        for cut_s in inside:
            first_after_s = min(look.time_s for look in stream.looks if look.time_s >= cut_s)
            assert first_after_s in seen_s
            assert any(cut_s - CONFIG.bridge_s - CONFIG.max_look_s - 0.2 < t < cut_s for t in seen_s)


@thorough
@given(streams())
def test_no_event_claims_time_in_a_long_gap(stream: Stream) -> None:
    for event in events_of(run(stream.steps, stream.end_s)):
        for lost in stream.gaps:
            if lost.end_s - lost.start_s > CONFIG.bridge_s + 1e-5:
                assert overlap_s((event.start_s, event.end_s), (lost.start_s, lost.end_s)) == 0


@thorough
@given(streams())
def test_each_event_is_opened_once_before_it_closes_under_one_identity(stream: Stream) -> None:
    opened: Counter[tuple[str, int, int]] = Counter()
    closed: Counter[tuple[str, int, int]] = Counter()
    for record in run(stream.steps, stream.end_s):
        key = (record.label, record.start_pts, record.ordinal)
        if isinstance(record, Event):
            assert opened[key] == 1
            closed[key] += 1
        else:
            opened[key] += 1
    assert opened == closed
    for label, pts in {(label, pts) for label, pts, _ in closed}:
        ordinals = sorted(n for other, at, n in closed if (other, at) == (label, pts))
        assert ordinals == list(range(len(ordinals)))


@thorough
@given(streams())
def test_evidence_and_exposure_add_up(stream: Stream) -> None:
    for event in events_of(run(stream.steps, stream.end_s)):
        duration_s = event.end_s - event.start_s
        evidence, exposure = event.evidence, event.exposure
        assert 0 < evidence.hits <= evidence.looks
        assert 0 <= evidence.coverage <= 1
        assert evidence.gap_s <= duration_s * (1 - evidence.coverage) + 1e-6
        assert -1e-9 <= exposure.alone_s <= exposure.visible_s + 1e-9 <= duration_s + 2e-9
        assert 0.7 - 1e-9 <= event.score <= 0.9 + 1e-9


@thorough
@given(streams(), st.randoms(use_true_random=False))
def test_the_order_of_sightings_within_a_look_does_not_matter(stream: Stream, random: object) -> None:
    def shuffled(look: Verdict | Gap) -> Verdict | Gap:
        if isinstance(look, Gap):
            return look
        sightings = list(look.sightings)
        random.shuffle(sightings)  # type: ignore[attr-defined]
        return dataclasses.replace(look, sightings=tuple(sightings))

    assert run(stream.steps, stream.end_s) == run([shuffled(s) for s in stream.steps], stream.end_s)


@thorough
@given(streams())
def test_every_rejected_sighting_is_counted_by_its_reason(stream: Stream) -> None:
    smoother = make_smoother(CONFIG)
    for step in stream.steps:
        if isinstance(step, Gap):
            smoother.gap(step)
        else:
            smoother.update(step)
    smoother.flush(stream.end_s)
    expected = Counter(str(s.rejection) for look in stream.looks for s in look.sightings if s.rejection)
    assert {k: v for k, v in smoother.rejections.items() if k != "unstable"} == expected


@thorough
@given(streams(), st.data())
def test_a_blink_adds_no_event_and_is_counted_as_unstable(stream: Stream, data: st.DataObject) -> None:
    at = data.draw(st.sampled_from([n for n, step in enumerate(stream.steps) if isinstance(step, Verdict)]))
    look = stream.steps[at]
    assert isinstance(look, Verdict)
    blink = dataclasses.replace(look, sightings=(*look.sightings, sighting(5, "Nike")))
    steps = [*stream.steps[:at], blink, *stream.steps[at + 1 :]]
    before, after = events_of(run(stream.steps, stream.end_s)), events_of(run(steps, stream.end_s))
    assert [(e.label, e.start_s, e.end_s) for e in before] == [(e.label, e.start_s, e.end_s) for e in after]
    assert unstable(steps, stream.end_s) == unstable(stream.steps, stream.end_s) + 1


@st.composite
def scenes(draw: st.DrawFn) -> tuple[list[tuple[float, float, int]], float]:
    """What is on screen, as (start, end, place): long enough to confirm, and away clearly under or over the bridge."""
    shown: list[tuple[float, float, int]] = []
    for place in range(draw(st.integers(1, 3))):
        time_s = draw(st.floats(0.0, 3.0))
        for _ in range(draw(st.integers(1, 3))):
            end_s = time_s + draw(st.floats(1.7, 5.0))
            shown.append((time_s, end_s, place))
            time_s = end_s + draw(st.one_of(st.floats(0.02, 0.45), st.floats(2.1, 4.0)))
    return shown, max(end for _, end, _ in shown) + draw(st.floats(0.0, 3.0))


def sampled(shown: Sequence[tuple[float, float, int]], end_s: float, rate_hz: float) -> list[Verdict]:
    verdicts = []
    for n in range(int(end_s * rate_hz) + 1):
        time_s = n / rate_hz
        visible = tuple(sighting(place) for start, end, place in shown if start <= time_s < end)
        verdicts.append(Verdict(time_s, n, visible))
    return verdicts


def bridged(shown: Sequence[tuple[float, float, int]]) -> list[tuple[float, float, int]]:
    """What the events should be: appearances at one place joined over short absences."""
    joined: list[tuple[float, float, int]] = []
    for start, end, place in sorted(shown, key=lambda a: (a[2], a[0])):
        if joined and joined[-1][2] == place and start - joined[-1][1] < CONFIG.bridge_s:
            joined[-1] = (joined[-1][0], end, place)
        else:
            joined.append((start, end, place))
    return joined


@settings(deadline=None, max_examples=60)
@given(scenes())
def test_one_scene_gives_the_same_events_at_every_rate(scene: tuple[list[tuple[float, float, int]], float]) -> None:
    shown, end_s = scene
    truth = bridged(shown)
    for rate_hz in RATES_HZ:
        events = events_of(run(sampled(shown, end_s, rate_hz), end_s))
        found = sorted((place_of(e), e.start_s, e.end_s) for e in events)
        assert len(found) == len(truth)
        for (place, start_s, stop_s), (true_start_s, true_stop_s, true_place) in zip(found, truth, strict=True):
            assert place == true_place
            assert abs(start_s - true_start_s) <= 0.5 / rate_hz + 1e-6
            assert abs(stop_s - true_stop_s) <= 1 / rate_hz + 1e-6


@settings(deadline=None, max_examples=60)
@given(st.floats(0.0, 2.0), st.floats(0.0, 0.09), st.sampled_from(RATES_HZ))
def test_an_appearance_shorter_than_the_onset_gives_no_event_at_any_rate(
    start_s: float, length_s: float, rate_hz: float
) -> None:
    assert run(sampled([(start_s, start_s + length_s, 0)], 4.0, rate_hz), 4.0) == []


@settings(deadline=None, max_examples=60)
@given(st.floats(0.0, 3.0), st.floats(1.7, 5.0), st.sampled_from(RATES_HZ))
def test_edges_at_cuts_are_exact_at_every_rate(start_s: float, length_s: float, rate_hz: float) -> None:
    stop_s = start_s + length_s
    first, *verdicts = sampled([(start_s, stop_s, 0)], stop_s + 3.0, rate_hz)
    with_cuts = [first]
    for look in verdicts:
        cuts_s = tuple(c for c in (start_s, stop_s) if with_cuts[-1].time_s < c <= look.time_s)
        with_cuts.append(dataclasses.replace(look, cuts_s=cuts_s))
    (event,) = events_of(run(with_cuts, stop_s + 3.0))
    assert (event.start_s, event.end_s) == (start_s, stop_s)
