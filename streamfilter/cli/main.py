"""The entry point: which commands there are, and which exit code an ending gets."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from itertools import pairwise

import click

import streamfilter
from streamfilter.cli.annotate import annotate
from streamfilter.cli.batch import batch
from streamfilter.cli.bench import bench
from streamfilter.cli.calibrate import calibrate
from streamfilter.cli.cut import cut
from streamfilter.cli.deliver import deliver
from streamfilter.cli.demo import demo
from streamfilter.cli.enroll import enroll
from streamfilter.cli.evaluate import evaluate
from streamfilter.cli.export import export_command, import_command
from streamfilter.cli.learn import learn
from streamfilter.cli.model import model
from streamfilter.cli.report import report
from streamfilter.cli.review import review
from streamfilter.cli.run import run
from streamfilter.cli.stopping import INTERRUPTED
from streamfilter.cli.train import train_command
from streamfilter.errors import StreamFilterError

PIPE_CLOSED = 128 + 13  # SIGPIPE, by number: Windows has no such signal


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(streamfilter.__version__, prog_name="streamfilter")
def streamfilter_command() -> None:
    """Finds the logos it was taught in video, and says "none of these" about everything else."""


for command in (
    run,
    batch,
    train_command,
    calibrate,
    enroll,
    model,
    demo,
    evaluate,
    bench,
    review,
    learn,
    annotate,
    cut,
    export_command,
    report,
    import_command,
    deliver,
):
    streamfilter_command.add_command(command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave the process with its exit code."""
    sys.exit(exit_code(list(sys.argv[1:] if arguments is None else arguments)))


def exit_code(arguments: list[str]) -> int:
    """Run one command; every ending becomes an exit code, and an error one line on stderr."""
    try:
        result = streamfilter_command.main(arguments, prog_name="streamfilter", standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except StreamFilterError as error:
        _say_error(" ".join(str(error).splitlines()), as_json=_asked_json(arguments))
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        _say("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        _forget_stdout()
        return PIPE_CLOSED
    except Exception as error:  # noqa: BLE001 - the last line of defence: a user gets one line, never a traceback
        return _bug(error, explain=_asked_why(arguments))


def _bug(error: Exception, *, explain: bool) -> int:
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    _say(f"error: {reason}; this is a bug in streamfilter" + ("" if explain else ", please report it (-v shows where)"))
    if explain:
        traceback.print_exception(error)
    return 1


def _asked_why(arguments: Sequence[str]) -> bool:
    return any(a in ("-v", "--verbose") for a in arguments)


def _asked_json(arguments: Sequence[str]) -> bool:
    return "--log=json" in arguments or ("--log", "json") in pairwise(arguments)


def _say_error(text: str, *, as_json: bool) -> None:
    if as_json:
        from streamfilter.console import json_line

        _say(json_line("error", text))
    else:
        _say(f"error: {text}")


def _forget_stdout() -> None:
    """Whoever read our output is gone: point stdout at nothing, or Python complains when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(line: str) -> None:
    click.echo(line, err=True)
