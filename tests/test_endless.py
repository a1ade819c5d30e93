"""Many feeds, one network: what is dropped is counted, what is found is told, and no feed's fault is another's."""

from __future__ import annotations

import io
import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import quote

import av.error
import jsonschema
import numpy as np
import pytest
from fakes import GROUND, LABELS, ColorClassifier, color_clip, color_network
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import generate_latest

import streamfilter.cli.job
from streamfilter.cli.live import ConsoleLiveWatcher
from streamfilter.cli.main import exit_code
from streamfilter.cli.stopping import Stop
from streamfilter.config import RunConfig
from streamfilter.console import Console, json_line
from streamfilter.endless import LiveSummary, LiveWatcher, run, run_feeds
from streamfilter.errors import ConfigError
from streamfilter.live import Feed, FeedCounters, find_feeds
from streamfilter.live.faults import Cause, not_opened
from streamfilter.live.feed import TIME_BASE, LiveFeed, Lost, Opened
from streamfilter.live.wallclock import WallClock
from streamfilter.metrics import FeedNumbers, Metrics
from streamfilter.sinks import EventLog, load_schema, records
from streamfilter.source.discovery import redacted
from streamfilter.stages import SourceFacts
from streamfilter.types import Candidate, Frame, Pixels

CONFIG = RunConfig.model_validate(
    {
        "sampler": {"rate": 20.0, "cuts": False},
        "gate": {"enabled": False},
        "smoother": {"certain_s": 0.3, "onset_s": 0.2},
        "live": {"update_s": 0.5, "retry_most_s": 0.6, "max_staleness_s": 0.4},
    }
)


class Plain:
    """A picture of one colour; `broken` cannot be converted."""

    width, height = 160, 120

    def __init__(self, color: tuple[int, int, int], *, broken: bool = False) -> None:
        self._color = color
        self._broken = broken

    def rgb(self, width: int | None = None, height: int | None = None) -> Pixels:
        if self._broken:
            raise RuntimeError("no such conversion")
        return np.full((height or self.height, width or self.width, 3), self._color, np.uint8)

    def luma(self, width: int, height: int) -> Pixels:
        return np.zeros((height, width), np.uint8)


class DrawnFeed:
    """In the place of `LiveFeed`: pictures at 20 Hz, in the colour that the address names, as they would arrive."""

    def __init__(
        self, feed: Feed, config: RunConfig, *, fingerprint: str, counters: FeedCounters, **other: Any
    ) -> None:
        self.counters = counters
        self.fingerprint = fingerprint
        self.wall: WallClock = other["wall"]
        self.tell: Callable[[Opened | Lost], None] = lambda news: None
        self.mark = None
        self._feed = feed
        self._stopped = threading.Event()

    def stop(self) -> None:
        self._stopped.set()

    def frames(self) -> Iterator[Frame]:
        address, count = self._feed.address, 0
        if address == "hang":
            time.sleep(2.0)
        if address == "raise":
            raise ArithmeticError("nobody thought of this")
        picture = Plain(LABELS["Red"] if address == "red" else GROUND, broken=address == "broken")
        facts = SourceFacts(
            self._feed.name, self.fingerprint, "drawn", "raw", 160, 120, None, 20.0, TIME_BASE, False, is_live=True
        )
        self.counters.connections += 1
        while not self._stopped.wait(0.05):
            time_s, now_s = count * 0.05, time.monotonic()
            self.wall.arrived(time_s, time.time())
            self.counters.alive_at_s = self.counters.seen_at_s = now_s
            if count == 0:
                self.tell(Opened(facts, 0.0))
            self.counters.frames += 1
            count += 1
            yield Frame(time_s, round(time_s / TIME_BASE), TIME_BASE, True, picture)


