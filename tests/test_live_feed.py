"""A real RTSP server is killed, stalled and brought back; the feed goes on, and its time with it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any
from unittest.mock import Mock
from urllib.parse import quote

import pytest
from av import Packet
from cameras import Camera
from media import read_stamp, regular_times, stamped_clip

from streamfilter.config import RunConfig
from streamfilter.live import Feed, LiveFeed
from streamfilter.live.connection import Arrived
from streamfilter.live.faults import Cause
from streamfilter.live.feed import Lost, Opened
from streamfilter.types import Frame, Gap

DEADLINE_S = 30.0
PASSWORD = "p@ss:w/rd"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stamped_clip(tmp_path_factory.mktemp("small") / "small.mp4", regular_times(100))


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stamped_clip(tmp_path_factory.mktemp("large") / "large.mp4", regular_times(100), width=320, height=240)


class Watched:
    """A feed that is read step by step, and all that it told."""

    def __init__(self, address: str, *, tap: Any = None, stops_at: Cause | None = None, **live: Any) -> None:
        # On a machine that is busy nothing is to be passed over: what is tested here is what arrives.
        patient = {"silence_s": 2.0, "connect_s": 5.0, "max_staleness_s": 60.0}
        settings = patient | {"retry_first_s": 0.2, "retry_most_s": 0.4} | live
        self.told: list[Opened | Lost] = []
        self._stops_at = stops_at
        config = RunConfig.model_validate({"live": settings})
        feed = Feed("cam", address)
        self.feed = LiveFeed(feed, config, fingerprint="print", tell=self._tell, tap=tap)
        self._items = self.feed.frames()
        self.frames: list[Frame] = []
        self.gaps: list[Gap] = []

    def _tell(self, one: Opened | Lost) -> None:
        self.told.append(one)
        if isinstance(one, Lost) and one.cause is self._stops_at:
            self.feed.stop()

    def read_until(self, is_enough: Callable[[], bool]) -> None:
        until_s = time.monotonic() + DEADLINE_S
        while not is_enough():
            assert time.monotonic() < until_s, f"told so far: {self.told}"
            item = next(self._items)
            if isinstance(item, Gap):
                self.gaps.append(item)
            else:
                self.frames.append(item)

    def read(self, frames: int) -> None:
        wanted = len(self.frames) + frames
        self.read_until(lambda: len(self.frames) >= wanted)

    def causes(self) -> list[Cause]:
        return [one.cause for one in self.told if isinstance(one, Lost)]

    def close(self) -> None:
        """Stop it; one that shall stop at a cause has until the deadline to come to it."""
        if self._stops_at is None:
            self.feed.stop()
        until_s = time.monotonic() + DEADLINE_S
        for _ in self._items:
            if time.monotonic() > until_s:
                self.feed.stop()


@pytest.fixture
def watch() -> Iterator[Callable[..., Watched]]:
    watched: list[Watched] = []

    def begin(address: str, **how: Any) -> Watched:
        watched.append(Watched(address, **how))
        return watched[-1]

    yield begin
    for one in watched:
        one.close()


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_feed_goes_on_after_its_server_was_killed_and_came_back_with_another_size(
    small: Path, large: Path, watch: Callable[..., Watched], transport: str
) -> None:
    with Camera(small) as camera:
        watched = watch(camera.url, rtsp_transport=transport)
        watched.read(40)
        camera.kill()
        last_s, wall_s = watched.frames[-1].time_s, time.monotonic()
        watched.read_until(lambda: Cause.UNREACHABLE in watched.causes())
        camera.begin(large)
        watched.read(20)
    back = next(frame for frame in watched.frames if frame.picture.width == 320)
    outage_s = time.monotonic() - wall_s
    times = [frame.time_s for frame in watched.frames]
    assert times == sorted(set(times))
    assert [frame.pts for frame in watched.frames] == [round(time_s * 1_000_000) for time_s in times]
    gap = watched.gaps[-1]
    assert gap.end_s == back.time_s
    assert {one.start_s for one in watched.gaps} == {gap.start_s}, "one gap, longer and longer"
    assert 0 < gap.end_s - gap.start_s < outage_s
    assert last_s < gap.start_s < last_s + 1.0
    opened = [one for one in watched.told if isinstance(one, Opened)]
    assert [(one.facts.width, one.facts.codec, one.facts.is_live) for one in opened] == [
        (160, "h264", True),
        (320, "h264", True),
    ]
    assert watched.feed.counters.reconnects == 1


def test_time_and_pictures_belong_together(small: Path, watch: Callable[..., Watched]) -> None:
    with Camera(small, "--sound") as camera:
        watched = watch(camera.url)
        watched.read(60)
    offset_s = watched.frames[0].time_s - read_stamp(watched.frames[0].picture.rgb())
    for frame in watched.frames:
        assert (frame.time_s - offset_s - read_stamp(frame.picture.rgb()) + 2) % 4 == pytest.approx(2, abs=0.06)
    assert watched.frames[0].time_base == Fraction(1, 1_000_000)
    utc_s, clock = watched.feed.wall.utc(watched.frames[-1].time_s)
    assert clock in ("rtcp_ntp", "arrival")
    assert utc_s == pytest.approx(time.time(), abs=2.0)


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_server_that_falls_silent_is_left_and_found_again(
    small: Path, watch: Callable[..., Watched], transport: str
) -> None:
    with Camera(small) as camera:
        watched = watch(camera.url, rtsp_transport=transport)
        watched.read(30)
        camera.stall()
        watched.read_until(lambda: bool(watched.causes()))
        assert watched.causes()[0] is Cause.SILENT
        camera.go_on()
        watched.read(20)
    assert watched.gaps[-1].cause == "silent"
    assert watched.feed.counters.state == "open"


def test_a_feed_that_is_down_at_first_begins_when_it_comes(small: Path, watch: Callable[..., Watched]) -> None:
    with Camera(None) as camera:
        watched = watch(camera.url)
        starter = threading.Timer(1.0, camera.begin, (small,))
        starter.start()
        watched.read(5)
        starter.join()
    assert watched.causes() == [Cause.UNREACHABLE], "told once, not at every try"
    assert watched.feed.counters.failures > 1
    assert watched.frames[0].time_s == 0.0
    assert not watched.gaps


def test_what_only_a_person_can_put_right_is_told_apart(small: Path, watch: Callable[..., Watched]) -> None:
    with Camera(small, "--user", "me", "--password", PASSWORD) as camera:
        host = camera.url.removeprefix("rtsp://")
        wrong, right = (f"rtsp://me:{quote(word, safe='')}@{host}" for word in (PASSWORD + "x", PASSWORD))
        for address, cause in ((wrong, Cause.REFUSED), (right + "/nowhere", Cause.UNKNOWN_PATH)):
            watched = watch(address, stops_at=cause, connect_s=DEADLINE_S)
            watched.close()
            assert watched.causes() == [cause]
            assert isinstance(watched.told[0], Lost)
            assert watched.told[0].retry_s > 30
            assert "p@ss" not in repr(watched.told)
            assert "p%40ss" not in repr(watched.told)
        watch(right).read(5)


class Ring:
    """Keeps what a tap sees."""

    def __init__(self) -> None:
        self.connections = 0
        self.kinds: set[str] = set()
        self.times: list[tuple[str, float]] = []
        self.ended = 0

    def begin(self, streams: Any) -> None:
        self.connections += 1
        self.kinds |= {stream.type for stream in streams}

    def take(self, packet: Packet[Any], time_s: float) -> None:
        self.times.append((packet.stream.type, time_s))

    def end(self) -> None:
        self.ended += 1


def test_a_tap_sees_every_packet_of_picture_and_sound_with_its_stream_time(
    small: Path, watch: Callable[..., Watched]
) -> None:
    ring = Ring()
    with Camera(small, "--sound") as camera:
        watched = watch(camera.url, tap=ring)
        watched.read(40)
        watched.close()
    assert (ring.connections, ring.ended) == (1, 1)
    assert ring.kinds == {"video", "audio"}
    pictures = [time_s for kind, time_s in ring.times if kind == "video"]
    assert pictures[1:40] == pytest.approx([frame.time_s for frame in watched.frames[1:40]], abs=0.05)
    assert {kind for kind, _ in ring.times} == {"video", "audio"}


def test_a_feed_in_pieces_that_was_read_late_makes_up_for_it() -> None:
    """Else whatever held it up once would be in every latency from then on."""
    feed = LiveFeed(Feed("hls", "https://cam/live.m3u8"), RunConfig(), fingerprint="print")
    begun_s = time.monotonic() - 60
    feed._clock.place(0.0, begun_s)
    feed._its_time(Arrived(Mock(), 0.04, 0.0))
    feed._clock.place(0.04, begun_s + 60)
    before_s = time.monotonic()
    assert feed._its_time(Arrived(Mock(), 9.0, 0.0)) == pytest.approx(before_s, abs=8.0), (
        "what is due waits for nothing"
    )
