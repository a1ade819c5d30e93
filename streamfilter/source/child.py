"""The process that decodes for `IsolatedSource`: it does what it is asked, one thing at a time.

    python -m streamfilter.source.child MEMORY      MEMORY: the descriptor of the memory in which it leaves pictures

Requests and answers are JSON, one a line. It ends when nobody asks any more.
"""

from __future__ import annotations

import json
import mmap
import os
import resource
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from typing import Any, BinaryIO

import numpy as np

from streamfilter.config import SourceConfig
from streamfilter.errors import SourceError
from streamfilter.source.file import FileSource
from streamfilter.stages import SourceCounts
from streamfilter.types import Frame, Gap, Picture, Pixels

ALIVE_S = 1.0


class Speaker:
    """Says one JSON object a line; from more than one thread."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._lock = threading.Lock()

    def say(self, **told: Any) -> None:
        """Say it now."""
        with self._lock:
            self._out.write(json.dumps(told).encode() + b"\n")
            self._out.flush()


class Decoder:
    """A source, and those of its pictures that somebody may still ask for."""

    def __init__(self, source: FileSource, descriptor: int, speaker: Speaker) -> None:
        self._source = source
        self._items: Iterator[Frame | Gap] = source.frames()
        self._pictures: dict[int, Picture] = {}
        self._descriptor = descriptor
        self._memory: mmap.mmap | None = None
        self._speaker = speaker
        self._frames = 0

    def next(self, over: list[int]) -> None:
        """Say what the next frame or gap is; the pictures of the frames `over` are forgotten."""
        for number in over:
            self._pictures.pop(number, None)
        item = next(self._items, None)
        counts = asdict(self._source.counts)
        if item is None:
            self._speaker.say(end=True, counts=counts)
        elif isinstance(item, Gap):
            self._speaker.say(gap=asdict(item), counts=counts)
        else:
            self._frames += 1
            self._pictures[self._frames] = item.picture
            self._speaker.say(
                frame=self._frames,
                time_s=item.time_s,
                pts=item.pts,
                time_base=_fraction(item.time_base),
                is_key=item.is_key,
                size=[item.picture.width, item.picture.height],
                nbytes=item.picture.nbytes,
                counts=counts,
            )

    def keep(self, number: int, keep: tuple[int, int], like: int | None) -> None:
        """Keep the picture of a frame for this size only, `like` that of another; say what it takes then."""
        other = None if like is None else self._pictures.get(like)
        self._pictures[number] = self._pictures[number].kept(*keep, other)
        self._speaker.say(nbytes=self._pictures[number].nbytes, counts=asdict(self._source.counts))

    def convert(self, number: int, form: str, width: int, height: int) -> None:
        """Leave the picture of a frame in the memory, `rgb` or `luma`, at this size."""
        picture = self._pictures[number]
        pixels: Pixels = picture.rgb(width, height) if form == "rgb" else picture.luma(width, height)
        if self._memory is None or len(self._memory) < pixels.nbytes:
            os.ftruncate(self._descriptor, pixels.nbytes)
            self._memory = mmap.mmap(self._descriptor, pixels.nbytes)
        np.frombuffer(self._memory, np.uint8)[: pixels.nbytes] = pixels.reshape(-1)
        self._speaker.say(shape=pixels.shape, memory=len(self._memory), counts=asdict(self._source.counts))


def main() -> None:
    """Open what the first request names, and serve those that follow."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal tells everybody; who asks decides
    speaker = Speaker(os.fdopen(os.dup(1), "wb"))
    os.dup2(2, 1)
    request = json.loads(sys.stdin.buffer.readline())
    config = SourceConfig.model_validate(request["config"])
    limit = config.limits.memory_mib << 20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    with suppress(BrokenPipeError):
        try:
            _serve(request, config, speaker)
        except SourceError as error:
            speaker.say(error=str(error))
        except MemoryError:
            speaker.say(error=_out_of_memory(request["name"], config))
    os._exit(0)  # nothing is left to do, and no thread to wait for


def _serve(request: dict[str, Any], config: SourceConfig, speaker: Speaker) -> None:
    source = FileSource(request["name"], config, keyframes_only=request["keyframes_only"])
    facts = asdict(source.facts) | {"time_base": _fraction(source.facts.time_base)}
    speaker.say(facts=facts, counts=asdict(source.counts))
    threading.Thread(target=_stay_alive, args=(source.counts, speaker), daemon=True).start()
    decoder = Decoder(source, int(sys.argv[1]), speaker)
    for line in sys.stdin.buffer:
        request = json.loads(line)
        if "over" in request:
            decoder.next(**request)
        elif "keep" in request:
            decoder.keep(**request)
        else:
            decoder.convert(**request)


def _stay_alive(counts: SourceCounts, speaker: Speaker) -> None:
    """Say how many packets were read even while none of them gives a frame."""
    pause = threading.Event()
    with suppress(BrokenPipeError):
        while not pause.wait(ALIVE_S):
            speaker.say(packets=counts.packets)


def _fraction(value: Any) -> list[int]:
    return [value.numerator, value.denominator]


def _out_of_memory(name: str, config: SourceConfig) -> str:
    return (
        f"{name} needs more than source.limits.memory_mib = {config.limits.memory_mib} MiB to be decoded; "
        "raise that setting if you trust the file"
    )


if __name__ == "__main__":
    main()
