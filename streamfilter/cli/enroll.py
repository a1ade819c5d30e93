"""`streamfilter enroll`: add a label to a model from a few pictures, or take it away again."""

from __future__ import annotations

from pathlib import Path

import click

from streamfilter.cli import options as opt


@click.command()
@click.argument("model", type=opt.PATH)
@click.argument("label")
@click.argument("images", nargs=-1, type=opt.PATH, metavar="IMAGES...")
@click.option("--out", required=True, type=opt.PATH, metavar="NEW", help="The model file to write.")
@click.option("--boxes", type=opt.PATH, metavar="CSV", help="Where the logo is: image,x1,y1,x2,y2,label in pixels.")
@click.option(
    "--negatives", multiple=True, type=opt.PATH, metavar="DIR", help="Photographs without the logo; repeatable."
)
@click.option("--remove", "removes", is_flag=True, help="Take LABEL away again; without IMAGES.")
@opt.device_option
@opt.force_option
@opt.verbosity_options
def enroll(
    model: Path,
    label: str,
    images: tuple[Path, ...],
    out: Path,
    boxes: Path | None,
    negatives: tuple[Path, ...],
    removes: bool,
    device: str | None,
    force: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Add LABEL to a MODEL from one to ten IMAGES of the logo, in a minute and without training.

    An image is the logo as transparent artwork, a picture cut to it, or a photograph with a box. All other labels are
    found as before.
    """
    if removes == bool(images):
        raise click.UsageError("expected either IMAGES to enroll LABEL from, or --remove")
    console = opt.make_console(quiet=quiet, verbose=verbose)
    from streamfilter import enrolling

    if removes:
        enrolling.remove(model, label, out, force=force)
    else:
        pictures = enrolling.Pictures(images, boxes, negatives)
        enrolling.enroll(model, label, out, pictures=pictures, console=console, device=device or "auto", force=force)
    console.say(f"model: {out}")
