"""From what the user typed to the names of sources: files, folders and globs."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from streamfilter.errors import SourceError

_SUFFIXES = """
    .3g2 .3gp .asf .avi .dv .f4v .flv .h264 .h265 .hevc .ivf .m2t .m2ts .m2v .m4v .mjpeg .mjpg .mkv .mov .mp4 .mpe
    .mpeg .mpg .mts .mxf .nut .ogm .ogv .qt .rm .rmvb .ts .vob .webm .wmv .y4m
"""
VIDEO_SUFFIXES = frozenset(_SUFFIXES.split())


def find_sources(arguments: Sequence[str]) -> list[str]:
    """Names of the sources that the arguments stand for, in their order, each once.

    A file is itself, a folder is every video below it (by suffix, sorted, hidden ones left out), a pattern is what it
    matches, and a URL is passed on. Raises `SourceError` for an argument that stands for nothing.
    """
    found: dict[str, str] = {}
    for argument in arguments:
        for name in _expand(argument):
            found.setdefault(name if is_url(name) else os.path.realpath(name), name)
    return list(found.values())


def is_url(name: str) -> bool:
    """Whether the name is an address (`rtsp://...`) and no path."""
    scheme, separator, _ = name.partition("://")
    return bool(separator) and scheme.replace("+", "").isalnum()


def redacted(name: str) -> str:
    """The name without what may be secret: user, password, query and fragment of a URL; a path stays as it is.

    >>> redacted("rtsp://admin:pa.ss@camera.local:554/live?token=1")
    'rtsp://camera.local:554/live'
    """
    if not is_url(name):
        return name
    scheme = name.partition("://")[0]
    try:
        parts = urlsplit(name)
    except ValueError:
        return f"{scheme}://…"
    host = parts.netloc.rpartition("@")[2]
    unsure = not host or "@" in parts.path + parts.query + parts.fragment
    return f"{scheme}://…" if unsure else f"{scheme}://{host}{parts.path}"


def _expand(argument: str) -> list[str]:
    path = Path(argument)
    if is_url(argument) or path.is_file():
        return [argument]
    if path.is_dir():
        names = sorted(_videos_below(argument))
        if not names:
            raise SourceError(f"no video in folder {argument}: expected files such as .mp4, .mkv or .ts in it")
        return names
    matches = sorted(glob.glob(argument, recursive=True))  # noqa: PTH207 - keeps the names as the user wrote them
    names = [name for match in matches for name in (_expand(match) if Path(match).is_file() else _videos_below(match))]
    if names:
        return names
    if path.exists():
        raise SourceError(f"cannot open {argument}: not a regular file; expected a video file or a folder")
    what = "nothing matches" if glob.has_magic(argument) else "cannot open"
    raise SourceError(f"{what} {argument}: no such file or folder; check the path")


def _videos_below(folder: str) -> Iterator[str]:
    for where, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and Path(name).suffix.lower() in VIDEO_SUFFIXES:
                yield str(Path(where) / name)
