"""A video is untrusted: what it may lead to, what it may ask for, and how long anybody waits for it."""

from __future__ import annotations

import http.server
import os
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from fakes import LABELS, color_clip, color_network
from media import regular_times, stamped_clip

from streamfilter.buffering import StalledError, within
from streamfilter.config import RunConfig, SourceConfig, SourceLimits
from streamfilter.errors import SourceError
from streamfilter.pipeline import identify, run
from streamfilter.sinks import EventLog
from streamfilter.source import file as file_source
from streamfilter.source import find_sources, open_source
from streamfilter.source.opening import fingerprint

LISTS = {
    "list.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{target}\n#EXT-X-ENDLIST\n",
    "list.ffconcat": "ffconcat version 1.0\nfile {target}\n",
    "list.mpd": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
    'mediaPresentationDuration="PT9S" profiles="urn:mpeg:dash:profile:isoff-main:2011"><Period><AdaptationSet '
    'mimeType="video/mp4"><Representation id="1" bandwidth="9"><BaseURL>{target}</BaseURL></Representation>'
    "</AdaptationSet></Period></MPD>",
    "list.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n"
    "a=rtpmap:96 H264/90000\na=control:{target}\n",
    "list.ts": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{target}\n#EXT-X-ENDLIST\n",
}


def refusal(name: str | Path, **settings: Any) -> str:
    with pytest.raises(SourceError) as caught, open_source(name, SourceConfig(**settings)) as source:
        list(source.frames())
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stamped_clip(tmp_path_factory.mktemp("clips") / "clip.mp4", regular_times(30))


