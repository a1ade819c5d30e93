"""Which source of a log a video file is, and which of its labels a user means."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from streamfilter.errors import ConfigError, SourceError
from streamfilter.eventlog.names import shown
from streamfilter.eventlog.values import Log, LoggedSource


@dataclass(frozen=True, slots=True)
class Match:
    """The source of a log that a video is. `doubt` says in one line why it may be another one; None: it is the one."""

    source: LoggedSource
    doubt: str | None = None


def match_source(log: Log, video: str, fingerprint: str) -> Match:
    """The source of `log` that the file `video` is: by its content, else by its name, else the only one there is.

    Raises `SourceError` when none fits.
    """
    sources = log.sources
    if not sources:
        raise SourceError(f"event log {log.path} names no source; expected a log that `streamfilter run` wrote")
    for source in sources:
        if source.fingerprint and source.fingerprint == fingerprint:
            return Match(source)
    named = [source for source in sources if PurePath(source.name).name == PurePath(video).name]
    chosen = named or (list(sources) if len(sources) == 1 else [])
    if len(chosen) != 1:
        names = ", ".join(shown(source.name, 60) for source in sources[:5])
        raise SourceError(
            f"{video} is none of the sources of {log.path}: {names}; give the video that it was made from"
        )
    if not chosen[0].fingerprint:
        return Match(chosen[0])
    return Match(
        chosen[0], f"{video} is not byte for byte the {shown(chosen[0].name, 80)} that {log.path} was made from"
    )


def known_labels(log: Log, wanted: Iterable[str]) -> tuple[str, ...]:
    """`wanted` without repetitions. Raises `ConfigError` for one that neither the model nor an event of the log has."""
    labels = dict.fromkeys(wanted)
    known = {*log.labels, *(event.label for event in log.events if event.label is not None)}
    for label in labels:
        if label not in known:
            raise ConfigError(f"label {label!r} is not in {log.path}; it has {_listed(sorted(known))}")
    return tuple(labels)


def _listed(labels: Sequence[str]) -> str:
    few = ", ".join(shown(label, 60) for label in labels[:12]) or "none"
    return few if len(labels) <= 12 else f"{few} and {len(labels) - 12} more"
