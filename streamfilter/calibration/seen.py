"""Everything that is looked at for a calibration, once, with progress; what can't be read is told and left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from streamfilter.calibration.appearances import truth_path
from streamfilter.calibration.footage import Clip, Eye, Photograph, find_footage
from streamfilter.config import SourceConfig
from streamfilter.console import Console, Progress
from streamfilter.errors import DatasetError, SourceError
from streamfilter.evaluation.clips import read_truth
from streamfilter.evaluation.times import Truth
from streamfilter.source import open_source
from streamfilter.training.folders import Listing, list_label_folders


@dataclass(frozen=True, slots=True, eq=False)
class Negatives:
    """Footage without any label."""

    clips: tuple[Clip, ...]
    photographs: tuple[Photograph, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Positives:
    """Clips with their truth, and photographs by label."""

    clips: tuple[tuple[Clip, tuple[Truth, ...]], ...] = ()
    photographs: tuple[tuple[str, Photograph], ...] = ()


@dataclass(frozen=True, slots=True)
class Truths:
    """The truths beside videos, for a model of `labels`; `names` gives its names for those that a truth has."""

    labels: Sequence[str]
    names: Mapping[str, str]

    def of(self, video: str) -> tuple[Truth, ...]:
        """The appearances of labels that a video shows; none without a truth. Raises `DatasetError`."""
        return tuple(one for one in self._all(video) if one.label in self.labels)

    def foreign(self, video: str) -> set[str]:
        """Names in a video's truth that are no labels."""
        return {one.label for one in self._all(video)} - set(self.labels)

    def _all(self, video: str) -> list[Truth]:
        path = truth_path(video)
        return read_truth(str(path), self.names) if path.exists() else []


def see_negatives(
    places: Sequence[str], truths: Truths, *, eye: Eye, part: SourceConfig, console: Console
) -> Negatives:
    """Look at all that `places` stand for. Raises `SourceError` where there is nothing or nothing can be read.

    A video whose truth says that it shows a label is told and left out.
    """
    found = find_footage(places)
    videos = [name for name in found.videos if not truths.of(name)]
    for name in found.videos:
        if name not in videos:
            console.warn(f"{name}: its {truth_path(name).name} says that it shows a label; left out of the negatives")
    clips = _watch(videos, eye, part, console)
    photographs = _look([("", path) for path in found.photographs], eye, console)
    if not clips and not photographs:
        raise SourceError(f"nothing in {', '.join(places)} can be read: expected videos or photographs without a label")
    return Negatives(tuple(clips), tuple(photograph for _, photograph in photographs))


def see_positives(folder: Path | None, truths: Truths, *, eye: Eye, part: SourceConfig, console: Console) -> Positives:
    """Look at the videos below `folder` with a truth beside them, and at the pictures of its folders per label.

    Raises `DatasetError` where there is neither, or a truth can't be read.
    """
    if folder is None:
        return Positives()
    try:
        videos = find_footage([str(folder)]).videos
    except SourceError as error:
        raise DatasetError(f"--positives {folder}: {error}") from None
    told = [name for name in videos if truth_path(name).exists()]
    pictures = _labelled_pictures(folder, truths.labels)
    if not told and not pictures:
        raise DatasetError(
            f"--positives {folder}: expected videos with NAME.labels.jsonl beside them, or a folder of pictures a label"
        )
    for name in videos:
        if name not in told:
            console.warn(f"{name}: no {truth_path(name).name} beside it; left out")
    _warn_foreign(sorted({label for name in told for label in truths.foreign(name)}), console)
    clips = _watch(told, eye, part, console)
    known = [(clip, _watched(truths.of(clip.name), clip, part)) for clip in clips]
    return Positives(tuple(known), tuple(_look(pictures, eye, console)))


def _watched(truth: Sequence[Truth], clip: Clip, part: SourceConfig) -> tuple[Truth, ...]:
    """The appearances that lie, for the most part, in what was watched of a clip."""
    return tuple(one for one in truth if part.start_s <= (one.start_s + one.end_s) / 2 < clip.end_s)


def _watch(names: Sequence[str], eye: Eye, part: SourceConfig, console: Console) -> list[Clip]:
    clips: list[Clip] = []
    lengths = [_length_s(name, part) for name in names]
    total = sum(length for length in lengths if length is not None) if None not in lengths else None
    with console.progress("looking at clips", total, unit="seconds") as progress:
        done_s = 0.0
        for name in names:
            clip = _watch_one(name, eye, console, progress=progress, before_s=done_s - part.start_s)
            if clip is not None:
                clips.append(clip)
                done_s += max(0.0, clip.end_s - part.start_s)
                progress.reach(done_s)
    return clips


def _watch_one(name: str, eye: Eye, console: Console, *, progress: Progress, before_s: float) -> Clip | None:
    try:
        clip = eye.watch(name, lambda time_s: progress.reach(before_s + time_s))
    except SourceError as error:
        console.warn(f"{error}; left out")
        return None
    if clip.error is not None:
        console.warn(f"{clip.error}; counted as far as it was read")
    return clip


def _look(pictures: Sequence[tuple[str, Path]], eye: Eye, console: Console) -> list[tuple[str, Photograph]]:
    seen: list[tuple[str, Photograph]] = []
    if not pictures:
        return seen
    with console.progress("looking at photographs", len(pictures)) as progress:
        for label, path in pictures:
            try:
                seen.append((label, eye.look(path)))
            except DatasetError as error:
                console.warn(f"{error}; left out")
            progress.advance()
    return seen


def _labelled_pictures(folder: Path, labels: Sequence[str]) -> list[tuple[str, Path]]:
    listing = Listing()
    list_label_folders(folder, listing, not_labels=frozenset())
    return [(item.label, item.path) for item in listing.found if item.label is not None and item.label in labels]


def _length_s(name: str, part: SourceConfig) -> float | None:
    try:
        with open_source(name, part) as source:
            ends_s = [end_s for end_s in (part.end_s, source.facts.duration_s) if end_s is not None]
    except SourceError:
        return 0.0
    return max(0.0, min(ends_s) - part.start_s) if ends_s else None


def _warn_foreign(names: Sequence[str], console: Console) -> None:
    if names:
        console.warn(f"{', '.join(names)}: no label of this model, so not looked for; --map NAME=LABEL joins two names")
