"""Following a log and keeping a cursor in it: whatever is killed or rewritten when, no record is lost."""

from __future__ import annotations

import json
import os
import random
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from receivers import Told, as_line, record, until

from streamfilter.config import AnySink, PythonSinkConfig, RunConfig, Secret, SinkConfig, check_config, load_config
from streamfilter.delivery import Deliverer, delivering
from streamfilter.delivery import making as making_module
from streamfilter.delivery.cursor import Cursor, load_cursor, save_cursor
from streamfilter.delivery.deliverer import Trail, key_of, retry_delay_s
from streamfilter.delivery.following import Follower
from streamfilter.delivery.session import sinks_folder
from streamfilter.errors import ConfigError, RefusedError, SinkError, UndeliveredError

QUICK = PythonSinkConfig(kind="python", entry_point="any", first_retry_s=1e-6, longest_retry_s=1e-6)


class Killed(BaseException):
    """kill -9, as far as one process can play it."""


class Basket:
    """A receiver that takes everything; `trouble` may do something first."""

    def __init__(self, trouble: Callable[[Mapping[str, Any]], None] = lambda one: None) -> None:
        self.got: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self._trouble = trouble

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def deliver(self, record: Mapping[str, Any], *, key: str) -> None:
        self._trouble(record)
        self.got.append(dict(record))
        self.keys.append(key)


def deliverer(folder: Path, basket: Basket, told: Told | None = None, config: SinkConfig = QUICK) -> Deliverer:
    trail = Trail(folder / "log.jsonl", folder / "log.cursor")
    return Deliverer("test", basket, config, trails=[trail], refused=folder / "refused.jsonl", tell=told or Told())


def drain(one: Deliverer) -> None:
    """Deliver all that is there, in this thread."""
    one.stop(1e9)
    one.work()


def write(path: Path, *records: dict[str, Any], torn: bytes = b"") -> None:
    with path.open("ab") as file:
        file.write(b"".join(map(as_line, records)) + torn)


def seqs(basket: Basket) -> list[int]:
    return [one["seq"] for one in basket.got]


def test_every_record_of_a_wanted_type_is_delivered_in_order(tmp_path: Path) -> None:
    kinds = ["run_start", "source_state", "event_open", "checkpoint", "event_close", "gap", "run_end"]
    write(tmp_path / "log.jsonl", *(record(n, kind) for n, kind in enumerate(kinds)))
    basket = Basket()
    drain(deliverer(tmp_path, basket))
    assert [one["type"] for one in basket.got] == ["source_state", "event_open", "event_close", "gap"]
    assert basket.got[1] == record(2, "event_open")


