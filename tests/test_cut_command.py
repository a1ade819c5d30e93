"""The command from end to end: what it hides the filter no longer finds, what it refuses it leaves alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from logged import closed, opened, write_log
from media import regular_times, stamped_clip

from streamfilter.cli.main import exit_code, streamfilter_command
from streamfilter.demo.clip import draw_clip
from streamfilter.demo.runner import MODEL
from streamfilter.eventlog import read_event_log


def call(*arguments: object) -> Result:
    return CliRunner().invoke(streamfilter_command, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the demo's first seconds, which show Trivane, and the log of a real run over them."""
    folder = tmp_path_factory.mktemp("hidden")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("streamfilter.demo.clip.DURATION_S", 4.5)
        draw_clip(folder / "clip.mp4", 1)
    run = call("run", folder / "clip.mp4", "--model", MODEL, "--events", folder / "events.jsonl", "-q")
    assert run.exit_code == 0, run.output
    assert {event.label for event in read_event_log(folder / "events.jsonl").kept} == {"Trivane"}
    return folder


@pytest.mark.parametrize("way", ["--blur", "--pixelate"])
def test_a_hidden_logo_is_no_longer_found(found: Path, way: str) -> None:
    out, log = found / f"hidden{way}.mp4", found / f"hidden{way}.jsonl"
    done = call("cut", found / "clip.mp4", found / "events.jsonl", way, "Trivane", "--out", out)
    assert done.exit_code == 0, done.output
    run = call("run", out, "--model", MODEL, "--events", log, "-q")
    assert run.exit_code == 0, run.output
    assert read_event_log(log).events == ()


@pytest.fixture
def drawn(tmp_path: Path) -> tuple[Path, Path]:
    clip = stamped_clip(tmp_path / "clip.mp4", regular_times(50))
    log = write_log(tmp_path / "e.jsonl", [opened(str(clip)), closed("a", 0.4, 0.8, source=str(clip))])
    return clip, log


@pytest.mark.parametrize("given", [[], ["--keep", "a", "--drop", "a"]])
def test_exactly_one_thing_is_asked_for(drawn: tuple[Path, Path], tmp_path: Path, given: list[str]) -> None:
    assert call("cut", *drawn, *given, "--out", tmp_path / "out.mp4").exit_code == 2


def test_a_label_that_the_log_does_not_know_is_refused(drawn: tuple[Path, Path], tmp_path: Path) -> None:
    assert exit_code(["cut", *map(str, drawn), "--keep", "b", "--out", str(tmp_path / "out.mp4")]) == 3


def test_neither_the_video_nor_its_log_is_ever_overwritten(drawn: tuple[Path, Path]) -> None:
    for path in drawn:
        before = path.read_bytes()
        assert exit_code(["cut", *map(str, drawn), "--keep", "a", "--out", str(path), "--force"]) == 7
        assert path.read_bytes() == before


def test_what_is_there_is_replaced_only_with_force(drawn: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    arguments = ["cut", *map(str, drawn), "--keep", "a", "--out", str(out)]
    assert exit_code(arguments) == 0
    assert exit_code(arguments) == 7
    assert exit_code([*arguments, "--force"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4", "e.jsonl", "out.mp4"]
