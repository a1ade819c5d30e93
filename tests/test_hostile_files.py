"""Settings, models, boxes and reviews from strangers: bounded before memory is taken, one clear error each."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path

import pytest

from streamfilter.config import RunConfig, load_config
from streamfilter.errors import ConfigError, DatasetError, ModelError, SinkError
from streamfilter.eventlog import Amendment, Decision
from streamfilter.eventlog.review import append_amendments
from streamfilter.live import find_feeds
from streamfilter.model import load_model, model_info
from streamfilter.model.file import MOST_BYTES
from streamfilter.training import boxes
from streamfilter.training.boxes import COLUMNS, read_box_rows

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "\n".join(
    f"{name}: &{name} [{', '.join(['*' + before] * 9)}]" for before, name in zip("abcdefg", "bcdefgh", strict=True)
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BOMB, "by an alias"),
        ("source: &s {}\ngate: *s\n", "by an alias"),
        ("source: " + "[" * 100_000, "nested deeper than 20"),
        ("source: " + "{a: " * 1000, "nested deeper than 20"),
        ("source: 2001-99-99\n", "not YAML"),
        ("source: !!python/object/apply:os.system [true]\n", "not YAML"),
        ("source: {? [a] : b}\n", "not YAML"),
        ("source:\n  threads: " + "9" * 5000 + "\n", "not YAML"),
        ("x: " + "y" * (1 << 20), "larger than 1 MiB"),
        ("\x00", "not YAML"),
        ("- a\n", "expected sections"),
        ("1: 2\n", "should be strings"),
    ],
)
def test_hostile_settings_are_one_error(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=words) as caught:
        load_config(RunConfig, path)
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 2000


@pytest.mark.parametrize(
    "text", [BOMB, "feeds: " + "{a: " * 1000, "feeds: " + "[" * 100_000, "x: " + "y" * (1 << 20), "\x00"]
)
def test_a_hostile_list_of_feeds_is_one_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "feeds.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="is not YAML") as caught:
        find_feeds([str(path)])
    assert len(str(caught.value).splitlines()) == 1


def test_an_endless_list_of_feeds_is_read_no_further_than_it_may(tmp_path: Path) -> None:
    path = tmp_path / "feeds.yaml"
    path.symlink_to("/dev/zero")
    with pytest.raises(ConfigError, match="is not YAML"):
        find_feeds([str(path)])


def test_endless_settings_are_read_no_further_than_they_may(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="larger than 1 MiB"):
        load_config(RunConfig, Path("/dev/zero"))


@pytest.mark.parametrize("value", ["2001-99-99", "9" * 5000, "[" * 1000, "&a [*a]", "!!python/name:os.system"])
def test_a_hostile_single_setting_is_one_error(value: str) -> None:
    with pytest.raises(ConfigError, match=r"source\.end_s"):
        load_config(RunConfig, overrides=[f"source.end_s={value}"])


def table(path: Path, header: dict[str, object] | bytes, *, length: int | None = None) -> Path:
    """A file that begins like a .safetensors file with this table."""
    content = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(content) if length is None else length) + content)
    return path


@pytest.mark.parametrize("length", [1, 1 << 25, 1 << 40, (1 << 64) - 1])
def test_a_model_that_lies_about_its_table_is_refused(tmp_path: Path, length: int) -> None:
    path = table(tmp_path / "m.safetensors", b'{"a": 1}' * 3, length=length)
    for read in (model_info, load_model):
        with pytest.raises(ModelError, match=r"not a whole .safetensors file"):
            read(path)


def test_a_model_larger_than_any_is_refused_unread(tmp_path: Path) -> None:
    path = table(tmp_path / "m.safetensors", {})
    os.truncate(path, MOST_BYTES + 1)
    with pytest.raises(ModelError, match="expected at most 1024 MiB"):
        load_model(path)


@pytest.mark.parametrize(
    "header",
    [
        {"w": {"dtype": "F32", "shape": [1 << 31, 1 << 31], "data_offsets": [0, 4]}},
        {"w": {"dtype": "F32", "shape": [1 << 62, 4], "data_offsets": [0, 0]}},
        {"w": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}},
        {"w": {"dtype": "F32", "shape": [1], "data_offsets": [1 << 60, (1 << 60) + 4]}},
        {"w": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}},
        b"[" * 1_000_000,
        b'{"a":' * 100_000,
    ],
)
def test_a_model_with_absurd_tensors_or_nesting_is_refused(tmp_path: Path, header: dict[str, object] | bytes) -> None:
    path = table(tmp_path / "m.safetensors", header)
    for read in (model_info, load_model):
        with pytest.raises(ModelError):
            read(path)


def test_metadata_nested_without_end_is_a_damaged_header(tmp_path: Path) -> None:
    header = {"__metadata__": {"streamfilter": "[" * 100_000}}
    with pytest.raises(ModelError, match="damaged header"):
        model_info(table(tmp_path / "m.safetensors", header))


def test_an_endless_line_of_boxes_is_one_error(tmp_path: Path) -> None:
    path = tmp_path / "boxes.csv"
    path.write_bytes(b"image,x1,y1,x2,y2,label\n")
    os.truncate(path, 1 << 33)
    with pytest.raises(DatasetError, match="not CSV"):
        read_box_rows(path)


def test_more_boxes_than_anybody_draws_are_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boxes, "_MOST_ROWS", 3)
    path = tmp_path / "boxes.csv"
    path.write_text("\n".join([",".join(COLUMNS), *["a.jpg,0,0,9,9,A"] * 4]))
    with pytest.raises(DatasetError, match="more than 3 rows"):
        read_box_rows(path)


def test_a_review_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere" / "file"
    elsewhere.parent.mkdir()
    elsewhere.write_text("not yours\n")
    link = tmp_path / "events.review.jsonl"
    for target in (elsewhere, elsewhere.with_name("new")):
        link.unlink(missing_ok=True)
        link.symlink_to(target)
        with pytest.raises(SinkError, match="cannot write review file"):
            append_amendments(link, [Amendment("a" * 24, Decision.ACCEPTED)])
    assert elsewhere.read_text() == "not yours\n"
    assert os.listdir(elsewhere.parent) == ["file"]  # noqa: PTH208 - names are enough
