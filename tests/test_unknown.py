"""Regions that are rejected and yet stay: which are told, how they look, which of them look alike."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from fakes import STRANGER, ColorClassifier, SoftmaxRejector, color_clip, color_network
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics.pairwise import cosine_distances

from streamfilter.config import RunConfig, SmootherConfig
from streamfilter.eventlog import read_event_log
from streamfilter.likeness import NEAR, Leaders, clusters, decode_likeness, encode_likeness
from streamfilter.pipeline import Network, Watcher, identify, run
from streamfilter.sinks import EventLog, load_schema
from streamfilter.smoother import make_smoother
from streamfilter.types import Box, Candidate, Features, Gap, Happening, Rejection, Sighting, Unknown, Verdict

HZ = 4.0
RED, GREEN, BLUE = (220, 30, 30), (30, 200, 40), STRANGER
PLACE = Box(0.2, 0.2, 0.2, 0.2)
ELSEWHERE = Box(0.6, 0.6, 0.2, 0.2)
ON = SmootherConfig(unknowns=True)


def stranger(box: Box = PLACE, *, label: str = "Solari", softmax: float = 0.3, embedding: object = None) -> Sighting:
    features = None
    if embedding is not None:
        row = np.asarray([embedding], np.float32)
        features = Features(np.zeros((1, 3), np.float32), row, np.ones(1))
    candidate = Candidate(box, label, softmax, 1 - softmax, 9.0, 99.0, features=features)
    return Sighting(candidate, None, Rejection.LOW_SOFTMAX, softmax)


def accepted(box: Box = PLACE) -> Sighting:
    return Sighting(Candidate(box, "Solari", 0.9, 0.1, 3.0, 20.0), "Solari", None, 0.9)


def told(
    looks: list[tuple[Sighting, ...]], *, config: SmootherConfig = ON, cuts: dict[int, float] | None = None
) -> list[Happening]:
    """What a smoother says of these looks, four a second."""
    smoother = make_smoother(config)
    out: list[Happening] = []
    for number, sightings in enumerate(looks):
        cut = (cuts or {}).get(number)
        out += smoother.update(Verdict(number / HZ, number, sightings, () if cut is None else (cut,)))
    return [*out, *smoother.flush(len(looks) / HZ)]


def unknowns(happened: list[Happening]) -> list[Unknown]:
    return [item for item in happened if isinstance(item, Unknown)]


def test_a_region_that_is_rejected_but_stays_is_told() -> None:
    (one,) = unknowns(told([(), *[(stranger(),)] * 8, (), *[()] * 8]))
    assert (one.event.start_s, one.event.end_s) == (0.125, 2.125)
    assert one.event.evidence.rejections == {"low_softmax": 8}
    assert one.event.evidence.hits == 8


def test_without_the_setting_nothing_is_told_of_it() -> None:
    assert told([(stranger(),)] * 12, config=SmootherConfig()) == []


def test_with_the_setting_events_with_a_label_are_the_same() -> None:
    looks = [(accepted(), stranger(ELSEWHERE))] * 10 + [(stranger(),)] * 10 + [(accepted(),)] * 10
    plain = told(looks, config=SmootherConfig())
    assert [item for item in told(looks) if not isinstance(item, Unknown)] == plain
    assert unknowns(told(looks))


def test_a_region_is_one_whatever_it_was_rejected_for() -> None:
    looks = [(stranger(label=("Solari", "Trivane")[number % 2]),) for number in range(10)]
    assert len(unknowns(told(looks))) == 1


def test_what_is_brief_or_flickers_is_not_told() -> None:
    assert unknowns(told([(stranger(),)] * 5 + [()] * 8)) == []
    assert unknowns(told([(stranger(),), (), ()] * 8)) == []


def test_a_region_where_a_label_was_accepted_is_known() -> None:
    assert unknowns(told([(stranger(),)] * 8 + [(accepted(),)] * 4)) == []
    assert len(unknowns(told([(stranger(),)] * 8 + [()] * 2 + [(accepted(),)] * 4))) == 1, "another logo, later"
    assert unknowns(told([(accepted(), stranger(Box(0.22, 0.22, 0.1, 0.1)))] * 12)) == []


def test_two_regions_at_once_are_two_with_ids_of_their_own() -> None:
    both = unknowns(told([(stranger(), stranger(ELSEWHERE))] * 10))
    assert sorted((one.event.start_pts, one.event.ordinal) for one in both) == [(0, 0), (0, 1)]


def test_a_cut_ends_a_region_that_is_not_seen_after_it() -> None:
    (one,) = unknowns(told([(stranger(),)] * 10 + [()] * 10, cuts={10: 2.4}))
    assert one.event.end_s == 2.4


def test_its_likeness_is_that_of_its_best_look() -> None:
    looks = [(stranger(softmax=0.2 + 0.01 * number, embedding=[number, 1.0]),) for number in range(10)]
    (one,) = unknowns(told(looks))
    assert decode_likeness(one.likeness) == pytest.approx(np.array([9.0, 1.0]) / np.hypot(9, 1), abs=0.01)


@settings(deadline=None)
@given(st.lists(st.integers(0, 5), min_size=2, max_size=40), st.integers(1, 39))
def test_a_smoother_restored_in_mid_stream_goes_on_as_if_never_stopped(plot: list[int], at: int) -> None:
    kinds: list[tuple[Sighting, ...]] = [
        (),
        (stranger(embedding=[1.0, 2.0]),),
        (stranger(ELSEWHERE, embedding=[2.0, 1.0]),),
        (accepted(),),
        (stranger(embedding=[1.0, 1.0], softmax=0.4), stranger(ELSEWHERE)),
        (accepted(ELSEWHERE), stranger()),
    ]
    whole, first, second = make_smoother(ON), make_smoother(ON), make_smoother(ON)
    expected: list[Happening] = []
    found: list[Happening] = []
    for number, kind in enumerate(plot):
        if number == at:
            second.restore(json.loads(json.dumps(first.state())))
            first = second
        verdict = Verdict(number / HZ, number, kinds[kind])
        expected += whole.update(verdict)
        found += first.update(verdict)
    expected += whole.gap(Gap(len(plot) / HZ, len(plot) / HZ + 3, "lost")) + whole.flush(100.0)
    found += first.gap(Gap(len(plot) / HZ, len(plot) / HZ + 3, "lost")) + first.flush(100.0)
    assert found == expected


@pytest.mark.parametrize("state", [None, [], {}, {"known": []}, {"known": [], "unknown": []}])
def test_a_state_that_is_none_is_refused(state: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever it says, the pipeline tells the user what it means
        make_smoother(ON).restore(state)


@settings(deadline=None)
@given(hnp.arrays(np.float32, st.integers(1, 64), elements=st.floats(-100, 100, width=32, allow_subnormal=False)))
def test_a_likeness_keeps_the_direction_of_an_embedding(embedding: np.ndarray) -> None:
    back = decode_likeness(encode_likeness(embedding))
    if not np.any(embedding):
        assert back is None
        return
    assert back is not None
    largest = np.abs(embedding.astype(np.float64)).max()
    back = back / np.abs(back).max() * largest
    assert np.abs(back - embedding).max() <= largest / 127 / 2 * 1.01


@pytest.mark.parametrize("text", ["", "!", "AAAA", "x" * 7, "é", "A" * 8192])
def test_a_text_that_is_no_likeness_is_none(text: str) -> None:
    assert decode_likeness(text) is None


def directions(count: int, spread: float, seed: int) -> tuple[list[np.ndarray], list[int]]:
    """Embeddings around `count` directions that are far from each other, and which each belongs to."""
    rng = np.random.default_rng(seed)
    centers = np.eye(64, dtype=np.float32)[:count]
    which = [int(n) for n in rng.integers(0, count, 60)]
    noisy = [centers[n] + spread * rng.standard_normal(64).astype(np.float32) / 8 for n in which]
    return [one / np.linalg.norm(one) for one in noisy], which


def test_regions_that_look_alike_are_one_cluster_and_others_are_not() -> None:
    embeddings, which = directions(5, 0.3, seed=1)
    assert cosine_distances(embeddings).max() > 0.8
    found = clusters(embeddings)
    assert sorted(sorted({which[i] for i in group}) for group in found) == [[n] for n in range(5)]
    assert sorted(i for group in found for i in group) == list(range(60))
    assert [len(group) for group in found] == sorted((len(group) for group in found), reverse=True)


def test_clusters_do_not_depend_on_which_region_came_first() -> None:
    embeddings, _ = directions(4, 0.3, seed=2)
    forwards = {frozenset(group) for group in clusters(embeddings)}
    backwards = {frozenset(59 - i for i in group) for group in clusters(embeddings[::-1])}
    assert forwards == backwards


def test_regions_without_a_likeness_are_alone() -> None:
    near = np.array([1.0, 0.0], np.float32)
    assert clusters([near, None, near, None]) == [[0, 2], [1], [3]]
    assert clusters([]) == []


def test_a_leader_names_its_cluster() -> None:
    leaders = Leaders()
    assert leaders.join("a", np.array([1, 0], np.float32)) == "a"
    assert leaders.join("b", np.array([0, 1], np.float32)) == "b"
    assert leaders.join("c", np.array([0.99, 0.1], np.float32)) == "a"
    assert leaders.join("d", None) == "d"
    assert leaders.join("e", np.array([1, 0, 0], np.float32)) == "e", "another model's embedding"
    assert 0 < NEAR < 1


class Featured(ColorClassifier):
    """Candidates with an embedding, as a network's have one."""

    def classify(self, pictures: list) -> list[list[Candidate]]:  # type: ignore[type-arg,override]
        row = np.array([[1.0, 2.0, 3.0]], np.float32)
        features = Features(np.zeros((1, 3), np.float32), row, np.ones(1))
        return [[replace(one, features=features) for one in found] for found in super().classify(pictures)]


