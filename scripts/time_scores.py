"""What the rejection scores of a model cost beside its network: CPU milliseconds a look, and their share.

    python scripts/time_scores.py MODEL [--windows 20] [--looks 50]

Both sides are CPU time of one thread, so that other programs on the machine make no difference.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click
import numpy as np
import torch

from streamfilter.console import Console
from streamfilter.model import head_of, load_model
from streamfilter.rejector.scores import Head
from streamfilter.types import Features


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--windows", default=20, show_default=True, help="Candidates of a look.")
@click.option("--looks", default=50, show_default=True, help="Looks that are timed.")
def main(model: Path, *, windows: int, looks: int) -> None:
    """Time the scores of MODEL."""
    torch.set_num_threads(1)
    trained = load_model(model)
    features = made_up(head_of(trained.network), windows)
    picture = torch.rand(1, 3, trained.short_side, trained.short_side * 16 // 9 // 32 * 32) * 255
    with torch.inference_mode():
        network_ms = cpu_ms(lambda: trained.network(picture), 5)
    spent = {name: cpu_ms(partial(score, features), looks) for name, score in trained.scores.items()}
    total = sum(ms for name, ms in spent.items() if name != "fused")
    rows = [*spent.items(), ("all, once", total), ("network", network_ms)]
    table = [(name, f"{ms:.2f}", f"{ms / network_ms:.2%}") for name, ms in rows]
    Console().table(("score", "ms", "of the network's"), table)


def made_up(head: Head, count: int) -> Features:
    """Windows of random embeddings: what a score costs does not depend on what it sees."""
    rng = np.random.default_rng(0)
    embeddings = rng.exponential(0.4, (count, head.weight.shape[1])).astype(np.float32)
    cells = rng.integers(4, 400, count).astype(np.float64)
    return Features(head.logits(embeddings, cells).astype(np.float32), embeddings, cells)


def cpu_ms(call: Callable[[], object], times: int) -> float:
    """Mean CPU time of a call, in milliseconds, after one that does not count."""
    call()
    began = time.process_time()
    for _ in range(times):
        call()
    return (time.process_time() - began) * 1000 / times


if __name__ == "__main__":
    main()
