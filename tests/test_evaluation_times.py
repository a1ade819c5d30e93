"""Scoring of events in time: exact sums against counting milliseconds, and the cases that a definition hangs on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamfilter.errors import DatasetError
from streamfilter.evaluation.clips import measure_clips, read_truth, within
from streamfilter.evaluation.times import ClipScore, Span, Truth, score_clip

TICKS_HZ = 1000


@dataclass(frozen=True)
class Said:
    """An event, as far as scoring looks at it."""

    label: str
    start_s: float
    end_s: float


def spans(kind: type[Said] | type[Truth]) -> st.SearchStrategy[list[Said | Truth]]:
    """A few spans on whole milliseconds."""

    def make(label: str, start: int, length: int, visibility: str) -> Said | Truth:
        where = (label, start / TICKS_HZ, (start + length) / TICKS_HZ)
        return Said(*where) if kind is Said else Truth(*where, visibility)  # type: ignore[arg-type]

    one = st.builds(
        make, st.sampled_from("ab"), st.integers(0, 3000), st.integers(1, 2000), st.sampled_from(["clear", "hard"])
    )
    return st.lists(one, max_size=5)


def ticks(some: Sequence[Span], label: str) -> set[int]:
    """The milliseconds that any of the spans of a label covers."""
    return {
        t
        for span in some
        if span.label == label
        for t in range(round(span.start_s * TICKS_HZ), round(span.end_s * TICKS_HZ))
    }


@given(spans(Said), spans(Truth), st.sampled_from([("a",), ("a", "b")]))
@settings(deadline=None)
def test_sums_agree_with_counting_milliseconds(said: list[Said], truth: list[Truth], known: tuple[str, ...]) -> None:
    shown = [one for one in truth if one.label in known]
    clear = [one for one in shown if one.visibility == "clear"]
    right = wrong = lost = found = false = 0
    for label in "ab":
        event, must, may = ticks(said, label), ticks(clear, label), ticks(shown, label)
        right, wrong, lost = right + len(event & must), wrong + len(event - may), lost + len(must - event)
        found += sum(bool(event & ticks([one], label)) for one in clear if one.label == label)
        for one in said:
            own = ticks([one], label)
            false += one.label == label and 2 * len(own & may) < len(own)
    score = score_clip(said, truth, known=known, watched_s=10)
    assert score.right_s * TICKS_HZ == pytest.approx(right, abs=1e-6)
    assert score.wrong_s * TICKS_HZ == pytest.approx(wrong, abs=1e-6)
    assert score.lost_s * TICKS_HZ == pytest.approx(lost, abs=1e-6)
    assert (score.found, score.missed, score.events) == (found, len(clear) - found, len(said))
    # An event of which exactly half is right is a tie that binary seconds may break either way.
    ties = sum(
        2 * len(ticks([one], one.label) & ticks(shown, one.label)) == len(ticks([one], one.label)) for one in said
    )
    assert false <= score.false_events <= false + ties


def test_hard_time_costs_nothing_whether_it_is_found_or_not() -> None:
    hard = Truth("a", 0, 4, "hard")
    assert score_clip([], [hard], known="a", watched_s=5) == ClipScore(watched_s=5)
    found = score_clip([Said("a", 0, 4)], [hard], known="a", watched_s=5)
    assert (found.right_s, found.wrong_s, found.lost_s, found.false_events) == (0, 0, 0, 0)


def test_an_event_on_a_logo_that_was_never_taught_is_false() -> None:
    score = score_clip([Said("a", 0, 4)], [Truth("stranger", 0, 4, "clear")], known="a", watched_s=5)
    assert (score.false_events, score.wrong_s, score.missed) == (1, 4, 0)


def test_edges_are_errors_with_a_sign_and_only_of_appearances_of_a_second_or_more() -> None:
    truth = [Truth("a", 10, 14, "clear"), Truth("a", 20, 20.9, "clear")]
    score = score_clip([Said("a", 10.5, 13.8), Said("a", 20.1, 21)], truth, known="a", watched_s=30)
    assert score.start_errors_s == (pytest.approx(0.5),)
    assert score.end_errors_s == (pytest.approx(-0.2),)


def test_metrics_over_clips_come_from_the_sums_and_their_interval_from_whole_clips() -> None:
    good = ClipScore(right_s=9, lost_s=1, found=2, events=2, watched_s=600, start_errors_s=(0.5, -0.1))
    bad = ClipScore(wrong_s=3, lost_s=3, missed=1, events=1, false_events=1, watched_s=3000)
    found = measure_clips([good, bad])
    assert found["time_f1"].value == pytest.approx(18 / (18 + 3 + 4))
    assert found["event_precision"].value == pytest.approx(2 / 3)
    assert found["event_recall"].value == pytest.approx(2 / 3)
    assert found["false_events_per_hour"].value == pytest.approx(1.0)
    assert (found["false_events_per_hour"].low, found["false_events_per_hour"].high) == (0, pytest.approx(1.2))
    assert found["start_error_s"].value == pytest.approx(0.3)


def test_a_background_clip_alone_has_a_false_alarm_rate_and_nothing_else() -> None:
    found = measure_clips([ClipScore(watched_s=1800, wrong_s=2, events=1, false_events=1)])
    assert found["false_events_per_hour"].value == 2
    assert found["time_f1"].value == 0  # nothing was to be found, and something was said
    assert found["event_recall"].value != found["event_recall"].value


def test_truth_outside_the_part_that_was_watched_is_not_lost() -> None:
    truth = [Truth("a", 0, 2, "clear"), Truth("a", 4, 6, "clear"), Truth("b", 7, 9, "hard")]
    assert within(truth, 1, 5) == [Truth("a", 1, 2, "clear"), Truth("a", 4, 5, "clear")]
    assert within(truth, 0.0, None) == truth


def test_labels_are_read_under_the_models_names(tmp_path: Path) -> None:
    row = {"label": "Ring (old)", "start_s": 1, "end_s": 2.5, "visibility": "clear", "note": "any"}
    path = tmp_path / "a.labels.jsonl"
    path.write_text(json.dumps(row) + "\n\n")
    assert read_truth(str(path), {"Ring (old)": "Ring"}) == [Truth("Ring", 1.0, 2.5, "clear")]
    assert read_truth("-", {}) == []


@pytest.mark.parametrize(
    "line",
    [
        "no json",
        "[]",
        '{"label": "a", "start_s": 1, "end_s": 2}',
        '{"label": "a", "start_s": 2, "end_s": 1, "visibility": "clear"}',
        '{"label": "a", "start_s": 1, "end_s": 2, "visibility": "maybe"}',
    ],
)
def test_a_wrong_line_of_labels_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "a.labels.jsonl"
    path.write_text("\n" + line)
    with pytest.raises(DatasetError, match=r"a\.labels\.jsonl line 2"):
        read_truth(str(path), {})


def test_labels_that_cannot_be_read_are_an_error_of_the_data(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="cannot read labels"):
        read_truth(str(tmp_path / "absent.jsonl"), {})
