"""A run over live feeds, which has no end: many feeds, one network, one log.

a thread per feed                                        ║ the caller's thread
LiveFeed ─► sampler ─► gate ─► look's picture ─► freshest ─► classifier ─► rejector ─► smoother ─► event log

looking.py   all that happens in a feed's thread
feed_run.py  one feed behind the network: its verdicts, its smoother, its records
past.py      what the log of a killed run says of its feeds
run.py       `run_feeds`: the loop that all feeds share, and that outlives each of them
"""

from streamfilter.endless.run import Reload, live_run_id, run_feeds
from streamfilter.endless.summary import FeedResult, LiveSummary
from streamfilter.endless.watching import LiveWatcher

__all__ = ["FeedResult", "LiveSummary", "LiveWatcher", "Reload", "live_run_id", "run_feeds"]
