"""A loop of video through run after run in one process: memory, threads and open files stay as they were."""

from __future__ import annotations

from pathlib import Path

from faults.drawn import draw_clips
from faults.reader import Reader
from faults.tally import Tally, Trials

WARM_UP = 10
LOOPS = 30
"""How often a clip of two seconds is repeated in one file, with a clock that begins anew each time."""

ANNOTATED_IN = 4


def run(folder: Path, trials: Trials) -> Tally:
    """One run per trial, over the loop or one of the plain clips in turn."""
    clips = draw_clips(folder / "clips")
    loop = folder / "clips" / "loop.ts"
    loop.write_bytes(clips["h264.ts"] * LOOPS)
    paths = [loop, *(folder / "clips" / name for name in sorted(clips))]
    tally = Tally()
    with Reader(folder, warm_up=WARM_UP) as reader:
        for number, _ in trials:
            path = paths[number % len(paths)] if number % 2 else loop
            outcome = reader.read(path, annotate=number % ANNOTATED_IN == 0)
            tally.counts["runs"] += 1
            if isinstance(outcome, str) or outcome.code:
                tally.found(trials, number, outcome if isinstance(outcome, str) else outcome.said[-500:])
                continue
            for problem in reader.grown(outcome):
                tally.found(trials, number, problem)
    reader.tell(tally)
    return tally
