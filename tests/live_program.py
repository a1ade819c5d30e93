"""`streamfilter` with a network that knows plain colours: live_program.py ARGUMENTS..."""

import sys

from fakes import color_network

import streamfilter.cli.job
from streamfilter.cli.main import exit_code

if __name__ == "__main__":
    streamfilter.cli.job.load_network = lambda path, config: color_network()
    sys.exit(exit_code(sys.argv[1:]))
