"""Metrics and health of a run over HTTP, where they are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from streamfilter.config import MetricsConfig
from streamfilter.console import Console
from streamfilter.metrics import Metrics, serve_metrics


@contextmanager
def measuring(settings: MetricsConfig, console: Console) -> Iterator[Metrics]:
    """What the feeds and sinks of this process are registered with; served while the block runs where that is asked.

    Raises `SinkError` where the address cannot be had.
    """
    metrics = Metrics(stale_s=settings.stale_s)
    if settings.listen is None:
        yield metrics
        return
    with serve_metrics(metrics, settings.listen) as address:
        console.say(f"metrics: {address}/metrics and {address}/healthz")
        yield metrics
