"""Deinterlacing (bwdif) of the frames that need it, one out for each in, in order, with their times untouched."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Literal

from av import VideoFrame
from av.filter import Graph

from streamfilter.source.packets import Decoded

_Shape = tuple[int, int, str]


def deinterlaced(
    frames: Iterable[Decoded], mode: Literal["auto", "never", "always"], *, time_base: Fraction
) -> Iterator[Decoded]:
    """The same frames; interlaced ones rebuilt from their fields. `auto` begins with the first interlaced frame.

    The filter looks at the next frame, so each comes one frame late; at a change of size it is drained and built anew.
    """
    graph: _Bwdif | None = None
    for item in frames:
        shape = (item.frame.width, item.frame.height, item.frame.format.name)
        if graph is not None and graph.shape != shape:
            yield from graph.drain()
            graph = None
        needed = mode == "always" or (mode == "auto" and item.frame.interlaced_frame)
        if graph is None and needed:
            graph = _Bwdif(item.frame, shape, all_frames=mode == "always", time_base=time_base)
        if graph is None:
            yield item
        else:
            yield from graph.push(item)
    if graph is not None:
        yield from graph.drain()


class _Bwdif:
    def __init__(self, frame: VideoFrame, shape: _Shape, *, all_frames: bool, time_base: Fraction) -> None:
        self.shape = shape
        self._waiting: deque[Decoded] = deque()
        self._graph = Graph()
        self._graph.threads = 1
        source = self._graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=time_base
        )
        deint = "all" if all_frames else "interlaced"
        bwdif = self._graph.add("bwdif", f"mode=send_frame:parity=auto:deint={deint}")
        self._graph.link_nodes(source, bwdif, self._graph.add("buffersink")).configure()

    def push(self, item: Decoded) -> Iterator[Decoded]:
        self._waiting.append(item)
        self._graph.push(item.frame)
        yield from self._pull()

    def drain(self) -> Iterator[Decoded]:
        self._graph.push(None)
        yield from self._pull()
        yield from self._waiting
        self._waiting.clear()

    def _pull(self) -> Iterator[Decoded]:
        while self._waiting:
            try:
                frame = self._graph.vpull()
            except (BlockingIOError, EOFError):
                return
            yield replace(self._waiting.popleft(), frame=frame)
