"""Feeds are recognised by their address; named ones stand in a YAML file, their secrets elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamfilter.errors import ConfigError
from streamfilter.live import Feed, find_feeds, is_live

SECRET = "s3cr3t.p@ss/w"


def roster(folder: Path, text: str) -> str:
    path = folder / "feeds.yaml"
    path.write_text(text, "utf-8")
    return str(path)


@pytest.mark.parametrize(
    "address",
    [
        *("rtsp://cam/live", "RTSP://cam/live", "rtmp://cam/a/b", "srt://cam:9", "udp://@239.0.0.1:5000"),
        *("/dev/video0", "https://cam/live.m3u8", "tcp://cam:9"),
    ],
)
def test_a_feed_is_recognised(address: str) -> None:
    assert is_live(address)


@pytest.mark.parametrize("name", ["clip.mp4", "/dev/sda", "file:///clip.mp4", "C:/clip.mp4", "rtsp.mp4", "live.m3u8"])
def test_a_file_is_none(name: str) -> None:
    assert not is_live(name)


def test_a_feed_without_a_name_is_called_by_its_address_without_secrets() -> None:
    feeds = find_feeds([f"rtsp://me:{SECRET}@cam/live", "rtsp://me:pw@cam/live?token=1", "rtsp://other/live"] * 2)
    assert [feed.name for feed in feeds] == ["rtsp://…", "rtsp://cam/live", "rtsp://other/live"]
    assert SECRET not in repr(feeds)


def test_feeds_that_differ_only_in_secrets_have_different_names() -> None:
    feeds = find_feeds(["rtsp://a:b@cam/live", "rtsp://c:d@cam/live"])
    assert [feed.name for feed in feeds] == ["rtsp://cam/live", "rtsp://cam/live #2"]


def test_named_feeds_take_credentials_from_the_environment_and_from_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAM_PASSWORD", SECRET)
    (tmp_path / "secret").write_text(SECRET + "\n")
    feeds = find_feeds(
        [
            roster(
                tmp_path,
                "feeds:\n"
                "  plain: rtsp://cam1/live\n"
                "  north: {url: 'rtsp://cam2:554/live?x=1', user: me, password_env: CAM_PASSWORD}\n"
                f"  south: {{url: 'rtsp://cam3/live', user: me, password_file: {tmp_path / 'secret'}}}\n",
            )
        ]
    )
    login = "me:s3cr3t.p%40ss%2Fw"
    assert feeds == [
        Feed("plain", "rtsp://cam1/live"),
        Feed("north", f"rtsp://{login}@cam2:554/live?x=1"),
        Feed("south", f"rtsp://{login}@cam3/live"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        f"feeds:\n  a: 'rtsp://me:{SECRET}@cam\n",
        f"feeds:\n  a: {{url: 'rtsp://cam', password: '{SECRET}', sound: true}}\n",
        f"feeds:\n  a: {{url: 'rtsp://cam', pasword: '{SECRET}'}}\n",
        f"feeds:\n  a: {{url: 'ftp://me:{SECRET}@cam'}}\n",
        f"feeds:\n  a: {{url: 'rtsp://x:y@cam', password: '{SECRET}'}}\n",
        f"feeds:\n  a: {{url: 'rtsp://[cam', password: '{SECRET}'}}\n",
        f"feeds:\n  a: {{url: /dev/video0, password: '{SECRET}'}}\n",
        f"feeds:\n  a: {{url: 'rtsp://cam', password: '{SECRET}', password_env: HOME}}\n",
        f"feeds:\n  'rtsp://me:{SECRET}@cam': rtsp://cam\n",
        f"feeds: '{SECRET}'\n",
        f"feed:\n  a: '{SECRET}'\n",
    ],
)
def test_a_mistake_is_one_clear_error_without_the_secret(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        find_feeds([roster(tmp_path, text)])
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_secret_that_is_not_there_is_named_by_its_place(tmp_path: Path) -> None:
    text = "feeds:\n  a: {url: 'rtsp://cam', user: me, password_env: NO_SUCH_VARIABLE_HERE}\n"
    with pytest.raises(ConfigError, match="NO_SUCH_VARIABLE_HERE"):
        find_feeds([roster(tmp_path, text)])
