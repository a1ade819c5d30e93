"""A run that was stopped anywhere goes on to the very log of one that was not."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from fakes import LABELS, STRANGER, ColorClassifier, color_clip, color_network, still_clip
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamfilter import pipeline
from streamfilter.config import RunConfig, check_config
from streamfilter.errors import SinkError, SourceError
from streamfilter.pipeline import Watcher, identify, run
from streamfilter.sinks import EventLog
from streamfilter.summary import RunSummary

RED, GREEN = LABELS["Red"], LABELS["Green"]
SHOWS = [(0.0, 3.0, RED), (4.0, 24.0, GREEN), (25.0, 27.0, RED), (28.4, 29.6, STRANGER)]


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A long clip, one that is no video, a short clip."""
    folder = tmp_path_factory.mktemp("clips")
    text = folder / "text.mp4"
    text.write_text("no video")
    long = color_clip(folder / "long.mp4", SHOWS, seconds=30, rate_hz=5)
    return [long, text, color_clip(folder / "short.mp4", [(0.5, 2.0, RED)], seconds=3, rate_hz=5)]


class Run:
    """One run over `names`; `looks` is how many pictures its network saw."""

    def __init__(self, names: list[Path], log: Path, *, resume: bool = False, **how: Any) -> None:
        watcher = how.pop("watcher", None)
        self.config = check_config(RunConfig, {"classifier": {"batch": 3}} | how, origin="test")
        texts = [str(name) for name in names]
        network = color_network()
        run_id = identify(texts, config=self.config, model=network.facts)
        with EventLog(log, run_id, resume=resume) as events:
            self.summary: RunSummary = run(texts, network, config=self.config, log=events, watcher=watcher)
        assert isinstance(network.classifier, ColorClassifier)
        self.looks = sum(network.classifier.batches)
        self.content = log.read_bytes()


def resumed(names: list[Path], log: Path, content: bytes, **how: Any) -> Run:
    log.write_bytes(content)
    return Run(names, log, resume=True, **how)


@pytest.fixture(scope="module")
def whole(clips: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run(clips, tmp_path_factory.mktemp("whole") / "log.jsonl")


def records(content: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in content.splitlines()]


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_log_cut_at_any_byte_becomes_the_whole_log(
    clips: list[Path], whole: Run, tmp_path: Path, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(whole.content)))
    lost = data.draw(st.sampled_from([b"", b"", b"\0" * 40, b'{"v":1,"ty\n', b"\xff\n\n"]))
    # With hardly anything of the first record left, garbage behind it could be anybody's file.
    again = resumed(clips, tmp_path / "log.jsonl", whole.content[:cut] + (lost if cut > 40 else b""))
    assert again.content == whole.content
    assert again.summary.labels == whole.summary.labels


