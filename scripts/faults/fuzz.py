"""Coverage-guided fuzzing of the parsers that are ours, with atheris (`pip install streamfilter[fuzz]`).

Each parser runs in a process of its own for its share of the time, from the small corpus in tests/corpus/. What it
learns stays in the campaign's folder; an input that is a finding is named, and belongs into the corpus once it is none.

    cd scripts && python -m faults.fuzz PARSER [libFuzzer's options]      one parser, by hand
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from faults.parsers import PARSERS
from faults.tally import Tally, Trials

SCRIPTS = Path(__file__).resolve().parents[1]
CORPUS = SCRIPTS.parent / "tests" / "corpus"
MEMORY_MIB = 4096
SLOW_S = 30
"""An input that takes longer is a finding."""


def run(folder: Path, trials: Trials) -> Tally:
    """Every parser in turn; `--minutes` is for each, and one unless told."""
    tally = Tally()
    for number, name in enumerate(PARSERS):
        learnt = folder / "learnt" / name
        learnt.mkdir(parents=True, exist_ok=True)
        seconds = round(60 * (trials.minutes or 1))
        options = [f"-max_total_time={seconds}", f"-seed={trials.seed + 1}", f"-rss_limit_mb={MEMORY_MIB}"]
        options += [f"-timeout={SLOW_S}", "-max_len=20000", f"-artifact_prefix={folder}/{name}-"]
        done = subprocess.run(
            [sys.executable, "-m", "faults.fuzz", name, *options, str(learnt), str(CORPUS / name)],
            cwd=SCRIPTS,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        tries = re.findall(r"^#(\d+)\s", done.stderr, re.MULTILINE)
        tally.counts[f"{name}, {seconds} s: inputs"] = int(tries[-1]) if tries else 0
        trials.say(f"{name}: {tries[-1] if tries else 0} inputs in {seconds} s")
        if done.returncode:
            tally.found(trials, number, f"{name}: {done.stdout[-1500:]}{done.stderr[-1500:]}")
    return tally


def _fuzz(name: str, options: list[str]) -> None:
    import atheris

    with atheris.instrument_imports(include=["streamfilter"]):
        import streamfilter.eventlog
        import streamfilter.sinks.past
        import streamfilter.source.discovery

        if name == "model":
            import streamfilter.model
        if name == "boxes":
            import streamfilter.training.boxes
        if name == "truth":
            import streamfilter.evaluation.clips  # noqa: F401 - as above
    with tempfile.NamedTemporaryFile(prefix="fuzz_", dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as file:
        path = Path(file.name)
        atheris.Setup([sys.argv[0], *options], lambda content: PARSERS[name](content, path))
        atheris.Fuzz()


if __name__ == "__main__":
    _fuzz(sys.argv[1], sys.argv[2:])
