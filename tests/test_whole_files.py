"""What is written beside the log is there whole or not at all, and what cannot be made takes nothing else along."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.container import InputContainer
from fakes import LABELS, color_clip, color_network
from media import write_clip

from streamfilter import buffering
from streamfilter.annotate import annotate_video
from streamfilter.annotate.holding import holds
from streamfilter.annotate.sheet import write_png
from streamfilter.cli import job
from streamfilter.cli.logs import write_text
from streamfilter.cli.main import exit_code
from streamfilter.clips.shelf import LIST
from streamfilter.config import AnnotateConfig, SourceConfig, SourceLimits
from streamfilter.errors import SinkError, SourceError
from streamfilter.files import write_file
from streamfilter.source import packets
from streamfilter.source.demuxing import demuxed

QUICK = AnnotateConfig(preset="ultrafast")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    return color_clip(folder / "a.mp4", [(0.5, 3.0, LABELS["Red"])], seconds=4, rate_hz=5)


def write_half(path: Path, data: bytes) -> int:
    """In the place of `Path.write_bytes`: the disk is full after half of it."""
    with path.open("wb") as file:
        file.write(data[: len(data) // 2])
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_disk_that_fills_up_leaves_what_was_there_and_no_half_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "result"
    write_file(path, b"old")
    monkeypatch.setattr(Path, "write_bytes", write_half)
    for write in (
        lambda: write_text(str(path), "a new report"),
        lambda: write_png(np.zeros((9, 9, 3), np.uint8), path),
    ):
        with pytest.raises(SinkError, match=r"No space left on device; check the folder and its free space"):
            write()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["result"]  # noqa: PTH208 - names are enough


def opus_sound(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libopus", rate=48000, layout="mono")
        for number in range(10):
            sound = av.AudioFrame.from_ndarray(np.zeros((1, 960), np.int16), format="s16", layout="mono")
            sound.sample_rate, sound.pts = 48000, 960 * number
            container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    return path


def test_a_file_that_ffmpeg_will_not_begin_is_known_before_and_leaves_nothing_open(tmp_path: Path) -> None:
    path = opus_sound(tmp_path / "sound.webm")
    with av.open(str(path)) as container:
        opus = container.streams.audio[0]
        before = set(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").is_dir() else set()  # noqa: PTH208
        assert holds("mp4", opus)
        assert holds("matroska", opus)
        assert not holds("mov", opus)
        assert before == (set(os.listdir("/proc/self/fd")) if before else set())  # noqa: PTH208


def test_sound_whose_description_is_damaged_is_known_before_it_would_cost_the_whole_file(tmp_path: Path) -> None:
    path = opus_sound(tmp_path / "sound.webm")
    data = bytearray(path.read_bytes())
    head = data.index(b"OpusHead")
    data[head - 3 : head - 1] = b"\x63\xa3"  # no longer the element that FFmpeg looks for
    path.write_bytes(data)
    with av.open(str(path)) as container:
        assert container.streams.audio[0].codec_context.extradata is None
        assert not holds("mp4", container.streams.audio[0])


def test_a_clip_whose_extras_are_missing_is_made_again(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "load_network", lambda path, config: color_network())
    log, folder = tmp_path / "log.jsonl", tmp_path / "clips"
    arguments = ["run", str(clip), "--model", "any", "--events", str(log), "--clips", str(folder), "-q"]
    arguments += ["--set", "clips.thumbnail=true"]
    assert exit_code(arguments) == 0
    (made,) = folder.glob("*.jpg")
    content = made.read_bytes()
    made.unlink()
    assert exit_code([*arguments, "--resume"]) == 0
    assert made.read_bytes() == content
    assert not list(folder.glob("*.part"))


def test_one_video_that_cannot_be_drawn_does_not_end_the_drawing_of_others(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(job, "load_network", lambda path, config: color_network())
    first, second = tmp_path / "first.mp4", tmp_path / "second.mp4"
    for copy in (first, second):
        copy.write_bytes(clip.read_bytes())
    draw = job.annotate_video

    def annotate(name: str, *arguments: Any, **named: Any) -> None:
        if name == str(first):
            raise SourceError("the disk is gone")
        draw(name, *arguments, **named)

    monkeypatch.setattr(job, "annotate_video", annotate)
    log, out = tmp_path / "log.jsonl", tmp_path / "drawn"
    arguments = ["run", str(first), str(second), "--model", "any", "--events", str(log), "--annotate", str(out)]
    assert exit_code(arguments) == 4
    assert [path.name for path in out.iterdir()] == ["second.mp4"]
    said = capsys.readouterr().err
    assert "warning: the disk is gone" in said
    assert "error: 1 of 2 annotated videos were not made" in said
    assert json.loads(log.read_bytes().splitlines()[-1])["type"] == "run_end"


def test_a_source_that_hangs_while_it_is_drawn_is_given_up_and_leaves_no_half_video(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()

    def slow(container: InputContainer, **named: Any) -> Iterator[Any]:
        for number, packet in enumerate(demuxed(container, **named)):
            if number == 15:
                release.wait()
            yield packet

    monkeypatch.setattr(packets, "demuxed", slow)
    monkeypatch.setattr(buffering, "ASK_EVERY_S", 0.01)
    part = SourceConfig(limits=SourceLimits(patience_s=1))
    try:
        with pytest.raises(SourceError, match=r"nothing came for source\.limits\.patience_s = 1 s"):
            annotate_video(clip, (), out=tmp_path / "out.mp4", config=QUICK, part=part)
    finally:
        release.set()
    assert not list(tmp_path.iterdir())


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk with a few KiB left, where we may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize(
    "command",
    [
        ["annotate", "{video}", "{log}", "--out", "{disk}/out.mp4"],
        ["annotate", "{video}", "{log}", "--per-event", "{disk}/each"],
        ["annotate", "{video}", "{log}", "--sheet", "{disk}/sheet.png"],
        ["cut", "{video}", "{log}", "--keep", "Red", "--out", "{disk}/out.mp4"],
        ["cut", "{video}", "{log}", "--blur", "Red", "--out", "{disk}/out.mkv"],
        ["report", "{log}", "--html", "{disk}/out.html"],
        ["export", "{log}", "--to", "cvat", "--out", "{disk}/out.xml"],
        ["run", "{video}", "--model", "any", "--events", "{elsewhere}", "--annotate", "{disk}/out.mp4"],
        ["run", "{video}", "--model", "any", "--events", "{elsewhere}", "--clips", "{disk}/clips"],
    ],
    ids=" ".join,
)
def test_a_full_disk_is_told_in_one_line_and_nothing_half_is_left(
    tmp_path: Path,
    full_disk: Path,
    command: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(job, "load_network", lambda path, config: color_network())
    noise = np.random.default_rng(0).integers(0, 256, (12, 240, 320, 3), dtype=np.uint8)
    noise[:, :120, :160] = LABELS["Red"]
    video = write_clip(tmp_path / "a.mp4", [(n / 5, picture) for n, picture in enumerate(noise)], rate_hz=5)
    log = tmp_path / "log.jsonl"
    assert exit_code(["run", str(video), "--model", "any", "--events", str(log), "-q"]) == 0
    if command[0] in ("report", "export"):  # their results are small
        (full_disk / "ballast").write_bytes(bytes(16 * 1024))
    places = {"video": video, "log": log, "disk": full_disk, "elsewhere": tmp_path / "again.jsonl"}
    capsys.readouterr()
    code = exit_code([word.format(**places) for word in [*command, "-q"]])
    said = capsys.readouterr().err.splitlines()
    # A clip that cannot be written is a warning: the log has everything.
    assert code == (0 if "--clips" in command else 7)
    assert len(said) == (0 if "--clips" in command else 1)
    assert "--clips" in command or "No space left" in said[0]
    left = [path for path in full_disk.rglob("*") if path.is_file() and path.name not in ("ballast", LIST)]
    assert left == []
