"""How the pictures of looks, and of the frames between them, are kept until the network may be asked about them.

A stretch of looks ends where its pictures take too much memory, and at its end the network is asked in any case. So
where little moves, of each picture only that is kept which differs from one before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from streamfilter.stages import Classifier
from streamfilter.types import Frame, Gap, Look, Picture


class Keeper:
    """Keeps the pictures of one source."""

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier
        self._looked: Picture | None = None
        self._passed: Picture | None = None

    def shrunk(self, frame: Frame) -> Frame:
        """A frame between two looks, as soon as it is there: with few looks a second there are many of them."""
        return replace(frame, picture=frame.picture.kept(*self._size(frame.picture)))

    def keep(self, looks: Iterable[Look | Gap]) -> Iterator[Look | Gap]:
        """The same looks. A still one has the picture that it still shows; nothing happened between the two."""
        for look in looks:
            yield look if isinstance(look, Gap) else self._kept(look)

    def _kept(self, look: Look) -> Look:
        if look.is_still and self._looked is not None:
            return replace(look, frame=replace(look.frame, picture=self._looked), passed=())
        picture = look.frame.picture
        self._looked = picture.kept(picture.width, picture.height, self._looked)
        passed = tuple(map(self._between, look.passed))
        return replace(look, frame=replace(look.frame, picture=self._looked), passed=passed)

    def _between(self, frame: Frame) -> Frame:
        self._passed = frame.picture.kept(*self._size(frame.picture), self._passed)
        return replace(frame, picture=self._passed)

    def _size(self, picture: Picture) -> tuple[int, int]:
        """At which the network sees it, should it be asked: nobody else looks at such a frame."""
        return self._classifier.analysis_size(picture.width, picture.height)
