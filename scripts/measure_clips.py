"""Measures a model on labelled clips: time F1 and false events per clip and in all.

    python scripts/measure_clips.py MODEL CLIP... [--map Coca-Cola=Cocacola]... [--set smoother.onset_s=0.5]...

A clip's truth lies beside it as NAME.labels.jsonl, one object a line with label, start_s, end_s and visibility
("clear", or "hard": finding it or not costs nothing). A clip without that file is background: every event on it is
false. `--map` joins a name of the truth to a label of the model; a name that is no label stands for a logo never
taught.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path

import click

from streamfilter.config import RunConfig, load_config
from streamfilter.console import Console
from streamfilter.demo.clip import Appearance
from streamfilter.demo.score import Score, score_events
from streamfilter.pipeline import Network, identify, load_network, run
from streamfilter.sinks import EventLog
from streamfilter.summary import SourceResult


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("clips", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--map", "joined", multiple=True, metavar="NAME=LABEL", help="A name of the truth and the model's for it."
)
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="One setting of the run.")
def main(model: Path, *, clips: tuple[Path, ...], joined: tuple[str, ...], overrides: tuple[str, ...]) -> None:
    """Score MODEL on CLIPS."""
    console = Console()
    config = load_config(RunConfig, None, overrides)
    network = load_network(model, config)
    names = dict(pair.split("=", 1) for pair in joined)
    rows, total, seconds_s = [], Score(), 0.0
    for clip in clips:
        result = look(clip, network, config)
        score = score_events(result.events, read_truth(clip, names), known=network.facts.labels)
        total, seconds_s = total + score, seconds_s + result.seen_s
        rows.append((clip.name, *cells(score)))
        for event in result.events:
            console.say(
                f"{clip.name}: {event.label} {event.start_s:.2f} to {event.end_s:.2f} s, score {event.score:.2f}"
            )
    console.table(("clip", "time F1", "precision", "recall", "found", "false events"), [*rows, ("all", *cells(total))])
    console.say(f"{total.false_events * 3600 / seconds_s:.1f} false events an hour, in {seconds_s / 60:.1f} minutes")


def look(clip: Path, network: Network, config: RunConfig) -> SourceResult:
    """One clip through the pipeline; its log is thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        run_id = identify([str(clip)], config=config, model=network.facts)
        with EventLog(Path(folder) / "events.jsonl", run_id) as log:
            return run([str(clip)], network, config=config, log=log).sources[0]


def read_truth(clip: Path, names: dict[str, str]) -> list[Appearance]:
    """The clip's labels under the model's names; none where there is no file."""
    path = clip.with_name(clip.stem + ".labels.jsonl")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    truth = []
    for line in filter(None, lines):
        fields = json.loads(line)
        one = Appearance(fields["label"], fields["start_s"], fields["end_s"], fields["visibility"])
        truth.append(replace(one, label=names.get(one.label, one.label)))
    return truth


def cells(score: Score) -> tuple[str, ...]:
    """A row of the table; clips without a known logo have no F1."""
    if not score.found + score.missed:
        return "–", "–", "–", "–", str(score.false_events)
    found = f"{score.found} of {score.found + score.missed}"
    return f"{score.f1:.3f}", f"{score.precision:.3f}", f"{score.recall:.3f}", found, str(score.false_events)


if __name__ == "__main__":
    main()
