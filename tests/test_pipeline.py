"""The whole chain on drawn clips, with a network that knows plain colours."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from fakes import LABELS, STRANGER, ColorClassifier, color_clip, color_network, still_clip
from threadpoolctl import threadpool_info, threadpool_limits
from tiny import write_tiny_model

from streamfilter import pipeline
from streamfilter.config import RunConfig, check_config
from streamfilter.errors import SinkError, SourceError
from streamfilter.pipeline import Watcher, identify, load_network, run
from streamfilter.sinks import EventLog, load_schema
from streamfilter.summary import RunSummary
from streamfilter.types import Event, Frame, Gap

RED, GREEN = LABELS["Red"], LABELS["Green"]
SHOWS = [(1.0, 3.0, RED), (4.0, 5.5, GREEN)]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return color_clip(tmp_path_factory.mktemp("clips") / "colors.mp4", SHOWS)


def run_on(
    names: list[Any], out: Path, *, watcher: Watcher | None = None, **sections: Any
) -> tuple[RunSummary, list[dict[str, Any]]]:
    """Run with settings by section; the summary and the log's records."""
    config = check_config(RunConfig, sections, origin="test")
    network = color_network()
    names = [str(name) for name in names]
    with EventLog(out, identify(names, config=config, model=network.facts)) as log:
        summary = run(names, network, config=config, log=log, watcher=watcher)
    return summary, [json.loads(line) for line in out.read_text("utf-8").splitlines()]