def test_a_second_start_goes_on_where_the_first_ended(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    write(log, record(0), record(1))
    drain(deliverer(tmp_path, Basket()))
    write(log, record(2))
    basket = Basket()
    drain(deliverer(tmp_path, basket))
    assert seqs(basket) == [2]


def test_a_line_that_is_being_written_waits_for_its_end(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    line = as_line(record(1))
    write(log, record(0), torn=line[:20])
    follower = Follower(log, Cursor())
    assert follower.next() is not None
    follower.done()
    assert follower.next() is None
    write(log, torn=line[20:])
    found = follower.next()
    assert found is not None
    assert found.record == record(1)
    follower.close()


def test_what_stands_behind_a_cut_is_delivered_anew(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    write(log, record(0, "run_start"), record(1), record(2, "checkpoint"), record(3), record(4))
    drain(deliverer(tmp_path, Basket()))
    kept = b"".join(map(as_line, (record(0, "run_start"), record(1), record(2, "checkpoint"))))
    log.write_bytes(kept)
    write(log, record(3, source="other.mp4"), record(4), record(5))
    basket = Basket()
    drain(deliverer(tmp_path, basket))
    assert seqs(basket) == [3, 4, 5], "and what was kept is not"


def test_a_cut_in_mid_flight_goes_back_to_where_a_run_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    write(log, record(0, "run_start"), record(1), record(2, "checkpoint"), record(3), record(4))
    follower = Follower(log, Cursor())
    for _ in range(5):
        assert follower.next() is not None
        follower.done()
    kept = b"".join(map(as_line, (record(0, "run_start"), record(1), record(2, "checkpoint"))))
    log.write_bytes(kept)
    assert follower.next() is None
    write(log, record(3), record(4))
    found = follower.next()
    assert found is not None
    assert found.record == record(3)
    follower.close()


def test_a_replaced_log_is_read_to_its_end_and_the_new_one_from_its_beginning(tmp_path: Path) -> None:
    log, new = tmp_path / "log.jsonl", tmp_path / "new"
    write(log, record(0), record(1))
    follower = Follower(log, Cursor())
    assert follower.next() is not None
    follower.done()
    write(new, record(0, run_id="another"))
    new.replace(log)
    found = []
    while (line := follower.next()) is not None:
        assert line.record is not None
        found.append((line.record["run_id"], line.record["seq"]))
        follower.done()
    assert found == [("run", 1), ("another", 0)]
    follower.close()


def test_a_line_longer_than_a_block_is_read_whole(tmp_path: Path) -> None:
    long = record(0) | {"note": "x" * 5_000_000}
    write(tmp_path / "log.jsonl", long, record(1))
    basket = Basket()
    drain(deliverer(tmp_path, basket))
    assert basket.got[0] == long
    assert seqs(basket) == [0, 1]


def test_what_is_no_record_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "log.jsonl", record(0), torn=b"\0\0\0\n[1]\n\n")
    write(tmp_path / "log.jsonl", record(1))
    basket = Basket()
    drain(deliverer(tmp_path, basket))
    assert seqs(basket) == [0, 1]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"v":2,"marks":[]}', b'{"v":1,"marks":[[1]]}', b"\xff"])
def test_a_cursor_that_cannot_be_read_begins_anew(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "cursor").write_bytes(content)
    assert load_cursor(tmp_path / "cursor") == Cursor()


def test_a_refused_record_is_set_aside_and_the_next_one_follows(tmp_path: Path) -> None:
    def refuse_first(one: Mapping[str, Any]) -> None:
        if one["seq"] == 0:
            raise RefusedError("nobody wants it")

    write(tmp_path / "log.jsonl", record(0), record(1))
    basket, told = Basket(refuse_first), Told()
    one = deliverer(tmp_path, basket, told)
    drain(one)
    assert seqs(basket) == [1]
    aside = json.loads((tmp_path / "refused.jsonl").read_text())
    assert (aside["reason"], aside["record"]) == ("nobody wants it", record(0))
    assert "nobody wants it" in told.warned[0]
    assert "refused.jsonl" in told.warned[0]
    assert (one.numbers().delivered, one.numbers().refused) == (1, 1)


@pytest.mark.parametrize("error", [UndeliveredError("busy"), OSError(5, "busy"), ValueError("a bug"), KeyError()])
def test_whatever_else_goes_wrong_is_tried_again_and_told_once(tmp_path: Path, error: Exception) -> None:
    failures = iter([error] * 3)

    def fail(one: Mapping[str, Any]) -> None:
        for failure in failures:
            raise failure

    write(tmp_path / "log.jsonl", record(0), record(1))
    basket, told = Basket(fail), Told()
    one = deliverer(tmp_path, basket, told)
    drain(one)
    assert seqs(basket) == [0, 1]
    assert len(told.warned) == 1
    assert told.said == ["sink test: delivers again"]
    assert one.numbers().failures == 3
    assert not one.numbers().is_failing


def test_a_sink_that_cannot_be_opened_or_closed_is_told(tmp_path: Path) -> None:
    class Stubborn(Basket):
        tries = 0

        def __enter__(self) -> Self:
            self.tries += 1
            if self.tries < 3:
                raise ConnectionError("not yet")
            return self

        def __exit__(self, *how: object) -> None:
            raise RuntimeError("never")

    write(tmp_path / "log.jsonl", record(0))
    basket, told = Stubborn(), Told()
    drain(deliverer(tmp_path, basket, told))
    assert seqs(basket) == [0]
    assert "ConnectionError: not yet" in told.warned[0]
    assert "RuntimeError: never" in told.warned[1]


def test_a_receiver_that_is_dead_costs_no_more_than_the_drain_time_and_loses_nothing(tmp_path: Path) -> None:
    def fail(one: Mapping[str, Any]) -> None:
        raise UndeliveredError("dead")

    write(tmp_path / "log.jsonl", record(0), record(1), record(2, "checkpoint"))
    one = deliverer(tmp_path, Basket(fail))
    one.start()
    until(lambda: one.numbers().is_failing, "a failure")
    one.stop(0.05)
    assert one.join()
    assert one.waiting() == 2
    basket = Basket()
    drain(deliverer(tmp_path, basket))
    assert seqs(basket) == [0, 1]


def test_a_cursor_that_cannot_be_written_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    write(tmp_path / "log.jsonl", record(0), record(1))
    basket, told = Basket(), Told()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        drain(deliverer(tmp_path, basket, told))
    assert seqs(basket) == [0, 1]
    assert "No space left" in told.warned[0]


def test_delays_double_up_to_the_longest_and_vary() -> None:
    config = SinkConfig(first_retry_s=1, longest_retry_s=60)
    chance = random.Random(0)
    for failures in range(1, 2000):
        longest_s = min(60.0, 2.0 ** min(failures - 1, 10))
        assert longest_s / 2 <= retry_delay_s(failures, config, chance) <= longest_s
    assert len({retry_delay_s(5, config, chance) for _ in range(20)}) == 20


def test_a_key_is_the_same_for_the_same_record_and_tells_others_apart() -> None:
    opened, closed = record(2, "event_open"), record(3, "event_close")
    assert opened["event_id"] == closed["event_id"]
    kinds = ("event_open", "event_update", "event_close", "event_amend", "gap", "source_state")
    keys = [key_of(record(n, kind)) for kind in kinds for n in (2, 3)]
    assert len(set(keys)) == len(keys) - 2, "an event is opened once and closed once, whatever its number"
    assert key_of(closed | {"seq": 99}) == key_of(closed)


class Log:
    """An event log as runs write it: each record follows from run and number; resumed runs may find other things."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.records: list[dict[str, Any]] = []
        self._run = 0
        self._salt = 0

    def write(self, count: int) -> None:
        self._repair()
        for _ in range(count):
            seq = len(self.records)
            kind = "checkpoint" if seq % 4 == 3 else "event_close" if seq else "run_start"
            self.records.append(record(seq, kind, run_id=f"run{self._run}") | {"salt": self._salt})
            write(self._path, self.records[-1])

    def tear(self, share: float) -> None:
        self._repair()
        line = as_line(record(len(self.records), run_id=f"torn{self._run}"))
        write(self._path, torn=line[: int(share * len(line))])

    def resume(self, *, differs: bool) -> None:
        """Go back to the last checkpoint."""
        anchors = [n for n, one in enumerate(self.records) if one["type"] != "event_close"]
        self.records = self.records[: anchors[-1] + 1] if anchors else []
        self._salt += differs
        self._repair()

    def force(self) -> None:
        """Another run in its place."""
        self._run += 1
        self.records = [record(0, "run_start", run_id=f"run{self._run}")]
        new = self._path.with_suffix(".new")
        new.write_bytes(as_line(self.records[0]))
        new.replace(self._path)

    def _repair(self) -> None:
        if self._path.exists():
            os.truncate(self._path, sum(len(as_line(one)) for one in self.records))


@contextmanager
def killed_after(points: int) -> Iterator[Callable[[], None]]:
    """Die at the given one of the points that matter: around a delivery, and in each step of saving a cursor."""
    left = points

    def point() -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Killed

    fsync, replace = os.fsync, Path.replace

    def deadly_fsync(descriptor: int) -> None:
        point()
        fsync(descriptor)

    def deadly_replace(path: Path, target: Path) -> Path:
        point()
        result = replace(path, target)
        point()
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", deadly_fsync)
        patch.setattr(Path, "replace", deadly_replace)
        with suppress(Killed):
            yield point


OPERATIONS = st.one_of(
    st.tuples(st.just("write"), st.integers(1, 6)),
    st.tuples(st.just("tear"), st.floats(0.1, 0.99)),
    st.tuples(st.just("resume"), st.booleans()),
    st.tuples(st.just("force"), st.none()),
    st.tuples(st.just("deliver"), st.integers(0, 25)),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(OPERATIONS, max_size=14))
def test_no_record_is_lost_whoever_is_killed_between_any_two_steps(operations: list[tuple[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log = Log(folder / "log.jsonl")
        got: list[dict[str, Any]] = []
        for what, how in [*operations, ("write", 2)]:
            if what == "write":
                log.write(how)
            elif what == "tear":
                log.tear(how)
            elif what == "resume":
                log.resume(differs=how)
            elif what == "force":
                log.force()
            else:
                with killed_after(how) as point:
                    basket = Basket(lambda one, point=point: point())
                    basket.got = got
                    drain(deliverer(folder, basket))
        basket = Basket()
        basket.got = got
        drain(deliverer(folder, basket))
        missing = [one for one in log.records if one["type"] == "event_close" and one not in got]
        assert not missing
        assert not [one for one in got if one["run_id"].startswith("torn")]


def test_a_saved_cursor_is_read_back(tmp_path: Path) -> None:
    write(tmp_path / "log.jsonl", *(record(n, "checkpoint") for n in range(100)))
    follower = Follower(tmp_path / "log.jsonl", Cursor())
    while follower.next() is not None:
        follower.done()
    follower.close()
    save_cursor(tmp_path / "cursor", follower.cursor)
    assert load_cursor(tmp_path / "cursor") == follower.cursor
    assert len(follower.cursor.marks) < 40, "a cursor does not grow with the log"
    assert not (tmp_path / "cursor.new").exists()


@pytest.fixture
def sinks(monkeypatch: pytest.MonkeyPatch) -> dict[str, Basket]:
    """Sinks that are made by their entry point's name."""
    made: dict[str, Basket] = {}

    def make(name: str, config: AnySink, *, log: Path) -> Basket:
        return made.setdefault(name, Basket())

    monkeypatch.setattr("streamfilter.delivery.session.make_sink", make)
    return made


def test_all_sinks_of_a_log_that_is_being_written_get_everything(tmp_path: Path, sinks: dict[str, Basket]) -> None:
    log = tmp_path / "events.jsonl"
    with delivering(log, {"one": QUICK, "two": QUICK}, Told()):
        for seq in range(50):
            write(log, record(seq))
    assert seqs(sinks["one"]) == seqs(sinks["two"]) == list(range(50))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("streamfilter-sink")]


