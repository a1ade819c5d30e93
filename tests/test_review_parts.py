"""What the review stands on: the library of events, the decisions in files, the words, the pictures."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from reviewed import LABELS, clip_and_log, event, event_id, opened, write_log

from streamfilter.eventlog import Amendment, Decision, append_amendments, read_amendments, read_event_log, review_path
from streamfilter.review.decisions import OPEN, Change, Decisions, Standing
from streamfilter.review.evidence import evidence_words
from streamfilter.review.library import columns, event_key, log_of, read_library
from streamfilter.review.pictures import Pictures, frame_at

ACCEPTED, REJECTED = Standing(Decision.ACCEPTED), Standing(Decision.REJECTED)


def minimal(source: str, start_s: float, **other: object) -> dict[str, object]:
    """An `event_close` with nothing but what every log has."""
    whole = event(source, start_s, start_s + 1)
    top = ("type", "source", "event_id", "label", "start_s", "end_s", "score")
    return {name: whole[name] for name in top} | other


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return write_log(
        tmp_path / "events.jsonl", [minimal("a", 5.0), minimal("a", 1.0), minimal("b", 0.0, label=LABELS[1])]
    )


def key(source: str, start_s: float) -> str:
    return event_id(f"{source} {start_s}")


def test_columns_hold_every_event_by_source_and_time(log: Path) -> None:
    library = read_library([log])
    data = columns(library)
    assert np.frombuffer(data, "<f8", 3, 0).tolist() == [1.0, 5.0, 0.0]
    assert np.frombuffer(data, "<f8", 3, 24).tolist() == [2.0, 6.0, 1.0]
    assert np.frombuffer(data, "<f4", 3, 48).tolist() == pytest.approx([0.9] * 3)
    assert np.frombuffer(data, "<u4", 3, 60).tolist() == [1, 1, 2]
    assert np.frombuffer(data, "<u4", 3, 72).tolist() == [0, 0, 1]
    assert data[84:].hex() == "".join(library.rows)
    assert list(library.rows) == [key("a", 1.0), key("a", 5.0), key("b", 0.0)]


def test_the_same_event_in_two_logs_counts_once(log: Path, tmp_path: Path) -> None:
    other = write_log(tmp_path / "other.jsonl", [minimal("a", 1.0), minimal("c", 1.0)])
    library = read_library([log, other])
    assert len(library.entries) == 4
    assert library.entries[library.rows[key("a", 1.0)]].log == 0


def test_the_library_of_the_same_logs_has_the_same_name(log: Path, tmp_path: Path) -> None:
    first = read_library([log]).key
    append_amendments(review_path(log), [Amendment(key("a", 1.0), Decision.ACCEPTED)])
    assert read_library([log]).key == first
    assert read_library([write_log(tmp_path / "x.jsonl", [minimal("a", 1.0)])]).key != first


def test_an_empty_log_has_no_columns(tmp_path: Path) -> None:
    assert columns(read_library([write_log(tmp_path / "events.jsonl", [])])) == b""


@pytest.mark.parametrize("odd", ["", "x", "../../etc/passwd", "A" * 24, "é" * 24, "\ud800", "0" * 23])
def test_an_odd_id_gets_a_plain_key_of_its_own(odd: str) -> None:
    assert len(event_key(odd)) == 24
    assert bytes.fromhex(event_key(odd))
    assert event_key(odd) != event_key(odd + "1")


def test_a_review_file_stands_for_its_log() -> None:
    assert log_of(Path("a/events.review.jsonl")) == Path("a/events.jsonl")
    assert log_of(Path("a/events.jsonl")) == Path("a/events.jsonl")


def test_decisions_of_another_process_are_followed(log: Path) -> None:
    library = read_library([log])
    one, other = Decisions(library), Decisions(library)
    assert one.decide([Change(key("a", 1.0), ACCEPTED)]) == 1
    assert other.standing(key("a", 1.0)) == OPEN
    other.follow()
    assert other.standing(key("a", 1.0)) == ACCEPTED
    assert other.news(0) == (1, {key("a", 1.0): ACCEPTED})
    assert other.news(1) == (1, {})


def test_a_decision_holds_only_where_the_event_stands_as_expected(log: Path) -> None:
    library = read_library([log])
    one, other = Decisions(library), Decisions(library)
    one.decide([Change(key("a", 1.0), ACCEPTED)])
    assert other.decide([Change(key("a", 1.0), OPEN, REJECTED)]) == 0
    assert other.decide([Change(key("a", 1.0), OPEN, ACCEPTED)]) == 1
    one.follow()
    assert one.standing(key("a", 1.0)) == OPEN


def test_a_decision_and_its_undoing_that_come_together_both_hold(log: Path) -> None:
    decisions = Decisions(read_library([log]))
    assert decisions.decide([Change(key("a", 1.0), ACCEPTED), Change(key("a", 1.0), OPEN, ACCEPTED)]) == 2
    assert decisions.standing(key("a", 1.0)) == OPEN
    assert decisions.decide([Change(key("a", 1.0), REJECTED), Change(key("a", 1.0), OPEN, ACCEPTED)]) == 1
    assert decisions.standing(key("a", 1.0)) == REJECTED


def test_many_writers_at_once_lose_nothing(log: Path) -> None:
    library = read_library([log])
    keys = list(library.rows)

    def work(number: int) -> None:
        mine = Decisions(library)
        for _ in range(10):
            mine.decide([Change(keys[number % 3], Standing(Decision.RELABELLED, f"label {number}"))])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read_amendments(review_path(log))) == 60
    assert Decisions(library).revision == 60


def test_a_line_that_is_half_written_waits_until_it_is_whole(log: Path) -> None:
    library = read_library([log])
    decisions = Decisions(library)
    decisions.decide([Change(key("a", 1.0), ACCEPTED), Change(key("b", 0.0), ACCEPTED)])
    review = review_path(log)
    whole = review.read_bytes()
    review.write_bytes(whole[:-20])
    late = Decisions(library)
    assert late.standing(key("b", 0.0)) == OPEN
    review.write_bytes(whole)
    late.follow()
    assert late.standing(key("b", 0.0)) == ACCEPTED
    assert late.revision == 2


def test_damage_after_a_crash_is_repaired_by_the_next_decision(log: Path) -> None:
    library = read_library([log])
    Decisions(library).decide([Change(key("a", 1.0), ACCEPTED)])
    with review_path(log).open("ab") as file:
        file.write(b'{"v":1,"type":"event_am')
    decisions = Decisions(library)
    decisions.decide([Change(key("a", 5.0), REJECTED)])
    assert decisions.standing(key("a", 5.0)) == REJECTED
    assert [one.decision for one in read_event_log(log).events] == ["rejected", "accepted", None]


def test_corrected_times_outlive_a_decision_about_the_label(log: Path) -> None:
    append_amendments(review_path(log), [Amendment(key("a", 1.0), Decision.ACCEPTED, start_s=1.25, end_s=1.75)])
    library = read_library([log])
    assert library.entries[0].event.start_s == 1.25
    Decisions(library).decide([Change(key("a", 1.0), Standing(Decision.RELABELLED, "Pepsi"))])
    last = read_event_log(log).events[1]
    assert (last.label, last.start_s, last.end_s) == ("Pepsi", 1.25, 1.75)


def test_the_current_library_is_what_a_new_reading_gives(log: Path) -> None:
    library = read_library([log])
    decisions = Decisions(library)
    decisions.decide([Change(key("a", 1.0), Standing(Decision.RELABELLED, "Pepsi")), Change(key("a", 5.0), REJECTED)])
    decisions.decide([Change(key("a", 5.0), OPEN), Change(key("b", 0.0), ACCEPTED)])
    now = [(entry.event.label, entry.event.decision) for entry in decisions.current().entries]
    assert now == [(entry.event.label, entry.event.decision) for entry in read_library([log]).entries]
    assert now == [("Pepsi", "relabelled"), (LABELS[0], None), (LABELS[1], "accepted")]


@pytest.mark.parametrize(
    ("percentile", "words"),
    [
        (99.7, "but farther from the mean than 99.7 % of Solari pictures"),
        (99.9999, "but farther from the mean than 100 % of Solari pictures"),
        (99.99, "but farther from the mean than 99.99 % of Solari pictures"),
        (60.4, "but farther from the mean than 60 % of Solari pictures"),
        (50.0, "nearer to the mean than 50 % of Solari pictures"),
        (1.0, "nearer to the mean than 99.0 % of Solari pictures"),
        (0.0, "nearer to the mean than 100 % of Solari pictures"),
    ],
)
def test_distance_is_told_in_shares_of_the_labels_own_pictures(tmp_path: Path, percentile: float, words: str) -> None:
    record = event("a", 0.0, 1.0)
    record["peak"]["mahalanobis"]["percentile"] = percentile
    (one,) = read_event_log(write_log(tmp_path / "events.jsonl", [record])).events
    assert words in " ".join(evidence_words(one))


def test_what_a_log_does_not_hold_is_not_told(log: Path) -> None:
    assert [len(evidence_words(one)) for one in read_event_log(log).events] == [1, 1, 1]


def test_an_event_without_a_label_says_so(tmp_path: Path) -> None:
    (one,) = read_event_log(write_log(tmp_path / "events.jsonl", [event("a", 0.0, 1.0, label=None)])).events
    words = " ".join(evidence_words(one))
    assert "No label" in words
    assert "pictures of the label it looked most like" in words
    assert "None" not in words


def test_pictures_are_made_once_and_the_oldest_go_when_there_is_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = clip_and_log(tmp_path).with_name("clip.mp4")
    asked: list[float] = []

    def counted(path: Path, time_s: float) -> object:
        asked.append(time_s)
        return frame_at(path, time_s)

    monkeypatch.setattr("streamfilter.review.pictures.frame_at", counted)
    pictures = Pictures()
    size = len(pictures.frame(clip, 1.0))
    pictures.frame(clip, 1.0)
    assert asked == [1.0]
    small = Pictures(kept_bytes=int(1.5 * size))
    for time_s in (1.0, 2.0, 1.0, 1.0):
        small.frame(clip, time_s)
    assert asked == [1.0, 1.0, 2.0, 1.0]


def test_an_unopened_source_is_listed_with_its_events(tmp_path: Path) -> None:
    library = read_library([write_log(tmp_path / "events.jsonl", [opened("empty"), minimal("a", 0.0)])])
    assert [source.facts.name for source in library.sources] == ["empty", "a"]
