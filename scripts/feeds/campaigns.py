"""The campaigns: each tells what it measured, and in `faults` what does not hold."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np

from feeds.cameras import Camera, colour_of, draw_clip
from feeds.watched import Watched, cpu_s
from streamfilter.sinks import load_schema

_QUICK = ("live.silence_s=2", "live.retry_first_s=0.5", "live.retry_most_s=1", "live.update_s=2", "sampler.rate=4")
_LONGEST_WAIT_S = 1.0
_CONNECTING_S = 0.5
_GAPS_OFF_S = 0.5
_FRAME_S = 1 / 25
_SURE_S = 2.0
"""An appearance that is shorter need not be an event."""
_DECODING = Path(__file__).resolve().parent / "decoding.py"


@dataclass
class Bench:
    """What a campaign has to work with, and what came of it."""

    folder: Path
    count: int
    minutes: float
    seed: int
    say: Callable[[str], None]
    model: Path
    clip: Path | None = None
    faults: list[str] = field(default_factory=list)

    def expect(self, holds: bool, text: str) -> None:
        """Note a fault where something does not hold."""
        if not holds:
            self.faults.append(text)
            self.say(f"FAULT: {text}")


def restarts(bench: Bench) -> None:
    """One camera is killed and restarted: gaps, waits, memory, threads."""
    camera = Camera(draw_clip(bench.folder / "clip.mp4"))
    run = Watched(bench.folder, [camera.address()], _QUICK, model=None)
    pause_s = bench.minutes * 60 / bench.count
    run.wait_for("source_state", state="opened")
    threads = []
    time.sleep(pause_s / 2)
    before = run.memory_mib()
    for number in range(bench.count):
        camera.kill()
        time.sleep(pause_s / 4)
        camera.begin()
        began_s = time.monotonic()
        run.wait_for("source_state", number + 2, state="opened")
        time.sleep(max(0.0, began_s + pause_s * 3 / 4 - time.monotonic()))
        threads.append(run.threads())
    bench.say(f"memory {before:.0f} MiB before, {run.memory_mib():.0f} MiB after; threads {sorted(set(threads))}")
    code, _ = run.stop()
    camera.kill()
    bench.expect(code == 0, f"exit code {code}")
    records = _checked(bench, run)
    _compare_gaps(bench, records, camera.diary())
    _compare_events(bench, records, camera.diary())


def _compare_gaps(bench: Bench, records: list[dict[str, Any]], diary: list[tuple[float, str]]) -> None:
    """The gaps in the log, beside what the camera itself says of when it sent nothing."""
    restarts = [n for n, (_, what) in enumerate(diary) if what == "listening"][1:]
    outages = [diary[n + 1][0] - diary[n - 1][0] - _FRAME_S for n in restarts]
    tries = [diary[n + 1][0] - diary[n][0] for n in restarts]
    gaps = [r["end_s"] - r["start_s"] for r in records if r["type"] == "gap" and r["cause"] != "clock_jump"]
    off = [gap_s - outage_s for gap_s, outage_s in zip(gaps, outages, strict=False)]
    bench.say(f"gaps {sum(gaps):.2f} s in {len(gaps)}; nothing was sent for {sum(outages):.2f} s in {len(outages)}")
    bench.say(
        f"each off by {min(off):+.3f} to {max(off):+.3f} s; tried again after {min(tries):.2f} to {max(tries):.2f} s"
    )
    bench.expect(len(gaps) == len(outages), f"{len(gaps)} gaps for {len(outages)} outages")
    bench.expect(abs(sum(off)) <= _GAPS_OFF_S, f"the gaps are off by {sum(off):+.2f} s together")
    bench.expect(
        max(tries) <= _LONGEST_WAIT_S + _CONNECTING_S, f"tried only {max(tries):.2f} s after the server was back"
    )


def _compare_events(bench: Bench, records: list[dict[str, Any]], diary: list[tuple[float, str]]) -> None:
    """The events in the log, beside the colours that the camera sent: none lost, none invented."""
    utc_of_zero_s = time.time() - time.monotonic()
    sent = [(label, from_s + utc_of_zero_s, to_s + utc_of_zero_s) for label, from_s, to_s in _colours_sent(diary)]
    told = [
        (r["label"], *(datetime.fromisoformat(r["utc"][name]).timestamp() for name in ("start", "end")))
        for r in records
        if r["type"] == "event_close"
    ]
    for label, from_s, to_s in sent:
        found = sum(_meet(one, (label, from_s, to_s)) for one in told)
        bench.expect(
            found == 1 or (not found and to_s - from_s < _SURE_S), f"{label} for {to_s - from_s:.1f} s: {found} events"
        )
    for one in told:
        bench.expect(any(_meet(one, other) for other in sent), f"nothing was sent for {one}")
    bench.say(f"{len(told)} events for {len(sent)} appearances")


def _colours_sent(diary: list[tuple[float, str]]) -> Iterator[tuple[str, float, float]]:
    """Each appearance of a colour, with the monotonic times of its first and its last picture."""
    number, shown = 0, list[tuple[str, float]]()
    for at_s, what in [*diary, (0.0, "listening")]:
        label = colour_of(number) if what == "picture" else None
        number = number + 1 if what == "picture" else 0
        if shown and shown[0][0] != label:
            yield shown[0][0], shown[0][1], shown[-1][1]
            shown.clear()
        if label is not None:
            shown.append((label, at_s))


def _meet(one: tuple[str, float, float], other: tuple[str, float, float]) -> bool:
    return one[0] == other[0] and one[1] < other[2] and other[1] < one[2]


def load(bench: Bench) -> None:
    """`count` feeds of 640×480 at two looks a second: memory, drops, CPU against decoding alone."""
    camera = Camera(draw_clip(bench.folder / "clip.mp4"))
    addresses = [camera.address(number) for number in range(bench.count)]
    settings = ("sampler.rate=2", "sampler.cuts=false", "live.update_s=5")
    run = Watched(bench.folder, addresses, settings, model=None)
    run.wait_for("source_state", bench.count, state="opened")
    # At the same time, so that what else the machine does weighs on both.
    alone = subprocess.Popen([sys.executable, str(_DECODING), str(bench.minutes * 60 + 60), *addresses])
    time.sleep(20)
    began_s, began_cpu_s, alone_cpu_s = time.monotonic(), cpu_s(run.process.pid), cpu_s(alone.pid)
    samples = []
    while (passed_s := time.monotonic() - began_s) < bench.minutes * 60:
        samples.append((passed_s, run.memory_mib(), run.threads(), run.files()))
        time.sleep(2)
    share = (cpu_s(run.process.pid) - began_cpu_s) / passed_s
    alone_share = (cpu_s(alone.pid) - alone_cpu_s) / passed_s
    alone.kill()
    alone.wait()
    code, _ = run.stop()
    camera.kill()
    bench.expect(code == 0, f"exit code {code}")
    times, memory = np.array([s[0] for s in samples]), np.array([s[1] for s in samples])
    slope, low, high = _slope(times / 3600, memory)
    bench.say(f"memory {memory[0]:.0f} to {memory[-1]:.0f} MiB, {slope:+.1f} MiB an hour ({low:+.1f} to {high:+.1f})")
    for what, column in (("threads", 2), ("files", 3)):
        late = [sample[column] for sample in samples[len(samples) // 3 :]]
        bench.say(f"{what} {min(late)} to {max(late)}")
    bench.say(f"{share:.3f} cores, decoding alone {alone_share:.3f}: {100 * (share / alone_share - 1):+.1f} %")
    records = _checked(bench, run)
    ends = [r for r in records if r.get("state") == "interrupted"]
    bench.say(f"looks {sum(r['counts']['looks'] for r in ends)}, dropped {sum(r['live']['dropped'] for r in ends)}")
    bench.say(f"latency p95 {max(r['live']['latency_s']['0.95'] for r in ends):.2f} s at worst")
    bench.expect(low <= 0 or slope < 5, f"memory grows by {slope:.1f} MiB an hour")
    bench.expect(share <= 1.15 * alone_share, f"{100 * (share / alone_share - 1):.1f} % more CPU than decoding")
    for record in ends:
        looks, due = record["counts"]["looks"], 2 * (record["end_s"] - record["live"]["gap_s"])
        bench.expect(abs(looks - due) <= 4, f"{record['source']}: {looks} looks told, {due:.0f} were due")


def latency(bench: Bench) -> None:
    """`count` feeds with a real network, overloaded or not."""
    shown = bench.folder / "clip.mp4"
    camera = Camera(draw_clip(shown) if bench.clip is None else Path(shutil.copy(bench.clip, shown)))
    addresses = [camera.address(number) for number in range(bench.count)]
    run = Watched(bench.folder, addresses, ("sampler.rate=4",), model=bench.model)
    run.wait_for("source_state", bench.count, state="opened")
    time.sleep(bench.minutes * 60)
    code, _ = run.stop()
    camera.kill()
    bench.expect(code == 0, f"exit code {code}")
    for record in _checked(bench, run):
        if record.get("state") == "interrupted":
            live, looks = record["live"], record["counts"]["looks"]
            bench.say(f"{record['source']}: {looks} looks, {live['dropped']} dropped, latency {live['latency_s']}")
            bench.expect(live["latency_s"]["0.95"] < 1.5, f"p95 {live['latency_s']['0.95']} s")


def term(bench: Bench) -> None:
    """SIGTERM in mid-event, `count` times."""
    camera = Camera(draw_clip(bench.folder / "clip.mp4"))
    chance = random.Random(bench.seed)
    for _ in range(bench.count):
        (bench.folder / "live.jsonl").unlink(missing_ok=True)
        run = Watched(bench.folder, [camera.address()], _QUICK, model=None)
        run.wait_for("event_open")
        time.sleep(chance.uniform(0, 2))
        code, seconds = run.stop()
        bench.expect(code == 0, f"exit code {code}")
        bench.expect(seconds < 5, f"it took {seconds:.1f} s to end")
        records = _checked(bench, run)
        bench.expect(records[-1]["type"] == "run_end", "no run_end")
        bench.say(f"ended in {seconds:.2f} s")
    camera.kill()


def kills(bench: Bench) -> None:
    """kill -9 at random moments, `count` times in one log."""
    camera = Camera(draw_clip(bench.folder / "clip.mp4"))
    chance = random.Random(bench.seed)
    before = b""
    for number in range(bench.count):
        run = Watched(bench.folder, [camera.address()], _QUICK, model=None, resume=True)
        if chance.random() < 0.8:  # else it may die before it has begun
            run.wait_for("source_state", _times_opened(before) + 1, state="opened")
        time.sleep(chance.uniform(0, 6))
        run.process.kill()
        run.process.wait()
        now = run.log.read_bytes() if run.log.exists() else b""
        kept = before[: before.rfind(b"\n") + 1]
        bench.expect(now.startswith(kept), f"kill {number}: what was in the log has changed")
        before = now
    run = Watched(bench.folder, [camera.address()], _QUICK, model=None, resume=True)
    run.wait_for("source_state", _times_opened(before) + 1, state="opened")
    time.sleep(5)
    code, _ = run.stop()
    camera.kill()
    bench.expect(code == 0, f"exit code {code}")
    records = _checked(bench, run)
    lost = sum(len(r["lost_events"]) for r in records if r.get("state") == "resumed")
    bench.say(f"{bench.count} kills, {sum(r['type'] == 'event_close' for r in records)} events, {lost} lost and told")


def _times_opened(log: bytes) -> int:
    """How often the log tells that a feed was opened."""
    return log.count(b'"state":"opened"')


def _slope(x: Any, y: Any) -> tuple[float, float, float]:
    """Least squares, with twice the standard error on either side; the first third is left out as warming up."""
    x, y = x[len(x) // 3 :], y[len(y) // 3 :]
    (slope, _), covariance = np.polyfit(x, y, 1, cov=True)
    error = 2 * float(np.sqrt(covariance[0, 0]))
    return float(slope), float(slope) - error, float(slope) + error


def _checked(bench: Bench, run: Watched) -> list[dict[str, Any]]:
    """The log, after everything that must hold of any log was looked at."""
    records = run.records()
    validator = jsonschema.Draft202012Validator(load_schema())
    for fault in (error.message for record in records for error in validator.iter_errors(record)):
        bench.expect(False, f"not by the schema: {fault[:200]}")
    bench.expect([r["seq"] for r in records] == list(range(len(records))), "the numbers of the records have a hole")
    opened = {r["event_id"] for r in records if r["type"] == "event_open"}
    closed = [r["event_id"] for r in records if r["type"] == "event_close"]
    lost = {one for r in records for one in r.get("lost_events", ())}
    bench.expect(len(set(closed)) == len(closed), "an event was closed twice")
    bench.expect(opened <= set(closed) | lost, f"{len(opened - set(closed) - lost)} events were never closed")
    for fault in _steps_back(records):
        bench.expect(False, fault)
    return records


def _steps_back(records: list[dict[str, Any]]) -> Iterator[str]:
    """Where checkpoints or gaps of a feed do not follow one another."""
    last: dict[str, float] = {}
    for record in records:
        time_s = {"checkpoint": record.get("time_s"), "gap": record.get("end_s")}.get(record["type"])
        if time_s is None:
            continue
        if time_s < last.get(record["source"], 0.0):
            yield f"stream time of {record['source']} steps back to {time_s} s"
        last[record["source"]] = time_s


CAMPAIGNS: dict[str, Callable[[Bench], None]] = {
    "restarts": restarts,
    "load": load,
    "latency": latency,
    "term": term,
    "kills": kills,
}
