"""A whole measurement: the run as it is, the machine's limits, and each saving switched off alone."""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from streamfilter.bench.limits import measure_limits
from streamfilter.bench.measured import Measured, Saving
from streamfilter.bench.running import timed_run
from streamfilter.config import RunConfig, savings
from streamfilter.intervals import intersection, total
from streamfilter.machine import machine_name
from streamfilter.model import load_model
from streamfilter.pipeline import Network, make_network
from streamfilter.types import Event


@dataclass(frozen=True, slots=True)
class Asked:
    """What to measure: a video with a model; whether with the savings switched off as well."""

    video: str
    model: Path
    with_savings: bool = True


def run_bench(asked: Asked, config: RunConfig, *, say: Callable[[str], None]) -> Measured:
    """Measure. Raises `SourceError` and `ModelError`; `say` hears what is being done."""
    model = load_model(asked.model)
    network = make_network(model, config)
    say(f"warming up {network.device}")
    _warm(asked.video, network, config)
    say("the run as it is")
    ran, events = timed_run(asked.video, network, config)
    most_mib = peak_mib()  # what is measured beside the run takes more
    say("what the machine can do")
    limits = measure_limits(asked.video, model, network, config)
    found = []
    for switch, off in savings(config).items() if asked.with_savings else ():
        say(f"without {switch}")
        other = network if off.classifier == config.classifier else _warm(asked.video, make_network(model, off), off)
        without, others = timed_run(asked.video, other, off)
        found.append(Saving(switch, without, agreement(events, others)))
    return Measured(
        machine=machine_name(),
        video=Path(asked.video).name,
        runtime=network.facts.runtime,
        ran=ran,
        limits=limits,
        savings=tuple(found),
        peak_mib=most_mib,
    )


def _warm(video: str, network: Network, config: RunConfig) -> Network:
    """The network, once it has looked at anything."""
    timed_run(video, network, _beginning(config))
    return network


def agreement(some: Sequence[Event], others: Sequence[Event]) -> float | None:
    """Time F1 of some events with others for the truth: 2 |A ∩ B| / (|A| + |B|) in seconds of (label, time).

    None where there are none at all.
    """
    both = all_ = 0.0
    for label in {event.label for event in (*some, *others)}:
        here, there = ([(e.start_s, e.end_s) for e in side if e.label == label] for side in (some, others))
        both += 2 * total(intersection(here, there))
        all_ += total(intersection(here, here)) + total(intersection(there, there))
    return both / all_ if all_ else None


def peak_mib() -> float:
    """Most memory that this process had in use so far."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def _beginning(config: RunConfig) -> RunConfig:
    """A second of the video: what is made on first use is not what is measured."""
    source = config.source
    end_s = min(source.start_s + 1.0, source.end_s or float("inf"))
    return config.model_copy(update={"source": source.model_copy(update={"end_s": end_s})})
