"""What `/metrics` and `/healthz` say, read back by Prometheus's own parser."""

from __future__ import annotations

import json
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes import LABELS, STRANGER, color_clip, color_network
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from streamfilter.cli import job
from streamfilter.cli.main import exit_code
from streamfilter.config import MetricsConfig, RunConfig, check_config, load_config
from streamfilter.console import Console
from streamfilter.errors import ConfigError, SinkError
from streamfilter.metrics import FeedNumbers, Latencies, Metrics, MetricsWatcher, SinkNumbers, serve_metrics
from streamfilter.metrics.numbers import LATENCY_BUCKETS_S
from streamfilter.pipeline import identify, run
from streamfilter.sinks import EventLog
from streamfilter.types import Event


class Clock:
    """Monotonic seconds that stand still."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def metrics(clock: Clock) -> Metrics:
    return Metrics(stale_s=10, clock=clock)


@pytest.fixture
def address(metrics: Metrics) -> Iterator[str]:
    with serve_metrics(metrics, "0") as address:
        yield address


def fetch(address: str, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(address + path, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample of an exposition by name and labels; none comes twice."""
    found = [
        ((sample.name, frozenset(sample.labels.items())), sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    ]
    assert len(found) == len(dict(found))
    return dict(found)


def value(text: str, name: str, **labels: str) -> float:
    return samples(text)[f"streamfilter_{name}", frozenset(labels.items())]


def test_the_numbers_of_every_feed_and_sink_are_told(metrics: Metrics, address: str) -> None:
    latencies = Latencies()
    for latency_s in (0.05, 0.2, 7.0):
        latencies.add(latency_s)
    numbers = FeedNumbers(
        is_expected=True,
        seen_at_s=998.0,
        frames=100,
        dropped=3,
        gap_s=1.5,
        reconnects=2,
        events={"Red": 4},
        rejections={"far": 5},
        latency=latencies.numbers(),
    )
    metrics.add_feed("door", lambda: numbers)
    metrics.add_feed("yard", lambda: FeedNumbers(is_expected=False))
    metrics.add_sink("crm", lambda: SinkNumbers(delivered=7, backlog_bytes=12, is_failing=True))
    status, text = fetch(address, "/metrics")
    assert status == 200
    assert value(text, "frames_total", feed="door") == 100
    assert value(text, "frames_total", feed="yard") == 0
    assert value(text, "dropped_total", feed="door") == 3
    assert value(text, "gap_seconds_total", feed="door") == 1.5
    assert value(text, "reconnects_total", feed="door") == 2
    assert value(text, "seen_ago_seconds", feed="door") == 2
    assert value(text, "events_total", feed="door", label="Red") == 4
    assert value(text, "rejections_total", feed="door", reason="far") == 5
    assert value(text, "latency_seconds_bucket", feed="door", le="0.05") == 1
    assert value(text, "latency_seconds_bucket", feed="door", le="+Inf") == 3
    assert value(text, "latency_seconds_sum", feed="door") == 7.25
    assert value(text, "recent_latency_seconds", feed="door", quantile="0.5") == 0.2
    assert value(text, "sink_delivered_total", sink="crm") == 7
    assert value(text, "sink_backlog_bytes", sink="crm") == 12
    assert value(text, "sink_failing", sink="crm") == 1


def test_a_scrape_asks_anew(metrics: Metrics, address: str) -> None:
    frames = 1
    metrics.add_feed("door", lambda: FeedNumbers(is_expected=True, frames=frames))
    assert value(fetch(address, "/metrics")[1], "frames_total", feed="door") == 1
    frames = 2
    assert value(fetch(address, "/metrics")[1], "frames_total", feed="door") == 2


def test_health_wants_every_expected_feed_to_be_seen(metrics: Metrics, clock: Clock, address: str) -> None:
    assert fetch(address, "/healthz")[0] == 200
    seen: dict[str, float | None] = {"door": None, "yard": None}
    metrics.add_feed("door", lambda: FeedNumbers(is_expected=True, seen_at_s=seen["door"]))
    metrics.add_feed("yard", lambda: FeedNumbers(is_expected=True, seen_at_s=seen["yard"]))
    metrics.add_feed("over", lambda: FeedNumbers(is_expected=False))
    clock.now_s += 9
    assert fetch(address, "/healthz")[0] == 200, "a feed has time to be seen first"
    clock.now_s += 2
    seen["yard"] = clock.now_s
    status, text = fetch(address, "/healthz")
    assert (status, json.loads(text)) == (
        503,
        {"healthy": False, "feeds": {"door": "never seen, expected for 11 s"}},
    )
    seen["door"] = clock.now_s
    assert fetch(address, "/healthz") == (200, '{"healthy": true, "feeds": {}}')
    clock.now_s += 11
    assert set(json.loads(fetch(address, "/healthz")[1])["feeds"]) == {"door", "yard"}


def test_there_is_nothing_else_to_be_had(address: str) -> None:
    assert fetch(address, "/")[0] == 404
    assert fetch(address, "/metrics/../etc/passwd")[0] == 404


def test_no_secret_of_an_address_becomes_a_label(metrics: Metrics, address: str) -> None:
    metrics.add_feed("rtsp://admin:pa.ss@camera.local/1?token=hidden", lambda: FeedNumbers(is_expected=True))
    text = fetch(address, "/metrics")[1] + fetch(address, "/healthz")[1]
    assert "camera.local/1" in text
    assert not [secret for secret in ("admin", "pa.ss", "hidden", "token") if secret in text]


def test_two_feeds_that_are_called_the_same_stay_two(metrics: Metrics, address: str) -> None:
    metrics.add_feed("rtsp://a:1@camera/1", lambda: FeedNumbers(is_expected=True, frames=1))
    metrics.add_feed("rtsp://b:2@camera/1", lambda: FeedNumbers(is_expected=True, frames=2))
    text = fetch(address, "/metrics")[1]
    assert value(text, "frames_total", feed="rtsp://camera/1 #2") == 2


def test_a_feed_that_is_not_watched_any_more_is_forgotten(metrics: Metrics, clock: Clock, address: str) -> None:
    forget = metrics.add_feed("door", lambda: FeedNumbers(is_expected=True))
    clock.now_s += 1000
    assert fetch(address, "/healthz")[0] == 503
    forget()
    forget()
    assert fetch(address, "/healthz")[0] == 200
    metrics.add_feed("door", lambda: FeedNumbers(is_expected=True, frames=3))
    forget()
    assert value(fetch(address, "/metrics")[1], "frames_total", feed="door") == 3


def test_a_name_with_odd_characters_is_read_back_as_it_was(metrics: Metrics, address: str) -> None:
    name = 'a"b\\c\nd ü'
    metrics.add_feed(name, lambda: FeedNumbers(is_expected=True, frames=1))
    assert value(fetch(address, "/metrics")[1], "frames_total", feed=name) == 1


def test_a_silent_client_stops_neither_a_scrape_nor_the_end(metrics: Metrics) -> None:
    with serve_metrics(metrics, "127.0.0.1:0") as address:
        host, port = address.removeprefix("http://").split(":")
        silent = socket.create_connection((host, int(port)))
        assert fetch(address, "/healthz")[0] == 200
    silent.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "streamfilter-metrics"]


