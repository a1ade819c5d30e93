"""A source that is decoded in a process of its own: whatever happens there is one `SourceError` here.

The other side is `child.py`. It is not believed: what it says is checked, and when it says nothing it is ended. Frames
stay there, and so does the code that converts them: only what is asked for comes over, in shared memory.
"""

from __future__ import annotations

import json
import mmap
import os
import select
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from types import TracebackType
from typing import IO, Any, Literal, Self

import numpy as np

from streamfilter.config import SourceConfig
from streamfilter.errors import SourceError
from streamfilter.stages import SourceCounts, SourceFacts
from streamfilter.types import Frame, Gap, Picture, Pixels

_MOST_LINE = 1 << 20
_NONSENSE = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError)


class IsolatedSource:
    """As `FileSource`, with the decoder elsewhere: the same frames, gaps, counts and errors.

    Its pictures can be converted until it is closed.
    """

    facts: SourceFacts
    counts: SourceCounts

    def __init__(self, name: str, config: SourceConfig, *, keyframes_only: bool = False) -> None:
        self.counts = SourceCounts()
        self._name = name
        self._over: deque[int] = deque()  # frames whose pictures nobody holds any more
        self._decoder = _Decoder(name, self.counts, patience_s=config.limits.patience_s)
        request = {"name": name, "config": config.model_dump(mode="json"), "keyframes_only": keyframes_only}
        try:
            with self._decoder.sensible():
                facts = self._decoder.ask(request)["facts"]
                self.facts = SourceFacts(**facts | {"time_base": Fraction(*facts["time_base"])})
        except BaseException:
            self._decoder.end()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._decoder.end()

    def __repr__(self) -> str:
        return f"IsolatedSource({self._name!r})"

    def frames(self) -> Iterator[Frame | Gap]:
        """As `FileSource.frames`. Raises `SourceError` too when the decoder crashes, hangs or takes too much memory."""
        while True:
            over = [self._over.popleft() for _ in range(len(self._over))]
            with self._decoder.sensible():
                told = self._decoder.ask({"over": over})
                if "end" in told:
                    return
                item = Gap(**told["gap"]) if "gap" in told else self._frame(told)
            yield item

    def _frame(self, told: dict[str, Any]) -> Frame:
        width, height = told["size"]
        picture = IsolatedPicture(self._decoder, told["frame"], width=width, height=height, nbytes=int(told["nbytes"]))
        weakref.finalize(picture, self._over.append, told["frame"])
        return Frame(told["time_s"], told["pts"], Fraction(*told["time_base"]), told["is_key"], picture)


class IsolatedPicture:
    """A picture (`Picture`) that is converted where it was decoded. Any thread may ask for it."""

    def __init__(self, decoder: _Decoder, number: int, *, width: int, height: int, nbytes: int) -> None:
        self._decoder = decoder
        self._number = number
        self.width = width
        self.height = height
        self.nbytes = nbytes

    def rgb(self, width: int | None = None, height: int | None = None) -> Pixels:
        """The displayed picture, `(height, width, 3)` uint8 RGB; its own size when none is given."""
        return self._convert("rgb", width or self.width, height or self.height)

    def luma(self, width: int, height: int) -> Pixels:
        """The displayed picture's brightness, `(height, width)` uint8."""
        return self._convert("luma", width, height)

    def kept(self, width: int, height: int, like: Picture | None = None) -> IsolatedPicture:
        """See `types.Picture`; it stays in the decoder's process."""
        other = like._number if isinstance(like, IsolatedPicture) else None
        with self._decoder.sensible():
            told = self._decoder.ask({"number": self._number, "keep": [width, height], "like": other})
            self.nbytes = int(told["nbytes"])
        return self

    def _convert(self, form: Literal["rgb", "luma"], width: int, height: int) -> Pixels:
        shape = (height, width, 3) if form == "rgb" else (height, width)
        return self._decoder.pixels({"number": self._number, "form": form, "width": width, "height": height}, shape)

    def __repr__(self) -> str:
        return f"IsolatedPicture({self.width}×{self.height})"


