"""`streamfilter learn`: what a review decided, as pictures to train from."""

from __future__ import annotations

from pathlib import Path

import click

from streamfilter.cli import options as opt
from streamfilter.errors import SourceError


@click.command()
@click.argument("reviews", nargs=-1, required=True, type=opt.PATH, metavar="REVIEW...")
@click.option("--data", required=True, type=opt.PATH, metavar="DIR", help="Where the pictures go.")
@click.option("--videos", multiple=True, type=opt.PATH, metavar="DIR", help="Where the videos are; repeatable.")
@click.option(
    "--per-event", type=click.IntRange(1, 100), default=6, show_default=True, help="Most pictures of one appearance."
)
@opt.verbosity_options
def learn(
    reviews: tuple[Path, ...], data: Path, videos: tuple[Path, ...], per_event: int, quiet: bool, verbose: bool
) -> None:
    """Turn decisions into training data: REVIEW is an event log, or the review file beside it."""
    console = opt.make_console(quiet=quiet, verbose=verbose)
    from streamfilter.review.harvest import harvest, summary
    from streamfilter.review.lessons import lessons
    from streamfilter.review.library import log_of, read_library
    from streamfilter.review.videos import Videos

    logs = [log_of(path) for path in reviews]
    library = read_library(logs)
    folders = [*videos, *(path.parent for path in logs), Path.cwd()]
    wanted = lessons(library, per_event=per_event)
    if not wanted:
        console.warn("no decision in these reviews teaches anything yet: accept, reject or rename events first")
        return
    result = harvest(library, wanted, Videos(folders), data=data, on_source=lambda name: console.explain(name))
    lines = summary(result)
    if result.missed and not result.pictures:
        raise SourceError("; ".join(lines))
    for line in lines:
        console.say(line)
