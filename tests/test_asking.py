"""The network is asked at few looks, and what they do not show is found all the same."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn import DrawnPicture, frame_at
from fakes import GROUND, LABELS, STRANGER, ColorClassifier, color_clip, color_network
from hypothesis import given
from hypothesis import strategies as st
from media import write_clip

from streamfilter.config import RunConfig, SmootherConfig, check_config
from streamfilter.pipeline import Network, identify, run
from streamfilter.sampler import Answer, Edge, Inquiry, Pace, agree, between, due_looks, stretches
from streamfilter.sampler.agreeing import NEARLY
from streamfilter.sinks import EventLog
from streamfilter.types import Box, Candidate, Gap, Look, Pixels, Rejection, Sighting

RED, GREEN = LABELS["Red"], LABELS["Green"]
PACE = Pace(stride_s=1.0, longest_s=10.0)
TILES = 144


def changes(times: int, moving: float = 0.0) -> np.ndarray:
    """`(times, TILES)`: this share of the tiles changes at every look."""
    changed = np.zeros((times, TILES), np.bool_)
    changed[:, : round(TILES * moving)] = True
    return changed


def times(count: int) -> list[float]:
    return [index / 4 for index in range(count)]


def due(changed: np.ndarray, *, begins: bool = False, ends: bool = False) -> list[int]:
    """The looks that are due where all that changes is new."""
    return due_looks(times(len(changed)), changed, changed, PACE, begins=begins, ends=ends)


def test_the_first_and_the_last_look_are_due() -> None:
    assert due(changes(1)) == [0]
    assert due(changes(4)) == [0, 3]


def test_looks_are_due_by_how_much_moves() -> None:
    still, half, all_of_it = (len(due(changes(81, share))) for share in (0.0, 0.5, 1.0))
    assert (still, half, all_of_it) == (3, 11, 21)


def test_what_the_shot_has_shown_before_makes_no_look_due() -> None:
    changed = changes(81, 0.5)
    assert due_looks(times(81), changed, changes(81), PACE) == due(changes(81))


def test_a_look_at_which_something_appears_is_due_even_where_little_moves() -> None:
    changed = changes(40, 0.1)
    changed[17, 100:106] = True
    assert 17 in due(changed)
    changed[18, 100:106] = True  # now it goes on to move
    assert 17 not in due(changed)


def test_a_look_at_which_far_more_changes_than_before_is_due() -> None:
    changed = changes(40, 0.05)
    changed[17:24, :20] = True
    found = due_looks(times(40), changed, changes(40), PACE)
    assert 17 in found
    assert not {19, 21, 22, 23} & set(found), "it goes on to move"
    assert 23 in due(changed), "where it is new, its coming to rest is due, too"


def test_a_look_at_which_something_has_faded_in_is_due() -> None:
    changed, novel = changes(40, 0.05), changes(40)
    changed[14:18, 100:106] = novel[14:18, 100:106] = True
    assert 17 in due_looks(times(40), changed, novel, PACE)
    changed[19, 100:106] = True  # now it goes on to move
    assert 17 not in due_looks(times(40), changed, novel, PACE)


def test_what_goes_does_not_hide_what_comes_soon_after() -> None:
    changed = changes(40, 0.05)
    changed[17, :20] = changed[19, :20] = True
    assert {17, 19} <= set(due(changed))


@given(st.integers(1, 60), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_looks_that_are_due_rise_from_the_first_to_the_last(count: int, share: float, seed: int) -> None:
    changed = np.random.default_rng(seed).random((count, TILES)) < share
    found = due(changed)
    assert found == sorted(set(found))
    assert (found[0], found[-1]) == (0, count - 1)


@given(st.integers(1, 60), st.floats(0, 1), st.booleans(), st.booleans(), st.integers(0, 2**32 - 1))
def test_no_look_at_a_shot_is_worth_more_than_one_away_from_those_that_are_due(
    count: int, share: float, begins: bool, ends: bool, seed: int
) -> None:
    changed = np.random.default_rng(seed).random((count, TILES)) < share
    found = due(changed, begins=begins, ends=ends)
    worth = np.array([0.0, *(PACE.worth(float(row.mean()), times(2)[1] - times(2)[0]) for row in changed[1:])])
    reached, step = np.cumsum(worth), worth.max()
    assert found
    assert np.diff(reached[found]).max(initial=0) <= 1 + step + 1e-9
    assert reached[found[0]] <= (0.5 if begins else 0) + step / 2 + 1e-9
    assert reached[-1] - reached[found[-1]] <= (0.5 if ends else 0) + step / 2 + 1e-9


def test_a_short_shot_is_asked_in_its_middle_and_at_its_ends_where_that_shows_anything() -> None:
    items: list[Look | Gap] = [look_at(index / 4, *([index / 4] if index in (10, 15) else [])) for index in range(30)]
    (stretch,) = [s for s in stretches(iter(items), PACE, threshold=0.008) if len(s.runs) > 1][:1]
    shot = next(run for run in stretch.runs if run[0] == 10)
    inquiry = Inquiry(stretch, SmootherConfig())
    asked = [number for number in inquiry.wanted() if number in shot]
    assert asked == [12]
    for number in inquiry.wanted():
        inquiry.take(number, answer(number / 4))
    assert not [number for number in inquiry.wanted() if number in shot]
    inquiry.take(12, answer(3.0, ("Red", 0.1, 0.9, True)))
    assert [number for number in inquiry.wanted() if number in shot] == [10, 14]


def answer(time_s: float, *seen: tuple[str, float, float, bool]) -> Answer:
    """Label, left edge, score and whether it was accepted."""
    candidates = tuple(
        Candidate(Box(x, 0.2, 0.1, 0.1), label, score, 1 - score, 1.0, 1.0) for label, x, score, _ in seen
    )
    sightings = tuple(
        Sighting(
            candidate, candidate.label if accepted else None, None if accepted else Rejection.FAR, candidate.softmax
        )
        for candidate, (*_, accepted) in zip(candidates, seen, strict=True)
    )
    return Answer(time_s, candidates, sightings)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([], [], True),
        ([("Red", 0.1, 0.9, True)], [("Red", 0.15, 0.8, True)], True),
        ([("Red", 0.1, 0.9, True)], [], False),
        ([("Red", 0.1, 0.9, True)], [("Green", 0.1, 0.9, True)], False),
        ([("Red", 0.1, 0.9, True)], [("Red", 0.8, 0.9, True)], False),
        ([("Red", 0.1, 0.9, True)], [("Red", 0.1, 0.9, True), ("Red", 0.6, 0.9, True)], False),
        ([("Red", 0.1, 0.1, False)], [], True),
        ([("Red", 0.1, 0.6, False)], [("Red", 0.1, 0.6, False)], True),
        ([("Red", 0.1, 0.6, False)], [("Red", 0.8, 0.6, False)], False),
        ([("Red", 0.1, 0.6, False)], [("Red", 0.1, 0.6, True)], False),
        ([("Red", 0.1, 0.6, False)], [], False),
        ([("Red", 0.1, NEARLY, False)], [], False),
        ([("Red", 0.1, NEARLY - 0.01, False)], [], True),
    ],
)
def test_looks_agree_that_certainly_show_the_same(before: list[Any], after: list[Any], expected: bool) -> None:
    config = SmootherConfig()
    assert agree(answer(1.0, *before), answer(2.0, *after), config) is expected
    assert agree(answer(1.0, *after), answer(2.0, *before), config) is expected


def test_what_lies_between_two_looks_moves_from_one_to_the_other() -> None:
    before, after = answer(1.0, ("Red", 0.1, 0.9, True)), answer(2.0, ("Red", 0.2, 0.7, True))
    (early,) = between(before, after, 1.25, SmootherConfig())
    (late,) = between(before, after, 1.75, SmootherConfig())
    assert (early.box.x, late.box.x) == pytest.approx((0.125, 0.175))
    assert (early.softmax, late.softmax) == (0.9, 0.7)


def look_at(time_s: float, *cuts_s: float) -> Look:
    pixels = np.random.default_rng(round(time_s * 100)).integers(0, 255, (36, 64, 3), dtype=np.uint8)
    return Look(frame_at(time_s, DrawnPicture(pixels)), cuts_s=cuts_s)


def test_stretches_hold_every_look_and_gap_once_and_in_order() -> None:
    items: list[Look | Gap] = [look_at(index / 4, *([index / 4] if index % 17 == 5 else [])) for index in range(100)]
    items.insert(50, Gap(12.3, 12.4, "decode_error"))
    found = list(stretches(iter(items), PACE, threshold=0.008))
    assert len(found) > 3
    told = [item for stretch in found for item in stretch.items[stretch.is_continued :]]
    assert [getattr(item, "frame", item) for item in told] == [getattr(item, "frame", item) for item in items]
    assert found[-1].until == 100
    for stretch in found:
        for shot in stretch.runs:
            assert shot == list(range(shot[0], shot[-1] + 1))
            assert set(shot) & set(stretch.due)
            assert not any(stretch.look(number).cuts_s for number in shot[1:])
        assert stretch.runs[-1][-1] in stretch.due, "the next stretch goes on from it"
        assert not stretch.is_continued or 0 in stretch.due


class Watched:
    """A run over one clip: its events, and how many pictures its network saw."""

    def __init__(
        self, clip: Path, log: Path, *, resume: bool = False, network: Network | None = None, **sections: Any
    ) -> None:
        config = check_config(RunConfig, sections, origin="test")
        network = network or color_network()
        with EventLog(log, identify([str(clip)], config=config, model=network.facts), resume=resume) as events:
            self.summary = run([str(clip)], network, config=config, log=events)
        assert isinstance(network.classifier, ColorClassifier)
        self.asked = sum(network.classifier.batches)
        self.content = log.read_bytes()
        records = [json.loads(line) for line in self.content.splitlines()]
        self.events = [(r["label"], r["start_s"], r["end_s"]) for r in records if r["type"] == "event_close"]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Appearances that begin and end between looks, one of them short, and a stranger."""
    shows = [(2.08, 5.16, RED), (8.56, 9.88, GREEN), (14.0, 30.44, RED), (33.0, 36.0, STRANGER), (44.4, 50.0, GREEN)]
    return color_clip(tmp_path_factory.mktemp("clips") / "long.mp4", shows, seconds=50, rate_hz=25)


