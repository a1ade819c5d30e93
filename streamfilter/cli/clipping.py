"""Clips of what a run over files has found: named while it runs, written when it is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

from streamfilter.clips import ClipRecorder, Shelf, clip_file
from streamfilter.clips.files import suffix_of
from streamfilter.clips.recorder import clip_name, media
from streamfilter.config import ClipsConfig, RunConfig
from streamfilter.console import Console
from streamfilter.errors import SourceError
from streamfilter.pipeline import NameMedia
from streamfilter.sinks import ModelFacts, records
from streamfilter.source.opening import fingerprint
from streamfilter.summary import SourceResult
from streamfilter.types import Event


def name_media(config: ClipsConfig) -> NameMedia | None:
    """What the log says of the clips that there will be; None: there will be none."""
    if config.folder is None:
        return None
    suffix = cache(suffix_of)

    def named(source: str, label: str, event_id: str) -> Mapping[str, str]:
        return media(Path(clip_name(label, event_id, suffix(source))), config)

    return named


def clip_sources(
    results: Sequence[tuple[str, SourceResult]],
    settings: RunConfig,
    model: ModelFacts,
    console: Console,
    should_stop: Callable[[], bool],
) -> None:
    """Write the clips of each source, by its name and what was found in it; those that are there stay.

    A source that cannot be read any more is told. Raises `SinkError` where the folder cannot be written.
    """
    config = settings.clips
    if config.folder is None:
        return
    recorder = ClipRecorder(
        Shelf(config.folder, config),
        config,
        smoother=settings.smoother,
        annotate=settings.annotate,
        warn=console.warn,
        threaded=False,
    )
    with recorder:
        for name, result in results:
            if should_stop():
                break
            try:
                clip_file(name, _missing(name, result, settings, model), recorder, limits=settings.source.limits)
            except SourceError as error:
                console.warn(str(error))
    console.say(f"clips: {config.folder}")


def _missing(name: str, result: SourceResult, settings: RunConfig, model: ModelFacts) -> list[tuple[str, Event]]:
    """The events that have no clip yet, or not all that goes with it, with their ids."""
    if not result.events:
        return []
    folder = settings.clips.folder
    assert folder is not None
    content, config, suffix = fingerprint(name), settings.digest(), suffix_of(name)
    ids = [(records.identify_event(event, content, config, model.digest), event) for event in result.events]

    def is_whole(event_id: str, event: Event) -> bool:
        named = media(Path(clip_name(event.label, event_id, suffix)), settings.clips)
        return all((folder / file).exists() for file in named.values())

    return [(event_id, event) for event_id, event in ids if not is_whole(event_id, event)]
