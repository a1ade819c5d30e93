"""The event log: what is written, when, and what is never lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamfilter.config import RunConfig
from streamfilter.errors import SinkError, SourceError
from streamfilter.sinks import EventLog, ModelFacts, Origin, event_id, load_schema, read_log, records, run_digest
from streamfilter.sinks.encoding import encode
from streamfilter.stages import SourceCounts, SourceFacts
from streamfilter.types import Box, Candidate, Event, Evidence, Exposure, Gap, Opening, TrackPoint

BOX = Box(0.1, 0.2, 0.3, 0.25)
FACTS = SourceFacts("a.mp4", "f" * 64, "mp4", "h264", 1280, 720, 12.5, 25.0, Fraction(1, 90000), has_audio=True)
ORIGIN = Origin(FACTS, "c" * 64, "m" * 64)
RUN_ID = run_digest("c" * 64, "m" * 64, (FACTS.fingerprint,))
MODEL = ModelFacts("m" * 64, ("Pepsi", "Nike"), {"temperature": 1.2, "mahalanobis": float("inf"), "none_class": None})


def an_event(
    label: str = "Pepsi", *, runner_up: str | None = "Nike", distance: float = 31.4, ordinal: int = 0
) -> Event:
    return Event(
        label=label,
        start_s=1.0 / 3,
        end_s=2.5,
        start_pts=30000,
        end_pts=225000,
        ordinal=ordinal,
        score=0.912345678,
        best=Candidate(BOX, label, 0.95, 0.02, distance, 40.0, runner_up, 0.01, 120.0),
        evidence=Evidence(looks=9, hits=8, rejections={"far": 1}, gap_s=0.0, coverage=1.0),
        exposure=Exposure(2.1, 2.1, 0.07, 0.075, 0.25, 0.325, 110.0),
        track=(TrackPoint(0.5, BOX, 0.9), TrackPoint(2.25, BOX, 0.95)),
    )


def a_checkpoint(time_s: float) -> records.Record:
    return records.checkpoint(time_s, pts=900, looks=4, judged=3, smoother=[[0.5, 1.0, False], [], 0, [], {}])


def every_record() -> list[tuple[dict[str, Any], str | None]]:
    opening = Opening("Pepsi", 1.0 / 3, 30000, 0, BOX, 0.9)
    counts = SourceCounts(frames=300, decode_errors=2, notes=["2 packets gave no picture"])
    return [
        (records.run_start(RunConfig(), MODEL), None),
        (records.source_opened(FACTS), "a.mp4"),
        (records.event_open(opening, ORIGIN), "a.mp4"),
        (
            records.gap(
                Gap(3.0, 3.5, "decode_error"),
            ),
            "a.mp4",
        ),
        (a_checkpoint(3.5), "a.mp4"),
        (records.event_close(an_event(), ORIGIN), "a.mp4"),
        (records.event_close(an_event(runner_up=None, distance=float("nan")), ORIGIN), "a.mp4"),
        (records.source_finished(counts, end_s=12.48, looks=50, rejections={"far": 3}), "a.mp4"),
        (records.source_failed(SourceError("cannot open b.mp4: no video in it; give another file")), "b.mp4"),
        (records.source_lost("silent", "nothing came for 5 s", time_s=3.5, retry_s=0.4), "cam"),
        (records.source_resumed(3.5, lost_events=["0" * 24]), "cam"),
        (records.event_update(an_event(), ORIGIN), "cam"),
        (records.run_end(sources=2, failed=1, events={"Pepsi": 2}, rejections={"far": 3}), None),
    ]


def write_all(path: Path, *, force: bool = False) -> bytes:
    with EventLog(path, RUN_ID, force=force) as log:
        for record, source in every_record():
            log.write(record, source=source)
    return path.read_bytes()


def test_every_record_keeps_to_the_schema_and_every_kind_in_it_is_written(tmp_path: Path) -> None:
    write_all(tmp_path / "events.jsonl")
    schema = load_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    written = read_log(tmp_path / "events.jsonl").records
    for record in written:
        validator.validate(record)
    kinds = {(r["type"], r.get("state")) for r in written}
    by_runs = [kind for kind in schema["oneOf"] if kind["$ref"] != "#/$defs/event_amend"]  # that one the review writes
    assert len(kinds) == len(by_runs)


@pytest.mark.parametrize("key", ["v", "run_id", "source", "seq", "event_id", "label", "start_s", "end_s", "score"])
def test_the_schema_refuses_a_record_that_lacks_or_misspells_a_key(key: str) -> None:
    envelope = {"v": 1, "run_id": RUN_ID, "source": "a.mp4", "seq": 0}
    record = envelope | records.event_close(an_event(), ORIGIN)
    validator = jsonschema.Draft202012Validator(load_schema())
    assert validator.is_valid(record)
    value = record.pop(key)
    assert not validator.is_valid(record)
    assert not validator.is_valid(record | {key: value, f"{key}_": value})


def test_every_record_has_the_envelope_and_a_running_number(tmp_path: Path) -> None:
    write_all(tmp_path / "events.jsonl")
    written = read_log(tmp_path / "events.jsonl").records
    assert [r["seq"] for r in written] == list(range(len(every_record())))
    assert all(list(r)[:5] == ["v", "type", "run_id", "source", "seq"] for r in written)
    assert {r["run_id"] for r in written} == {RUN_ID}


def test_an_event_has_its_main_facts_at_the_top_level() -> None:
    record = records.event_close(an_event(), ORIGIN)
    top = {key: record[key] for key in ("type", "label", "start_s", "end_s", "score")}
    assert top == {"type": "event_close", "label": "Pepsi", "start_s": 0.333333, "end_s": 2.5, "score": 0.91235}
    assert record["event_id"] == event_id(Opening("Pepsi", 9.9, 30000, 0, BOX, 0.1), ORIGIN)


def test_two_runs_write_the_same_bytes(tmp_path: Path) -> None:
    assert write_all(tmp_path / "one.jsonl") == write_all(tmp_path / "two.jsonl")


def test_identities_differ_when_anything_they_rest_on_differs() -> None:
    origins = [ORIGIN, Origin(FACTS, "d" * 64, "m" * 64), Origin(FACTS, "c" * 64, "n" * 64)]
    ids = [event_id(an_event(), origin) for origin in origins]
    ids += [event_id(an_event(ordinal=1), ORIGIN), event_id(an_event("Nike"), ORIGIN)]
    assert len(set(ids)) == len(ids)
    runs = [run_digest("a", "b", ("c", "d")), run_digest("a", "b", ("cd",)), run_digest("ab", "", ("c", "d"))]
    assert len(set(runs)) == len(runs)


def test_each_record_is_in_the_file_when_write_returns(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with EventLog(path, RUN_ID) as log:
        for n, (record, source) in enumerate(every_record(), start=1):
            log.write(record, source=source)
            assert len(read_log(path).records) == n


def test_an_existing_log_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text("precious\n")
    with pytest.raises(SinkError, match="--force"), EventLog(path, RUN_ID):
        pass
    assert path.read_text() == "precious\n"


def test_force_replaces_the_old_log_only_when_the_new_one_has_begun(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text("precious\n")
    path.chmod(0o640)
    with EventLog(path, RUN_ID, force=True):
        pass
    assert path.read_text() == "precious\n"
    with EventLog(path, RUN_ID, force=True) as log:
        log.write(a_checkpoint(1.0), source="a.mp4")
        assert len(read_log(path).records) == 1
        log.write(a_checkpoint(2.0), source="a.mp4")
    assert len(read_log(path).records) == 2
    assert path.stat().st_mode & 0o777 == 0o640
    assert [p.name for p in tmp_path.iterdir()] == ["events.jsonl"]


def test_force_follows_a_symbolic_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real.jsonl", tmp_path / "link.jsonl"
    real.write_text("old\n")
    link.symlink_to(real)
    write_all(link, force=True)
    assert link.is_symlink()
    assert len(read_log(real).records) == len(every_record())


def test_a_log_that_never_began_leaves_no_file(tmp_path: Path) -> None:
    with EventLog(tmp_path / "events.jsonl", RUN_ID):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["missing/events.jsonl", "."])
def test_a_path_that_cannot_be_written_is_one_clear_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(SinkError, match=r"^.*events?.*(folder)[^\n]*$"), EventLog(tmp_path / name, RUN_ID):
        pass


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_one_clear_line() -> None:
    with EventLog("/dev/full", RUN_ID) as log, pytest.raises(SinkError, match="No space left"):
        log.write(a_checkpoint(1.0), source="a.mp4")


def test_a_line_that_did_not_fit_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "events.jsonl"
    write = os.write

    def half_then_full(descriptor: int, data: memoryview) -> int:
        if len(data) > 60:
            return write(descriptor, data[:50])
        raise OSError(28, "No space left on device")

    with EventLog(path, RUN_ID) as log:
        log.write(a_checkpoint(1.0), source="a.mp4")
        monkeypatch.setattr(os, "write", half_then_full)
        with pytest.raises(SinkError, match="No space left"):
            log.write(a_checkpoint(2.0), source="a.mp4")
        monkeypatch.undo()
    contents = read_log(path)
    assert [r["time_s"] for r in contents.records] == [1.0]
    assert not contents.is_torn


SPEAKER = """
import sys
from streamfilter.errors import SinkError
from streamfilter.sinks import EventLog, records
from streamfilter.types import Gap
try:
    with EventLog("-", "0" * 24) as log:
        for n in range(100_000):
            log.write(records.gap(Gap(float(n), n + 1.0, "a test")), source="a.mp4")
