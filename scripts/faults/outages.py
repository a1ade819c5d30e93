"""Receivers that fail: a webhook that answers 500, an MQTT broker that is dead, a deliverer that is killed meanwhile.

A log is written record by record while `streamfilter deliver --follow` sends it to both receivers, each of which fails
for `OUTAGE_S` in mid-log. Afterwards each must have every record of the log that was to be delivered.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from faults.process import Forked, streamfilter
from faults.subject import Subject
from faults.tally import Tally, Trials

OUTAGE_S = 30.0
WRITING_S = 40.0
"""How long the log is being written; the outages lie within."""

PATIENCE_S = 90.0
"""How long after that everything must have arrived: a deliverer waits for up to a minute between two tries."""

_DELIVERED = ("event_open", "event_close", "gap", "source_state")


def run(subject: Subject, trials: Trials) -> Tally:
    """One log per trial, with its two receivers; in every second one the deliverer is killed in the outage as well."""
    tally = Tally()
    lines = subject.log.splitlines(keepends=True)
    for number, chance in trials:
        folder = subject.folder / f"outage-{number}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        with _webhook() as hook, _broker(folder) as broker:
            _Trial(folder, lines, hook, broker, chance, is_killed=number % 2 == 1).run()
            for name, received in (("webhook", hook.received), ("mqtt", broker.received)):
                for problem in _wrong(lines, received):
                    tally.found(trials, number, f"{name}: {problem}")
                tally.counts[f"{name} records"] += len(received)
                tally.counts[f"{name} events"] += len(_by_event(received))
                tally.counts[f"{name} records that came twice"] += len(received) - len(_distinct(received))
        tally.counts["answers 500"] += hook.failures
        tally.counts["trials"] += 1
        tally.counts["trials with a killed deliverer"] += number % 2
    return tally


@dataclass
class _Hook:
    received: list[dict[str, Any]] = field(default_factory=list)
    is_failing: bool = False
    failures: int = 0
    url: str = ""


@dataclass
class _Broker:
    port: int
    start: Callable[[], None]
    stop: Callable[[], None]
    received: list[dict[str, Any]]


@dataclass
class _Trial:
    folder: Path
    lines: list[bytes]
    hook: _Hook
    broker: _Broker
    chance: random.Random
    is_killed: bool

    def run(self) -> None:
        """Write the log, let everything fail and come back, wait until all is there or time is up."""
        log = self.folder / "events.jsonl"
        process = self._deliverer(log)
        begin_s = time.monotonic()
        outage_s = begin_s + self.chance.uniform(0.1, 0.9) * (WRITING_S - OUTAGE_S)
        kill_s = outage_s + self.chance.uniform(0, OUTAGE_S) if self.is_killed else float("inf")
        todo: list[tuple[float, Callable[[], None]]] = [(outage_s, self._fail), (outage_s + OUTAGE_S, self._recover)]
        pace_s = WRITING_S / len(self.lines)
        todo += [(begin_s + n * pace_s, partial(_append, log, line)) for n, line in enumerate(self.lines)]
        for at_s, do in sorted(todo, key=lambda one: one[0]):
            if at_s > kill_s:
                process.kill()
                process.ended()
                process, kill_s = self._deliverer(log), float("inf")
            time.sleep(max(0.0, at_s - time.monotonic()))
            do()
        self._wait()
        process.stop(signal.SIGTERM)
        process.ended()

    def _deliverer(self, log: Path) -> Forked:
        mqtt = f"sinks.bus={{kind: mqtt, host: 127.0.0.1, port: {self.broker.port}}}"
        hook = f"sinks.hook={{kind: webhook, url: '{self.hook.url}'}}"
        return streamfilter(
            ["deliver", str(log), "--follow", "-q", "--set", mqtt, "--set", hook], said=self.folder / "said.txt"
        )

    def _fail(self) -> None:
        self.hook.is_failing = True
        self.broker.stop()

    def _recover(self) -> None:
        self.hook.is_failing = False
        self.broker.start()

    def _wait(self) -> None:
        due = len(_due(self.lines))
        end_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < end_s:
            if all(len(_distinct(received)) >= due for received in (self.hook.received, self.broker.received)):
                return
            time.sleep(0.2)


def _append(log: Path, line: bytes) -> None:
    with log.open("ab") as file:
        file.write(line)


def _due(lines: list[bytes]) -> list[dict[str, Any]]:
    return [record for record in map(json.loads, lines) if record["type"] in _DELIVERED]


def _distinct(records: list[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    return {record["seq"]: record for record in records}


def _by_event(records: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What a receiver has that keeps one row per event."""
    return {record["event_id"]: record for record in records if "event_id" in record}


def _wrong(lines: list[bytes], received: list[dict[str, Any]]) -> Iterator[str]:
    due = _due(lines)
    got = _distinct(received)
    if missing := [record["seq"] for record in due if got.get(record["seq"]) != record]:
        yield f"{len(missing)} of {len(due)} records are missing, such as number {missing[0]}"
    if strange := set(got) - {record["seq"] for record in due}:
        yield f"{len(strange)} records came that nobody wanted"
    rows = _by_event(received)
    if wrong := [record["event_id"] for record in _by_event(due).values() if rows.get(record["event_id"]) != record]:
        yield f"{len(wrong)} events are not as the log has them, such as {wrong[0]}"
    if any(count > 1 for count in Counter(record["event_id"] for record in rows.values()).values()):
        yield "an event has two rows"


@contextmanager
def _webhook() -> Iterator[_Hook]:
    hook = _Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            hook.failures += hook.is_failing
            if not hook.is_failing:
                hook.received.append(json.loads(body))
            self.send_response(500 if hook.is_failing else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that is overridden
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hook.url = f"http://127.0.0.1:{server.server_address[1]}/"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield hook
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def _broker(folder: Path) -> Iterator[_Broker]:
    """Mosquitto, with somebody who listens to all events."""
    program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if program is None:
        raise RuntimeError("this campaign needs mosquitto: apt-get install mosquitto")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
    config = folder / "mosquitto.conf"
    user = "user root\n" if os.geteuid() == 0 else ""
    config.write_text(
        f"{user}listener {port} 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location {folder}/\n"
        "autosave_interval 1\n"
    )
    running: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        running.append(subprocess.Popen([program, "-c", str(config)], stderr=subprocess.DEVNULL))
        _answers(port)

    def stop() -> None:
        running[-1].kill()
        running[-1].wait()

    start()
    received: list[dict[str, Any]] = []
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="listener", clean_session=False)
    client.reconnect_delay_set(1, 2)
    client.on_connect = lambda one, *rest: one.subscribe([("+/+/events", 1), ("+/+/state", 1)])
    client.on_message = lambda one, data, message: received.append(json.loads(message.payload))
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        yield _Broker(port, start, stop, received)
    finally:
        client.disconnect()
        client.loop_stop()
        stop()


def _answers(port: int) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < end_s:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise RuntimeError("mosquitto does not answer")