def test_a_decision_of_the_review_is_delivered_too(tmp_path: Path, sinks: dict[str, Basket]) -> None:
    log = tmp_path / "events.jsonl"
    write(log, record(0))
    write(tmp_path / "events.review.jsonl", record(0, "event_amend"))
    with delivering(log, {"one": QUICK}, Told()):
        pass
    with delivering(log, {"one": QUICK}, Told()):
        pass
    assert [one["type"] for one in sinks["one"].got] == ["event_close", "event_amend"]


def test_one_sink_of_a_log_has_one_deliverer(tmp_path: Path, sinks: dict[str, Basket]) -> None:
    log = tmp_path / "events.jsonl"
    with delivering(log, {"one": QUICK}, Told()):
        with pytest.raises(SinkError, match="another process"), delivering(log, {"one": QUICK}, Told()):
            pass
        with delivering(log, {"two": QUICK}, Told()):
            pass


def test_what_is_left_at_the_end_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def dead(one: Mapping[str, Any]) -> None:
        raise UndeliveredError("dead")

    monkeypatch.setattr("streamfilter.delivery.session.make_sink", lambda *a, **n: Basket(dead))
    log, told = tmp_path / "events.jsonl", Told()
    write(log, record(0), record(1))
    with delivering(log, {"one": QUICK.model_copy(update={"drain_s": 0.05})}, told):
        pass
    assert told.warned[-1] == f"sink one: 2 records of {log} are left for the next start"
    assert (sinks_folder(log) / "one.lock").exists()


