"""Who else sees the packets of a feed: a ring that clips are cut from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from av import Packet
from av.stream import Stream


class PacketTap(Protocol):
    """Sees every video and audio packet of a feed, in the feed's thread, before it is decoded. It must be quick.

    An exception that it raises ends the connection like any other fault of the feed.
    """

    def begin(self, streams: Sequence[Stream]) -> None:
        """A connection begins with these streams, which live until `end`: copy what is needed of them later."""

    def take(self, packet: Packet[Stream], time_s: float) -> None:
        """A packet; `packet.stream` is one of the streams. It was coded to be shown at `time_s` of stream time."""

    def end(self) -> None:
        """The connection is over, and its streams are about to be closed."""