def of_type(records: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [record for record in records if record["type"] == kind]


def test_events_say_what_was_drawn_and_when(clip: Path, tmp_path: Path) -> None:
    _, records = run_on([clip], tmp_path / "log.jsonl")
    events = of_type(records, "event_close")
    assert [event["label"] for event in events] == ["Red", "Green"]
    for event, (start_s, end_s, _) in zip(events, SHOWS, strict=True):
        assert event["start_s"] == pytest.approx(start_s, abs=0.26)
        assert event["end_s"] == pytest.approx(end_s, abs=0.26)


def test_every_record_of_a_run_fits_the_schema(clip: Path, tmp_path: Path) -> None:
    _, records = run_on([clip, tmp_path / "missing.mp4"], tmp_path / "log.jsonl")
    validator = jsonschema.Draft202012Validator(load_schema())
    for record in records:
        validator.validate(record)
    assert {"run_start", "source_state", "event_open", "event_close", "run_end"} <= {r["type"] for r in records}


def test_two_runs_write_the_same_bytes(clip: Path, tmp_path: Path) -> None:
    run_on([clip], tmp_path / "first.jsonl")
    run_on([clip], tmp_path / "second.jsonl")
    assert (tmp_path / "first.jsonl").read_bytes() == (tmp_path / "second.jsonl").read_bytes()


@pytest.mark.parametrize("batch", [1, 3, 256])
def test_events_do_not_depend_on_the_batch_size(clip: Path, tmp_path: Path, batch: int) -> None:
    _, expected = run_on([clip], tmp_path / "expected.jsonl")
    _, records = run_on([clip], tmp_path / "log.jsonl", classifier={"batch": batch})
    # Batch size is a setting that run_start tells; the rest is the same, byte for byte.
    assert records[1:] == expected[1:]


def test_batches_are_filled_with_looks_that_need_the_network(clip: Path, tmp_path: Path) -> None:
    how: dict[str, Any] = {"classifier": {"batch": 4}, "gate": {"threshold": 0.05}, "sampler": {"adaptive": False}}
    summary, _ = run_on([clip], tmp_path / "log.jsonl", **how)
    network = color_network()
    config = check_config(RunConfig, how, origin="test")
    with EventLog(tmp_path / "again.jsonl", "0" * 24) as log:
        run([str(clip)], network, config=config, log=log)
    assert isinstance(network.classifier, ColorClassifier)
    *full, last = network.classifier.batches
    assert set(full) == {4}
    assert 1 <= last <= 4
    assert summary.count("still_looks") > 0
    assert sum(full) + last == summary.count("looks") - summary.count("still_looks")


def test_still_looks_keep_the_events_of_a_still_picture(tmp_path: Path) -> None:
    still = still_clip(tmp_path / "still.mp4")
    plain: dict[str, Any] = {"sampler": {"adaptive": False}}
    gated, with_gate = run_on([still], tmp_path / "gated.jsonl", **plain)
    free, without = run_on([still], tmp_path / "free.jsonl", gate={"enabled": False}, **plain)
    assert gated.count("still_looks") > gated.count("looks") / 2
    assert free.count("still_looks") == 0
    spans = [
        [(e["label"], e["start_s"], e["end_s"]) for e in of_type(records, "event_close")]
        for records in (with_gate, without)
    ]
    assert spans[0] == spans[1]
    assert spans[0] == [("Red", 0.0, 5.0)]


def test_a_stranger_is_counted_as_rejected_and_makes_no_event(tmp_path: Path) -> None:
    clip = color_clip(tmp_path / "blue.mp4", [(1.0, 4.0, STRANGER)])
    summary, records = run_on([clip], tmp_path / "log.jsonl")
    assert not of_type(records, "event_close")
    assert summary.rejections["low_softmax"] >= 10
    assert of_type(records, "run_end")[0]["rejections"] == summary.rejections


def test_a_failing_source_does_not_end_the_others(clip: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    summary, records = run_on([text, tmp_path / "missing.mp4", clip], tmp_path / "log.jsonl")
    assert [type(result.error) for result in summary.sources] == [SourceError, SourceError, type(None)]
    states = [(r["state"], Path(r["source"]).name) for r in of_type(records, "source_state")]
    assert states == [
        ("failed", "text.mp4"),
        ("failed", "missing.mp4"),
        ("opened", "colors.mp4"),
        ("finished", "colors.mp4"),
    ]
    assert len(of_type(records, "event_close")) == 2
    end = of_type(records, "run_end")[0]
    assert (end["sources"], end["failed"]) == (3, 2)


@pytest.mark.parametrize("batch", [1, 256])
def test_what_was_seen_before_an_error_is_in_the_log(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(pipeline, "open_source", failing_at(5.0))
    summary, records = run_on([clip], tmp_path / "log.jsonl", classifier={"batch": batch})
    assert [e["label"] for e in of_type(records, "event_close")] == ["Red", "Green"]
    assert of_type(records, "event_close")[1]["end_s"] == pytest.approx(5.0, abs=0.05)
    assert of_type(records, "source_state")[-1]["state"] == "failed"
    assert str(summary.sources[0].error) == "torn"
    assert records[-1]["type"] == "run_end"


def test_a_bug_in_a_stage_is_not_taken_for_a_broken_source(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "open_source", failing_at(2.0, ZeroDivisionError("bug")))
    with pytest.raises(ZeroDivisionError):
        run_on([clip], tmp_path / "log.jsonl")


def test_stopping_closes_what_is_open_where_it_was_last_seen(clip: Path, tmp_path: Path) -> None:
    summary, records = run_on([clip, clip], tmp_path / "log.jsonl", watcher=StopAt(2.0), classifier={"batch": 1})
    assert summary.interrupted
    assert len(summary.sources) == 1
    (event,) = of_type(records, "event_close")
    assert event["label"] == "Red"
    assert event["end_s"] == 2.0
    assert of_type(records, "source_state")[-1]["state"] == "interrupted"
    assert records[-1]["type"] == "run_end"
    assert records[-1]["interrupted"] is True


def test_a_run_that_is_stopped_at_once_still_ends_its_log(clip: Path, tmp_path: Path) -> None:
    _, records = run_on([clip], tmp_path / "log.jsonl", watcher=StopAt(-1.0))
    assert [record["type"] for record in records] == ["run_start", "run_end"]


def test_gaps_are_logged_and_counted(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "open_source", with_gap(2.0, 2.2))
    summary, records = run_on([clip], tmp_path / "log.jsonl")
    (gap,) = of_type(records, "gap")
    assert (gap["start_s"], gap["end_s"], gap["cause"]) == (2.0, 2.2, "decode_error")
    assert summary.count("gaps") == 1
    assert summary.sources[0].gap_s == pytest.approx(0.2)
    assert summary.seen_s == pytest.approx(5.8)


def test_only_the_wanted_part_is_read(clip: Path, tmp_path: Path) -> None:
    summary, records = run_on([clip], tmp_path / "log.jsonl", source={"start_s": 1.5, "end_s": 2.5})
    (event,) = of_type(records, "event_close")
    assert (event["start_s"], event["end_s"]) == (1.52, 2.5)  # the first frame from 1.5 s on is at 1.52 s
    assert summary.seen_s == pytest.approx(1.0)


def test_the_summary_adds_up_what_the_log_says(clip: Path, tmp_path: Path) -> None:
    summary, records = run_on([clip, clip], tmp_path / "log.jsonl")
    events = of_type(records, "event_close")
    totals = {total.label: total for total in summary.labels}
    assert {label: total.appearances for label, total in totals.items()} == {"Red": 2, "Green": 2}
    for label, total in totals.items():
        mine = [e for e in events if e["label"] == label]
        assert total.seconds_s == pytest.approx(sum(e["end_s"] - e["start_s"] for e in mine), abs=1e-5)
        assert total.best_score == pytest.approx(max(e["score"] for e in mine), abs=1e-5)
    assert [total.label for total in summary.labels] == ["Red", "Green"]
    assert summary.count("frames") == 300


def test_the_watcher_is_told_everything_in_order(clip: Path, tmp_path: Path) -> None:
    watcher = Notebook()
    run_on([clip], tmp_path / "log.jsonl", watcher=watcher)
    assert watcher.notes[0] == "opened"
    assert watcher.notes[-1] == "closed"
    assert [note for note in watcher.notes if note in LABELS] == ["Red", "Green"]
    assert watcher.times_s == sorted(watcher.times_s)


def test_a_log_that_cannot_be_written_ends_the_run(clip: Path) -> None:
    with pytest.raises(SinkError, match="No space left"):
        run_on([clip], Path("/dev/full"))


class StopAt(Watcher):
    """Stops the run once a stream time was reached."""

    def __init__(self, time_s: float) -> None:
        self._time_s = time_s
        self._seen_s = 0.0

    def reached(self, time_s: float) -> None:
        self._seen_s = time_s

    def should_stop(self) -> bool:
        return self._seen_s >= self._time_s


class Notebook(Watcher):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.times_s: list[float] = []

    def opened(self, facts: Any) -> None:
        self.notes.append("opened")

    def reached(self, time_s: float) -> None:
        self.times_s.append(time_s)

    def found(self, event: Event) -> None:
        self.notes.append(event.label)

    def closed(self, result: Any) -> None:
        self.notes.append("closed")


def failing_at(time_s: float, error: Exception | None = None) -> Any:
    """`open_source` of a source that breaks at a stream time."""

    def frames(items: Iterator[Frame | Gap]) -> Iterator[Frame | Gap]:
        yield from itertools.takewhile(lambda item: isinstance(item, Gap) or item.time_s < time_s, items)
        raise error or SourceError("torn")

    return _opening(frames)


def with_gap(start_s: float, end_s: float) -> Any:
    """`open_source` of a source that loses its frames from one stream time to another."""

    def frames(items: Iterator[Frame | Gap]) -> Iterator[Frame | Gap]:
        is_told = False
        for item in items:
            if isinstance(item, Frame) and start_s <= item.time_s < end_s:
                if not is_told:
                    yield Gap(start_s, end_s, "decode_error")
                is_told = True
                continue
            yield item

    return _opening(frames)


def _opening(change: Any) -> Any:
    original = pipeline.open_source

    def opened(*args: Any, **kwargs: Any) -> Any:
        source = original(*args, **kwargs)
        plain = source.frames
        source.frames = lambda: change(plain())
        return source

    return opened


def test_a_network_has_the_cores_for_itself_numpy_multiplies_on_one_thread(tmp_path: Path) -> None:
    with threadpool_limits(limits=2, user_api="blas"):
        load_network(write_tiny_model(tmp_path / "m.safetensors"), RunConfig())
        pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
        assert pools
        assert {pool["num_threads"] for pool in pools} == {1}
