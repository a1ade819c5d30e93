"""Sound of any kind as one kind, also where it changes in mid-stream, as in broadcasts and in damaged files."""

from __future__ import annotations

from collections.abc import Callable

from av import AudioFrame, AudioResampler


class Resampler:
    """FFmpeg makes a resampler for one kind of sound: where the kind changes, `make` gives a new one.

    What the old one held back, less than one of its frames, is lost.
    """

    def __init__(self, make: Callable[[], AudioResampler]) -> None:
        self._make = make
        self._kind: tuple[object, ...] = ()
        self._inner: AudioResampler | None = None

    def resample(self, frame: AudioFrame | None) -> list[AudioFrame]:
        """The frame as the wanted kind; None: what is held back."""
        if frame is not None and (kind := _kind(frame)) != self._kind:
            self._kind, self._inner = kind, self._make()
        return [] if self._inner is None else self._inner.resample(frame)


def _kind(frame: AudioFrame) -> tuple[object, ...]:
    return frame.format.name, frame.layout.name, frame.sample_rate, frame.time_base
