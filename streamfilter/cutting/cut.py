"""`cut_video` and `hide_in_video`: copies what can be copied, encodes anew what has to be, and says which."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import av
from av import FFmpegError, VideoFrame

from streamfilter.annotate.mp4 import close_output, container_format, mux_options
from streamfilter.annotate.tracks import SplicedTracks
from streamfilter.cutting.hide import Hidden, hide_in_frame
from streamfilter.cutting.index import PacketIndex, read_index
from streamfilter.cutting.kits import CannotCopyError, reason_against
from streamfilter.cutting.plan import make_plan
from streamfilter.cutting.smart import SmartCopy
from streamfilter.cutting.spans import Splice, others, snapped
from streamfilter.cutting.whole import frame_times, write_whole
from streamfilter.errors import SinkError, SourceError
from streamfilter.files import discard, part_of, sync
from streamfilter.intervals import Interval
from streamfilter.source.opening import open_container, video_stream

Watch = Callable[[float], None]
Mode = Literal["keep", "drop"]


@dataclass(frozen=True, slots=True)
class CutResult:
    """What was written. `length_s` of the result; `copied` and `encoded` pictures.

    `reason`: why nothing was copied, None where copying worked. `left_out`: streams that the container cannot hold.
    """

    path: Path
    length_s: float
    copied: int
    encoded: int
    reason: str | None
    left_out: tuple[str, ...]


def cut_video(
    name: str, out: Path, wanted: Sequence[Interval], *, mode: Mode = "keep", watch: Watch = lambda time_s: None
) -> CutResult:
    """Write the parts of the video `name` that lie in `wanted` (seconds of stream time), or all the others.

    Both modes cut before the same frames, so the two results together hold every frame once. Where the codec allows,
    all is copied but for the groups of pictures that a cut goes through. Raises `SourceError` where nothing would be
    left or the file cannot be read, `SinkError` where `out` cannot be written.
    """
    container_format(out)
    index = read_index(name)
    times_s = _times(name, index)
    kept = snapped(wanted, times_s)
    splice = Splice(tuple(kept if mode == "keep" else others(kept, times_s)))
    if not splice.spans:
        raise SourceError(f"nothing of {name} would be left: no frame lies in what is kept; choose other labels")
    return _write(name, out, index, splice, hidden=None, watch=watch)


def hide_in_video(name: str, out: Path, hidden: Hidden, *, watch: Watch = lambda time_s: None) -> CutResult:
    """Write the whole video with the events of `hidden` blurred or pixelated along their tracks.

    What nothing is hidden in is copied where the codec allows. Raises like `cut_video`.
    """
    container_format(out)
    index = read_index(name)
    times_s = _times(name, index)
    splice = Splice(((times_s[0], times_s[-1]),))
    return _write(name, out, index, splice, hidden=hidden, watch=watch)


def _times(name: str, index: PacketIndex) -> list[float]:
    """When every picture is shown, and when the last one ends."""
    if index.fault is not None:
        return frame_times(name)
    shown = index.shown
    return [*(index.seconds(p.pts) for p in shown), index.seconds(shown[-1].pts + shown[-1].duration)]


def _write(
    name: str, out: Path, index: PacketIndex, splice: Splice, *, hidden: Hidden | None, watch: Watch
) -> CutResult:
    reason = _reason_against(name, index, out)
    if reason is None:
        try:
            return _write_smart(name, out, index, splice, hidden=hidden, watch=watch)
        except CannotCopyError as error:
            reason = str(error)
    with SplicedTracks(name, splice.spans) as tracks:
        encoded = write_whole(name, out, place=splice.place, tracks=tracks, hidden=hidden, watch=watch)
    return CutResult(out, splice.length_s, 0, encoded, reason, tuple(tracks.left_out))


def _reason_against(name: str, index: PacketIndex, out: Path) -> str | None:
    """Why the packets of this file are not copied; None: they may be."""
    codec_reason = reason_against(index.codec, out.suffix, is_intra=index.is_intra)
    if codec_reason is not None:
        return codec_reason
    if index.fault is not None:
        return f"it has {index.fault}"
    with open_container(name) as container, suppress(FFmpegError):
        for frame in container.decode(video_stream(container, name)):
            return "its pictures are turned" if frame.rotation else None
    return "its first picture does not decode"


def _write_smart(
    name: str, out: Path, index: PacketIndex, splice: Splice, *, hidden: Hidden | None, watch: Watch
) -> CutResult:
    plan = make_plan(index, splice.place, touched=lambda time_s: bool(hidden and hidden.boxes_at(time_s)))

    def edit(frame: VideoFrame, time_s: float) -> VideoFrame:
        return frame if hidden is None else hide_in_frame(frame, hidden.boxes_at(time_s), hidden.way)

    with SplicedTracks(name, splice.spans) as tracks, SmartCopy(name, index, plan, edit=edit) as copy:
        _mux(out, copy, tracks, index=index, watch=watch)
    encoded = len(plan.pts) - plan.copied
    return CutResult(out, splice.length_s, plan.copied, encoded, None, tuple(tracks.left_out))


def _mux(out: Path, copy: SmartCopy, tracks: SplicedTracks, *, index: PacketIndex, watch: Watch) -> None:
    with _partial(out) as partial, ExitStack() as stack:
        container = av.open(str(partial), "w", format=container_format(out), options=mux_options(out))
        stack.callback(close_output, container)
        copy.attach(container)
        tracks.attach(container)
        for packet in copy.packets():
            time_s = float((packet.dts or 0) * index.time_base)
            for other in tracks.until(time_s):
                container.mux(other)
            container.mux(packet)
            watch(time_s)
        for other in tracks.until(None):
            container.mux(other)


@contextmanager
def _partial(path: Path) -> Iterator[Path]:
    """A file beside `path` that gets its name when the block ends well, and goes when it does not."""
    partial = part_of(path)
    try:
        yield partial
        sync(partial)
        partial.replace(path)
    except (FFmpegError, OSError) as error:
        reason = error.strerror or type(error).__name__
        raise SinkError(f"cannot write {path} ({reason}); check the folder and its free space") from None
    finally:
        discard(partial)