@pytest.fixture
def server() -> Iterator[tuple[str, list[str]]]:
    """An address on this machine, and what was asked of it."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *arguments: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}/clip.mp4", asked
        listening.shutdown()
        thread.join()


@pytest.mark.parametrize("name", LISTS)
def test_a_playlist_leads_nowhere(clip: Path, tmp_path: Path, server: tuple[str, list[str]], name: str) -> None:
    address, asked = server
    for target in (
        str(clip),
        f"file:{clip}",
        f"concat:{clip}",
        address,
        "/dev/zero",
        f"subfile,,start,0,end,9,,:{clip}",
        name,
    ):
        path = tmp_path / name
        path.write_text(LISTS[name].format(target=target))
        assert "cannot read" in refusal(path)
    assert not asked


@pytest.mark.parametrize(
    "scheme", ["concat:", "subfile,,start,0,end,0,,:", "data:video/mp4;base64,AAAA", "pipe:", "fd:", "async:file:"]
)
def test_a_name_that_begins_like_a_protocol_is_a_name(clip: Path, scheme: str) -> None:
    assert "no such file" in refusal(f"{scheme}{clip}")


def test_a_sequence_of_pictures_is_no_video(tmp_path: Path) -> None:
    for name in ("a1.png", "a%d.png"):
        (tmp_path / name).write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
        assert "a playlist or another format" in refusal(tmp_path / name)


def test_what_is_allowed_is_named_and_can_be_narrowed(clip: Path) -> None:
    known = set(av.formats_available)
    assert all(any(name in one.split(",") for one in known) for name in SourceLimits().formats)
    assert not {"hls", "dash", "concat", "image2", "lavfi", "sdp", "rtsp", "tty", "imf"} & set(SourceLimits().formats)
    assert "source.limits.formats" in refusal(clip, limits=SourceLimits(formats=("matroska",)))
    assert "needs the decoder h264, which source.limits.codecs" in refusal(clip, limits=SourceLimits(codecs=("vp9",)))


def test_a_pipe_or_device_in_a_folder_is_told_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.mp4")
    (tmp_path / "b.mp4").symlink_to("/dev/zero")
    (tmp_path / "c.mp4").symlink_to(tmp_path / "nowhere.mp4")
    (tmp_path / "loop").symlink_to(tmp_path)
    names = find_sources([str(tmp_path)])
    assert [Path(name).name for name in names] == ["a.mp4", "b.mp4", "c.mp4"]
    config, network = RunConfig(), color_network()
    with EventLog(tmp_path / "log.jsonl", identify(names, config=config, model=network.facts)) as log:
        summary = run(names, network, config=config, log=log)
    errors = [str(result.error) for result in summary.sources]
    assert ["regular" in error for error in errors] == [True, True, False]
    assert "no such file" in errors[2]


def test_a_pipe_has_no_fingerprint(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.mp4")
    with pytest.raises(SourceError, match="not a regular file"):
        fingerprint(str(tmp_path / "a.mp4"))


def test_a_file_without_end_or_content_is_refused(tmp_path: Path) -> None:
    sparse = tmp_path / "sparse.mp4"
    with sparse.open("wb") as file:
        file.truncate(1 << 40)
    assert "cannot read" in refusal(sparse, limits=SourceLimits(patience_s=600))
    assert "is empty" in refusal("/proc/self/status") or not Path("/proc/self/status").exists()


def test_a_huge_hole_behind_a_video_is_passed_or_given_up(clip: Path, tmp_path: Path) -> None:
    holed = tmp_path / "holed.ts"
    stamped_clip(holed, regular_times(30))
    os.truncate(holed, 1 << 40)
    with open_source(holed, SourceConfig()) as source:
        assert len(list(source.frames())) >= 29


def test_more_streams_than_allowed_are_refused(tmp_path: Path) -> None:
    for suffix in ("mkv", "mp4"):
        path = tmp_path / f"many.{suffix}"
        with av.open(str(path), "w") as container:
            streams = [container.add_stream("mpeg4", rate=25) for _ in range(8)]
            for stream in streams:
                stream.width = stream.height = 16
                stream.pix_fmt = "yuv420p"
            for stream in streams:
                picture = av.VideoFrame(16, 16, "yuv420p")
                picture.pts, picture.time_base = 0, Fraction(1, 25)
                container.mux([*stream.encode(picture), *stream.encode(None)])
        assert "more than source.limits.streams = 4" in refusal(path, limits=SourceLimits(streams=4))
        with open_source(path, SourceConfig(limits=SourceLimits(streams=8))) as source:
            assert list(source.frames())


def test_no_block_of_memory_is_larger_than_allowed(tmp_path: Path) -> None:
    large = stamped_clip(tmp_path / "large.mkv", [0.0], width=1600, height=1200, codec="mjpeg", pixel_format="yuvj444p")
    try:
        assert "can be decoded" in refusal(large, limits=SourceLimits(block_mib=1))
    finally:
        with open_source(large, SourceConfig()) as source:
            assert list(source.frames())


def test_more_frames_a_second_than_allowed_are_refused(clip: Path) -> None:
    assert "more pictures in the second from 0 s on" in refusal(clip, limits=SourceLimits(rate_hz=20))
    with open_source(clip, SourceConfig(limits=SourceLimits(rate_hz=25))) as source:
        assert len(list(source.frames())) == 30


def test_more_time_than_allowed_is_refused_and_what_came_before_counts(tmp_path: Path) -> None:
    path = color_clip(tmp_path / "c.mp4", [(0.5, 2.5, LABELS["Red"])], seconds=6, rate_hz=5)
    config, network = RunConfig(source=SourceConfig(limits=SourceLimits(duration_s=4))), color_network()
    with EventLog(tmp_path / "log.jsonl", identify([str(path)], config=config, model=network.facts)) as log:
        summary = run([str(path)], network, config=config, log=log)
    assert "beyond source.limits.duration_s = 4" in str(summary.sources[0].error)
    assert [event.label for event in summary.sources[0].events] == ["Red"]


def test_limits_are_no_part_of_what_a_run_is() -> None:
    """So that a run which one of them ended can be resumed with another."""
    assert RunConfig(source=SourceConfig(limits=SourceLimits(streams=9))).digest() == RunConfig().digest()


def test_a_source_that_cannot_be_opened_in_time_is_given_up(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release, closed = threading.Event(), threading.Event()
    begin = file_source.begin_reading

    def hanging(*arguments: Any, **named: Any) -> Any:
        release.wait()
        return begin(*arguments, **named)

    def close(source: file_source.FileSource) -> None:
        closed.set()

    monkeypatch.setattr(file_source, "begin_reading", hanging)
    monkeypatch.setattr(file_source.FileSource, "close", close)
    try:
        assert "source.limits.patience_s = 0.2 s" in refusal(clip, limits=SourceLimits(patience_s=0.2))
    finally:
        release.set()
    assert closed.wait(60), "what was opened too late was not closed"


def test_work_within_a_time_gives_its_result_or_its_error() -> None:
    assert within(60, lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        within(60, lambda: 1 // 0)
    release = threading.Event()
    with pytest.raises(StalledError):
        within(0.01, release.wait)
    release.set()
