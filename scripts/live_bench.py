"""Live feeds under load and under fire: campaigns against `streamfilter run`, with a real RTSP server.

    python scripts/live_bench.py restarts --count 10 --minutes 2     the server is killed and comes back
    python scripts/live_bench.py load --count 16 --minutes 10        many feeds: memory, threads, CPU, drops
    python scripts/live_bench.py latency --count 4 --minutes 2 [--model FILE] [--clip MP4]    how late events are
    python scripts/live_bench.py term --count 10                     SIGTERM in mid-event
    python scripts/live_bench.py kills --count 50                    kill -9, and --resume in the same log

Each tells what it measured and what does not hold, and ends with exit code 1 where anything does not.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import click
from feeds.campaigns import CAMPAIGNS, Bench

from streamfilter.demo.runner import MODEL


@click.command()
@click.argument("campaign", type=click.Choice(sorted(CAMPAIGNS)))
@click.option("--count", default=10, show_default=True, help="How many faults, or feeds.")
@click.option("--minutes", default=2.0, show_default=True, help="How long, where that is asked for.")
@click.option("--seed", default=0, show_default=True, help="Same seed, same moments, more or less.")
@click.option("--keep", default=None, type=click.Path(path_type=Path), help="A folder for the files; kept.")
@click.option("--model", default=MODEL, type=click.Path(path_type=Path), help="For latency, else the demo's.")
@click.option("--clip", default=None, type=click.Path(path_type=Path), help="What its feeds show; H.264.")
def main(
    campaign: str, *, count: int, minutes: float, seed: int, keep: Path | None, model: Path, clip: Path | None
) -> None:
    """Run one CAMPAIGN."""
    with tempfile.TemporaryDirectory(prefix="live_bench_") as scratch:
        folder = (keep or Path(scratch)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "live.jsonl").unlink(missing_ok=True)
        bench = Bench(folder, count, minutes, seed, say=click.echo, model=model.absolute(), clip=clip)
        CAMPAIGNS[campaign](bench)
    click.echo(f"{campaign}: {'all holds' if not bench.faults else f'{len(bench.faults)} faults'}")
    sys.exit(1 if bench.faults else 0)


if __name__ == "__main__":
    main()