except SinkError as error:
    sys.stderr.write(f"{error}\\n")
    sys.exit(error.exit_code)
"""


def test_a_reader_that_goes_away_is_one_clear_line() -> None:
    with subprocess.Popen([sys.executable, "-c", SPEAKER], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as speaker:
        assert speaker.stdout is not None
        assert speaker.stderr is not None
        first = json.loads(speaker.stdout.readline())
        speaker.stdout.close()
        said = speaker.stderr.read().decode()
        code = speaker.wait()
    assert (first["seq"], code) == (0, SinkError.exit_code)
    assert said.count("\n") == 1
    assert "reader has gone" in said


def test_a_dash_writes_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    with EventLog("-", RUN_ID) as log:
        log.write(a_checkpoint(1.5), source="a.mp4")
    assert json.loads(capsys.readouterr().out)["time_s"] == 1.5


def test_a_torn_last_line_is_left_out_and_told(tmp_path: Path) -> None:
    whole = write_all(tmp_path / "events.jsonl")
    for cut in (1, 10, 300):
        torn = tmp_path / f"torn{cut}.jsonl"
        torn.write_bytes(whole[:-cut])
        contents = read_log(torn)
        assert len(contents.records) == len(every_record()) - (cut > 1) - (cut == 300)
        assert contents.is_torn == (cut > 1)


@pytest.mark.parametrize("garbage", [b"hello\n", b"[1]\n", b"{}\n", b"\xff\xfe\n", b"\n"])
def test_anything_but_records_is_refused_with_its_line(tmp_path: Path, garbage: bytes) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(write_all(tmp_path / "good.jsonl") + garbage)
    with pytest.raises(SinkError, match=f"line {len(every_record()) + 1} "):
        read_log(path)


def test_a_log_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="check the path"):
        read_log(tmp_path / "missing.jsonl")


NASTY = st.text(max_size=30) | st.sampled_from(
    ['"', "\\", "\n", "\r\n", "\u2028", "\x85", "\x00", "日本", "🥤", "\udc80"]
)


@given(label=NASTY, source=NASTY)
def test_any_label_and_source_name_come_back_as_they_went_in(label: str, source: str) -> None:
    record = records.event_close(an_event(label), ORIGIN) | {"source": source}
    line = encode(record)
    assert len(line.decode("utf-8").splitlines()) == 1
    assert json.loads(line) == record
