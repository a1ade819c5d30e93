"""Who follows a run over feeds."""

from __future__ import annotations

from streamfilter.live.feed import Lost, Opened
from streamfilter.types import Event


class LiveWatcher:
    """Hears of things and changes nothing. Does nothing: override what is of interest."""

    def resumed(self, text: str) -> None:
        """What a resumed run goes on from, in words."""

    def told(self, feed: str, news: Opened | Lost) -> None:
        """A feed was opened, or is lost for a new reason."""

    def found(self, feed: str, event: Event) -> None:
        """An event of a feed is in the log."""

    def troubled(self, feed: str, text: str) -> None:
        """Something is wrong with how a feed is read."""

    def reloaded(self, added: int, removed: int) -> None:
        """The list of feeds was read again."""

    def should_stop(self) -> bool:
        """Whether the run should end; asked several times a second."""
        return False
