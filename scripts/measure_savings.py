"""Measures what each saving saves on labelled clips, and what it costs.

    python scripts/measure_savings.py MODEL CLIP... [--map Coca-Cola=Cocacola]... [--set KEY=VALUE]... \\
        --with 'plain: sampler.adaptive=false gate.enabled=false' --with 'adaptive: sampler.adaptive=true' ...

Each `--with` is a way to look at the clips: its name and the settings that it changes. Clips and their truth are those
of measure_clips.py. Per way: pictures that the network saw and how many megapixels they had, close-ups aside; seconds
of CPU time and on the wall, without starting and loading; time F1, false events, and the median errors of starts and
ends.
"""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import click
import numpy as np
from measure_clips import look, read_truth

from streamfilter.config import RunConfig, load_config
from streamfilter.console import Console
from streamfilter.demo.clip import Appearance
from streamfilter.demo.score import Score, score_events
from streamfilter.pipeline import load_network
from streamfilter.stages import Classifier
from streamfilter.types import Candidate, Event, Pixels

LEAST_S = 1.0
"""Shorter appearances have no edges that anybody measures."""


@dataclass
class Counting:
    """A classifier that counts what it is asked."""

    inner: Classifier
    shapes: list[tuple[int, ...]] = field(default_factory=list)

    @property
    def labels(self) -> tuple[str, ...]:
        return self.inner.labels

    def analysis_size(self, width: int, height: int) -> tuple[int, int]:
        """As the inner one has it."""
        return self.inner.analysis_size(width, height)

    def classify(self, pictures: Sequence[Pixels]) -> list[list[Candidate]]:
        """What the inner one finds."""
        self.shapes += [picture.shape for picture in pictures]
        return self.inner.classify(pictures)


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("clips", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--map", "joined", multiple=True, metavar="NAME=LABEL", help="A name of the truth and the model's.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="One setting of all ways.")
@click.option("--with", "ways", multiple=True, required=True, metavar="'NAME: KEY=VALUE ...'", help="A way to look.")
def main(
    model: Path, *, clips: tuple[Path, ...], joined: tuple[str, ...], overrides: tuple[str, ...], ways: tuple[str, ...]
) -> None:
    """Compare ways to look at CLIPS with MODEL."""
    names = dict(pair.split("=", 1) for pair in joined)
    console, rows = Console(), []
    for way in ways:
        name, _, settings = way.partition(":")
        rows.append((name, *measure(model, clips, names, (*overrides, *settings.split()))))
        console.say(" ".join(rows[-1]))
    head = ("way", "seen", "pictures", "megapixels", "CPU s", "wall s", "time F1", "false events", "starts", "ends")
    console.table(head, rows)


def measure(model: Path, clips: Sequence[Path], names: dict[str, str], overrides: Sequence[str]) -> tuple[str, ...]:
    """A row of the table."""
    config = load_config(RunConfig, None, overrides)
    network = load_network(model, config)
    counting = Counting(network.classifier)
    counting.classify([np.zeros((384, 672, 3), np.uint8)])
    counting.shapes.clear()
    network = replace(network, classifier=counting)
    score, seen_s, edges = Score(), 0.0, ([], [])  # type: Score, float, tuple[list[float], list[float]]
    cpu_s, wall_s = cpu_seconds(), time.monotonic()
    for clip in clips:
        result = look(clip, network, config)
        truth = read_truth(clip, names)
        score += score_events(result.events, truth, known=network.facts.labels)
        seen_s += result.seen_s
        for found, own in zip(edges, edge_errors(result.events, truth), strict=True):
            found += own
    cpu_s, wall_s = cpu_seconds() - cpu_s, time.monotonic() - wall_s
    pixels = sum(height * width for height, width, _ in counting.shapes) / 1e6
    starts, ends = (f"{statistics.median(errors):.3f} s" if errors else "–" for errors in edges)
    return (
        f"{seen_s:.0f} s",
        str(len(counting.shapes)),
        f"{pixels:.1f}",
        f"{cpu_s:.1f}",
        f"{wall_s:.1f}",
        f"{score.f1:.4f}",
        str(score.false_events),
        starts,
        ends,
    )


def edge_errors(events: Sequence[Event], truth: Sequence[Appearance]) -> tuple[list[float], list[float]]:
    """How far the nearest event's start and end are from those of each clear appearance, in seconds."""
    starts, ends = [], []
    for shown in truth:
        mine = [e for e in events if e.label == shown.label and e.start_s < shown.end_s and e.end_s > shown.start_s]
        if shown.visibility == "clear" and mine and shown.end_s - shown.start_s >= LEAST_S:
            starts.append(min(abs(e.start_s - shown.start_s) for e in mine))
            ends.append(min(abs(e.end_s - shown.end_s) for e in mine))
    return starts, ends


def cpu_seconds() -> float:
    """What this process has used so far, all threads together."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
