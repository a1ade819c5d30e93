"""The campaigns: each tells what it measured, and in `faults` what does not hold."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np

from feeds.cameras import Camera, draw_clip
from feeds.watched import Watched, cpu_s
from streamfilter.sinks import load_schema

_QUICK = ("live.silence_s=2", "live.retry_first_s=0.5", "live.retry_most_s=1", "live.update_s=2", "sampler.rate=4")
_LONGEST_WAIT_S = 1.0
_DECODING = Path(__file__).resolve().parent / "decoding.py"


@dataclass
class Bench:
    """What a campaign has to work with, and what came of it."""

    folder: Path
    count: int
    minutes: float
    seed: int
    say: Callable[[str], None]
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
    outages, threads = [], []
    time.sleep(pause_s / 2)
    before = run.memory_mib()
    for number in range(bench.count):
        camera.kill()
        down_s = time.monotonic()
        time.sleep(pause_s / 4)
        camera.begin()
        outages.append(time.monotonic() - down_s)
        run.wait_for("source_state", number + 2, state="opened")
        back_s = time.monotonic() - down_s - outages[-1]
        bench.expect(back_s <= _LONGEST_WAIT_S + 1.5, f"restart {number}: back {back_s:.2f} s after the server")
        time.sleep(max(0.0, pause_s * 3 / 4 - back_s))
        threads.append(run.threads())
    bench.say(f"memory {before:.0f} MiB before, {run.memory_mib():.0f} MiB after; threads {sorted(set(threads))}")
    code, _ = run.stop()
    camera.kill()
    bench.expect(code == 0, f"exit code {code}")
    records = _checked(bench, run)
    gaps = [r["end_s"] - r["start_s"] for r in records if r["type"] == "gap" and r["cause"] != "clock_jump"]
    bench.say(f"gaps {sum(gaps):.2f} s in {len(gaps)}; the server was away for {sum(outages):.2f} s in {len(outages)}")
    bench.expect(len(gaps) == len(outages), f"{len(gaps)} gaps for {len(outages)} outages")
    for gap_s, outage_s in zip(gaps, outages, strict=False):
        # Beside the outage itself nothing was seen while the feed waited for its next try.
        holds = -0.5 <= gap_s - outage_s <= _LONGEST_WAIT_S + 1.0
        bench.expect(holds, f"a gap of {gap_s:.2f} s for an outage of {outage_s:.2f} s")


def load(bench: Bench) -> None:
    """`count` feeds of 640×480 at two looks a second: memory, drops, CPU against decoding alone."""
    camera = Camera(draw_clip(bench.folder / "clip.mp4"))
    addresses = [camera.address(number) for number in range(bench.count)]
    alone = subprocess.Popen([sys.executable, str(_DECODING), str(bench.minutes * 60 + 60), *addresses])
    alone_share = _share(alone.pid, min(60.0, bench.minutes * 60))
    alone.kill()
    alone.wait()
    settings = ("sampler.rate=2", "sampler.cuts=false", "live.update_s=5")
    run = Watched(bench.folder, addresses, settings, model=None)
    run.wait_for("source_state", bench.count, state="opened")
    time.sleep(10)
    began_s, began_cpu_s = time.monotonic(), cpu_s(run.process.pid)
    samples = []
    while (passed_s := time.monotonic() - began_s) < bench.minutes * 60:
        samples.append((passed_s, run.memory_mib(), run.threads(), run.files()))
        time.sleep(2)
    share = (cpu_s(run.process.pid) - began_cpu_s) / passed_s
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


def latency(bench: Bench) -> None:
    """`count` feeds with the demo's model, overloaded or not."""
    from streamfilter.demo.runner import MODEL

    camera = Camera(draw_clip(bench.folder / "clip.mp4"))
    addresses = [camera.address(number) for number in range(bench.count)]
    run = Watched(bench.folder, addresses, ("sampler.rate=4",), model=Path(str(MODEL)))
    run.wait_for("source_state", bench.count, state="opened")
    time.sleep(bench.minutes * 60)
    code, _ = run.stop()
    camera.kill()
    bench.expect(code == 0, f"exit code {code}")
    for record in _checked(bench, run):
        if record.get("state") == "interrupted":
            live, looks = record["live"], record["counts"]["looks"]
            bench.say(f"{record['source']}: {looks} looks, {live['dropped']} dropped, latency {live['latency_s']}")
            bench.expect(live["latency_s"]["0.95"] < 3.0, f"p95 {live['latency_s']['0.95']} s")


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


def _share(pid: int, seconds: float) -> float:
    """Cores that a process keeps busy, after it has begun."""
    time.sleep(10)
    began_s, before_s = time.monotonic(), cpu_s(pid)
    time.sleep(seconds)
    return (cpu_s(pid) - before_s) / (time.monotonic() - began_s)


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
