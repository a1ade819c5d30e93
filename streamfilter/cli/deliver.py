"""`streamfilter deliver`: an event log to the sinks of a settings file, beside the run or after it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from streamfilter.cli import options as opt

if TYPE_CHECKING:
    from streamfilter.config import AnySink
    from streamfilter.delivery import Deliverer

_ASK_EVERY_S = 0.1


@click.command()
@click.argument("events", type=opt.PATH, metavar="EVENTS")
@click.option("--follow", is_flag=True, help="Go on until stopped; the log may be written, resumed or replaced.")
@click.option("--metrics", metavar="[HOST:]PORT", help="Answer /metrics and /healthz over HTTP; on loopback alone.")
@opt.config_option
@opt.set_option
@opt.verbosity_options
def deliver(
    events: Path,
    follow: bool,
    metrics: str | None,
    config: Path | None,
    overrides: tuple[str, ...],
    quiet: bool,
    verbose: bool,
) -> int:
    """Deliver what the event log EVENTS holds to the sinks of --config, from where each of them was last."""
    console = opt.make_console(quiet=quiet, verbose=verbose)
    from streamfilter.cli.measuring import measuring
    from streamfilter.cli.stopping import stopping
    from streamfilter.config import RunConfig, load_config
    from streamfilter.delivery import delivering
    from streamfilter.errors import ConfigError, SinkError

    named = opt.as_overrides({"metrics.listen": opt.as_text(metrics)})
    settings = load_config(RunConfig, config, [*named, *overrides])
    if not settings.sinks:
        raise ConfigError("no sinks in the settings: name some below `sinks:` in --config")
    if not follow and not events.is_file():
        raise SinkError(f"cannot read event log {events}: no such file; check the path, or --follow to wait for it")
    with stopping() as stop, measuring(settings.metrics, console) as measured:
        with delivering(events, settings.sinks, console) as deliverers:
            for deliverer in deliverers:
                measured.add_sink(deliverer.name, deliverer.numbers)
            given_up = _wait(deliverers, settings.sinks, follow=follow, should_stop=stop)
        for deliverer in deliverers:
            console.explain(f"sink {deliverer.name}: {deliverer.numbers().delivered} records delivered")
        if given_up:
            raise SinkError(f"not all of {events} was delivered to {', '.join(given_up)}; run it again later")
        return stop.exit_code if stop() else 0


def _wait(
    deliverers: Sequence[Deliverer],
    sinks: Mapping[str, AnySink],
    *,
    follow: bool,
    should_stop: Callable[[], bool],
) -> list[str]:
    """Wait for the end of the work, or the order to stop. Returns the sinks that were given up."""
    while not should_stop():
        time.sleep(_ASK_EVERY_S)
        if follow:
            continue
        given_up = [d.name for d in deliverers if _fails_for_s(d) > sinks[d.name].give_up_s]
        if all(deliverer.is_idle or deliverer.name in given_up for deliverer in deliverers):
            return given_up
    return []


def _fails_for_s(deliverer: Deliverer) -> float:
    since_s = deliverer.failing_since_s
    return 0.0 if since_s is None else time.monotonic() - since_s
