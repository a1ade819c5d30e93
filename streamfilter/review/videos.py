"""Which file shows a source: in the given folders only, and only the file that the log was made from."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from streamfilter.errors import SourceError
from streamfilter.eventlog import LoggedSource
from streamfilter.source.discovery import VIDEO_SUFFIXES, is_url
from streamfilter.source.opening import fingerprint

PLAYABLE = {
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/mp4",
    ".webm": "video/webm",
    ".mkv": "video/x-matroska",
    ".ogv": "video/ogg",
}
"""Containers that browsers may play, by suffix, and their names there. What codecs it knows is the browser's affair."""


@dataclass(frozen=True, slots=True)
class Video:
    """The file of a source, or `why` there is none to show."""

    path: Path | None
    why: str = ""

    @property
    def media_type(self) -> str | None:
        """What browsers call its container; None where they do not play it."""
        return None if self.path is None else PLAYABLE.get(self.path.suffix.lower())


class Videos:
    """Finds the files of sources below `folders`, each looked at once.

    A log may name any path. What is shown must be a regular file with a video's suffix that really lies in one of the
    folders, whatever links lead there, and it must be the file whose fingerprint the log holds.
    """

    def __init__(self, folders: Iterable[Path]) -> None:
        self._folders = tuple(dict.fromkeys(Path(os.path.realpath(folder)) for folder in folders))
        self._found: dict[tuple[str, str], Video] = {}
        self._lock = Lock()

    def of(self, source: LoggedSource) -> Video:
        """The file that shows `source`."""
        key = (source.name, source.fingerprint)
        with self._lock:
            if key not in self._found:
                self._found[key] = self._find(source)
            return self._found[key]

    def _find(self, source: LoggedSource) -> Video:
        if is_url(source.name):
            return Video(None, "it was a live feed, which is over")
        is_near_miss = False
        for path in self._candidates(source.name):
            if not self._may_be_shown(path):
                continue
            if not source.fingerprint or _fingerprint(path) == source.fingerprint:
                return Video(path)
            is_near_miss = True
        if is_near_miss:
            return Video(None, "the file of this name is not the one that the log was made from")
        return Video(None, "the file is in none of the folders that review may show; name its folder with --videos")

    def _candidates(self, name: str) -> Iterator[Path]:
        for folder in self._folders:
            for tail in dict.fromkeys((name, os.path.basename(name))):  # noqa: PTH119 - the name is only a text so far
                try:
                    yield Path(os.path.realpath(folder / tail))
                except (OSError, ValueError):
                    continue

    def _may_be_shown(self, path: Path) -> bool:
        if path.suffix.lower() not in VIDEO_SUFFIXES:
            return False
        try:
            return any(path.is_relative_to(folder) for folder in self._folders) and path.is_file()
        except (OSError, ValueError):
            return False


def _fingerprint(path: Path) -> str:
    try:
        return fingerprint(str(path))
    except SourceError:
        return ""