def test_a_sink_of_ones_own_comes_from_an_installed_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site"
    (package / "shouting-1.0.dist-info").mkdir(parents=True)
    (package / "shouting-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: shouting\nVersion: 1.0\n"
    )
    (package / "shouting-1.0.dist-info" / "entry_points.txt").write_text(
        "[streamfilter.sinks]\nshout = shouting:Shout\n"
    )
    (package / "shouting.py").write_text(
        "from pathlib import Path\n"
        "class Shout:\n"
        "    def __init__(self, options): self._path = Path(options['path'])\n"
        "    def __enter__(self): return self\n"
        "    def __exit__(self, *how): pass\n"
        "    def deliver(self, record, *, key):\n"
        "        with self._path.open('a') as file: file.write(record['event_id'].upper() + '\\n')\n"
    )
    monkeypatch.syspath_prepend(str(package))
    config = {"shout": {"kind": "python", "entry_point": "shout", "options": {"path": str(tmp_path / "out")}}}
    found = check_config(RunConfig, {"sinks": config}, origin="test")
    write(tmp_path / "events.jsonl", record(0), record(2))
    with delivering(tmp_path / "events.jsonl", found.sinks, Told()):
        pass
    assert (tmp_path / "out").read_text() == "RUN-0\nRUN-1\n"
    with pytest.raises(ConfigError, match=r"'other' is not installed; there are in streamfilter.sinks: shout"):
        making_module.make_sink("x", QUICK.model_copy(update={"entry_point": "other"}), log=tmp_path)
    with pytest.raises(ConfigError, match="shout cannot be made"):
        making_module.make_sink("x", QUICK.model_copy(update={"entry_point": "shout"}), log=tmp_path)