def test_few_looks_are_asked_and_edges_are_found_to_the_frame(clip: Path, tmp_path: Path) -> None:
    plain = Watched(clip, tmp_path / "plain.jsonl", sampler={"adaptive": False})
    few = Watched(clip, tmp_path / "few.jsonl")
    assert few.asked < plain.asked * 0.7
    assert (
        [label for label, *_ in few.events] == [label for label, *_ in plain.events] == ["Red", "Green", "Red", "Green"]
    )
    shown = [(2.08, 5.16), (8.56, 9.88), (14.0, 30.44), (44.4, 50.0)]
    for (_, start_s, end_s), truth in zip(few.events, shown, strict=True):
        assert (start_s, end_s) == pytest.approx(truth, abs=0.041)
    assert max(abs(e[1] - s[0]) for e, s in zip(plain.events, shown, strict=True)) > 0.041


def test_frames_that_still_show_the_picture_before_an_edge_are_not_asked(tmp_path: Path) -> None:
    still = color_clip(tmp_path / "still.mp4", [(4.2, 9.0, RED)], seconds=12, rate_hz=25)
    parts = Watched(still, tmp_path / "parts.jsonl")
    whole = Watched(still, tmp_path / "whole.jsonl", gate={"tiles": False})
    assert parts.events == whole.events
    assert parts.events[0][1:] == pytest.approx((4.2, 9.0), abs=0.041)
    assert parts.asked < whole.asked


