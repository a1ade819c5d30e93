"""Damaged media, and damaged event logs, through what reads them beside a run: clips, annotate, cut, export, report."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from faults.drawn import draw_clips
from faults.mutants import mutated
from faults.reader import Outcome, Reader
from faults.tally import Tally, Trials

WARM_UP = 300
CODES = range(8)
"""What a command may end with: 1 and 2 are a bug and a wrong use, which are told apart by their words."""

_OUT = ("out.mp4", "out.mkv", "out.mov", "out.ts")
_CLIPS = ("--set=clips.thumbnail=true", "--set=clips.annotated=true", "--set=clips.pre_roll_s=0.4")
_EXPORTS = ("csv", "edl", "edl-comskip", "otio", "ffmetadata", "webvtt", "labelstudio", "cvat", "fiftyone", "coco")


def run(folder: Path, trials: Trials) -> Tally:
    """One damaged clip per trial, or a whole clip with a damaged log, and one command."""
    clips = draw_clips(folder / "clips")
    tally = Tally()
    with Reader(folder, warm_up=WARM_UP) as reader:
        logs = {name: _whole_log(reader, folder / "clips" / name) for name in sorted(clips)}
        for number, chance in trials:
            name = chance.choice(sorted(clips))
            video, log = folder / f"mutant{Path(name).suffix}", folder / "mutant.jsonl"
            of_log = chance.randrange(4) == 0
            video.write_bytes(clips[name] if of_log else mutated(clips[name], list(clips.values()), chance))
            log.write_bytes(mutated(logs[name], list(logs.values()), chance) if of_log else logs[name])
            arguments = _command(folder / "results", video, log, reader, chance, of_log=of_log)
            outcome = reader.call(arguments, video)
            tally.counts["inputs"] += 1
            problems = [*_judge(outcome, reader), *_left_behind(folder / "results")]
            told = f"exit code {outcome.code}" if isinstance(outcome, Outcome) else outcome.partition(":")[0]
            tally.counts[f"{arguments[0]}, {told}"] += 1
            for problem in problems:
                tally.found(trials, number, f"{name}: {' '.join(arguments[:8])}: {problem}")
            if problems:
                shutil.copy(video, folder / f"finding-{number}-{name}")
                shutil.copy(log, folder / f"finding-{number}.jsonl")
    reader.tell(tally)
    return tally


def _whole_log(reader: Reader, clip: Path) -> bytes:
    outcome = reader.read(clip, annotate=False)
    if isinstance(outcome, str) or outcome.code or b'"event_close"' not in outcome.log:
        raise RuntimeError(f"{clip} gives no event: {outcome}")
    return outcome.log


def _command(
    results: Path, video: Path, log: Path, reader: Reader, chance: random.Random, *, of_log: bool
) -> list[str]:
    """The arguments of one command whose results go to a folder that is empty."""
    shutil.rmtree(results, ignore_errors=True)
    results.mkdir()
    out, read = str(results / chance.choice(_OUT)), [str(video), str(log)]
    made: list[Callable[[], list[str]]] = [
        lambda: ["annotate", *read, "--out", out],
        lambda: ["annotate", *read, "--reel", "Red", "--out", out],
        lambda: ["annotate", *read, "--per-event", str(results / "each"), "--sheet", str(results / "sheet.png")],
        lambda: ["cut", *read, "--keep", "Red", "--out", out],
        lambda: ["cut", *read, "--drop", "Red", "--out", out],
        lambda: ["cut", *read, "--pixelate", "Red", "--out", out],
    ]
    if of_log:
        made += [
            lambda: ["export", str(log), "--to", chance.choice(_EXPORTS), "--out", str(results / "export")],
            lambda: ["report", str(log), "--html", str(results / "a.html"), "--json", str(results / "a.json")],
        ]
    else:
        made += [lambda: [*reader.run_arguments(video), "--clips", str(results / "clips"), *_CLIPS]] * 2
    return [*chance.choice(made)(), "-q"]


def _judge(outcome: Outcome | str, reader: Reader) -> Iterator[str]:
    if isinstance(outcome, str):
        yield outcome
        return
    errors = [line for line in outcome.said.splitlines() if line.startswith("error: ")]
    if outcome.code not in CODES or outcome.code in (1, 2) or "Traceback" in outcome.said:
        yield outcome.said[-2000:]
    elif len(errors) != (outcome.code != 0):
        yield f"exit code {outcome.code} with {len(errors)} errors: {outcome.said[-500:]}"
    yield from reader.grown(outcome)


def _left_behind(results: Path) -> Iterator[str]:
    for path in results.rglob("*"):
        if path.name.endswith((".part", ".new")) or (path.is_file() and not path.stat().st_size and path.suffix):
            yield f"{path.name} was left behind, {path.stat().st_size} bytes"
