"""Options that several commands share, and how they become settings."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from streamfilter.console import Console

F = TypeVar("F", bound=Callable[..., Any])
PATH = click.Path(path_type=Path)

config_option = click.option(
    "--config", type=PATH, metavar="YAML", help="Settings; the files in configs/ list all of them."
)
set_option = click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="One setting; wins over --config; repeatable."
)
device_option = click.option("--device", metavar="NAME", help="auto, cpu, cuda or cuda:N.")
force_option = click.option("--force", is_flag=True, help="Overwrite what is there.")


def verbosity_options(command: F) -> F:
    """`-q` and `-v`."""
    command = click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")(command)
    return click.option("-v", "--verbose", is_flag=True, help="Explain what happens and why.")(command)


def make_console(*, quiet: bool, verbose: bool, live: bool = True, as_json: bool = False) -> Console:
    """The console for `-q` and `-v`, which exclude each other."""
    from streamfilter.console import Console

    if quiet and verbose:
        raise click.UsageError("-q and -v exclude each other")
    return Console(-int(quiet) + int(verbose), live=live, as_json=as_json)


def as_overrides(options: dict[str, Any]) -> list[str]:
    """Dotted settings for the options that were given: None was not."""
    return [f"{key}={value}" for key, value in options.items() if value is not None]


def as_text(value: str | None) -> str | None:
    """An option that is a text whatever it looks like to YAML; None was not given."""
    return None if value is None else json.dumps(value)


def as_pairs(options: Sequence[str]) -> dict[str, str]:
    """`NAME=VALUE` options as a mapping."""
    for option in options:
        if "=" not in option:
            raise click.UsageError(f"{option!r}: expected NAME=VALUE")
    return dict(option.split("=", 1) for option in options)
