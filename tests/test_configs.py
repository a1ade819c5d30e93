"""The shipped settings files load, and those that list the defaults tell the truth."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import yaml

from streamfilter.config import RunConfig, Section, TrainConfig, load_config
from streamfilter.live import find_feeds

CONFIGS = Path(__file__).resolve().parent.parent / "configs"
ROSTER = CONFIGS / "live-feeds.yaml"
FILES = sorted(path for path in CONFIGS.glob("*.yaml") if path != ROSTER)
WHOLE: dict[str, type[Section]] = {"default.yaml": RunConfig, "train.yaml": TrainConfig}


def kind_of(path: Path) -> type[Section]:
    return TrainConfig if path.stem.startswith("train") else RunConfig


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_shipped_settings_file_loads(path: Path) -> None:
    load_config(kind_of(path), path)


@pytest.mark.parametrize(("name", "kind"), WHOLE.items())
def test_a_whole_file_lists_every_setting_with_its_default(name: str, kind: type[Section]) -> None:
    written = yaml.safe_load((CONFIGS / name).read_text("utf-8"))
    assert written == kind().model_dump(mode="json")


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_file_explains_every_setting(name: str) -> None:
    lines = (CONFIGS / name).read_text("utf-8").splitlines()
    for before, line in itertools.pairwise(lines):
        is_list_that_goes_on = before.endswith(",")
        if line and not line.lstrip().startswith("#") and not is_list_that_goes_on:
            assert before.lstrip().startswith("#"), f"{line!r} has no comment above it"


@pytest.mark.parametrize("path", [p for p in FILES if p.name not in WHOLE], ids=lambda path: path.name)
def test_a_special_file_differs_from_the_defaults(path: Path) -> None:
    kind = kind_of(path)
    assert load_config(kind, path) != kind()


def test_the_shipped_list_of_feeds_loads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "studio").write_text("password\n")
    for name in ("PARKING_USER", "PARKING_PASSWORD"):
        monkeypatch.setenv(name, name.lower())
    monkeypatch.setenv("CHANNEL_URL", "https://cdn.example/channel.m3u8?token=1")
    text = ROSTER.read_text("utf-8").replace("/run/secrets/studio", str(tmp_path / "studio"))
    (tmp_path / "feeds.yaml").write_text(text)
    feeds = find_feeds([str(tmp_path / "feeds.yaml")])
    assert [feed.name for feed in feeds] == ["entrance", "parking", "studio", "channel"]
    assert feeds[1].address == "rtsp://parking_user:parking_password@192.0.2.11:554/live/main"