class SlowClassifier(ColorClassifier):
    """Takes its time for each picture."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def classify(self, pictures: Sequence[Pixels]) -> list[list[Candidate]]:
        time.sleep(self._seconds * len(pictures))
        return super().classify(pictures)


class ForAWhile(LiveWatcher):
    """Stops the run after some seconds, and keeps what it is told."""

    def __init__(self, seconds: float) -> None:
        self._until_s = time.monotonic() + seconds
        self.troubles: list[str] = []

    def troubled(self, feed: str, text: str) -> None:
        self.troubles.append(f"{feed}: {text}")

    def should_stop(self) -> bool:
        return time.monotonic() > self._until_s


def watched(
    monkeypatch: pytest.MonkeyPatch,
    path: Path,
    feeds: dict[str, str],
    *,
    seconds: float = 2.0,
    each_s: float = 0.0,
    batch: int = 8,
) -> tuple[LiveSummary, list[dict[str, Any]], ForAWhile]:
    """A run over drawn feeds: the summary, the records, and what was told."""
    monkeypatch.setattr(run, "LiveFeed", DrawnFeed)
    network = replace(color_network(), classifier=SlowClassifier(each_s))
    config = CONFIG.model_copy(update={"classifier": CONFIG.classifier.model_copy(update={"batch": batch})})
    watcher = ForAWhile(seconds)
    with EventLog(path, "0" * 24) as log:
        summary = run_feeds(
            [Feed(name, address) for name, address in feeds.items()],
            network,
            config=config,
            log=log,
            watcher=watcher,
            metrics=Metrics(stale_s=5),
        )
    told = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    validator = jsonschema.Draft202012Validator(load_schema())
    for record in told:
        validator.validate(record)
    return summary, told, watcher


def test_when_the_network_cannot_keep_up_every_drop_is_counted_and_every_feed_is_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feeds = {f"feed {n}": "red" for n in range(4)}
    summary, told, _ = watched(monkeypatch, tmp_path / "e.jsonl", feeds, seconds=4.0, each_s=0.06, batch=4)
    depth = run.depth_of(CONFIG)
    assert len(summary.feeds) == 4
    for feed in summary.feeds:
        counters = feed.counters
        seen = counters.looks - counters.dropped
        assert counters.dropped > 0
        assert seen > 3, "none goes away empty"
        (event,) = [r for r in told if r["type"] == "event_close" and r["source"] == feed.name]
        assert event["label"] == "Red"
        assert 0 < event["evidence"]["drops"] <= counters.dropped
        # What was taken was looked at; at the end at most what still waited was not.
        assert seen - depth - 1 <= event["evidence"]["looks"] <= seen
        assert event["evidence"]["looks"] + event["evidence"]["drops"] <= counters.looks


def test_an_event_is_told_while_it_lasts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, told, _ = watched(monkeypatch, tmp_path / "e.jsonl", {"a": "red"}, seconds=3.0)
    kinds = [record["type"] for record in told if record["type"].startswith("event")]
    assert kinds[0] == "event_open"
    assert kinds[-1] == "event_close"
    assert kinds.count("event_update") >= 1
    assert all(record["utc"]["clock"] == "arrival" for record in told if record["type"].startswith("event"))
    assert len({record["event_id"] for record in told if "event_id" in record}) == 1


def test_an_error_in_one_feeds_stages_ends_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    feeds = {"bad": "broken", "worse": "raise", "good": "red"}
    summary, told, watcher = watched(monkeypatch, tmp_path / "e.jsonl", feeds, seconds=3.0)
    for name in ("bad", "worse"):
        lost = [r for r in told if r["source"] == name and r.get("state") == "lost"]
        assert len(lost) > 1, "it is tried again"
        assert {r["cause"] for r in lost} == {"broken"}
    assert [r["label"] for r in told if r["type"] == "event_close"] == ["Red"]
    assert any("bad" in text for text in watcher.troubles)
    assert {feed.name for feed in summary.feeds} == set(feeds)


def test_a_reader_that_hangs_is_left_behind_and_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run._Run, "_patience_s", lambda self: 0.5)
    summary, told, watcher = watched(monkeypatch, tmp_path / "e.jsonl", {"stuck": "hang", "good": "red"}, seconds=1.8)
    assert any("hangs" in text for text in watcher.troubles)
    assert [r["label"] for r in told if r["type"] == "event_close"] == ["Red"]
    assert next(feed for feed in summary.feeds if feed.name == "stuck").counters.left_behind >= 1


def test_feeds_do_not_go_on_in_a_log_of_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(streamfilter.cli.job, "load_network", lambda path, config: color_network())
    clip = color_clip(tmp_path / "clip.mp4", [], seconds=1)
    log = ["--model", "none", "--events", str(tmp_path / "e.jsonl")]
    assert exit_code(["run", str(clip), *log]) == 0
    assert exit_code(["run", "rtsp://127.0.0.1:1/live", *log, "--resume"]) == 7
    assert "run over files" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("clip.mp4", "rtsp://cam/live"), "clip.mp4 is no live feed"),
        (("rtsp://cam/live", "--annotate", "out.mp4"), "--annotate is for files"),
        (("rtsp://cam/live", "--start", "3"), "leave out --start"),
    ],
)
def test_what_makes_no_sense_for_a_feed_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    log = tmp_path / "e.jsonl"
    assert exit_code(["run", *arguments, "--model", "none", "--events", str(log), "--log", "json"]) == 3
    said = json.loads(capsys.readouterr().err)
    assert said["level"] == "error"
    assert message in said["message"]
    assert not log.exists()


words = st.text(st.characters(codec="utf-8", exclude_characters="\x00", exclude_categories=["Cs"]), max_size=12)
marked = words.map(lambda word: f"SECRET{word}SECRET")
spelled = st.tuples(marked, st.sampled_from(["plain", "quoted", "at"])).map(
    lambda pair: {"plain": pair[0], "quoted": quote(pair[0], safe=""), "at": f"a@b.c:{pair[0]}"}[pair[1]]
)
addresses = st.builds(
    lambda scheme, user, password, host, port, path, query, fragment: (
        f"{scheme}://{user}:{password}@{host}{port}/{path}?token={query}{fragment}"
    ),
    st.sampled_from(["rtsp", "RTSP", "rtmp", "https", "srt", "udp", "tcp", "rtsps"]),
    spelled,
    spelled,
    st.sampled_from(["cam", "cam.local", "10.0.0.5", "[::1]"]),
    st.sampled_from(["", ":554"]),
    st.sampled_from(["live", "a/b.m3u8", ""]),
    spelled,
    st.sampled_from(["", "#SECRET"]),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(addresses, min_size=14, max_size=14, unique=True))
def test_no_secret_of_thousands_of_addresses_is_in_any_output(urls: list[str]) -> None:
    """The name is all that ever leaves: into records, lines for people, metrics, errors."""
    said, metrics, feeds = io.StringIO(), Metrics(stale_s=1), find_feeds(urls)
    watcher = ConsoleLiveWatcher(Console(1, stream=said, as_json=True), Stop())
    lost = records.source_lost("refused", "refused", time_s=0, retry_s=1)
    outputs = [repr(feeds)]
    for feed in feeds:
        watcher.told(feed.name, Lost(Cause.REFUSED, "refused", 0.0, 1.0))
        metrics.add_feed(feed.name, lambda: FeedNumbers(is_expected=True))
        outputs += [feed.name, redacted(feed.address), repr(LiveFeed(feed, CONFIG, fingerprint="0"))]
        outputs.append(json_line("info", feed.name) + json.dumps(lost | {"source": feed.name}))
    outputs += [said.getvalue(), generate_latest(metrics.registry).decode()]
    assert [output for output in outputs if "SECRET" in output] == []


FFMPEG_ERRORS = [av.error.InvalidDataError, av.error.HTTPUnauthorizedError, av.error.ExitError, av.error.OSError]


class UntilAllAreLost(ConsoleLiveWatcher):
    """Stops the run when each of its feeds was told to be lost."""

    def __init__(self, console: Console, feeds: int) -> None:
        super().__init__(console, Stop())
        self._left = feeds

    def told(self, feed: str, news: Opened | Lost) -> None:
        super().told(feed, news)
        self._left -= 1

    def should_stop(self) -> bool:
        return self._left <= 0


def refuse(address: str, *other: Any, **how: Any) -> None:
    """In the place of `av.open`: FFmpeg's errors tell the whole address."""
    raise FFMPEG_ERRORS[len(address) % 4](1, f"cannot open '{address}'", address)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(addresses, min_size=40, max_size=40, unique=True), st.booleans())