class _Sensible:
    """Turns whatever nonsense leads to in a block into the error that it is."""

    def __init__(self, decoder: _Decoder) -> None:
        self._decoder = decoder

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, _NONSENSE):
            raise self._decoder.failed("said something that makes no sense") from None


class _Decoder:
    """The process, one question and one answer at a time."""

    def __init__(self, name: str, counts: SourceCounts, *, patience_s: float) -> None:
        self._name = name
        self._counts = counts
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._heard = bytearray()
        self._shared = _shared_memory()
        self._memory: mmap.mmap | None = None
        self._process = subprocess.Popen(
            [sys.executable, "-m", "streamfilter.source.child", str(self._shared.fileno())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pass_fds=[self._shared.fileno()],
        )

    def sensible(self) -> _Sensible:
        """A block in which answers are looked into."""
        return _Sensible(self)

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer; the counts in it are taken over. Raises `SourceError` for an error, a crash, or none in time."""
        with self._lock:
            return self._ask(request)

    def pixels(self, request: dict[str, Any], shape: tuple[int, ...]) -> Pixels:
        """The picture that comes in answer, which must have this shape."""
        with self._lock, self.sensible():
            told = self._ask(request)
            size = int(np.prod(shape))
            if tuple(told["shape"]) != shape or not size <= told["memory"]:
                raise ValueError("another picture")
            if self._memory is None or len(self._memory) != told["memory"]:
                self._memory = mmap.mmap(self._shared.fileno(), told["memory"], prot=mmap.PROT_READ)
            return np.frombuffer(self._memory, np.uint8, size).reshape(shape).copy()

    def failed(self, what: str) -> SourceError:
        """The error that says what the decoder did."""
        return SourceError(
            f"the decoder of {self._name} {what}; what was seen until then counts; convert the file or fetch it anew"
        )

    def end(self) -> None:
        """Whatever it is at."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            # What was not said yet need not be said any more.
            with suppress(BrokenPipeError):
                pipe.close()  # type: ignore[union-attr]
        self._shared.close()

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        self._say(json.dumps(request).encode() + b"\n")
        until_s = time.monotonic() + self._patience_s
        with self.sensible():
            while "packets" in (told := json.loads(self._line(until_s))):
                if told["packets"] > self._counts.packets:
                    self._counts.packets = told["packets"]
                    until_s = time.monotonic() + self._patience_s
            if "error" in told:
                raise SourceError(str(told["error"]))
            fresh = SourceCounts(**told["counts"])
            for name in SourceCounts.__slots__:
                setattr(self._counts, name, getattr(fresh, name))
            return dict(told)

    def _line(self, until_s: float) -> bytes:
        assert self._process.stdout is not None
        while (end := self._heard.find(b"\n")) < 0:
            left_s = until_s - time.monotonic()
            if left_s <= 0 or not select.select([self._process.stdout], [], [], left_s)[0]:
                self._process.kill()
                raise self.failed(f"gave nothing for source.limits.patience_s = {self._patience_s:g} s")
            content = os.read(self._process.stdout.fileno(), 1 << 16)
            if not content or len(self._heard) > _MOST_LINE:
                raise self._crashed()
            self._heard += content
        line = bytes(self._heard[:end])
        del self._heard[: end + 1]
        return line

    def _say(self, content: bytes) -> None:
        if self._process.stdin is None or self._process.stdin.closed:
            raise SourceError(f"{self._name} is closed: its pictures are gone")
        with suppress(BrokenPipeError):  # what became of it is seen in its answer
            self._process.stdin.write(content)
            self._process.stdin.flush()

    def _crashed(self) -> SourceError:
        self._process.kill()
        code = self._process.wait()
        return self.failed(f"crashed (signal {-code})" if code < 0 else f"ended (exit code {code})")


def _shared_memory() -> IO[bytes]:
    """An empty file in memory, without a name."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("streamfilter"), "r+b")
    return tempfile.TemporaryFile()
