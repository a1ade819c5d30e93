"""The command line: parse, load the settings, call, print. Heavy imports happen inside the commands."""

from streamfilter.cli.main import main

__all__ = ["main"]