def run_over(
    clips: list[Path], log: Path, *, config: RunConfig, watcher: Watcher | None = None, resume: bool = False
) -> None:
    network = Network(Featured(), SoftmaxRejector(), color_network().facts)
    names = [str(clip) for clip in clips]
    run_id = identify(names, config=config, model=network.facts)
    with EventLog(str(log), run_id, **({"resume": True} if resume else {})) as events:
        run(names, network, config=config, log=events, watcher=watcher)


def test_a_run_logs_unknown_regions_with_cluster_and_likeness(tmp_path: Path) -> None:
    clips = [
        color_clip(tmp_path / f"{extra}.mp4", [(0.5, 3.0, RED), (3.5, 5.9, BLUE)], seconds=6.5 + extra)
        for extra in range(2)
    ]
    config = RunConfig(smoother=ON)
    run_over(clips, tmp_path / "events.jsonl", config=config)
    records = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text("utf-8").splitlines()]
    for record in records:
        jsonschema.validate(record, load_schema())
    log = read_event_log(tmp_path / "events.jsonl")
    assert [event.label for event in log.events] == ["Red", None, "Red", None]
    assert {event.cluster for event in log.events if event.label is None} == {log.events[1].event_id}
    assert decode_likeness(log.events[1].likeness) is not None
    assert records[-1]["events"] == {"Red": 2}
    assert [event.label for event in log.kept] == ["Red", "Red"]


class StopAt(Watcher):
    def __init__(self, time_s: float) -> None:
        self._time_s, self._is_over = time_s, False

    def reached(self, time_s: float) -> None:
        self._is_over = self._is_over or time_s >= self._time_s

    def should_stop(self) -> bool:
        return self._is_over


def test_a_resumed_run_with_unknowns_ends_with_the_very_same_log(tmp_path: Path) -> None:
    shows = [(1.0, 9.0, BLUE), (9.5, 14.0, BLUE), (14.5, 19.0, RED)]
    clip = color_clip(tmp_path / "clip.mp4", shows, seconds=20, rate_hz=10)
    config = RunConfig(smoother=ON)
    run_over([clip], tmp_path / "whole.jsonl", config=config)
    run_over([clip], tmp_path / "parts.jsonl", config=config, watcher=StopAt(13.0))
    run_over([clip], tmp_path / "parts.jsonl", config=config, resume=True)
    assert (tmp_path / "parts.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert [event.label for event in read_event_log(tmp_path / "whole.jsonl").events].count(None) >= 1
