"""Live feeds: a source that never ends, whatever happens to the camera, the network or the server.

    addresses.py   which sources are live, and what to call them
    roster.py      a YAML file of named feeds, with credentials from elsewhere
    faults.py      why a feed is lost, told apart
    backoff.py     how long to wait before the next try
    backlog.py     what is passed over when decoding cannot keep up
    bursts.py      what is decoded together
    connection.py  one connection: packets as they arrive, and the frames in them
    clock.py       stream time over all connections, without a step back
    wallclock.py   UTC beside stream time
    tap.py         who else sees the packets
    counters.py    what a feed has met so far
    feed.py        `LiveFeed`: all of these, connection after connection

A feed is passive like any source: it runs in the thread of whoever reads it.
"""

from streamfilter.live.addresses import is_live
from streamfilter.live.counters import FeedCounters
from streamfilter.live.feed import LiveFeed
from streamfilter.live.roster import Feed, find_feeds
from streamfilter.live.tap import PacketTap

__all__ = ["Feed", "FeedCounters", "LiveFeed", "PacketTap", "find_feeds", "is_live"]