def test_an_address_that_is_taken_is_one_clear_error(metrics: Metrics, address: str) -> None:
    port = address.rpartition(":")[2]
    with pytest.raises(SinkError, match=f"port {port} for metrics: .*--metrics"), serve_metrics(metrics, port):
        pass


@pytest.mark.parametrize("text", ["9108", "0.0.0.0:9108", "localhost:1", "[::1]:9108"])
def test_an_address_is_a_port_with_or_without_a_host(text: str) -> None:
    assert load_config(RunConfig, overrides=[f'metrics.listen="{text}"']).metrics.listen == text


@pytest.mark.parametrize("text", ["http://x:1", "host", "a:b@c:1", "1:", True])
def test_anything_else_is_refused(text: object) -> None:
    with pytest.raises(ConfigError, match="listen"):
        check_config(MetricsConfig, {"listen": text}, origin="test")


@given(st.lists(st.floats(0, 100), min_size=1, max_size=50))
def test_latencies_are_counted_as_a_sorted_list_would_have_them(values_s: list[float]) -> None:
    latencies = Latencies()
    for value_s in values_s:
        latencies.add(value_s)
    numbers = latencies.numbers()
    assert list(numbers.buckets) == [
        *(sum(v <= bound for v in values_s) for bound in LATENCY_BUCKETS_S),
        len(values_s),
    ]
    assert numbers.sum_s == pytest.approx(sum(values_s))
    for share, found in numbers.quantiles.items():
        assert sum(v <= found for v in values_s) >= share * len(values_s) - 1e-9
        assert sum(v < found for v in values_s) < share * len(values_s) + 1e-9


