"""Which sources are live: recognised by their address, never declared."""

from __future__ import annotations

import re

from streamfilter.source.discovery import is_url

FEED_SCHEMES = frozenset(
    {"rtsp", "rtsps", "rtmp", "rtmps", "rtmpt", "rtmpe", "srt", "udp", "tcp", "rtp", "http", "https"}
)
"""HTTP stands for HLS and MPEG-TS feeds; one that turns out to be a recording is refused when it is opened."""

_DEVICE = re.compile(r"/dev/video\d+")


def scheme_of(address: str) -> str:
    """The scheme of a URL in small letters; `v4l2` for a camera of this machine, "" for anything else."""
    if _DEVICE.fullmatch(address):
        return "v4l2"
    return address.partition("://")[0].lower() if is_url(address) else ""


def is_live(address: str) -> bool:
    """Whether this is the address of a feed: `rtsp://...`, `udp://...`, `https://.../live.m3u8`, `/dev/video0`."""
    return scheme_of(address) == "v4l2" or scheme_of(address) in FEED_SCHEMES
