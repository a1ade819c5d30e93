"""A source that is decoded in another process is the same source, and whatever happens there fails only it."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import LABELS, color_clip, color_network
from media import stamped_clip

from streamfilter.config import RunConfig, SourceConfig, SourceLimits
from streamfilter.errors import SourceError
from streamfilter.pipeline import identify, run
from streamfilter.sinks import EventLog
from streamfilter.source import open_source
from streamfilter.source.isolated import IsolatedSource
from streamfilter.summary import RunSummary
from streamfilter.types import Frame

PATIENT = SourceLimits(patience_s=600)
"""A busy machine may take its time to start a process."""


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    return color_clip(folder / "colors.mp4", [(0.5, 3.0, LABELS["Red"])], seconds=4, rate_hz=10)


def isolated(path: Path) -> IsolatedSource:
    source = open_source(path, SourceConfig(isolate=True, limits=PATIENT))
    assert isinstance(source, IsolatedSource)
    return source


def run_on(names: list[Path], log: Path, *, isolate: bool) -> tuple[RunSummary, list[bytes]]:
    config, network = RunConfig(source=SourceConfig(isolate=isolate, limits=PATIENT)), color_network()
    texts = [str(name) for name in names]
    with EventLog(log, identify(texts, config=config, model=network.facts)) as events:
        summary = run(texts, network, config=config, log=events)
    return summary, log.read_bytes().splitlines()


def test_the_log_is_the_same_wherever_the_decoder_is(clip: Path, tmp_path: Path) -> None:
    short = tmp_path / "short.mkv"
    color_clip(short, [(0.5, 3.0, LABELS["Green"])], seconds=4, rate_hz=10)
    os.truncate(short, short.stat().st_size * 2 // 3)
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    names = [clip, text, short]
    _, plain = run_on(names, tmp_path / "plain.jsonl", isolate=False)
    summary, other = run_on(names, tmp_path / "isolated.jsonl", isolate=True)
    assert len(plain) > 8
    assert other[1:] == plain[1:]
    assert [result.error is None for result in summary.sources] == [True, False, True]


@pytest.mark.parametrize(("suffix", "codec"), [("mp4", "libx264"), ("ts", "mpeg2video")])
def test_what_damage_decodes_to_is_the_same_wherever_and_with_however_many_threads_it_is_decoded(
    tmp_path: Path, suffix: str, codec: str
) -> None:
    times = [index / 25 for index in range(40)]
    damaged = stamped_clip(tmp_path / f"damaged.{suffix}", times, codec=codec)
    content = bytearray(damaged.read_bytes())
    chance = random.Random(4)
    for _ in range(30):
        content[chance.randrange(len(content) // 3, len(content))] ^= 1 << chance.randrange(8)
    damaged.write_bytes(content)
    plain = digests(damaged)
    assert len(set(plain)) > 10
    assert digests(damaged) == digests(damaged, threads=7) == digests(damaged, isolate=True) == plain


def digests(path: Path, **settings: Any) -> list[str]:
    with open_source(path, SourceConfig(limits=PATIENT, **settings)) as source:
        frames = (item for item in source.frames() if isinstance(item, Frame))
        return [hashlib.sha256(frame.picture.rgb().tobytes()).hexdigest() for frame in frames]


def test_pictures_are_the_same_and_are_forgotten_when_nobody_holds_them(clip: Path) -> None:
    with isolated(clip) as source, open_source(clip, SourceConfig()) as plain:
        held = []
        over = 0
        for theirs, mine in zip(source.frames(), plain.frames(), strict=True):
            assert isinstance(theirs, Frame)
            assert isinstance(mine, Frame)
            assert (theirs.time_s, theirs.pts, theirs.is_key) == (mine.time_s, mine.pts, mine.is_key)
            assert np.array_equal(theirs.picture.luma(16, 12), mine.picture.luma(16, 12))
            held += [theirs.picture] if len(held) < 2 else []
            over = max(over, *source._over, 0)
        assert np.array_equal(held[0].rgb(), next(iter(plain_pictures(clip))))
        assert over > 30
        assert source.facts == plain.facts
        assert source.counts == plain.counts
    with pytest.raises(SourceError, match="is closed"):
        held[1].rgb()


def plain_pictures(clip: Path) -> Iterator[np.ndarray]:
    with open_source(clip, SourceConfig()) as source:
        for item in source.frames():
            assert isinstance(item, Frame)
            yield item.picture.rgb()


def test_a_decoder_that_crashes_fails_only_its_source(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crashing = tmp_path / "crashing.mp4"
    crashing.write_bytes(clip.read_bytes())
    plain = IsolatedSource.frames

    def frames(self: IsolatedSource) -> Iterator[Any]:
        for number, item in enumerate(plain(self)):
            if number == 30 and self.facts.name == str(crashing):
                os.kill(self._decoder._process.pid, signal.SIGSEGV)
            yield item

    monkeypatch.setattr(IsolatedSource, "frames", frames)
    summary, lines = run_on([crashing, clip], tmp_path / "log.jsonl", isolate=True)
    assert "crashed (signal 11)" in str(summary.sources[0].error)
    assert summary.sources[1].error is None
    states = [r["state"] for r in map(json.loads, lines) if r["type"] == "source_state"]
    assert states == ["opened", "failed", "opened", "finished"]


def test_a_decoder_that_hangs_is_ended(clip: Path) -> None:
    with isolated(clip) as source:
        frames = source.frames()
        next(frames)
        source._decoder._patience_s = 0.3
        os.kill(source._decoder._process.pid, signal.SIGSTOP)
        with pytest.raises(SourceError, match="gave nothing"):
            list(frames)
    assert source._decoder._process.returncode == -signal.SIGKILL


def test_a_source_may_be_closed_while_another_thread_waits_for_it(clip: Path) -> None:
    source = isolated(clip)
    frames = source.frames()
    next(frames)
    os.kill(source._decoder._process.pid, signal.SIGSTOP)
    errors: list[BaseException] = []

    def wait() -> None:
        try:
            list(frames)
        except SourceError as error:
            errors.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    with source:
        pass
    thread.join(600)
    assert not thread.is_alive()
    assert len(errors) == 1


@pytest.mark.parametrize(
    "words", ["garbage", "{}", "[]", '{"facts": 3, "counts": {}}', '{"packets": "x"}', "x" * 70_000]
)
def test_a_decoder_that_talks_nonsense_is_not_believed(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    said = tmp_path / "said"
    said.write_text(words + "\n")
    fake = tmp_path / "python"
    fake.write_text(f"#!/bin/sh\nexec cat {said}\n")
    fake.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(fake))
    with pytest.raises(SourceError, match="makes no sense"):
        isolated(clip)


def test_what_is_wrong_with_a_file_is_said_as_ever(tmp_path: Path) -> None:
    for isolate in (False, True):
        with pytest.raises(SourceError, match="no such file"):
            open_source(tmp_path / "missing.mp4", SourceConfig(isolate=isolate, limits=PATIENT))