@given(st.data())
@settings(deadline=None, max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_run_that_is_stopped_again_and_again_becomes_the_whole_log(
    clips: list[Path], whole: Run, tmp_path: Path, data: st.DataObject
) -> None:
    log = tmp_path / "log.jsonl"
    log.unlink(missing_ok=True)
    for stop_s in data.draw(st.lists(st.floats(0, 32), max_size=4)):
        Run(clips, log, resume=True, watcher=StopAt(stop_s))
    assert Run(clips, log, resume=True).content == whole.content


@pytest.mark.parametrize(
    ("adaptive", "kept", "most_looks"),
    [(False, "checkpoint", 60), (False, "finished", 12), (False, "run_end", 0), (True, "finished", 6)],
)
def test_the_network_does_not_look_again_at_what_is_in_the_log(
    clips: list[Path], tmp_path: Path, adaptive: bool, kept: str, most_looks: int
) -> None:
    """`kept`: the last record that is there, by type or state."""
    how = {"sampler": {"adaptive": adaptive}}
    whole = Run(clips, tmp_path / "whole.jsonl", **how)
    lines = whole.content.splitlines(keepends=True)
    last = max(n for n, r in enumerate(records(whole.content)) if kept in (r["type"], r.get("state")))
    if kept == "finished":
        last = min(n for n, r in enumerate(records(whole.content)) if r.get("state") == "finished")
    again = resumed(clips, tmp_path / "log.jsonl", b"".join(lines[: last + 1]), **how)
    assert again.content == whole.content
    assert again.looks <= most_looks < whole.looks
    assert again.summary.is_resumed


def test_still_pictures_keep_their_verdicts_over_a_checkpoint(tmp_path: Path) -> None:
    clip = still_clip(tmp_path / "still.mp4", seconds=25, rate_hz=5)
    full = Run([clip], tmp_path / "whole.jsonl")
    assert full.summary.count("still_looks") > full.summary.count("looks") / 2
    begin = full.content.index(b"\n", full.content.index(b'"checkpoint"')) + 1
    again = resumed([clip], tmp_path / "log.jsonl", full.content[:begin])
    assert again.content == full.content
    assert again.summary.count("still_looks") == full.summary.count("still_looks")


def test_a_large_state_is_written_more_rarely() -> None:
    assert pipeline.spacing_s([]) == pipeline.CHECKPOINT_S
    assert pipeline.spacing_s(["x" * 40_000]) == pytest.approx(40, abs=0.1)


def test_a_source_that_failed_is_read_when_it_can_be(clips: list[Path], tmp_path: Path) -> None:
    missing, log = tmp_path / "missing.mp4", tmp_path / "log.jsonl"
    Run([missing, clips[2]], log)
    missing.write_bytes(clips[0].read_bytes())
    stopped = Run([missing, clips[2]], log, resume=True, watcher=StopAt(15.0))
    assert stopped.summary.interrupted
    again = Run([missing, clips[2]], log, resume=True)
    assert not again.summary.failed
    found = records(again.content)
    assert [r["seq"] for r in found] == list(range(len(found)))
    states = [(Path(r["source"]).name, r["state"]) for r in found if r["type"] == "source_state"]
    assert states == [
        ("missing.mp4", "failed"),
        ("short.mp4", "opened"),
        ("short.mp4", "finished"),
        ("missing.mp4", "opened"),
        ("missing.mp4", "finished"),
    ]
    assert found[-1]["failed"] == 0
    assert found[-1]["events"] == {"Red": 3, "Green": 1}
    assert Run([missing, clips[2]], log, resume=True).content == again.content


@pytest.mark.parametrize("order", [[0, 2], [2, 0]])
def test_a_source_that_broke_off_leaves_no_trace_once_it_can_be_read(
    clips: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: list[int]
) -> None:
    names = [clips[n] for n in order]
    log = tmp_path / "log.jsonl"
    full = Run(names, tmp_path / "whole.jsonl")
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "open_source", breaking_off(clips[0], 25.5))
        broken = Run(names, log)
        assert len(broken.summary.failed) == 1
        assert Run(names, log, resume=True).content == broken.content
    again = Run(names, log, resume=True)
    assert events_of(again.content) == events_of(full.content)
    assert (again.content == full.content) == (order == [2, 0])  # what was read after it keeps its place


def test_the_same_source_twice_is_resumed_twice(clips: list[Path], tmp_path: Path) -> None:
    names = [clips[2], clips[2], clips[1], clips[1]]
    full = Run(names, tmp_path / "whole.jsonl")
    for cut in range(0, len(full.content), 700):
        assert resumed(names, tmp_path / "log.jsonl", full.content[:cut]).content == full.content


def test_a_run_without_a_log_begins_one(clips: list[Path], whole: Run, tmp_path: Path) -> None:
    assert Run(clips, tmp_path / "log.jsonl", resume=True).content == whole.content


OTHERS: dict[str, tuple[dict[str, Any], list[int], str]] = {
    "settings": ({"smoother": {"onset_s": 0.7}}, [0, 1, 2], "smoother.onset_s"),
    "order": ({}, [2, 1, 0], "other sources"),
    "fewer": ({}, [0, 1], "other sources"),
    "without": ({}, [1, 2], "long.mp4, which is not among"),
}


