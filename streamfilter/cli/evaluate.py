"""`streamfilter evaluate`: measure a model on pictures and clips that it was not taught with."""

from __future__ import annotations

from pathlib import Path

import click

from streamfilter.cli import options as opt


@click.command()
@click.argument("model", type=opt.PATH)
@click.option("--known", required=True, type=opt.PATH, metavar="DIR", help="A folder per label; pictures of them.")
@click.option(
    "--far", multiple=True, type=opt.PATH, metavar="DIR", help="Pictures with nothing like a label; repeatable."
)
@click.option("--near", multiple=True, type=opt.PATH, metavar="DIR", help="Pictures of other logos; repeatable.")
@click.option(
    "--video",
    "clips",
    multiple=True,
    nargs=2,
    metavar="CLIP LABELS",
    help="A clip and what it shows when, as JSON lines; - for a clip that shows nothing known; repeatable.",
)
@click.option("--map", "names", multiple=True, metavar="NAME=LABEL", help="A name in LABELS and the model's for it.")
@click.option("--report", type=opt.PATH, metavar="HTML", help="One page: charts, tables and the worst mistakes.")
@click.option("--json", "out", default="-", show_default=True, metavar="FILE", help="The numbers; - is stdout.")
@click.option("--compare", is_flag=True, help="Measure every rejection score, not only the one that decides.")
@click.option("--fit", type=opt.PATH, metavar="DIR", help="Fit the scores anew, to the pictures of a folder per label.")
@click.option(
    "--fit-negatives", multiple=True, type=opt.PATH, metavar="DIR", help="Negatives to fit them to; repeatable."
)
@click.option(
    "--shifts",
    default=24,
    show_default=True,
    type=click.IntRange(0),
    metavar="N",
    help="Known pictures that are compressed, blurred and so on, and judged again; 0 leaves it out.",
)
@click.option("--cache", type=opt.PATH, metavar="DIR", help="Where to keep what the network said; your cache folder.")
@opt.device_option
@opt.config_option
@opt.set_option
@opt.force_option
@opt.verbosity_options
def evaluate(
    model: Path,
    known: Path,
    far: tuple[Path, ...],
    near: tuple[Path, ...],
    clips: tuple[tuple[str, str], ...],
    names: tuple[str, ...],
    report: Path | None,
    out: str,
    compare: bool,
    fit: Path | None,
    fit_negatives: tuple[Path, ...],
    shifts: int,
    cache: Path | None,
    device: str | None,
    config: Path | None,
    overrides: tuple[str, ...],
    force: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Measure MODEL: how well it names its labels, and how well it says "none of these" to everything else."""
    from streamfilter.cli.evaluating import Outputs, Task, run_evaluation

    console = opt.make_console(quiet=quiet, verbose=verbose)
    named = opt.as_overrides({"classifier.device": device})
    if (fit or fit_negatives) and not (compare and fit):
        raise click.UsageError("--fit and --fit-negatives are for --compare, and negatives need --fit")
    task = Task(
        model,
        known,
        far,
        near,
        clips,
        opt.as_pairs(names),
        cache=cache,
        compare=compare,
        fit=fit,
        fit_negatives=fit_negatives,
        shifts=shifts,
    )
    run_evaluation(task, Outputs(out, report, force=force), console, config=config, overrides=[*named, *overrides])
