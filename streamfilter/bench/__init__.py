"""Where the time of a run goes on this machine, how near its limits that is, and what each saving saves."""

from streamfilter.bench.bench import Asked, run_bench
from streamfilter.bench.measured import Measured

__all__ = ["Asked", "Measured", "run_bench"]
