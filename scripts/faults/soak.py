"""A loop of video through run after run in one process: memory, threads and open files stay as they were."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from faults.drawn import draw_clips
from faults.reader import Outcome, Reader
from faults.tally import Tally, Trials

WARM_UP = 10
LOOPS = 30
"""How often a clip of two seconds is repeated in one file, with a clock that begins anew each time."""

ANNOTATED_IN = 4
TOLD_S = 300.0
"""How often the state of the process is told."""

FLAT_MIB = 4.0
"""By how much memory may differ between the second and the last quarter of a soak; the first is for warming up."""


@dataclass(frozen=True)
class Sample:
    """The process after a run, so many minutes after the beginning."""

    minutes: float
    outcome: Outcome

    def __str__(self) -> str:
        now = self.outcome
        return f"{self.minutes:6.1f} min: {now.rss_mib:.1f} MiB, {now.threads} threads, {now.files} files"


def run(folder: Path, trials: Trials) -> Tally:
    """One run per trial, over the loop or one of the plain clips in turn."""
    clips = draw_clips(folder / "clips")
    loop = folder / "clips" / "loop.ts"
    loop.write_bytes(clips["h264.ts"] * LOOPS)
    paths = [loop, *(folder / "clips" / name for name in sorted(clips))]
    tally, samples, told_s = Tally(), list[Sample](), 0.0
    began_s = time.monotonic()
    with Reader(folder, warm_up=WARM_UP) as reader:
        for number, _ in trials:
            path = paths[number // 2 % len(paths)] if number % 2 else loop
            outcome = reader.read(path, annotate=number % ANNOTATED_IN == 0)
            tally.counts["runs"] += 1
            if isinstance(outcome, str) or outcome.code:
                tally.found(trials, number, outcome if isinstance(outcome, str) else outcome.said[-500:])
                continue
            for problem in reader.grown(outcome):
                tally.found(trials, number, problem)
            samples.append(Sample((time.monotonic() - began_s) / 60, outcome))
            if 60 * samples[-1].minutes >= told_s:
                trials.say(str(samples[-1]))
                told_s += TOLD_S
    for problem in drift([sample.outcome for sample in samples[WARM_UP:]], tally):
        tally.found(trials, trials.count - 1, problem)
    return tally


def drift(outcomes: Sequence[Outcome], tally: Tally) -> Iterator[str]:
    """What is not flat; the medians of each quarter are counted."""
    size = len(outcomes) // 4
    if not size:
        return
    memory = []
    for quarter in range(4):
        part = outcomes[quarter * size : (quarter + 1) * size]
        memory.append(statistics.median(outcome.rss_mib for outcome in part))
        threads, files = (statistics.median_high(getattr(one, what) for one in part) for what in ("threads", "files"))
        tally.counts[f"quarter {quarter + 1}: {memory[-1]:.1f} MiB, {threads} threads, {files} files; runs"] = size
        if quarter == 1:
            settled = threads, files
        if quarter == 3 and (threads, files) != settled:
            yield f"{threads} threads and {files} files in the last quarter, {settled} in the second"
    if memory[3] - memory[1] > FLAT_MIB:
        yield f"memory grew from {memory[1]:.1f} to {memory[3]:.1f} MiB between the second and the last quarter"
