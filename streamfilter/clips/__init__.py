"""Clips of events, cut from a feed's own packets: from a few seconds before to a few after, nothing encoded anew.

    ring.py        the newest packets of a feed, bounded in seconds and bytes, from a key frame on
    recording.py   one clip while it is written
    recorder.py    all clips of a run: the feeds hand packets in, a thread of its own writes
    extras.py      a thumbnail and an annotated copy of a clip
    shelf.py       the folder: what was written to it, and how much of that may stay
    files.py       the same for a source that is a file

A clip shows one connection: where a feed is lost the clip ends, and what comes after a reconnect is not in it.
"""

from streamfilter.clips.files import clip_file
from streamfilter.clips.recorder import ClipRecorder, FeedClips
from streamfilter.clips.shelf import Shelf

__all__ = ["ClipRecorder", "FeedClips", "Shelf", "clip_file"]
