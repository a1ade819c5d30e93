"""`streamfilter bench`: where the time of a run goes on this machine, and what each saving saves."""

from __future__ import annotations

import click


@click.command()
def bench() -> None:
    """Bench."""