def test_no_setting_of_a_sink_is_recorded_or_shown(tmp_path: Path) -> None:
    url = "https://hooks.example/T0/hidden?token=hidden"
    told = load_config(RunConfig, overrides=["sinks.a.kind=webhook", f"sinks.a.url={url}"])
    assert "hidden" not in json.dumps(told.recorded())
    assert told.digest() == RunConfig().digest()
    wrong: list[dict[str, Any]] = [
        {"url": url},
        {"kind": "webhok", "url": url},
        {"kind": "webhook", "url": [url]},
        {"kind": "webhook", "url": url, "secret": "hidden"},
        {"kind": "mqtt", "host": "", "password": "hidden"},
    ]
    for sink in wrong:
        with pytest.raises(ConfigError, match=r"sinks\.a") as caught:
            check_config(RunConfig, {"sinks": {"a": sink}}, origin="test")
        assert "hidden" not in str(caught.value)


def test_an_unknown_setting_of_a_sink_is_told_with_those_that_there_are() -> None:
    tree = {"sinks": {"a": {"kind": "webhook", "url": "http://x", "topic": "t"}}}
    with pytest.raises(ConfigError, match=r"unknown setting sinks.a.webhook.topic; known here: authorization"):
        check_config(RunConfig, tree, origin="test")


def test_a_secret_comes_from_the_environment_or_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_A_TEST", "one")
    (tmp_path / "secret").write_text("two\n")
    assert Secret(env="SECRET_OF_A_TEST").read() == "one"
    assert Secret(file=tmp_path / "secret").read() == "two"
    with pytest.raises(ConfigError, match="environment variable NOT_SET"):
        Secret(env="NOT_SET").read()
    with pytest.raises(ConfigError, match="absent"):
        Secret(file=tmp_path / "absent").read()
