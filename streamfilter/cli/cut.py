"""`streamfilter cut`: the parts of a video with a logo, those without it, or the video with the logo hidden."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from streamfilter.cli import options as opt

if TYPE_CHECKING:
    from streamfilter.cli.logs import VideoLog
    from streamfilter.console import Console
    from streamfilter.cutting import CutResult

Way = Literal["keep", "drop", "blur", "pixelate"]


@click.command()
@click.argument("video", metavar="VIDEO")
@click.argument("events", type=opt.PATH, metavar="EVENTS")
@click.option("--keep", multiple=True, metavar="LABEL", help="Keep only what shows this label; repeatable.")
@click.option("--drop", multiple=True, metavar="LABEL", help="Remove what shows this label; repeatable.")
@click.option("--blur", multiple=True, metavar="LABEL", help="Blur this label along its track; repeatable.")
@click.option("--pixelate", multiple=True, metavar="LABEL", help="The same in coarse blocks; repeatable.")
@click.option("--out", required=True, type=opt.PATH, metavar="FILE", help="The video to write: .mp4, .mkv, .mov, .ts.")
@opt.force_option
@opt.verbosity_options
def cut(
    video: str,
    events: Path,
    keep: tuple[str, ...],
    drop: tuple[str, ...],
    blur: tuple[str, ...],
    pixelate: tuple[str, ...],
    out: Path,
    force: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Cut VIDEO by what its event log EVENTS says, or hide logos in it."""
    way, wanted = _asked({"keep": keep, "drop": drop, "blur": blur, "pixelate": pixelate})
    console = opt.make_console(quiet=quiet, verbose=verbose)
    from streamfilter.cli.logs import prepare_result, read_video_log
    from streamfilter.eventlog import known_labels

    found = read_video_log(video, events, console)
    labels = known_labels(found.log, wanted)
    prepare_result(out, [Path(video), events], force=force)
    result = _written(video, out, way, labels=labels, found=found, console=console)
    _tell(result, console)


def _asked(given: Mapping[Way, tuple[str, ...]]) -> tuple[Way, tuple[str, ...]]:
    ways = [way for way, labels in given.items() if labels]
    if len(ways) != 1:
        raise click.UsageError("expected exactly one of --keep, --drop, --blur and --pixelate; each may be repeated")
    return ways[0], given[ways[0]]


def _written(
    video: str, out: Path, way: Way, *, labels: tuple[str, ...], found: VideoLog, console: Console
) -> CutResult:
    from streamfilter.cutting import Hidden, cut_video, hide_in_video

    chosen = [event for event in found.events if event.label in labels]
    with console.progress(f"cutting {Path(video).name}", found.source.duration_s, unit="seconds") as progress:
        if way in ("blur", "pixelate"):
            hidden = Hidden(tuple(event.as_event() for event in chosen), "blur" if way == "blur" else "pixelate")
            return hide_in_video(video, out, hidden, watch=progress.reach)
        wanted = [(event.start_s, event.end_s) for event in chosen]
        return cut_video(video, out, wanted, mode="keep" if way == "keep" else "drop", watch=progress.reach)


def _tell(result: CutResult, console: Console) -> None:
    if result.reason is not None:
        console.say(f"everything was encoded anew: {result.reason}")
    else:
        console.say(f"{result.copied} pictures copied, {result.encoded} encoded anew")
    if result.left_out:
        console.warn(f"{result.path.suffix} cannot hold {', '.join(result.left_out)}: left out; try .mkv")
    console.say(f"{result.path}: {result.length_s:.2f} s")
