"""Parts of a video that a browser cannot play, as parts that it can: H.264 and AAC in MP4."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from types import TracebackType
from typing import Self

from streamfilter.annotate import annotate_video
from streamfilter.config import AnnotateConfig, SourceConfig

MOST_KEPT = 12
LONGEST_S = 60.0
_HOW = AnnotateConfig(crf=26, preset="ultrafast", timeline=False)


class Pieces:
    """Pieces in a folder of their own, which goes with the context; the last `MOST_KEPT` are kept."""

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix="streamfilter-review-")
        self._made: OrderedDict[tuple[Path, float, float], Path] = OrderedDict()
        self._count = 0
        self._lock = Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.cleanup()

    def piece(self, path: Path, start_s: float, end_s: float) -> Path:
        """An MP4 of `start_s` to `end_s`, in which `start_s` is time 0. One is made at a time.

        Raises `SourceError`, `SinkError`, and `ValueError` for times that make no piece.
        """
        if not 0 <= start_s < end_s <= start_s + LONGEST_S:
            raise ValueError(f"{start_s} to {end_s} s: expected at most {LONGEST_S:g} s, forwards")
        key = (path, start_s, end_s)
        with self._lock:
            if key not in self._made:
                self._count += 1
                out = Path(self._folder.name) / f"{self._count}.mp4"
                annotate_video(str(path), (), out=out, config=_HOW, part=SourceConfig(start_s=start_s, end_s=end_s))
                self._made[key] = out
                while len(self._made) > MOST_KEPT:
                    self._made.popitem(last=False)[1].unlink(missing_ok=True)
            self._made.move_to_end(key)
            return self._made[key]