def test_a_run_over_files_tells_its_numbers(tmp_path: Path, metrics: Metrics, address: str, clock: Clock) -> None:
    clip = color_clip(tmp_path / "a.mp4", [(0.5, 2.5, LABELS["Red"]), (3.0, 4.0, STRANGER)], seconds=5, rate_hz=5)
    config, network = RunConfig(), color_network()
    seen: list[FeedNumbers] = []

    class Spy(MetricsWatcher):
        def reached(self, time_s: float) -> None:
            clock.now_s += 1
            super().reached(time_s)
            assert self._current is not None
            seen.append(self._current.numbers)

    with EventLog(tmp_path / "log.jsonl", identify([str(clip)], config=config, model=network.facts)) as log:
        summary = run([str(clip)], network, config=config, log=log, watcher=Spy(metrics, clock=clock))
    assert [n.looks for n in seen] == sorted(n.looks for n in seen)
    assert all(n.is_expected and n.seen_at_s is not None for n in seen)
    text = fetch(address, "/metrics")[1]
    (result,) = summary.sources
    assert value(text, "frames_total", feed=str(clip)) == result.frames == 25
    assert value(text, "looks_total", feed=str(clip)) == result.looks
    assert value(text, "events_total", feed=str(clip), label="Red") == 1
    assert value(text, "rejections_total", feed=str(clip), reason="low_softmax") == result.rejections["low_softmax"]
    clock.now_s += 1000
    assert fetch(address, "/healthz")[0] == 200, "a file that has ended need not be seen"


def test_who_is_told_of_a_run_is_not_in_its_log() -> None:
    plain, told = RunConfig(), load_config(RunConfig, overrides=["metrics.listen=9108"])
    assert plain.digest() == told.digest()
    assert plain.recorded() == told.recorded()


def test_the_command_line_serves_while_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = color_clip(tmp_path / "a.mp4", [(0.5, 2.5, LABELS["Red"])], seconds=3, rate_hz=5)
    said: list[str] = []
    monkeypatch.setattr(job, "load_network", lambda path, config: color_network())
    monkeypatch.setattr(Console, "say", lambda console, text: said.append(text))
    answers: list[str] = []

    class Asking(MetricsWatcher):
        def found(self, event: Event) -> None:
            (line,) = [text for text in said if text.startswith("metrics: ")]
            answers.append(fetch(line.split()[1].removesuffix("/metrics"), "/metrics")[1])

    monkeypatch.setattr(job, "MetricsWatcher", Asking)
    arguments = ["run", str(clip), "--model", "any", "--events", str(tmp_path / "log.jsonl"), "--metrics", "[::1]:0"]
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        arguments[-1] = "0"
    assert exit_code(arguments) == 0
    assert value(answers[0], "frames_total", feed=str(clip)) > 0
