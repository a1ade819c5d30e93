"""The command line in this process, with a network that knows plain colours: exit codes, messages, files."""

from __future__ import annotations

import importlib
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from fakes import LABELS, STRANGER, color_clip, color_network

from streamfilter.cli import job as job_module
from streamfilter.cli.main import exit_code
from streamfilter.cli.outputs import annotated_paths
from streamfilter.errors import ModelError, SinkError, StreamFilterError

SHOWS = [(0.5, 2.0, LABELS["Red"]), (2.0, 2.8, STRANGER)]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return color_clip(tmp_path_factory.mktemp("clips") / "colors.mp4", SHOWS, seconds=3)


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(job_module, "load_network", lambda path, config: color_network())


def cli(*arguments: object) -> int:
    return exit_code([str(argument) for argument in arguments])


def run(*arguments: object) -> int:
    return cli("run", *arguments, "--model", "m.safetensors")


def events_in(path: str) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in Path(path).read_text("utf-8").splitlines()]
    return [record for record in records if record["type"] == "event_close"]


def written(folder: str = ".") -> list[str]:
    """Names of the files in a folder."""
    return sorted(path.name for path in Path(folder).iterdir())


def one_error_line(capsys: pytest.CaptureFixture[str]) -> str:
    """The only line on stderr that says what went wrong."""
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    (line,) = [line for line in captured.err.splitlines() if line.startswith("error: ")]
    return line