@pytest.mark.parametrize("how", list(OTHERS))
def test_the_log_of_another_run_is_refused_and_left_alone(
    clips: list[Path], whole: Run, tmp_path: Path, how: str
) -> None:
    changed, order, said = OTHERS[how]
    content = whole.content[: len(whole.content) // 2]
    with pytest.raises(SinkError, match=said):
        resumed([clips[n] for n in order], tmp_path / "log.jsonl", content, **changed)
    assert (tmp_path / "log.jsonl").read_bytes() == content


def test_a_source_that_has_changed_is_refused(clips: list[Path], tmp_path: Path) -> None:
    name, log = tmp_path / "a.mp4", tmp_path / "log.jsonl"
    name.write_bytes(clips[0].read_bytes())
    content = Run([name], log).content
    name.write_bytes(clips[2].read_bytes())
    with pytest.raises(SinkError, match="changed since"):
        resumed([name], log, content)
    assert log.read_bytes() == content


@pytest.mark.parametrize("content", [b"precious\n", b"precious", b'{"v":1}\n', b'{"v":1,"type":"run_end"}\n', b"["])
def test_a_file_that_is_no_log_is_refused_and_left_alone(clips: list[Path], tmp_path: Path, content: bytes) -> None:
    with pytest.raises(SinkError, match="no event log"):
        resumed(clips, tmp_path / "log.jsonl", content)
    assert (tmp_path / "log.jsonl").read_bytes() == content


def test_a_checkpoint_of_another_decoder_is_refused(clips: list[Path], whole: Run, tmp_path: Path) -> None:
    lines = whole.content.splitlines(keepends=True)
    number = next(n for n, r in enumerate(records(whole.content)) if r["type"] == "checkpoint")
    record = json.loads(lines[number])
    for change in ({"pts": 1}, {"looks": 10_000}, {"smoother": []}):
        changed = record | {"resume": record["resume"] | change}
        content = b"".join(lines[:number]) + json.dumps(changed).encode() + b"\n"
        with pytest.raises(SinkError, match="checkpoint at"):
            resumed(clips, tmp_path / "log.jsonl", content)


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_log_in_which_anything_was_changed_is_resumed_or_refused(
    clips: list[Path], whole: Run, tmp_path: Path, data: st.DataObject
) -> None:
    lines = whole.content.splitlines(keepends=True)
    number = data.draw(st.integers(0, len(lines) - 1))
    record = json.loads(lines[number])
    key = data.draw(st.sampled_from(sorted(record)))
    record[key] = data.draw(st.sampled_from([None, -1, "x", [], {}, 1e308]))
    content = b"".join(lines[:number]) + json.dumps(record).encode() + b"\n" + b"".join(lines[number + 1 :])
    with suppress(SinkError):
        assert resumed(clips, tmp_path / "log.jsonl", content).content.endswith(b"}\n")


class StopAt(Watcher):
    """Stops the run once a stream time was reached."""

    def __init__(self, time_s: float) -> None:
        self._time_s = time_s
        self._seen_s = -1.0

    def reached(self, time_s: float) -> None:
        self._seen_s = time_s

    def should_stop(self) -> bool:
        return self._seen_s >= self._time_s


def breaking_off(broken: Path, time_s: float) -> Any:
    """`open_source` of which one source cannot be read beyond a stream time."""
    original = pipeline.open_source

    def opened(name: str, *args: Any, **kwargs: Any) -> Any:
        source = original(name, *args, **kwargs)
        plain = source.frames

        def frames() -> Any:
            for item in plain():
                if item.time_s >= time_s:
                    raise SourceError("the disk is gone")
                yield item

        if name == str(broken):
            source.frames = frames
        return source

    return opened


def events_of(content: bytes) -> list[dict[str, Any]]:
    closed = [r for r in records(content) if r["type"] == "event_close"]
    return sorted(({**r, "seq": None} for r in closed), key=lambda r: str(r["event_id"]))