def test_in_a_picture_that_moves_all_over_an_edge_is_searched_where_the_mark_is(tmp_path: Path) -> None:
    def picture(time_s: float) -> np.ndarray:
        drawn = np.full((120, 160, 3), GROUND if round(time_s * 25) % 2 else (64, 64, 64), np.uint8)
        if 4.2 <= time_s < 9.0:
            drawn[10:50, 10:50] = RED
        return drawn

    clip = write_clip(tmp_path / "flicker.mp4", ((n / 25, picture(n / 25)) for n in range(300)), rate_hz=25)
    asked, whole = {}, {}
    for edges in (True, False):
        classifier = EnlargingClassifier()
        network = replace(color_network(), classifier=classifier)
        seen = Watched(clip, tmp_path / f"{edges}.jsonl", network=network, sampler={"edges": edges})
        asked[edges], whole[edges] = seen.asked, classifier.whole
        assert seen.events[0][1:] == pytest.approx((4.2, 9.0), abs=0.041 if edges else 0.3)
    assert asked[True] > asked[False]
    assert whole[True] == whole[False]


def test_an_edge_is_searched_around_all_that_matters_at_either_look() -> None:
    before = answer(1.0, ("Red", 0.5, 0.9, True), ("Green", 0.0, NEARLY - 0.01, False))
    after = answer(1.25, ("Red", 0.6, 0.9, True))
    tiles = Edge(before, after, look_at(1.25), SmootherConfig()).focus()
    rows, columns = np.flatnonzero(tiles.any(axis=1)), np.flatnonzero(tiles.any(axis=0))
    assert (columns[0] / 16, (columns[-1] + 1) / 16) == (7 / 16, 12 / 16)  # 0.5 to 0.7, and half a box on either side
    assert (rows[0] / 9, (rows[-1] + 1) / 9) == (1 / 9, 4 / 9)
    assert tiles.sum() == len(rows) * len(columns)


