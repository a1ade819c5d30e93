"""The protocol of "Out-of-distribution classification with adaptive learning of low-level contextual features".

    python scripts/reproduce_seed_table.py --root data --folder notmnist=notMNIST_small
    python scripts/reproduce_seed_table.py --known fashionmnist --limit 5000 --epochs 3

Known are the classes of MNIST or Fashion-MNIST; unknown are EMNIST letters, KMNIST, notMNIST, Omniglot, uniform and
Gaussian noise. Both ways are run: with outlier sets that are taught as unknown and met again (`paper`), and with each
set met by a network that was taught all others and never that one (`leave-one-out`), which is the honest one. The
losses are those of streamfilter.training, the scores those of streamfilter.rejector. stdout gets JSON, stderr a table.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast, get_args

import click
from seed_table.network import LOSSES, Loss
from seed_table.sets import NOISE, load_set
from seed_table.table import Experiment, Protocol, Row, markdown

from streamfilter.errors import DatasetError
from streamfilter.rejector.scores import SCORES

UNKNOWN = ("emnist", "kmnist", "notmnist", "omniglot", *NOISE)
PATH = click.Path(path_type=Path)


@click.command()
@click.option("--known", default="mnist", show_default=True, help="mnist, fashionmnist, or the name of a --folder.")
@click.option("--unknown", multiple=True, default=UNKNOWN, show_default=True, help="A set to meet; repeatable.")
@click.option("--outliers", multiple=True, help="A set that `paper` teaches as unknown; repeatable; all unless told.")
@click.option("--root", default="data", show_default=True, type=PATH, help="Where torchvision keeps its sets.")
@click.option("--folder", "folders", multiple=True, metavar="NAME=DIR", help="Pictures of a set; repeatable.")
@click.option("--loss", "losses", multiple=True, default=LOSSES, type=click.Choice(LOSSES), show_default=True)
@click.option("--score", "scores", multiple=True, default=("max_softmax", "relative_mahalanobis"), show_default=True)
@click.option("--protocol", "protocols", multiple=True, default=get_args(Protocol), show_default=True)
@click.option("--limit", type=click.IntRange(20), help="Most training pictures of a set; all unless told.")
@click.option("--epochs", default=5, show_default=True, type=click.IntRange(1))
@click.option("--seed", default=0, show_default=True)
@click.option("--device", default="cpu", show_default=True)
def main(
    known: str,
    *,
    unknown: tuple[str, ...],
    outliers: tuple[str, ...],
    root: Path,
    folders: tuple[str, ...],
    losses: tuple[str, ...],
    scores: tuple[str, ...],
    protocols: tuple[str, ...],
    limit: int | None,
    epochs: int,
    seed: int,
    device: str,
) -> None:
    """Fill the table."""
    places = {name: Path(place) for name, place in (pair.split("=", 1) for pair in folders)}
    if unfit := [name for name in scores if name not in SCORES]:
        raise click.UsageError(f"unknown score {unfit[0]}; expected one of {', '.join(SCORES)}")
    if strange := [name for name in outliers if name not in unknown]:
        raise click.UsageError(f"--outliers {strange[0]}: expected one of the sets to meet: {', '.join(unknown)}")
    try:
        sets = {name: load_set(name, root, places).limited(limit, seed=seed) for name in (known, *unknown)}
    except DatasetError as error:
        raise click.ClickException(str(error)) from None
    experiment = Experiment(
        known=sets[known],
        unknown=tuple(sets[name] for name in unknown),
        outliers=outliers or unknown,
        losses=cast(tuple[Loss, ...], losses),
        scores=scores,
        epochs=epochs,
        seed=seed,
        device=device,
        say=lambda line: click.echo(line, err=True),
    )
    rows: list[Row] = [row for protocol in protocols for row in experiment.rows(cast(Protocol, protocol))]
    click.echo(markdown(rows), err=True)
    click.echo(json.dumps([row.as_json() for row in rows], indent=1))


if __name__ == "__main__":
    main()
