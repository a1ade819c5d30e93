"""Mutated media through a whole run: no traceback, no crash, no hang, no growth, and what can be seen is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from faults.drawn import draw_clips
from faults.mutants import mutated
from faults.reader import Outcome, Reader
from faults.tally import Tally, Trials

WARM_UP = 300
ANNOTATED_IN = 10
"""One file of so many is annotated as well."""


def run(folder: Path, trials: Trials) -> Tally:
    """One mutant per trial."""
    clips = draw_clips(folder / "clips")
    tally = Tally()
    tally.counts["containers and codecs"] = len(clips)
    with Reader(folder, warm_up=WARM_UP) as reader:
        for number, chance in trials:
            name = chance.choice(sorted(clips))
            content = mutated(clips[name], list(clips.values()), chance)
            path = folder / f"mutant{Path(name).suffix}"
            path.write_bytes(content)
            outcome = reader.read(path, annotate=chance.randrange(ANNOTATED_IN) == 0)
            tally.counts["inputs"] += 1
            problems = list(_judge(outcome, tally, reader))
            for problem in problems:
                tally.found(trials, number, f"{name}: {problem}")
            if problems:
                (folder / f"finding-{number}-{name}").write_bytes(content)
    reader.tell(tally)
    return tally


def _judge(outcome: Outcome | str, tally: Tally, reader: Reader) -> Iterator[str]:
    """What is wrong with an outcome; everything is counted."""
    if isinstance(outcome, str):
        tally.counts[outcome.partition(":")[0]] += 1
        yield outcome
        return
    tally.counts[f"exit code {outcome.code}"] += 1
    if "this is a bug" in outcome.said or outcome.code not in (0, 4):
        tally.counts["tracebacks"] += 1
        yield outcome.said[-2000:]
    errors = [line for line in outcome.said.splitlines() if line.startswith("error: ")]
    if len(errors) != (outcome.code != 0):
        yield f"exit code {outcome.code} with {len(errors)} errors: {outcome.said[-500:]}"
    records = [json.loads(line) for line in outcome.log.splitlines()]
    if not records or records[-1]["type"] != "run_end":
        yield "the log has no end"
    if outcome.is_decodable:
        tally.counts["decodable"] += 1
        tally.counts[f"decodable, {_told(records)}"] += 1
    yield from reader.grown(outcome)


def _told(records: list[dict[str, Any]]) -> str:
    """What a log tells of a source: the best of it."""
    if any(record["type"] == "event_close" for record in records):
        return "events"
    if any(record["type"] == "gap" and record["cause"] == "ended_early" for record in records):
        return "ended early"
    if any(record["type"] == "gap" for record in records):
        return "gaps"
    state = next((record for record in reversed(records) if record["type"] == "source_state"), None)
    if state is None or state["state"] == "failed":
        return "failed"
    return "damage" if state["counts"]["decode_errors"] or state["notes"] else "too short for events"
