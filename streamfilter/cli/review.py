"""`streamfilter review`: look at events in a browser and say what is right."""

from __future__ import annotations

from pathlib import Path

import click

from streamfilter.cli import options as opt


@click.command()
@click.argument("logs", nargs=-1, required=True, type=opt.PATH, metavar="EVENTS...")
@click.option("--videos", multiple=True, type=opt.PATH, metavar="DIR", help="Where the videos are; repeatable.")
@click.option("--data", type=opt.PATH, metavar="DIR", help="Where pictures of named unknown logos go, to be enrolled.")
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Other machines need a token.")
@click.option("--port", type=click.IntRange(0, 65535), metavar="N", help="8377, or any free one, unless told.")
@click.option("--open", "open_page", is_flag=True, help="Open the page in this machine's browser.")
@opt.verbosity_options
def review(
    logs: tuple[Path, ...],
    videos: tuple[Path, ...],
    data: Path | None,
    host: str,
    port: int | None,
    open_page: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Serve a page on which the events of one or more logs are judged; decisions go to files beside the logs."""
    console = opt.make_console(quiet=quiet, verbose=verbose)
    from streamfilter.cli.stopping import stopping
    from streamfilter.review import Address, read_library, serve

    def started(url: str) -> None:
        console.say(f"review: {url} (Ctrl-C ends it)")
        if open_page:
            import webbrowser

            webbrowser.open(url)

    with stopping() as stop:
        library = read_library(logs)
        console.explain(f"{len(library.entries)} events of {len(library.sources)} sources")
        folders = [*videos, *(path.parent for path in logs), Path.cwd()]
        address = Address(host, port)
        serve(library, folders=folders, data=data, address=address, started=started, should_stop=stop)
        return stop.exit_code