def test_without_edges_appearances_begin_and_end_between_two_looks(clip: Path, tmp_path: Path) -> None:
    plain = Watched(clip, tmp_path / "plain.jsonl", sampler={"adaptive": False})
    assert Watched(clip, tmp_path / "few.jsonl", sampler={"edges": False}).events == plain.events


@pytest.mark.parametrize("batch", [1, 5, 256])
def test_what_is_found_does_not_depend_on_the_batch_size(clip: Path, tmp_path: Path, batch: int) -> None:
    def without_start(content: bytes) -> list[bytes]:
        return content.splitlines()[1:]

    expected = Watched(clip, tmp_path / "expected.jsonl")
    found = Watched(clip, tmp_path / "log.jsonl", classifier={"batch": batch})
    assert without_start(found.content) == without_start(expected.content)


def up_to_checkpoints(content: bytes) -> list[bytes]:
    """A log as it was when each of its checkpoints had been written."""
    lines = content.splitlines(keepends=True)
    return [b"".join(lines[: number + 1]) for number, line in enumerate(lines) if b'"checkpoint"' in line]


def test_a_run_goes_on_from_each_of_its_checkpoints_to_the_same_bytes(clip: Path, tmp_path: Path) -> None:
    often = {"stride_s": 0.2, "longest_s": 1.0}
    whole, log = Watched(clip, tmp_path / "whole.jsonl", sampler=often), tmp_path / "log.jsonl"
    stopped = up_to_checkpoints(whole.content)
    assert len(stopped) >= 3
    for content in stopped:
        log.write_bytes(content)
        again = Watched(clip, log, resume=True, sampler=often)
        assert again.content == whole.content
        assert again.summary.count("still_looks") == whole.summary.count("still_looks")
    assert again.asked < whole.asked


class EnlargingClassifier(ColorClassifier):
    """One that looks at pictures large enough to have parts; counts those that it sees as a whole."""

    def __init__(self) -> None:
        super().__init__()
        self.whole = 0

    def analysis_size(self, width: int, height: int) -> tuple[int, int]:
        return 4 * width, 4 * height

    def classify(self, pictures: Sequence[Pixels]) -> list[list[Candidate]]:
        self.whole += sum(picture.shape == (480, 640, 3) for picture in pictures)
        return super().classify(pictures)


def corner_clip(path: Path, *, seconds: int) -> Path:
    """A red square that moves in one corner all the time; a green one in another, for some seconds, and again."""

    def picture(time_s: float) -> np.ndarray:
        drawn = np.full((120, 160, 3), GROUND, np.uint8)
        left = 4 + round(9 * time_s) % 12
        drawn[70:110, left : left + 40] = RED
        if 7.4 <= time_s % 20 < 13.2:
            drawn[4:44, 116:156] = GREEN
        return drawn

    times = [index / 25 for index in range(25 * seconds)]
    return write_clip(path, ((time_s, picture(time_s)) for time_s in times), rate_hz=25)


def test_where_little_moves_one_stretch_in_some_ends_with_a_whole_look_and_a_run_goes_on_from_it(
    tmp_path: Path,
) -> None:
    clip, often = corner_clip(tmp_path / "corner.mp4", seconds=60), {"stride_s": 0.1, "longest_s": 0.5}

    def watched(log: Path, *, resume: bool = False) -> tuple[Watched, EnlargingClassifier]:
        classifier = EnlargingClassifier()
        network = replace(color_network(), classifier=classifier)
        return Watched(clip, log, resume=resume, network=network, sampler=often), classifier

    whole, classifier = watched(tmp_path / "whole.jsonl")
    assert [label for label, *_ in whole.events] == ["Green"] * 3 + ["Red"]
    assert whole.asked > 100
    assert classifier.whole < 20
    stopped, log = up_to_checkpoints(whole.content), tmp_path / "log.jsonl"
    assert len(stopped) >= 5
    for content in stopped:
        log.write_bytes(content)
        assert watched(log, resume=True)[0].content == whole.content
