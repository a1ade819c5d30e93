"""Clips of events: the very packets of the feed, from a key frame before the event to some seconds after it."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import jsonschema
import numpy as np
import pytest
from av import Packet
from av.stream import Stream
from fakes import LABELS, color_clip, color_network
from hypothesis import given
from hypothesis import strategies as st
from media import read_stamp, regular_times, stamped_picture, write_clip
from receivers import until

from streamfilter.cli import job
from streamfilter.cli.main import exit_code
from streamfilter.clips import ClipRecorder, FeedClips, Shelf
from streamfilter.clips.ring import Kept, PacketRing
from streamfilter.clips.shelf import LIST
from streamfilter.config import AnnotateConfig, ClipsConfig, SmootherConfig
from streamfilter.errors import SinkError
from streamfilter.sinks import load_schema
from streamfilter.types import Box, Candidate, Event, Evidence, Exposure, TrackPoint

RATE_HZ = 25
GOP_S = 12 / RATE_HZ


def event(start_s: float, end_s: float, label: str = "Red", *, best_s: float | None = None) -> Event:
    box = Box(0.2, 0.2, 0.4, 0.4)
    times_s = {start_s, end_s - 0.01, *(() if best_s is None else (best_s,))}
    track = tuple(TrackPoint(t, box, 0.9 if t == best_s else 0.5) for t in sorted(times_s))
    return Event(
        label,
        start_s,
        end_s,
        0,
        1,
        0,
        0.9,
        Candidate(box, label, 0.9, 0.1, 1.0, 50.0),
        Evidence(4, 4, {}, 0.0, 1.0),
        Exposure(1.0, 1.0, 0.16, 0.16, 0.4, 0.4, 1.0),
        track,
    )


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve seconds whose pictures say when they are shown, with B-frames and a tone."""
    path = tmp_path_factory.mktemp("clips") / "stamped.mp4"
    pictures = ((t, stamped_picture(t)) for t in regular_times(12 * RATE_HZ, rate_hz=RATE_HZ))
    return write_clip(path, pictures, rate_hz=RATE_HZ, b_frames=2, audio_s=12)


def recorder(folder: Path, told: list[str] | None = None, *, threaded: bool = False, **settings: Any) -> ClipRecorder:
    """Writes only when it is asked to, or at its end, unless it is `threaded`."""
    config = ClipsConfig(folder=folder, **{"pre_roll_s": 1.0, "post_roll_s": 1.0, **settings})
    warn = (lambda text: None) if told is None else told.append
    return ClipRecorder(
        Shelf(folder, config),
        config,
        smoother=SmootherConfig(),
        annotate=AnnotateConfig(),
        warn=warn,
        threaded=threaded,
    )


def play(
    video: Path,
    clips: FeedClips,
    at: dict[float, Callable[[], object]],
    *,
    shift_s: float = 0.0,
    until_s: float = 1e9,
    kinds: Sequence[str] = ("video", "audio"),
) -> None:
    """One connection of a feed that shows this file; `at` says what happens when, in stream time."""
    todo = sorted(at)
    with av.open(str(video)) as container:
        streams: list[Stream] = [one for one in container.streams if one.type in kinds]
        clips.begin(streams)
        for packet in container.demux(*streams):
            if not packet.size or packet.pts is None:
                continue
            time_s = float(packet.pts * packet.time_base) + shift_s
            if time_s - shift_s >= until_s:
                break
            clips.take(packet, time_s)
            while todo and todo[0] <= time_s and packet.stream.type == "video":
                at[todo.pop(0)]()
        clips.end()


