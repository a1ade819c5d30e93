"""Reading logs back: what a run writes, what a reviewer decided, and what somebody else made up."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from logged import HOSTILE, closed, finished, gap, log_of, opened, write_log

from streamfilter.errors import SinkError, SourceError
from streamfilter.eventlog import (
    Amendment,
    Decision,
    append_amendments,
    match_source,
    read_amendments,
    read_event_log,
    read_event_logs,
    review_path,
    safe_name,
    shown,
)
from streamfilter.eventlog.names import MOST_BYTES
from streamfilter.sinks import load_schema


def amend(event_id: str, decision: Decision, **other: Any) -> Amendment:
    return Amendment(event_id, decision, **other)


def test_what_a_log_says_comes_back_as_values(tmp_path: Path) -> None:
    records = [opened(), closed(), gap(3, 4), finished(end_s=9.5)]
    log = log_of(tmp_path / "e.jsonl", records)
    (event,), (source,) = log.events, log.sources
    assert (event.label, event.start_s, event.end_s, event.score) == ("Solari", 1.0, 2.0, 0.9)
    assert [point.time_s for point in event.track] == [1.0, 1.5]
    assert event.track[1].box.x == 0.3
    assert event.exposure is not None
    assert event.exposure.sharpness == 120.0
    assert (source.width, source.rate_hz, source.end_s, source.state) == (320, 25.0, 9.5, "finished")
    assert [(lost.start_s, lost.end_s) for lost in log.gaps] == [(3.0, 4.0)]


def test_a_log_of_nothing_but_the_top_level_of_its_events_is_read(tmp_path: Path) -> None:
    bare = {"type": "event_close", "event_id": "a", "label": None, "start_s": 0, "end_s": 1, "score": 1}
    log = log_of(tmp_path / "e.jsonl", [bare])
    assert log.events[0].label is None
    assert log.kept == ()
    assert log.events[0].as_event().end_s == 1.0


def test_of_an_event_that_is_written_twice_the_last_record_counts(tmp_path: Path) -> None:
    log = log_of(tmp_path / "e.jsonl", [closed(score=0.5), closed(score=0.7)])
    assert [event.score for event in log.events] == [0.7]


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    path = write_log(tmp_path / "e.jsonl", [closed(), closed(start_s=3, end_s=4)])
    path.write_bytes(path.read_bytes()[:-20])
    log = read_event_log(path)
    assert (len(log.events), log.is_torn) == (1, True)


def live_records() -> list[dict[str, Any]]:
    """Two feeds that take turns, as a run that was killed left them: with UTC, updates, and a connection that broke."""
    north, south = "rtsp://cam/north", "rtsp://cam/south"
    live: dict[str, Any] = {"duration_s": None, "fingerprint": "f", "is_live": True}
    utc = {"utc": {"start": "2026-11-21T10:00:01.000Z", "end": "2026-11-21T10:00:02.000Z", "clock": "rtcp_ntp"}}
    update = {"type": "event_update", "source": south, "event_id": "x", "label": "Solari", "start_s": 6.0, "score": 0.9}
    return [
        opened(north, **live) | {"time_s": 0.0},
        opened(south, **live) | {"time_s": 0.1},
        closed(source=north) | utc,
        {"type": "event_open", "source": south, "event_id": "x", "label": "Solari", "start_s": 6.0, "score": 0.8},
        {"type": "source_state", "state": "lost", "source": north, "cause": "connection", "time_s": 3.0},
        gap(3.0, 8.0, source=north),
        opened(north, **live) | {"time_s": 8.0},
        update | {"seen_s": 9.5, "box": [0, 0, 0.5, 0.5]},
        {"type": "checkpoint", "source": north, "time_s": 12.0, "resume": {}},
        {"type": "of_a_later_version", "source": north},
    ]


def test_a_log_of_live_feeds_that_take_turns_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    log = log_of(tmp_path / "e.jsonl", [{"v": 1, **record} for record in live_records()])
    north, south = log.sources
    assert [event.source for event in log.events] == [north.name]
    assert (north.state, north.end_s, south.state, south.end_s) == ("opened", 12.0, "opened", 9.5)
    assert log.unfinished == 1


def test_what_a_killed_run_did_not_read_is_not_known_to_be_seen(tmp_path: Path) -> None:
    checkpoint = {"v": 1, "type": "checkpoint", "source": "clip.mp4", "time_s": 4.0, "resume": {}}
    (source,) = log_of(tmp_path / "e.jsonl", [opened(), closed(), checkpoint]).sources
    assert (source.state, source.end_s, source.duration_s) == ("opened", 4.0, 10.0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello\n",
        "[]\n",
        "{}\n",
        '{"type": 5}\n',
        "\x00\x01\x02\n",
        '{"start_s": 0, "label": "a"}\n',
        "[" * 100_000 + "\n",
    ],
)
def test_a_foreign_file_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "e.jsonl"
    path.write_text(text)
    with pytest.raises(SinkError, match="event log") as refused:
        read_event_log(path)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "fault",
    [
        {"end_s": 1.0},
        {"start_s": float("nan")},
        {"end_s": 10**400},
        {"score": 1.5},
        {"score": True},
        {"label": 5},
        {"label": "x" * 2000},
        {"event_id": None},
        {"track": [{"time_s": 0, "box": [0.9, 0, 0.5, 0.5], "score": 1}]},
        {"track": [{"time_s": 0, "box": [0, 0, 1], "score": 1}]},
        {"track": [{"time_s": 1, "box": [0, 0, 1, 1]}, {"time_s": 0, "box": [0, 0, 1, 1]}]},
        {"track": "no"},
        {"exposure": {"visible_s": -1}},
        {"pts": {"start": 0, "end": 1, "time_base": "1/0"}},
        {"v": 2},
    ],
    ids=str,
)
def test_a_value_out_of_bounds_is_told_with_its_line(tmp_path: Path, fault: dict[str, Any]) -> None:
    path = write_log(tmp_path / "e.jsonl", [opened(), closed() | fault])
    with pytest.raises(SinkError, match="line 2"):
        read_event_log(path)


def test_what_rounding_put_over_the_edge_is_clipped(tmp_path: Path) -> None:
    track = [{"time_s": 1, "box": [0.50001, 0.2, 0.5, 0.8], "score": 1}]
    (event,) = log_of(tmp_path / "e.jsonl", [closed(track=track)]).events
    assert event.track[0].box.width == pytest.approx(0.49999)


def test_types_of_records_that_are_not_known_yet_are_passed_over(tmp_path: Path) -> None:
    assert len(log_of(tmp_path / "e.jsonl", [{"v": 1, "type": "moon_phase"}, closed()]).events) == 1


def test_the_same_log_twice_is_refused(tmp_path: Path) -> None:
    path = write_log(tmp_path / "e.jsonl", [closed()])
    with pytest.raises(SinkError, match="twice"):
        read_event_logs([path, tmp_path / "." / "e.jsonl"])


def test_the_last_decision_of_an_event_counts(tmp_path: Path) -> None:
    path = write_log(tmp_path / "e.jsonl", [closed(event_id="a"), closed(event_id="b"), closed(event_id="c")])
    decisions = [
        amend("a", Decision.REJECTED),
        amend("b", Decision.RELABELLED, label="Trivane", end_s=5.0),
        amend("a", Decision.UNDONE),
        amend("c", Decision.ACCEPTED),
        amend("c", Decision.REJECTED),
        amend("z", Decision.ACCEPTED),
    ]
    append_amendments(review_path(path), decisions)
    log = read_event_log(path)
    assert [(e.event_id, e.label, e.logged_label, e.end_s, e.decision) for e in log.events] == [
        ("a", "Solari", "Solari", 2.0, None),
        ("b", "Trivane", "Solari", 5.0, Decision.RELABELLED),
        ("c", "Solari", "Solari", 2.0, Decision.REJECTED),
    ]
    assert [e.event_id for e in log.kept] == ["a", "b"]
    assert log.strays == 1


def test_a_label_comes_with_relabelled_and_with_nothing_else() -> None:
    with pytest.raises(ValueError, match="label"):
        amend("a", Decision.ACCEPTED, label="x")
    with pytest.raises(ValueError, match="label"):
        amend("a", Decision.RELABELLED)


def test_a_line_that_a_crash_cut_off_goes_before_the_next_decision(tmp_path: Path) -> None:
    path = tmp_path / "e.review.jsonl"
    append_amendments(path, [amend("a", Decision.ACCEPTED)])
    with path.open("ab") as file:
        file.write(b'{"v": 1, "type": "event_am')
    assert append_amendments(path, [amend("b", Decision.REJECTED)]) == 1
    assert [one.event_id for one in read_amendments(path)] == ["a", "b"]


def test_two_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "e.review.jsonl"

    def write(number: int) -> int:
        return append_amendments(path, [amend(f"{number}", Decision.ACCEPTED)] * 2)

    with ThreadPoolExecutor(8) as pool:
        firsts = list(pool.map(write, range(40)))
    written = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert [record["seq"] for record in written] == list(range(80))
    assert sorted(firsts) == list(range(0, 80, 2))
    assert all(a["event_id"] == b["event_id"] for a, b in zip(written[::2], written[1::2], strict=True))


def test_a_source_is_known_by_its_content_then_by_its_name(tmp_path: Path) -> None:
    records = [opened("a/one.mp4", fingerprint="1"), opened("two.mp4", fingerprint="2")]
    log = log_of(tmp_path / "e.jsonl", records)
    assert match_source(log, "other.mp4", "2").source.name == "two.mp4"
    named = match_source(log, "elsewhere/one.mp4", "3")
    assert named.source.name == "a/one.mp4"
    assert named.doubt is not None
    with pytest.raises(SourceError, match="none of the sources"):
        match_source(log, "three.mp4", "3")


@settings(deadline=None)
@given(st.text() | st.sampled_from(HOSTILE))
def test_a_safe_name_is_one_plain_file_name(text: str) -> None:
    name = safe_name(text)
    assert Path(name).name == name
    assert name not in ("", ".", "..")
    assert not name.startswith((".", "-"))
    assert len(name.encode("utf-8")) <= MOST_BYTES
    assert name.isprintable()


@settings(deadline=None)
@given(st.lists(st.text(max_size=8), unique=True, max_size=20))
def test_texts_that_differ_give_names_that_differ(texts: list[str]) -> None:
    assert len({safe_name(text) for text in texts}) == len(texts)


def test_a_plain_label_keeps_its_name() -> None:
    for label in ("Pepsi", "Coca-Cola", "FC_Bayern", "漢字"):
        assert safe_name(label) == label


@settings(deadline=None)
@given(st.text())
def test_what_is_shown_is_one_line_that_hides_nothing(text: str) -> None:
    assert "\n" not in shown(text)
    assert "‮" not in shown(text)
    assert len(shown(text).splitlines()) <= 1


@pytest.mark.parametrize("label", HOSTILE)
def test_a_hostile_label_is_read_as_it_is(tmp_path: Path, label: str) -> None:
    assert log_of(tmp_path / "e.jsonl", [closed(label)]).events[0].label == label


def test_decisions_keep_to_the_schema_of_the_log(tmp_path: Path) -> None:
    import jsonschema

    path = tmp_path / "e.review.jsonl"
    run = "0" * 24
    decision = amend(run, Decision.RELABELLED, label="b", run_id=run, source="clip.mp4", start_s=1.0)
    append_amendments(path, [decision, amend(run, Decision.UNDONE, run_id=run, source="clip.mp4")])
    for line in path.read_text("utf-8").splitlines():
        jsonschema.validate(json.loads(line), load_schema())
