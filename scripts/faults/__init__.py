"""Campaigns of `scripts/fault_bench.py` and what they share.

subject.py   what is run: small clips, a model, and the log that it must come to
process.py   `streamfilter` in processes that can be killed, sabotaged and starved
stand_in.py  a network that costs nothing
tally.py     which trials there are, and what came of them
kills.py     kill -9 at random moments
disk.py      a disk that is full
outages.py   receivers of the log that fail
media.py     damaged videos, which drawn.py draws, mutants.py damages and reader.py reads
tools.py     the same, and damaged logs, through clips, annotate, cut, export, report
soak.py      a loop, for hours
fuzz.py      the parsers in parsers.py, coverage-guided
"""
