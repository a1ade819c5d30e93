"""An archive: what its files are, what their logs are called, what is done again, and what the index says."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest
from fakes import LABELS, color_clip, color_network

from streamfilter.batch import INDEX, Archive, BatchSummary, run_batch
from streamfilter.batch.archive import UNFINISHED
from streamfilter.batch.engine import Done, Ready
from streamfilter.batch.entries import Entry, find_entries, log_names
from streamfilter.batch.looking import write_log
from streamfilter.batch.placing import place
from streamfilter.config import RunConfig
from streamfilter.console import Console
from streamfilter.errors import SinkError, SourceError
from streamfilter.pipeline import identify, run
from streamfilter.sinks import EventLog
from streamfilter.watching import Watcher

SHOWS = [(0.0, 1.5, LABELS["Red"])]


class ColorEngine:
    """Looks through files here and now with a network that knows plain colours; `dies` of these."""

    def __init__(self, archive: Archive, config: RunConfig, *, dies: Sequence[str] = ()) -> None:
        self._archive, self._config, self._dies = archive, config, dies
        self.looked: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def ready(self) -> Ready:
        return Ready("fake", "", "colours")

    def done(
        self, todo: Sequence[Entry], *, stop: Callable[[], bool], reach: Callable[[float], None]
    ) -> Iterator[Done]:
        for entry in todo:
            if stop():
                return
            self.looked.append(Path(entry.source).name)
            if Path(entry.source).name in self._dies:
                yield Done(entry, f"the worker of {entry.source} died")
                continue
            log = self._archive.unfinished / entry.log
            write_log(entry.source, log, color_network(), self._config, watcher=Watcher())
            place(log, self._archive.out / entry.log)
            yield Done(entry)


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """Two clips of one name, and a file that is none."""
    folder = tmp_path / "videos"
    for name in ("monday", "tuesday"):
        (folder / name).mkdir(parents=True)
        color_clip(folder / name / "news.mp4", SHOWS, seconds=2, rate_hz=5 if name == "monday" else 6)
    (folder / "broken.mp4").write_text("no video")
    return folder


def look(
    arguments: Sequence[Path | str],
    out: Path,
    *,
    config: RunConfig | None = None,
    force: bool = False,
    dies: Sequence[str] = (),
    most: int = 99,
) -> tuple[BatchSummary, list[str]]:
    """A batch that stops after `most` files; its summary, and the names of the files that were looked at."""
    archive = Archive(find_entries([str(one) for one in arguments]), out, force=force)
    config = config or RunConfig()
    engine = ColorEngine(archive, config, dies=dies)
    quiet = Console(-1)

    summary = run_batch(
        archive,
        engine,
        config,
        stop=lambda: len(engine.looked) >= most,
        say=quiet.say,
        follow=lambda n: quiet.progress("", n),
    )
    return summary, engine.looked


def content(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, the hidden ones too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def index(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / INDEX).read_text("utf-8").splitlines()]


def log_of_run(source: Path, log: Path) -> bytes:
    """The log that `streamfilter run` writes of one file."""
    config, network = RunConfig(), color_network()
    with EventLog(log, identify([str(source)], config=config, model=network.facts)) as events:
        run([str(source)], network, config=config, log=events)
    return log.read_bytes()


def test_each_log_is_to_the_byte_that_of_a_run_of_its_file(videos: Path, tmp_path: Path) -> None:
    summary, _ = look([videos], tmp_path / "out")
    for number, entry in enumerate(summary.outcomes):
        log = (tmp_path / "out" / entry.log).read_bytes()
        assert log == log_of_run(Path(entry.source), tmp_path / f"{number}.jsonl")


def test_the_index_names_every_file_with_its_log_state_events_and_error(videos: Path, tmp_path: Path) -> None:
    look([videos], tmp_path / "out")
    head, *lines = index(tmp_path / "out")
    assert head["type"] == "batch"
    assert [(Path(str(line["source"])).name, line["state"], line["events"]) for line in lines] == [
        ("broken.mp4", "failed", {}),
        ("news.mp4", "finished", {"Red": 1}),
        ("news.mp4", "finished", {"Red": 1}),
    ]
    assert "broken.mp4" in str(lines[0]["error"])
    assert {line["log"] for line in lines} == {path.name for path in (tmp_path / "out").iterdir()} - {INDEX}


def test_what_is_finished_is_left_alone_and_what_failed_is_tried_again(videos: Path, tmp_path: Path) -> None:
    look([videos], tmp_path / "out")
    before = content(tmp_path / "out")
    summary, looked = look([videos], tmp_path / "out")
    assert looked == ["broken.mp4"]
    assert summary.before == 2
    assert content(tmp_path / "out") == before


def test_a_batch_that_was_stopped_ends_as_one_that_was_not(videos: Path, tmp_path: Path) -> None:
    look([videos], tmp_path / "whole")
    summary, _ = look([videos], tmp_path / "out", most=1)
    assert summary.count("waiting") == 2
    assert [line["state"] for line in index(tmp_path / "out")[1:]] == ["failed", "waiting", "waiting"]
    look([videos], tmp_path / "out")
    assert content(tmp_path / "out") == content(tmp_path / "whole")


def test_a_log_that_was_begun_is_gone_on_with(videos: Path, tmp_path: Path) -> None:
    source = videos / "monday" / "news.mp4"
    whole = log_of_run(source, tmp_path / "whole.jsonl")
    part = tmp_path / "part.jsonl"
    part.write_bytes(whole[: len(whole) // 2])
    write_log(str(source), part, color_network(), RunConfig(), watcher=Watcher())
    assert part.read_bytes() == whole


def test_a_log_that_another_run_began_is_begun_anew(videos: Path, tmp_path: Path) -> None:
    source, part = videos / "monday" / "news.mp4", tmp_path / "part.jsonl"
    write_log(str(source), part, color_network(), RunConfig.model_validate({"sampler": {"rate": 2}}), watcher=Watcher())
    write_log(str(source), part, color_network(), RunConfig(), watcher=Watcher())
    assert part.read_bytes() == log_of_run(source, tmp_path / "whole.jsonl")


def test_a_file_that_has_changed_is_done_again(videos: Path, tmp_path: Path) -> None:
    look([videos / "monday"], tmp_path / "out")
    color_clip(videos / "monday" / "news.mp4", [], seconds=2, rate_hz=5)
    summary, looked = look([videos / "monday"], tmp_path / "out")
    assert looked == ["news.mp4"]
    assert [outcome.events for outcome in summary.outcomes.values()] == [{}]


def test_a_file_that_is_gone_keeps_its_log(videos: Path, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text(f"{videos}/monday/news.mp4\n")
    look([tmp_path / "list.txt"], tmp_path / "out")
    (videos / "monday" / "news.mp4").unlink()
    summary, looked = look([tmp_path / "list.txt"], tmp_path / "out")
    assert (looked, summary.failed) == ([], [])


def test_logs_of_other_settings_are_replaced_only_when_that_is_asked_for(videos: Path, tmp_path: Path) -> None:
    look([videos / "monday"], tmp_path / "out")
    other = RunConfig.model_validate({"sampler": {"rate": 2}})
    with pytest.raises(SinkError, match="holds 1 logs of other settings"):
        look([videos / "monday"], tmp_path / "out", config=other)
    assert look([videos / "monday"], tmp_path / "out", config=other, force=True)[1] == ["news.mp4"]


def test_a_file_that_is_no_log_is_never_replaced(videos: Path, tmp_path: Path) -> None:
    (entry,) = find_entries([str(videos / "monday")])
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / entry.log).write_text("mine\n")
    with pytest.raises(SinkError, match="is no whole event log of one source: move it"):
        look([videos / "monday"], tmp_path / "out")


def test_a_file_that_kills_its_worker_fails_alone(videos: Path, tmp_path: Path) -> None:
    summary, _ = look([videos], tmp_path / "out", dies=["broken.mp4"])
    assert summary.count("finished") == 2
    assert [error for _, error in summary.failed] == [f"the worker of {videos}/broken.mp4 died"]
    assert index(tmp_path / "out")[1]["log"] is None


def test_nothing_that_is_not_whole_is_left_beside_the_logs(videos: Path, tmp_path: Path) -> None:
    (tmp_path / "out" / UNFINISHED).mkdir(parents=True)
    (tmp_path / "out" / UNFINISHED / "fetched-1.mp4").write_text("half of a film")
    look([videos], tmp_path / "out")
    assert not (tmp_path / "out" / UNFINISHED).exists()


def test_two_batches_never_write_into_one_folder(videos: Path, tmp_path: Path) -> None:
    class Nested(ColorEngine):
        def ready(self) -> Ready:
            look([videos], tmp_path / "out")
            raise AssertionError("two batches at once")

    archive = Archive(find_entries([str(videos)]), tmp_path / "out")
    quiet = Console(-1)
    with pytest.raises(SinkError, match="another batch writes into"):
        run_batch(
            archive,
            Nested(archive, RunConfig()),
            RunConfig(),
            stop=lambda: False,
            say=quiet.say,
            follow=lambda n: quiet.progress("", n),
        )


def test_the_name_of_a_log_hangs_on_its_source_alone() -> None:
    names = ["/a/news.mp4", "/b/news.mp4", "s3://bucket/news.mp4?versionId=1", "/c/päck chen\n<>.ts", "/d/..mp4"]
    logs = log_names(names)
    assert len(set(logs)) == len(names)
    assert [log_names([name])[0] for name in names] == logs
    digest = hashlib.sha256("/c/päck chen\n<>.ts".encode()).hexdigest()[:8]
    assert logs[3] == f"päck_chen-{digest}.jsonl"
    assert logs[4].startswith("source-")


def test_a_secret_in_an_address_plays_no_part_in_the_name_of_its_log() -> None:
    first, second = ("https://user:one@host/a.mp4?sig=x", "https://host/a.mp4?sig=y")
    assert log_names([first]) == log_names([second])
    assert len(set(log_names([first, second]))) == 2


def test_a_manifest_names_a_file_a_line_relative_to_itself(videos: Path) -> None:
    (videos / "list.txt").write_text("# mondays\n\nmonday/news.mp4\nmissing.mp4\nmonday/news.mp4\n")
    (videos / "list.jsonl").write_text('{"source": "tuesday/news.mp4", "id": 7}\n"monday/news.mp4"\n')
    entries = find_entries([str(videos / "list.txt"), str(videos / "list.jsonl")])
    assert [str(Path(entry.source).relative_to(videos)) for entry in entries] == [
        "monday/news.mp4",
        "missing.mp4",
        "tuesday/news.mp4",
    ]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("list.txt", "# nothing\n", "names nothing"),
        ("list.jsonl", '{"file": "a.mp4"}\n', "line 1 is"),
        ("list.jsonl", "{\n", "line 1 is"),
    ],
)
def test_a_manifest_that_is_none_is_refused_in_one_line(tmp_path: Path, name: str, text: str, told: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(SourceError, match=told):
        find_entries([str(tmp_path / name)])