def shown(path: Path, width: int = 160) -> list[tuple[float, float]]:
    """When each picture of a clip is shown, and when the source showed it."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = [(frame, frame.to_ndarray(format="rgb24")) for frame in container.decode(stream)]
        start = stream.start_time or 0
        assert stream.time_base is not None
        return [(float((f.pts - start) * stream.time_base), read_stamp(p)) for f, p in frames if f.pts is not None]


def check(path: Path, *, begin_s: float, end_s: float) -> None:
    """The clip shows every picture from a key frame just before `begin_s` to `end_s`, at its own pace."""
    found = shown(path)
    first_s = found[0][1]
    assert begin_s - GOP_S - 1e-6 <= first_s <= begin_s + 1e-6
    assert found[-1][1] >= end_s - 1.5 / RATE_HZ
    assert found[-1][1] <= end_s + 5 / RATE_HZ
    for number, (time_s, stamp_s) in enumerate(found):
        assert stamp_s == pytest.approx(first_s + number / RATE_HZ, abs=0.002), "no picture is missing"
        assert time_s == pytest.approx(number / RATE_HZ, abs=0.002)


def test_a_clip_reaches_from_before_the_event_to_after_it(tmp_path: Path, video: Path) -> None:
    with recorder(tmp_path) as one:
        clips = one.feed()
        named: list[Any] = []
        at: dict[float, Callable[[], object]] = {
            6.0: lambda: clips.opened("id1", "Red/Blue", 4.0),
            8.0: lambda: named.append(clips.closed("id1", event(4.0, 7.0, "Red/Blue"))),
        }
        play(video, clips, at)
    (media,) = named
    path = tmp_path / media["clip"]
    assert path.suffix == ".mp4"
    assert "/" not in media["clip"]
    assert media["clip"].endswith("-id1.mp4")
    check(path, begin_s=3.0, end_s=8.0)
    with av.open(str(path)) as container:
        (sound,) = container.streams.audio
        assert sound.codec_context.name == "aac"
        length_s = sum(frame.samples for frame in container.decode(sound)) / 16_000
    assert length_s == pytest.approx(5.3, abs=0.4)
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted([LIST, media["clip"]])


def test_the_packets_are_those_of_the_source(tmp_path: Path, video: Path) -> None:
    with recorder(tmp_path) as one:
        clips = one.feed()
        closing = {5.0: lambda: clips.opened("id1", "Red", 4.0), 6.0: lambda: clips.closed("id1", event(4, 5))}
        play(video, clips, closing)
    (path,) = tmp_path.glob("*.mp4")

    def packets(of: Path) -> list[bytes]:
        with av.open(str(of)) as container:
            return [bytes(packet) for packet in container.demux(video=0) if packet.size]

    cut, whole = packets(path), packets(video)
    assert whole[whole.index(cut[0]) :][: len(cut)] == cut


def test_events_that_overlap_have_a_clip_each(tmp_path: Path, video: Path) -> None:
    with recorder(tmp_path) as one:
        clips = one.feed()
        at: dict[float, Callable[[], object]] = {
            3.5: lambda: clips.opened("a", "Red", 3.0),
            4.5: lambda: clips.opened("b", "Green", 4.0),
            6.0: lambda: clips.closed("a", event(3.0, 5.5)),
            9.0: lambda: clips.closed("b", event(4.0, 8.0, "Green")),
        }
        play(video, clips, at)
    check(tmp_path / "Red-a.mp4", begin_s=2.0, end_s=6.5)
    check(tmp_path / "Green-b.mp4", begin_s=3.0, end_s=9.0)


def test_a_thread_of_its_own_writes_while_the_feeds_go_on(tmp_path: Path, video: Path) -> None:
    with recorder(tmp_path, threaded=True, thumbnail=True) as one:
        feeds = [one.feed() for _ in range(2)]
        for number, clips in enumerate(feeds):
            closing = partial(clips.closed, f"id{number}", event(4.0, 5.0))
            play(video, clips, {5.0: partial(clips.opened, f"id{number}", "Red", 4.0), 6.0: closing})
        until(lambda: len(list(tmp_path.glob("*.jpg"))) == 2, "both clips and their thumbnails")
    for number in range(2):
        check(tmp_path / f"Red-id{number}.mp4", begin_s=3.0, end_s=6.0)
    assert not [thread for thread in threading.enumerate() if thread.name == "streamfilter-clips"]


def test_a_thumbnail_is_of_the_best_moment(tmp_path: Path, video: Path) -> None:
    with recorder(tmp_path, thumbnail=True) as one:
        clips = one.feed()
        at = {6.0: lambda: (clips.opened("a", "Red", 4.0), clips.closed("a", event(4.0, 6.0, best_s=5.2)))}
        play(video, clips, at)
    with av.open(str(tmp_path / "Red-a.jpg")) as picture:
        assert read_stamp(next(picture.decode(video=0)).to_ndarray(format="rgb24")) == pytest.approx(5.2, abs=0.002)


def test_a_clip_that_ends_before_its_event_has_its_thumbnail_too(tmp_path: Path, video: Path) -> None:
    with recorder(tmp_path, thumbnail=True) as one:
        clips = one.feed()
        play(video, clips, {4.5: lambda: clips.opened("a", "Red", 4.0)}, until_s=6.0)
        one.work_off()
        assert sorted(path.name for path in tmp_path.iterdir()) == [LIST, "Red-a.mp4"]
        assert clips.closed("a", event(4.0, 9.0)) == {"clip": "Red-a.mp4", "thumbnail": "Red-a.jpg"}
        one.work_off()
        assert (tmp_path / "Red-a.jpg").exists()


def test_stream_time_need_not_be_the_packets_own(tmp_path: Path, video: Path) -> None:
    with recorder(tmp_path) as one:
        clips = one.feed()
        at: dict[float, Callable[[], object]] = {
            5005.0: lambda: clips.opened("id1", "Red", 5004.0),
            5006.0: lambda: clips.closed("id1", event(5004.0, 5005.5)),
        }
        play(video, clips, at, shift_s=5000.0)
    check(tmp_path / "Red-id1.mp4", begin_s=3.0, end_s=6.5)


def test_a_clip_ends_where_the_feed_is_lost_and_the_next_one_begins_after_it(tmp_path: Path, video: Path) -> None:
    large = tmp_path / "large.mp4"
    write_clip(large, ((t, stamped_picture(t, width=320, height=240)) for t in regular_times(100)), rate_hz=RATE_HZ)
    with recorder(tmp_path / "clips") as one:
        clips = one.feed()
        play(video, clips, {4.5: lambda: clips.opened("a", "Red", 4.0)}, until_s=6.0)
        assert clips.closed("b", event(5.0, 6.0)) is None
        clips.opened("b", "Red", 5.9)
        after: dict[float, Callable[[], object]] = {
            10.5: lambda: clips.closed("a", event(4.0, 10.4)),
            11.0: lambda: clips.opened("c", "Green", 10.5),
            11.5: lambda: clips.closed("c", event(10.5, 11.4, "Green")),
        }
        play(large, clips, after, shift_s=10.0, kinds=("video",))
    assert {path.name for path in (tmp_path / "clips").glob("*.mp4")} == {"Red-a.mp4", "Green-c.mp4"}
    found = shown(tmp_path / "clips" / "Red-a.mp4")
    assert found[0][1] <= 3.0
    assert 5.8 <= found[-1][1] <= 6.0
    assert shown(tmp_path / "clips" / "Green-c.mp4")[0][1] == 0.0, "there is nothing before a connection"


def test_what_begins_before_the_ring_begins_with_the_ring(tmp_path: Path, video: Path) -> None:
    with recorder(tmp_path) as one:
        one.keep_s = 2.0
        clips = one.feed()
        at: dict[float, Callable[[], object]] = {
            8.0: lambda: (clips.opened("a", "Red", 1.0), clips.closed("a", event(1.0, 7.9)))
        }
        play(video, clips, at)
    found = shown(tmp_path / "Red-a.mp4")
    assert 6.0 - GOP_S - 0.1 <= found[0][1] <= 6.0


def test_an_event_that_lasts_for_ever_has_a_clip_of_bounded_length(tmp_path: Path, video: Path) -> None:
    with recorder(tmp_path, max_length_s=4.0) as one:
        clips = one.feed()
        at: dict[float, Callable[[], object]] = {
            3.0: lambda: clips.opened("a", "Red", 2.0),
            11.0: lambda: clips.closed("a", event(2.0, 10.9)),
        }
        play(video, clips, at)
    found = shown(tmp_path / "Red-a.mp4")
    assert found[-1][0] == pytest.approx(4.0, abs=0.2)


def test_a_codec_that_mp4_does_not_hold_goes_into_matroska(tmp_path: Path) -> None:
    video = write_clip(
        tmp_path / "old.mkv", ((t, stamped_picture(t)) for t in regular_times(150)), codec="mpeg2video", rate_hz=RATE_HZ
    )
    with recorder(tmp_path / "clips") as one:
        clips = one.feed()
        at = {3.0: lambda: (clips.opened("a", "Red", 2.0), clips.closed("a", event(2.0, 2.9)))}
        play(video, clips, at)
    check(tmp_path / "clips" / "Red-a.mkv", begin_s=1.0, end_s=3.9)


def test_the_sound_of_cameras_is_kept_too(tmp_path: Path, video: Path) -> None:
    camera = tmp_path / "camera.mov"
    with av.open(str(video)) as source, av.open(str(camera), "w") as target:
        picture = target.add_stream_from_template(source.streams.video[0])
        sound = target.add_stream("pcm_alaw", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 12 * 8000), np.int16), format="s16", layout="mono")
        frame.sample_rate, frame.pts = 8000, 0
        target.mux(sound.encode(frame))
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = picture
                target.mux(packet)
    with recorder(tmp_path / "clips") as one:
        clips = one.feed()
        at = {6.0: lambda: (clips.opened("a", "Red", 4.0), clips.closed("a", event(4.0, 5.9)))}
        play(camera, clips, at)
    clip = tmp_path / "clips" / "Red-a.mov"
    check(clip, begin_s=3.0, end_s=6.9)
    with av.open(str(clip)) as container:
        heard_s = sum(frame.samples for frame in container.decode(audio=0)) / 8000
    assert heard_s == pytest.approx(4.2, abs=0.5)


def test_a_disk_that_refuses_costs_the_clip_and_nothing_else(tmp_path: Path, video: Path) -> None:
    told: list[str] = []
    folder = tmp_path / "clips"
    with recorder(folder, told) as one:
        clips = one.feed()
        folder.rename(tmp_path / "gone")
        at = {3.0: lambda: (clips.opened("a", "Red", 2.0), one.work_off(), clips.closed("a", event(2.0, 2.9)))}
        play(video, clips, at)
    assert len(told) == 1
    assert "No such file" in told[0]


def test_an_event_whose_clip_could_not_be_written_names_none(tmp_path: Path, video: Path) -> None:
    named: list[Any] = []
    folder = tmp_path / "clips"
    with recorder(folder) as one:
        clips = one.feed()

        def fail() -> None:
            clips.opened("a", "Red", 2.0)
            folder.rename(tmp_path / "gone")
            one.work_off()
            named.append(clips.closed("a", event(2.0, 2.9)))

        play(video, clips, {3.0: fail})
    assert named == [None]


def test_a_reader_that_hung_and_comes_back_is_not_listened_to(tmp_path: Path, video: Path) -> None:
    with recorder(tmp_path) as one:
        clips = one.feed()
        with av.open(str(video)) as other:
            stale: Packet[Stream] = next(p for p in other.demux(video=0) if p.size)

            def comes_back() -> None:
                for do in (lambda: clips.take(stale, 99.0), clips.end):
                    late = threading.Thread(target=do)
                    late.start()
                    late.join()

            at: dict[float, Callable[[], object]] = {
                5.0: lambda: clips.opened("a", "Red", 4.0),
                5.5: comes_back,
                6.0: lambda: clips.closed("a", event(4.0, 5.9)),
            }
            play(video, clips, at)
    check(tmp_path / "Red-a.mp4", begin_s=3.0, end_s=6.9)


def test_a_disk_that_hangs_costs_the_rest_of_the_clip_and_no_memory(tmp_path: Path, video: Path) -> None:
    told: list[str] = []
    with recorder(tmp_path, told, max_ring_bytes=1_000_000) as one:
        clips = one.feed()

        def begin() -> None:
            clips.opened("a", "Red", 2.0)
            clips._open["a"]._most_bytes = 20_000

        play(video, clips, {3.0: begin, 8.0: lambda: clips.closed("a", event(2.0, 7.9))})
    assert told == [f"clip {tmp_path / 'Red-a.mp4'} ends early: the disk did not keep up with the feed"]
    assert shown(tmp_path / "Red-a.mp4")


def test_a_folder_that_cannot_be_written_is_refused_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SinkError, match="cannot write clips to"):
        recorder(tmp_path / "file")


def test_old_clips_go_and_strangers_files_stay(tmp_path: Path) -> None:
    clock_s = 1e9
    config = ClipsConfig(folder=tmp_path, max_age_days=1, max_bytes=250)
    shelf = Shelf(tmp_path, config, clock=lambda: clock_s)
    (tmp_path / "stranger.mp4").write_bytes(bytes(1000))
    os.utime(tmp_path / "stranger.mp4", (1.0, 1.0))
    for number in range(5):
        path = tmp_path / f"clip-{number}.mp4"
        shelf.announce(path)
        path.write_bytes(bytes(100))
        os.utime(path, (clock_s - 1000 * (5 - number), clock_s - 1000 * (5 - number)))
        shelf.settle(path)
    shelf.tidy()
    assert sorted(p.name for p in tmp_path.glob("*.mp4")) == ["clip-3.mp4", "clip-4.mp4", "stranger.mp4"]
    clock_s += 86400
    Shelf(tmp_path, config, clock=lambda: clock_s).tidy()
    assert [p.name for p in tmp_path.glob("*.mp4")] == ["stranger.mp4"]


def test_what_is_under_way_is_neither_deleted_nor_forgotten(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, ClipsConfig(folder=tmp_path, max_bytes=0))
    path = tmp_path / "clip.mp4"
    shelf.announce(path)
    path.write_bytes(b"x")
    shelf.tidy()
    assert path.exists()
    shelf.settle(path)
    shelf.tidy()
    assert not path.exists()


def test_a_list_that_was_edited_leads_nowhere(tmp_path: Path) -> None:
    folder = tmp_path / "clips"
    folder.mkdir()
    victim = tmp_path / "victim"
    victim.write_text("x")
    (folder / LIST).write_text('"../victim"\n"/etc/passwd"\n".."\n7\nnothing\n"a.mp4.part"\n')
    (folder / "a.mp4.part").write_text("left by a crash")
    Shelf(folder, ClipsConfig(folder=folder, max_bytes=0)).tidy()
    assert victim.exists()
    assert [path.name for path in folder.iterdir()] == [LIST]


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 400)), max_size=200))
def test_a_ring_is_bounded_and_begins_with_a_key_frame(packets: list[tuple[bool, int]]) -> None:
    ring, keep_s, most = PacketRing(2.0, 5000), 2.0, 5000
    for number, (is_key, size) in enumerate(packets):
        time_s = number * 0.1
        ring.add(Kept(0, True, is_key, time_s, time_s, 0.1, bytes(size)))
        kept = ring.since(-1.0)
        assert ring.bytes == sum(len(one.data) for one in kept) <= most
        assert not kept or kept[0].is_key
        keys_s = [one.time_s for one in kept if one.is_key]
        assert len(keys_s) < 2 or keys_s[1] > time_s - keep_s, "nothing is kept that is not needed"
        for wanted_s in (time_s - 1.0, time_s):
            since = ring.since(wanted_s)
            assert not since or since[0].is_key
            assert not since or since[0] is kept[0] or since[0].time_s <= wanted_s


def test_a_run_names_and_writes_a_clip_of_each_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "load_network", lambda path, config: color_network())
    clip = color_clip(tmp_path / "a.mp4", [(2.0, 4.0, LABELS["Red"]), (6.0, 8.0, LABELS["Green"])], seconds=10)
    log, folder = tmp_path / "events.jsonl", tmp_path / "clips"
    arguments = ["run", str(clip), "--model", "any", "--events", str(log), "--clips", str(folder), "-q"]
    extras = ["--set", "clips.thumbnail=true", "--set", "clips.annotated=true", "--set", "clips.pre_roll_s=1"]
    extras += ["--set", "clips.post_roll_s=1"]
    assert exit_code([*arguments, *extras]) == 0
    records = [json.loads(line) for line in log.read_text().splitlines()]
    validator = jsonschema.Draft202012Validator(load_schema())
    assert not [error for one in records for error in validator.iter_errors(one)]
    events = [one for one in records if one["type"] == "event_close"]
    assert len(events) == 2
    for one in events:
        assert set(one["media"]) == {"clip", "thumbnail", "annotated"}
        for name in one["media"].values():
            assert (folder / name).stat().st_size > 0
        with av.open(str(folder / one["media"]["clip"])) as container:
            length_s = float(Fraction(container.duration or 0, 1_000_000))
        assert one["end_s"] - one["start_s"] + 1.9 <= length_s <= one["end_s"] - one["start_s"] + 2.7
        with av.open(str(folder / one["media"]["thumbnail"])) as picture:
            pixels = next(picture.decode(video=0)).to_ndarray(format="rgb24")
        near = abs(pixels.astype(int) - LABELS[one["label"]]).max(axis=2) < 60
        assert near.mean() > 0.05, "the thumbnail shows the label"
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir() if path.suffix == ".mp4"}
    assert exit_code([*arguments, *extras, "--resume"]) == 0
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir() if path.suffix == ".mp4"} == before


def test_a_clock_that_steps_back_costs_no_clip(tmp_path: Path, video: Path) -> None:
    """As those of RTSP feeds do: before their first RTCP report pictures have other times than after it, or none."""
    told: list[str] = []
    feed = tmp_path / "feed.ts"
    with av.open(str(video)) as source, av.open(str(feed), "w") as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    with recorder(tmp_path / "clips", told) as one, av.open(str(feed)) as container:
        clips, count = one.feed(), 0
        clips.begin(container.streams.video)
        for packet in container.demux(video=0):
            if packet.size and packet.pts is not None:
                count += 1
                late_s = 0.5 if count == 1 or 40 < count < 60 else 0.0
                clips.take(packet, float(packet.pts * packet.time_base) + late_s)
                if count == 30:
                    clips.opened("e1", "Red", 0.5)
        clips.end()
    assert told == []
    (clip,) = (tmp_path / "clips").glob("*.mp4")
    assert len(shown(clip)) >= count - 30


def test_packets_without_times_are_kept_at_the_time_that_they_are_given(video: Path) -> None:
    with av.open(str(video)) as container:
        packet: Packet[Stream] = next(p for p in container.demux(video=0) if p.size)
        packet.dts = None
        kept = Kept.of(packet, 7.0)
    assert (kept.time_s, kept.coded_s, kept.is_key) == (7.0, 7.0, True)
