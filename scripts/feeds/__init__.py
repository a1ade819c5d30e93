"""What `scripts/live_bench.py` is made of.

cameras.py    drawn clips, and the RTSP server of the tests in a process of its own
program.py    `streamfilter` with a network that costs nothing, or with the demo's
decoding.py   the same feeds decoded and nothing else, to compare with
watched.py    a process of it: its log, its memory, its CPU time
campaigns.py  the campaigns and their bars
"""