def test_run_writes_the_event_log_and_tells_the_totals(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(clip, "--events", "log.jsonl") == 0
    (event,) = events_in("log.jsonl")
    assert event["label"] == "Red"
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Red" in captured.err
    assert "not sure enough" in captured.err
    assert "× real time" in captured.err


def test_an_existing_log_is_overwritten_only_with_force(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("log.jsonl").write_text("precious")
    assert run(clip, "--events", "log.jsonl") == SinkError.exit_code
    assert "--force" in one_error_line(capsys)
    assert Path("log.jsonl").read_text() == "precious"
    assert run(clip, "--events", "log.jsonl", "--force") == 0
    assert len(events_in("log.jsonl")) == 1


def test_quiet_says_nothing(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(clip, "--events", "log.jsonl", "-q") == 0
    assert capsys.readouterr() == ("", "")


def test_verbose_explains_each_event(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(clip, "--events", "log.jsonl", "-v") == 0
    assert "looks say so" in capsys.readouterr().err


def test_quiet_and_verbose_exclude_each_other(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(clip, "--events", "log.jsonl", "-q", "-v") == 2
    assert "exclude" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--set", "smoother.onset=1"], 3, "onset_s"),
        (["--set", "smoother.onset_s"], 3, "section.key=value"),
        (["--rate", "sometimes"], 3, "sometimes"),
        (["--rate", "0"], 3, "rate"),
        (["--start", "-1"], 3, "start_s"),
        (["--start", "2", "--end", "1"], 3, "end_s"),
        (["--batch", "0"], 3, "batch"),
        (["--device", "tpu"], 3, "tpu"),
        (["--config", "missing.yaml"], 3, "missing.yaml"),
        (["--annotate", "out.mkv"], 7, ".mp4"),
    ],
)
def test_a_bad_setting_is_one_line_and_leaves_no_file(
    clip: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, words: str
) -> None:
    assert run(clip, "--events", "log.jsonl", *arguments) == code
    assert words in one_error_line(capsys)
    assert written() == []


@pytest.mark.parametrize("arguments", [["--batch", "many"], ["--start", "soon"], ["--annotate"], ["--nonsense"]])
def test_wrong_usage_is_exit_code_2(clip: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert run(clip, "--events", "log.jsonl", *arguments) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_options_and_set_reach_the_settings_and_set_wins(clip: Path) -> None:
    Path("mine.yaml").write_text("sampler: {rate: 2}\nclassifier: {batch: 3}\n")
    assert (
        run(clip, "--events", "a.jsonl", "--config", "mine.yaml", "--rate", "5", "--set", "smoother.bridge_s=0.7") == 0
    )
    settings = json.loads(Path("a.jsonl").read_text().splitlines()[0])["config"]["settings"]
    assert settings["sampler"]["rate"] == 5
    assert settings["classifier"]["batch"] == 3
    assert settings["smoother"]["bridge_s"] == 0.7
    assert run(clip, "--events", "b.jsonl", "--rate", "5", "--set", "sampler.rate=keyframes") == 0
    assert (
        json.loads(Path("b.jsonl").read_text().splitlines()[0])["config"]["settings"]["sampler"]["rate"] == "keyframes"
    )


def test_a_single_failing_source_gives_its_own_error(capsys: pytest.CaptureFixture[str]) -> None:
    Path("text.mp4").write_text("no video")
    assert run("text.mp4", "--events", "log.jsonl") == 4
    assert "text.mp4" in one_error_line(capsys)
    states = [json.loads(line) for line in Path("log.jsonl").read_text().splitlines()]
    assert [record["type"] for record in states] == ["run_start", "source_state", "run_end"]


def test_a_source_that_does_not_exist_starts_no_log(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("missing.mp4", "--events", "log.jsonl") == 4
    assert "missing.mp4" in one_error_line(capsys)
    assert not Path("log.jsonl").exists()


def test_several_sources_go_on_after_one_fails_and_the_run_ends_with_4(
    clip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("text.mp4").write_text("no video")
    assert run("text.mp4", clip, "--events", "log.jsonl") == 4
    assert "1 of 2 sources failed: text.mp4" in one_error_line(capsys)
    assert len(events_in("log.jsonl")) == 1


@pytest.mark.parametrize("option", ["--events", "--annotate"])
@pytest.mark.parametrize("victim", ["clip.mp4", "m.safetensors", "mine.yaml"])
def test_force_never_overwrites_what_the_run_reads(
    clip: Path, capsys: pytest.CaptureFixture[str], option: str, victim: str
) -> None:
    Path("clip.mp4").write_bytes(clip.read_bytes())
    Path("mine.yaml").write_text("sampler: {rate: 2}\n")
    Path("m.safetensors").write_bytes(b"weights")
    Path("alias.mp4").symlink_to(victim)
    before = Path(victim).read_bytes()
    others = [] if option == "--events" else ["--events", "log.jsonl"]
    assert run("clip.mp4", option, "alias.mp4", *others, "--config", "mine.yaml", "--force") == SinkError.exit_code
    assert victim in one_error_line(capsys)
    assert Path(victim).read_bytes() == before


def test_annotate_writes_a_video_and_says_where(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(clip, "--events", "log.jsonl", "--annotate", "seen.mp4") == 0
    assert Path("seen.mp4").stat().st_size > 1000
    assert "annotated video: seen.mp4" in capsys.readouterr().err
    assert written() == ["log.jsonl", "seen.mp4"]


def test_an_existing_annotated_video_is_refused_before_the_run(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("seen.mp4").write_text("precious")
    assert run(clip, "--events", "log.jsonl", "--annotate", "seen.mp4") == SinkError.exit_code
    assert "--force" in one_error_line(capsys)
    assert not Path("log.jsonl").exists()
    assert Path("seen.mp4").read_text() == "precious"


def test_several_sources_are_annotated_into_a_folder(clip: Path) -> None:
    Path("other").mkdir()
    Path("other/colors.mkv").write_bytes(clip.read_bytes())
    assert run(clip, "other", "--events", "log.jsonl", "--annotate", "seen") == 0
    assert written("seen") == ["colors-2.mp4", "colors.mp4"]


def test_annotated_names_are_distinct_even_when_a_number_is_taken(tmp_path: Path) -> None:
    names = ["a/x.mp4", "x-2.mp4", "b/x.mkv"]
    assert [path.name for path in annotated_paths(names, tmp_path)] == ["x.mp4", "x-2.mp4", "x-3.mp4"]


def test_several_sources_refuse_one_file_for_the_video(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("b.mp4").write_bytes(clip.read_bytes())
    assert run(clip, "b.mp4", "--events", "log.jsonl", "--annotate", "one.mp4") == SinkError.exit_code
    assert "folder" in one_error_line(capsys)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_a_signal_closes_the_log_and_gives_its_exit_code(
    clip: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: int
) -> None:
    network = color_network()
    classify = network.classifier.classify

    told: list[int] = []

    def interrupted(pictures: Any) -> Any:
        if not told:  # a second signal would not wait for anything
            told.append(number)
            os.kill(os.getpid(), number)
        return classify(pictures)

    monkeypatch.setattr(network.classifier, "classify", interrupted)
    monkeypatch.setattr(job_module, "load_network", lambda path, config: network)
    before = signal.getsignal(number)
    assert run(clip, "--events", "log.jsonl", "--batch", "4", "--annotate", "seen.mp4") == code
    last = json.loads(Path("log.jsonl").read_text().splitlines()[-1])
    assert last["type"] == "run_end"
    assert last["interrupted"] is True
    assert not Path("seen.mp4").exists()
    assert signal.getsignal(number) == before


def test_ctrl_c_while_annotating_leaves_no_half_video(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    follow = job_module._follow

    def interrupted(time_s: float, **more: Any) -> None:
        if time_s > 1:
            os.kill(os.getpid(), signal.SIGINT)
        follow(time_s, **more)

    monkeypatch.setattr(job_module, "_follow", interrupted)
    assert run(clip, "--events", "log.jsonl", "--annotate", "seen.mp4") == 130
    assert written() == ["log.jsonl"]
    assert len(events_in("log.jsonl")) == 1


def test_a_bug_is_one_line_and_a_traceback_only_when_asked(
    clip: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(path: Path, config: Any) -> Any:
        raise ZeroDivisionError("no\nreason")

    monkeypatch.setattr(job_module, "load_network", broken)
    assert run(clip, "--events", "log.jsonl") == 1
    assert "ZeroDivisionError: no reason; this is a bug" in one_error_line(capsys)
    assert run(clip, "--events", "log.jsonl", "-v") == 1
    assert "Traceback" in capsys.readouterr().err


def test_every_error_of_ours_ends_with_its_own_exit_code(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def kinds(kind: type[StreamFilterError]) -> list[type[StreamFilterError]]:
        return [kind, *(deeper for child in kind.__subclasses__() for deeper in kinds(child))]

    codes = {}
    for kind in kinds(StreamFilterError):

        def failing(path: Path, config: Any, kind: type[StreamFilterError] = kind) -> Any:
            raise kind("what failed; what to do")

        monkeypatch.setattr(job_module, "load_network", failing)
        codes[kind.__name__] = run(clip, "--events", "log.jsonl")
    assert codes == {
        "StreamFilterError": 1,
        "ConfigError": 3,
        "SourceError": 4,
        "ModelError": 5,
        "DatasetError": 6,
        "SinkError": 7,
        "UndeliveredError": 7,
        "RefusedError": 7,
    }


def test_an_error_keeps_to_one_line(
    clip: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(path: Path, config: Any) -> Any:
        raise ModelError("first\nsecond")

    monkeypatch.setattr(job_module, "load_network", failing)
    assert run(clip, "--events", "log.jsonl") == 5
    assert one_error_line(capsys) == "error: first second"


def test_version_is_told_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli("--version") == 0
    assert capsys.readouterr().out.startswith("streamfilter, version ")


def test_no_command_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli() == 2
    assert "Commands:" in capsys.readouterr().err


def test_train_hands_everything_to_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    training = importlib.import_module("streamfilter.training.train")
    calls: list[tuple[Any, Any]] = []

    def fake(*arguments: Any, **options: Any) -> Any:
        calls.append((arguments, options))
        return training.Trained(Path("m.safetensors"), "digest", {}, None)

    monkeypatch.setattr(training, "train", fake)
    negatives = ["--negatives", "a", "--negatives", "b"]
    assert cli("train", "known", "--model", "m.safetensors", *negatives, "--seed", 3, "--tune", "head") == 0
    (((data, out, config), options),) = calls
    assert (data.root, data.negatives, data.boxes) == (Path("known"), (Path("a"), Path("b")), None)
    assert out == Path("m.safetensors")
    assert (config.seed, config.tune, config.device) == (3, "head", "auto")
    assert options["force"] is False


def test_a_bad_training_setting_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli("train", "known", "--model", "m.safetensors", "--set", "epoch=3") == 3
    assert "epochs" in one_error_line(capsys)