def test_no_secret_is_in_anything_that_a_run_over_such_addresses_writes(urls: list[str], as_json: bool) -> None:
    """Its log, what it says in lines and tables, its metrics and its health."""
    said, metrics, feeds = io.StringIO(), Metrics(stale_s=1e-9), find_feeds(urls)
    console = Console(2, stream=said, as_json=as_json, live=False)
    with tempfile.TemporaryDirectory() as folder, mock.patch("streamfilter.live.connection.av.open", refuse):
        path = Path(folder) / "e.jsonl"
        with EventLog(path, "0" * 24) as log:
            watcher = UntilAllAreLost(console, len(feeds))
            summary = run_feeds(feeds, color_network(), config=CONFIG, log=log, watcher=watcher, metrics=metrics)
        streamfilter.cli.live._tell(summary, console)
        written = path.read_text("utf-8")
    numbers = generate_latest(metrics.registry).decode() + json.dumps(metrics.health())
    assert written.count('"state":"lost"') == said.getvalue().count("lost (") == len(feeds)
    for output in (written, said.getvalue(), numbers, repr(summary)):
        assert "SECRET" not in output


@settings(max_examples=200, deadline=None)
@given(addresses, st.integers(0, 3))
def test_no_secret_of_an_address_is_in_any_error(address: str, kind: int) -> None:
    error = FFMPEG_ERRORS[kind](1, f"cannot open '{address}'", address)
    assert "SECRET" not in str(not_opened(error, waited_s=0, patience_s=1))
    with pytest.raises(ConfigError) as caught:
        streamfilter.cli.live.are_feeds([address, "clip.mp4"])
    assert "SECRET" not in str(caught.value)
