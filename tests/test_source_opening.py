"""What is opened, what is refused, and in which words."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media import regular_times, stamped_clip

from streamfilter.config import SourceConfig
from streamfilter.errors import SourceError
from streamfilter.source import find_sources, open_source
from streamfilter.source.discovery import redacted


def message(name: str | Path) -> str:
    with pytest.raises(SourceError) as caught:
        open_source(name, SourceConfig())
    text = str(caught.value)
    assert "\n" not in text
    return text


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return stamped_clip(tmp_path / "clip.mp4", regular_times(10), audio_s=0.4)


def test_the_facts_of_a_clip(clip: Path) -> None:
    with open_source(clip, SourceConfig()) as source:
        facts = source.facts
    assert facts.name == str(clip)
    assert "mp4" in facts.container
    assert facts.codec == "h264"
    assert (facts.width, facts.height) == (160, 120)
    assert facts.duration_s == pytest.approx(0.4)
    assert facts.rate_hz == pytest.approx(25)
    assert facts.has_audio


def test_a_fingerprint_follows_the_content_and_not_the_name(clip: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(clip.read_bytes())
    longer = tmp_path / "longer.mp4"
    longer.write_bytes(clip.read_bytes() + bytes(8))
    prints = []
    for path in (clip, copy, longer):
        with open_source(path, SourceConfig()) as source:
            prints.append(source.facts.fingerprint)
    assert prints[0] == prints[1] != prints[2]
    assert len(prints[0]) == 64


def test_what_is_wrong_is_said_in_one_line(tmp_path: Path) -> None:
    empty = tmp_path / "empty.mp4"
    empty.touch()
    text = tmp_path / "text.mp4"
    text.write_text("no video at all\n" * 99)
    assert "no such file" in message(tmp_path / "missing.mp4")
    assert "is a folder" in message(tmp_path)
    assert "is empty (0 bytes)" in message(empty)
    assert "expected a whole file" in message(text)
    assert "cannot open" in message("a\0b.mp4")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_refused(clip: Path) -> None:
    clip.chmod(0)
    assert "Permission denied" in message(clip)


def test_a_pipe_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.ts"
    os.mkfifo(pipe)
    assert "not a regular file" in message(pipe)


@pytest.mark.parametrize("name", ["12:30.mp4", "a,b|c.mp4", "concat:x.mp4", "100%d.mp4", "Ünï ☃.mp4"])
def test_a_name_is_a_name_and_no_instruction(clip: Path, name: str) -> None:
    odd = clip.rename(clip.with_name(name))
    with open_source(odd, SourceConfig()) as source:
        assert next(iter(source.frames()))


def test_a_list_of_other_files_is_refused(clip: Path, tmp_path: Path) -> None:
    hls = tmp_path / "list.m3u8"
    hls.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:0.4,\n{clip.name}\n#EXT-X-ENDLIST\n")
    concat = tmp_path / "list.ffconcat"
    concat.write_text(f"ffconcat version 1.0\nfile {clip.name}\n")
    disguised = tmp_path / "list.mp4"
    disguised.write_bytes(hls.read_bytes())
    for path in (hls, concat):
        assert "a playlist or another format that is not read here" in message(path)
    assert "cannot read" in message(disguised)


def test_a_live_feed_is_not_supported_yet_and_its_password_is_not_told() -> None:
    text = message("rtsp://admin:hunter2@camera.local:554/live?token=abc")
    assert "not supported yet" in text
    assert "rtsp://camera.local:554/live" in text
    assert "hunter2" not in text
    assert "abc" not in text


secrets = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=4).map(lambda text: f"S3cr{text}t")


@given(secrets, secrets, st.sampled_from(["rtsp", "http", "rtmp", "srt", "http+unix"]))
def test_no_password_or_token_survives_redaction(password: str, token: str, scheme: str) -> None:
    shown = redacted(f"{scheme}://user:{password}@host:80/path?key={token}")
    assert password not in shown
    assert token not in shown
    assert shown.startswith(f"{scheme}://")


def test_a_path_is_not_redacted() -> None:
    assert redacted("/videos/a@b?.mp4") == "/videos/a@b?.mp4"


def test_folders_globs_and_files_become_names_in_order_and_once(tmp_path: Path) -> None:
    for name in ("b.mp4", "a.MKV", "notes.txt", ".hidden.mp4", "deep/er/c.ts", ".git/d.mp4", "odd[1].mp4"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    folder = str(tmp_path)
    everything = [f"{folder}/{name}" for name in ("a.MKV", "b.mp4", "deep/er/c.ts", "odd[1].mp4")]
    assert find_sources([folder]) == everything
    assert find_sources([f"{folder}/b.mp4", folder]) == [everything[1], everything[0], *everything[2:]]
    assert find_sources([f"{folder}/*.mp4"]) == [everything[1], everything[3]]
    assert find_sources([f"{folder}/**/*.ts"]) == [everything[2]]
    assert find_sources([f"{folder}/odd[1].mp4"]) == [everything[3]]
    assert find_sources([f"{folder}/notes.txt", "rtsp://host/live"]) == [f"{folder}/notes.txt", "rtsp://host/live"]


def test_an_argument_that_stands_for_nothing_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    for argument, words in (
        (str(tmp_path), "no video in folder"),
        (f"{tmp_path}/*.mp4", "nothing matches"),
        ("nowhere.mp4", "no such file"),
    ):
        with pytest.raises(SourceError, match=words):
            find_sources([argument])
