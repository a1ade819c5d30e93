"""Where frames were lost: holes beside damage, jumps of the clock, a file that ends before its time."""

from __future__ import annotations

from collections.abc import Iterator

from streamfilter.source.clock import Moment
from streamfilter.source.opening import declared_end
from streamfilter.source.packets import Decoded
from streamfilter.source.reading import Reading
from streamfilter.types import Gap

# From how many missing frames on a hole beside damage counts; a hole without damage is a variable frame rate.
_HOLE_FRAMES = 0.6
# The decoder returns frames later than their packets; so many frames after the damage a hole may still show.
_DAMAGE_FRAMES = 32
# From when on an end is early: containers round, and their last frames may be hidden.
_EARLY_FRAMES = 3
_EARLY_S = 0.5
_MOST_NOTES = 50


class LossWatch:
    """Follows the frames of one reading and tells of the gaps between them."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._step_s = float(reading.step * reading.time_base)
        self._last: Moment | None = None
        self._size = (reading.first.frame.width, reading.first.frame.height)
        self._damage = 0
        self._jumps = 0
        self._strays = 0

    def before(self, item: Decoded, moment: Moment) -> list[Gap]:
        """Gaps that end where this frame, the next one, is shown."""
        last, self._last = self._last, moment
        self._damage = _DAMAGE_FRAMES if item.is_after_loss else max(0, self._damage - 1)
        self._note_size(item, moment)
        if moment.jumped:
            self._jumps += 1
            self._note(f"the clock jumped at {moment.time_s:.3f} s; time goes on from there")
            return [Gap(moment.time_s, moment.time_s, "clock_jump")]
        lost_from_s = self._lost_beginning_s() if last is None else last.end_s
        if lost_from_s is None or moment.time_s - lost_from_s <= _HOLE_FRAMES * self._step_s:
            return []
        if last is not None and not (item.errors if self._reading.leaves_out else self._damage):
            return []
        self._damage = 0
        return [Gap(lost_from_s, moment.time_s, "decode_error")]

    def left_out(self) -> None:
        """A frame came out of order and is not shown."""
        self._strays += 1
        self._damage = _DAMAGE_FRAMES

    def after_all(self) -> Iterator[Gap]:
        """Gaps after the last frame. Sets `counts.ended_early_s`."""
        if self._strays:
            self._note(f"{self._strays} frames came out of order and were left out")
        if self._last is None:
            return
        reached_s = self._last.end_s
        packets_end_s = self._packets_end_s()
        if packets_end_s - reached_s > _HOLE_FRAMES * self._step_s and not self._reading.leaves_out:
            yield Gap(reached_s, packets_end_s, "decode_error")
        reached_s = max(reached_s, packets_end_s)
        end_s, is_own = declared_end(self._reading.container, self._reading.stream)
        if end_s is None or self._jumps:
            return
        # Where only the container has a duration, another stream that lasts until then explains it.
        others_end_s = reached_s if is_own else max(reached_s, self._container_end_s())
        if end_s - others_end_s > max(_EARLY_S, _EARLY_FRAMES * self._step_s):
            self._reading.counts.ended_early_s = end_s - reached_s
            yield Gap(reached_s, end_s, "ended_early")

    def _lost_beginning_s(self) -> float | None:
        """When the first packet would have been shown, None when it was or when reading did not begin there."""
        first = self._reading.decoder.first_pts
        if first is None or self._reading.leaves_out or not self._reading.is_whole:
            return None
        return self._reading.clock.seconds(first)

    def _packets_end_s(self) -> float:
        end = self._reading.decoder.end_pts
        return 0.0 if end is None or self._jumps else self._reading.clock.seconds(end)

    def _container_end_s(self) -> float:
        end_s = self._reading.decoder.container_end_s
        return 0.0 if end_s is None else end_s - float(self._reading.start)

    def _note_size(self, item: Decoded, moment: Moment) -> None:
        size = (item.frame.width, item.frame.height)
        if size != self._size:
            self._note(
                f"the picture changed from {self._size[0]}×{self._size[1]} to {size[0]}×{size[1]} "
                f"at {moment.time_s:.3f} s"
            )
            self._size = size

    def _note(self, text: str) -> None:
        if len(self._reading.counts.notes) < _MOST_NOTES:
            self._reading.counts.notes.append(text)
