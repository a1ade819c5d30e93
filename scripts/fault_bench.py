"""Faults on purpose: seeded campaigns against `streamfilter run`, repeatable for a minute or a night.

    python scripts/fault_bench.py kills --count 200 --seed 0     kill -9 at random moments, resume, compare every byte
    python scripts/fault_bench.py disk --count 50 --seed 0       a disk that fills up: one clear error, resume, compare
    python scripts/fault_bench.py outages --count 2 --seed 0  receivers of the log fail for 30 s: nothing is lost
    python scripts/fault_bench.py media --count 5000 --seed 0 damaged videos: no crash, no hang, nothing hidden
    python scripts/fault_bench.py tools --count 500 --seed 0  the same and damaged logs: clips, annotate, cut, reports
    python scripts/fault_bench.py soak --count 9999 --minutes 120 --pause 8   memory, threads, open files
    python scripts/fault_bench.py fuzz --minutes 10           every parser of ours, that long; needs the extra `fuzz`

Each prints what was tried and what went wrong, trial by trial with what repeats it, and ends with exit code 1 when
anything did. A campaign is a module in scripts/faults/ with a `run` that gives a `Tally`.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import click
from faults import disk, fuzz, kills, media, outages, soak, tools
from faults.subject import make_subject
from faults.tally import Tally, Trials

DISTURBING = {"kills": kills.run, "disk": disk.run, "outages": outages.run}
"""Campaigns that disturb one and the same run."""
ALONE = {"media": media.run, "tools": tools.run, "fuzz": fuzz.run, "soak": soak.run}


def _campaign(name: str, folder: Path, trials: Trials, *, is_real: bool) -> Tally:
    if name in ALONE:
        return ALONE[name](folder, trials)
    return DISTURBING[name](make_subject(folder, is_real=is_real), trials)


@click.command()
@click.argument("campaign", type=click.Choice([*DISTURBING, *ALONE]))
@click.option("--count", default=20, show_default=True, help="How many faults.")
@click.option("--seed", default=0, show_default=True, help="Same seed, same faults; their moments vary a little.")
@click.option("--minutes", default=None, type=float, help="Stop after this long.")
@click.option("--pause", default=0.0, help="Seconds of rest between two faults, for a machine that has other work too.")
@click.option("--keep", default=None, type=click.Path(path_type=Path), help="A folder for the files; kept.")
@click.option("--real", is_flag=True, help="Run the demo's model, not a stand-in that costs nothing.")
def main(
    campaign: str, *, count: int, seed: int, minutes: float | None, pause: float, keep: Path | None, real: bool
) -> None:
    """Run one CAMPAIGN."""
    with tempfile.TemporaryDirectory(prefix="fault_bench_") as scratch:
        folder = (keep or Path(scratch)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        trials = Trials(count, seed=seed, minutes=minutes, say=click.echo, pause_s=pause)
        tally = _campaign(campaign, folder, trials, is_real=real)
    for line in tally.lines():
        click.echo(line)
    sys.exit(1 if tally.findings else 0)


if __name__ == "__main__":
    main()
