"""A source that is a local file."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from streamfilter.buffering import StalledError, within
from streamfilter.config import SourceConfig
from streamfilter.errors import SourceError
from streamfilter.source.clock import Moment
from streamfilter.source.geometry import Orientation, displayed_size
from streamfilter.source.guarded import Guarded
from streamfilter.source.losses import LossWatch
from streamfilter.source.opening import declared_end, fingerprint
from streamfilter.source.pace import Pace
from streamfilter.source.packets import Decoded
from streamfilter.source.picture import Converter, DecodedPicture, orientation_in
from streamfilter.source.reading import Reading, begin_reading, check_size
from streamfilter.stages import Source, SourceCounts, SourceFacts
from streamfilter.types import Frame, Gap

# After damage a decoder may hand out old frames between new ones; so far ahead one sees that time goes on.
_LOOK_AHEAD = 2


def open_source(name: str | Path, config: SourceConfig, *, keyframes_only: bool = False) -> Source:
    """Open a video file; the caller closes it (`with`).

    `keyframes_only` lets the decoder skip all other frames, which is many times faster. Raises `SourceError` when the
    file cannot be read, holds no video, asks for more than it may, or when no picture of it can be decoded in time.
    """
    if config.isolate:
        from streamfilter.source.isolated import IsolatedSource

        return IsolatedSource(str(name), config, keyframes_only=keyframes_only)
    try:
        return within(
            config.limits.patience_s,
            lambda: FileSource(str(name), config, keyframes_only=keyframes_only),
            too_late=FileSource.close,
        )
    except StalledError:
        raise SourceError(
            f"cannot open {name}: nothing came of it for source.limits.patience_s = {config.limits.patience_s:g} s; "
            "check the disk or the network, then --resume"
        ) from None


class FileSource:
    """One local container, decoded once from `start_s` to `end_s`; frames carry true stream time wherever it begins."""

    facts: SourceFacts
    counts: SourceCounts

    def __init__(self, name: str, config: SourceConfig, *, keyframes_only: bool = False) -> None:
        self._name = name
        self._config = config
        self._keyframes_only = keyframes_only
        self._converter = Converter()
        self._frames: Guarded[Frame | Gap] | None = None
        self._reading = begin_reading(name, config, keyframes_only=keyframes_only)
        try:
            self.counts = self._reading.counts
            self.facts = self._describe(self._reading)
            self._size = Path(name).stat().st_size
        except BaseException:
            self._reading.container.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the file back: at once, or when a read that hangs in another thread comes back after all."""
        if self._frames is None:
            self._reading.container.close()
        else:
            self._frames.close()

    def __repr__(self) -> str:
        return f"FileSource({self._name!r})"

    def frames(self) -> Iterator[Frame | Gap]:
        """Frames from `start_s` to `end_s` in time order, and a `Gap` where some were lost. Can be read once.

        Raises `SourceError` for a picture larger than `max_pixels`, for more frames or time than the limits allow, when
        there is no picture in the asked time, when the file cannot be read on, and when it is cut short meanwhile.
        """
        self._frames = Guarded(self._read(), self._reading.container.close)
        return iter(self._frames)

    def _read(self) -> Generator[Frame | Gap]:
        watch = LossWatch(self._reading)
        pace = Pace(self._name, self._config.limits)
        for item, moment in self._placed(watch):
            if self._config.end_s is not None and moment.time_s >= self._config.end_s:
                break
            pace.check(moment.time_s)
            gaps = watch.before(item, moment)
            if moment.time_s >= self._config.start_s:
                yield from gaps
                yield self._frame(item, moment)
        else:
            self._check_length()
            yield from watch.after_all()
        if not self.counts.frames:
            raise self._nothing_there()

    def _check_length(self) -> None:
        """A file that was deleted meanwhile could be read all the same; one that is shorter now could not."""
        try:
            size = Path(self._name).stat().st_size
        except OSError:
            return
        if size < self._size:
            raise SourceError(
                f"{self._name} was cut from {self._size} to {size} bytes while it was read; fetch it anew"
            )

    def _placed(self, watch: LossWatch) -> Iterator[tuple[Decoded, Moment]]:
        clock = self._reading.clock
        for item, following in _with_following(self._reading.items):
            if clock.is_stray(item.pts, [after.pts for after in following]):
                watch.left_out()
                continue
            if item.pts is None:
                clock.skip(item.errors)
            yield item, clock.place(item.pts, item.duration)

    def _describe(self, reading: Reading) -> SourceFacts:
        width, height, _ = self._geometry(reading.first)
        end_s, _ = declared_end(reading.container, reading.stream)
        return SourceFacts(
            name=self._name,
            fingerprint=fingerprint(self._name),
            container=reading.container.format.name,
            codec=reading.stream.codec_context.codec.canonical_name,
            width=width,
            height=height,
            duration_s=end_s,
            rate_hz=float(reading.rate) if reading.rate else None,
            time_base=reading.time_base,
            has_audio=bool(reading.container.streams.audio),
        )

    def _frame(self, item: Decoded, moment: Moment) -> Frame:
        width, height, orientation = self._geometry(item)
        self.counts.frames += 1
        self.counts.frames_without_pts += not item.is_timed
        picture = DecodedPicture(item.frame, self._converter, width=width, height=height, orientation=orientation)
        return Frame(moment.time_s, moment.pts, self._reading.time_base, item.is_key, picture)

    def _geometry(self, item: Decoded) -> tuple[int, int, Orientation]:
        size = (item.frame.width, item.frame.height)
        check_size(self._name, size, max_pixels=self._config.max_pixels)
        stream = self._reading.stream
        # The container speaks of the size it declares; after a change of size only the codec knows.
        owner = stream if size == self._reading.probed_size else stream.codec_context
        orientation = orientation_in(item.frame)
        width, height = displayed_size(*size, aspect=owner.sample_aspect_ratio, orientation=orientation)
        check_size(self._name, (width, height), max_pixels=self._config.max_pixels)
        return width, height, orientation

    def _nothing_there(self) -> SourceError:
        until = "its end" if self._config.end_s is None else f"{self._config.end_s:g} s"
        duration = self.facts.duration_s
        length = "" if duration is None else f" (it lasts {duration:.2f} s)"
        return SourceError(
            f"no picture of {self._name} between {self._config.start_s:g} s and {until}{length}; "
            "choose another source.start_s or source.end_s"
        )


def _with_following(items: Iterator[Decoded]) -> Iterator[tuple[Decoded, list[Decoded]]]:
    """Each item with those that come after it, as far as `_LOOK_AHEAD`."""
    waiting: deque[Decoded] = deque()
    for item in items:
        waiting.append(item)
        if len(waiting) > _LOOK_AHEAD:
            yield waiting.popleft(), list(waiting)
    while waiting:
        yield waiting.popleft(), list(waiting)
