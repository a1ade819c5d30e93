"""Packets of an open container, to its end: damage never ends a file early, and what a disk does is told."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from typing import TypeVar, cast

from av import FFmpegError, Packet
from av.container import InputContainer
from av.stream import Stream

from streamfilter.errors import SourceError

S = TypeVar("S", bound=Stream)

# So many reads that fail, and the rest of the file is given up.
_MOST_BAD_READS = 50
# What the operating system says when the disk or the share under a file is gone: no damage of the video.
_DISK_ERRORS = frozenset({errno.EIO, errno.ENXIO, errno.ENODEV, errno.ENOTCONN, errno.ESTALE, errno.ETIMEDOUT})


def demuxed(
    container: InputContainer, *streams: S, bad_read: Callable[[FFmpegError], object] = lambda error: None
) -> Iterator[Packet[S]]:
    """The packets of these streams, of all where none is named; empty ones are the demuxer's end marks.

    `bad_read` is told of every read that damage lets fail; reading goes on behind it. Raises `SourceError` where the
    disk or the share is gone.
    """
    bad_reads = 0
    while True:
        try:
            yield from cast("Iterator[Packet[S]]", container.demux(*streams))
        except FFmpegError as error:
            if error.errno in _DISK_ERRORS:
                raise _broken_off(container, error) from None
            bad_reads += 1
            bad_read(error)
            if bad_reads > _MOST_BAD_READS:
                return
        except IndexError:
            # PyAV 18 stumbles at the end of a file in which damage made up a stream; all packets have been read.
            return
        else:
            return


def _broken_off(container: InputContainer, error: FFmpegError) -> SourceError:
    name = container.name.removeprefix("file:")
    return SourceError(f"cannot read on in {name}: {error.strerror}; check the disk or the network, then --resume")
