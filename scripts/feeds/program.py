"""`streamfilter` with a network that costs nothing: program.py ARGUMENTS..."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from faults.stand_in import load_stand_in

    from streamfilter.cli.main import exit_code

    vars(importlib.import_module("streamfilter.cli.job"))["load_network"] = load_stand_in
    sys.exit(exit_code(sys.argv[1:]))
