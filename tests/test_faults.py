"""Sources that break off, shrink or hang while they are read, and logs that cannot be written."""

from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import av
import pytest
from av.container import InputContainer
from fakes import LABELS, color_clip, color_network

from streamfilter import buffering
from streamfilter.buffering import StalledError, prefetch
from streamfilter.config import RunConfig, SourceConfig, load_config
from streamfilter.errors import SinkError, SourceError
from streamfilter.pipeline import identify, run
from streamfilter.sinks import EventLog
from streamfilter.source import demuxing, open_source, packets
from streamfilter.source.demuxing import demuxed
from streamfilter.source.guarded import Guarded
from streamfilter.summary import RunSummary


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    return color_clip(folder / "colors.mp4", [(0.5, 11.0, LABELS["Red"])], seconds=14, rate_hz=5)


def run_on(
    names: list[Path], log: Path, *, resume: bool = False, config: RunConfig | None = None
) -> tuple[RunSummary, bytes]:
    config, network = config or RunConfig(), color_network()
    texts = [str(name) for name in names]
    with EventLog(log, identify(texts, config=config, model=network.facts), resume=resume) as events:
        summary = run(texts, network, config=config, log=events)
    return summary, log.read_bytes()


def test_a_disk_that_is_gone_is_a_failure_and_the_run_goes_on_when_it_is_back(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, whole = run_on([clip], tmp_path / "whole.jsonl")

    def failing(container: InputContainer, **named: Any) -> Iterator[Any]:
        for number, packet in enumerate(demuxed(container, **named)):
            if number == 60:
                raise demuxing._broken_off(container, av.error.FFmpegError(errno.EIO, "Input/output error"))
            yield packet

    with monkeypatch.context() as patch:
        patch.setattr(packets, "demuxed", failing)
        summary, content = run_on([clip], tmp_path / "log.jsonl")
    assert "Input/output error" in str(summary.sources[0].error)
    assert json.loads(content.splitlines()[-2])["state"] == "failed"
    again, content = run_on([clip], tmp_path / "log.jsonl", resume=True)
    assert not again.failed
    assert content == whole


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.ETIMEDOUT])
def test_what_the_system_says_of_a_disk_is_no_damage_of_the_video(clip: Path, number: int) -> None:
    class Gone:
        name = f"file:{clip}"

        def demux(self) -> Iterator[Any]:
            raise av.error.FFmpegError(number, os.strerror(number))

    with pytest.raises(SourceError, match=f"cannot read on in {clip}: {os.strerror(number)}"):
        list(demuxed(Gone()))  # type: ignore[arg-type]


def test_damage_that_makes_up_a_stream_does_not_end_a_file_in_an_error() -> None:
    class Surprised:
        def demux(self, *streams: Any) -> Iterator[Any]:
            yield "packet"
            raise IndexError("list index out of range")

    assert list(demuxed(Surprised())) == ["packet"]  # type: ignore[arg-type]


def test_a_read_that_damage_lets_fail_is_told_and_reading_goes_on_behind_it() -> None:
    class Damaged:
        def __init__(self) -> None:
            self.reads = iter(["a", None, "b", *[None] * 100])

        def demux(self, *streams: Any) -> Iterator[Any]:
            for read in self.reads:
                if read is None:
                    raise av.error.InvalidDataError(1, "damaged")
                yield read

    told: list[object] = []
    assert list(demuxed(Damaged(), bad_read=told.append)) == ["a", "b"]  # type: ignore[arg-type]
    assert len(told) == demuxing._MOST_BAD_READS + 1


def test_a_file_that_is_cut_short_while_it_is_read_is_a_failure(clip: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(clip.read_bytes())
    with open_source(copy, SourceConfig()) as source:
        frames = source.frames()
        next(frames)
        os.truncate(copy, 1000)
        with pytest.raises(SourceError, match="to 1000 bytes while it was read"):
            list(frames)


def test_a_file_that_is_deleted_while_it_is_read_is_read_to_its_end(clip: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(clip.read_bytes())
    with open_source(copy, SourceConfig()) as source:
        frames = source.frames()
        next(frames)
        copy.unlink()
        assert len(list(frames)) == 14 * 5 - 1


def test_a_source_that_hangs_is_given_up_and_the_next_one_is_read(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = tmp_path / "hanging.mp4"
    hanging.write_bytes(clip.read_bytes())
    release = threading.Event()
    monkeypatch.setattr(buffering, "ASK_EVERY_S", 0.01)

    def slow(container: InputContainer, **named: Any) -> Iterator[Any]:
        for number, packet in enumerate(demuxed(container, **named)):
            if number == 40 and container.name.endswith("hanging.mp4"):
                release.wait()
            yield packet

    monkeypatch.setattr(packets, "demuxed", slow)
    try:
        hasty = load_config(RunConfig, overrides=["source.limits.patience_s=2"])
        summary, content = run_on([hanging, clip], tmp_path / "log.jsonl", config=hasty)
    finally:
        release.set()
    assert "nothing came" in str(summary.sources[0].error)
    assert summary.sources[1].error is None
    states = [r["state"] for r in map(json.loads, content.splitlines()) if r["type"] == "source_state"]
    assert states == ["opened", "failed", "opened", "finished"]


def test_nothing_is_closed_under_a_read_and_nothing_is_read_after_it_was_closed() -> None:
    """Or FFmpeg reads on in memory that is gone: a source that was given up too early ended in a segmentation fault."""
    given_back: list[str] = []
    read: list[int] = []
    reading, release = threading.Event(), threading.Event()

    def items(hanging: int | None) -> Generator[int]:
        for number in range(9):
            if number == hanging:
                reading.set()
                release.wait()
            read.append(number)
            yield number

    hung = Guarded(items(1), lambda: given_back.append("hung"))
    thread = threading.Thread(target=list, args=(hung,))
    thread.start()
    assert reading.wait(60)
    hung.close()
    assert given_back == []
    release.set()
    thread.join(60)
    assert given_back == ["hung"]
    assert read == [0, 1]
    slow = Guarded(items(None), lambda: given_back.append("slow"))
    left_behind = iter(slow)
    next(left_behind)
    slow.close()
    assert given_back == ["hung", "slow"]
    assert list(left_behind) == []
    slow.close()
    assert given_back == ["hung", "slow"]


def test_a_producer_that_hangs_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buffering, "ASK_EVERY_S", 0.01)
    release, over = threading.Event(), threading.Event()

    def hanging() -> Iterator[int]:
        try:
            yield 1
            release.wait()
            yield 2
        finally:
            over.set()

    asked: list[bool] = []
    with prefetch(hanging(), 2, is_stalled=lambda: asked.append(True) or len(asked) > 2) as items:
        assert next(items) == 1
        with pytest.raises(StalledError):
            next(items)
    assert len(asked) == 3
    release.set()
    assert over.wait(60), "what hung was not ended when it went on"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_resume_needs_a_file(clip: Path, tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="a pipe or device keeps nothing"):
        run_on([clip], Path("/dev/full"), resume=True)


def test_a_log_that_cannot_be_cut_back_is_left_as_it_is(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, whole = run_on([clip], tmp_path / "log.jsonl")
    log = tmp_path / "log.jsonl"
    log.write_bytes(whole[:-20])

    def refused(*arguments: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "ftruncate", refused)
    with pytest.raises(SinkError, match="Read-only file system"):
        run_on([clip], log, resume=True)
    assert log.read_bytes() == whole[:-20]
