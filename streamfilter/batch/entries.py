"""From what the user typed to the files of an archive, and what the log of each is called."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from streamfilter.batch import remote
from streamfilter.errors import SourceError
from streamfilter.source import find_sources
from streamfilter.source.discovery import is_url, redacted

MANIFESTS = (".txt", ".jsonl")
"""What the names of lists of sources end in."""
_MOST_BYTES = 1 << 28
_MOST_STEM = 40


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of an archive: a path or a URL, and the name of its log. A URL may hold what is secret."""

    source: str
    log: str


def find_entries(arguments: Sequence[str]) -> list[Entry]:
    """What the arguments stand for, in their order, each once: files, folders, patterns, URLs of these, and manifests.

    A manifest names one file or URL a line, as text or as JSON (`{"source": ...}`); its paths are relative to its own
    folder. Raises `SourceError` for an argument that stands for nothing and for a manifest that cannot be read; a line
    of one that names no file is found out later, and is that file's failure alone.
    """
    found: dict[str, str] = {}
    for argument in arguments:
        for source in _expanded(argument):
            found.setdefault(source if is_url(source) else os.path.realpath(source), source)
    sources = list(found.values())
    return [Entry(source, log) for source, log in zip(sources, log_names(sources), strict=True)]


def log_names(sources: Sequence[str]) -> list[str]:
    """A name for the log of each source, which says where it comes from and hangs on nothing but the source's name.

    >>> log_names(["/archive/monday/evening news.mp4"])
    ['evening_news-59a0a94e.jsonl']
    """
    taken: set[str] = set()
    names = []
    for source in sources:
        stem, number = _stem(source), 1
        while (name := f"{stem}{'' if number == 1 else f'-{number}'}.jsonl") in taken:
            number += 1  # two addresses that differ only in what is secret, or the one in 2^32
        taken.add(name)
        names.append(name)
    return names


def _stem(source: str) -> str:
    shown = redacted(source)
    plain = re.sub(r"[^\w.-]+", "_", Path(shown).stem)[:_MOST_STEM].strip("._-") or "source"
    return f"{plain}-{hashlib.sha256(shown.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"


def _expanded(argument: str) -> list[str]:
    argument = _here(argument)
    if is_url(argument):
        return remote.expand(argument)
    path = Path(argument)
    if path.suffix.lower() in MANIFESTS and path.is_file():
        return list(_listed(path))
    return find_sources([argument])


def _here(source: str) -> str:
    """The path that an address of this machine's own files stands for; anything else as it is."""
    return url2pathname(urlsplit(source).path) if source.startswith("file://") else source


def _listed(manifest: Path) -> Iterator[str]:
    try:
        if manifest.stat().st_size > _MOST_BYTES:
            raise SourceError(f"manifest {manifest} is larger than {_MOST_BYTES >> 20} MiB; split it")
        lines = manifest.read_text("utf-8-sig", "surrogateescape").splitlines()
    except OSError as error:
        raise SourceError(f"cannot read manifest {manifest}: {error.strerror}; check the path") from None
    found = False
    for number, line in enumerate(lines, start=1):
        source = line.strip()
        if not source or source.startswith("#"):
            continue
        found = True
        if manifest.suffix.lower() == ".jsonl":
            source = _named(source, f"manifest {manifest} line {number}")
        source = _here(source)
        yield source if is_url(source) else str(manifest.parent / source)
    if not found:
        raise SourceError(f"manifest {manifest} names nothing: expected one file or URL a line")


def _named(line: str, where: str) -> str:
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):
        told = None
    source = told.get("source") if isinstance(told, dict) else told
    if not isinstance(source, str) or not source or "\0" in source:
        raise SourceError(f'{where} is {line[:60]!r}: expected {{"source": "FILE"}} or "FILE"')
    return source


def suffix_of(source: str) -> str:
    """How a source's name ends, from the last dot on: FFmpeg takes it for a hint."""
    return Path(urlsplit(source).path if is_url(source) else source).suffix
