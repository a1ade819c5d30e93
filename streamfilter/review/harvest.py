"""Takes the pictures that decisions teach with out of the videos, into a folder that `train` and `enroll` read.

DIR/known/LABEL/shot-…jpg          what was accepted, or renamed to LABEL
DIR/unknown/not LABEL/shot-…jpg    what was rejected as LABEL
DIR/negatives/review/shot-…jpg     frames in which nothing is but what was rejected
DIR/boxes.csv, DIR/unknown_boxes.csv   where in the pictures
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np

from streamfilter.config import SourceConfig
from streamfilter.errors import DatasetError, SourceError
from streamfilter.files import write_file
from streamfilter.review.boxes import BoxLine, replace_boxes
from streamfilter.review.lessons import Kind, Lesson
from streamfilter.review.library import Library
from streamfilter.review.videos import Videos
from streamfilter.source import open_source
from streamfilter.types import Box, Frame, Pixels

CONTEXT = 1.0
"""A crop shows so many sides of its box around it: enough to see what the logo stands on."""
LARGEST_SIDE = 800
SMALLEST_BOX = 12
"""Crops whose box has a shorter side than this many pixels show nothing to learn from."""
RUN_S = 8.0
"""Pictures nearer in time than this are taken in one go; for others it is quicker to seek."""
QUALITY = 92


@dataclass(frozen=True, slots=True)
class Harvest:
    """What was written: `pictures` by kind and folder. `missed`: why a source gave none, by its name."""

    pictures: Mapping[tuple[Kind, str], tuple[Path, ...]]
    missed: Mapping[str, str] = field(default_factory=dict)

    def count(self, kind: Kind) -> int:
        """How many pictures of one kind."""
        return sum(len(paths) for (which, _), paths in self.pictures.items() if which == kind)


def harvest(
    library: Library,
    lessons: Sequence[Lesson],
    videos: Videos,
    *,
    data: Path,
    keys: Collection[str] | None = None,
    on_source: Callable[[str], None] = lambda name: None,
) -> Harvest:
    """Write the pictures of `lessons` below `data`. What was written before for the events `keys` goes.

    So pictures follow a decision that is taken back. `keys` None: all events of the library; else `lessons` must be
    about these. Raises `DatasetError` when something cannot be written.
    """
    mine = frozenset(library.rows if keys is None else keys)
    written: dict[tuple[Kind, str], list[Path]] = defaultdict(list)
    boxes: dict[Kind, list[BoxLine]] = {"known": [], "unknown": []}
    missed: dict[str, str] = {}
    try:
        data.mkdir(parents=True, exist_ok=True)
        _forget(data, mine)
        for source, group in groupby(lessons, key=lambda lesson: lesson.source):
            facts = library.sources[source].facts
            on_source(facts.name)
            clip = videos.of(facts)
            if clip.path is None:
                missed[facts.name] = clip.why
                continue
            try:
                for lesson, picture, box in _pictures(clip.path, list(group)):
                    path = _write(data, lesson, picture)
                    written[lesson.kind, lesson.folder].append(path)
                    if box is not None:
                        name = path.relative_to(data).as_posix()
                        boxes[lesson.kind].append(BoxLine(name, _corners(box, picture), lesson.folder))
            except SourceError as error:
                missed[facts.name] = str(error)
        replace_boxes(data / "boxes.csv", boxes["known"], mine)
        replace_boxes(data / "unknown_boxes.csv", boxes["unknown"], mine)
    except OSError as error:
        raise DatasetError(f"cannot write to {data}: {error.strerror}; check the folder and its free space") from None
    return Harvest({key: tuple(paths) for key, paths in sorted(written.items())}, missed)


def _forget(data: Path, mine: Collection[str]) -> None:
    for kind in ("known", "unknown", "negatives"):
        for path in (data / kind).glob("*/shot-*.jpg"):
            if path.stem.split("-")[2:3] and path.stem.split("-")[2] in mine:
                path.unlink()


def _pictures(path: Path, lessons: Sequence[Lesson]) -> Iterator[tuple[Lesson, Pixels, Box | None]]:
    """The picture of each lesson, in order of time, with the box in it; those too small to learn from left out."""
    for run in _runs(lessons):
        for lesson, frame in _frames(path, run):
            picture = frame.picture
            pixels = picture.rgb()
            if lesson.box is None:
                yield lesson, _shrunk(pixels), None
            elif min(lesson.box.width * picture.width, lesson.box.height * picture.height) >= SMALLEST_BOX:
                crop, box = cut(pixels, lesson.box)
                yield lesson, _shrunk(crop), box


def _runs(lessons: Sequence[Lesson]) -> Iterator[list[Lesson]]:
    run: list[Lesson] = []
    for lesson in lessons:
        if run and lesson.time_s - run[-1].time_s > RUN_S:
            yield run
            run = []
        run.append(lesson)
    if run:
        yield run


def _frames(path: Path, lessons: Sequence[Lesson]) -> Iterator[tuple[Lesson, Frame]]:
    """For each lesson the last frame that is shown at its time, or the first one after it."""
    start_s = max(0.0, lessons[0].time_s - 1.0)
    todo = list(lessons)
    before: Frame | None = None
    with open_source(path, SourceConfig(start_s=start_s)) as source:
        for item in source.frames():
            if not isinstance(item, Frame):
                continue
            while todo and todo[0].time_s < item.time_s:
                yield todo.pop(0), before or item
            if not todo:
                return
            before = item
    if before is not None:
        yield from ((lesson, before) for lesson in todo)


def cut(pixels: Pixels, box: Box) -> tuple[Pixels, Box]:
    """The part of `(H, W, 3)` uint8 around `box`, and where the box lies in it."""
    height, width = pixels.shape[:2]
    left, right = _span(box.x * width, box.width * width, width)
    top, bottom = _span(box.y * height, box.height * height, height)
    wide, tall = right - left, bottom - top
    x, y = max(0.0, (box.x * width - left) / wide), max(0.0, (box.y * height - top) / tall)
    inner = Box(x, y, min(1 - x, box.width * width / wide), min(1 - y, box.height * height / tall))
    return np.ascontiguousarray(pixels[top:bottom, left:right]), inner


def _corners(box: Box, pixels: Pixels) -> tuple[float, float, float, float]:
    height, width = pixels.shape[:2]
    return box.x * width, box.y * height, (box.x + box.width) * width, (box.y + box.height) * height


def _span(start: float, length: float, most: int) -> tuple[int, int]:
    low, high = int(start - CONTEXT * length), int(np.ceil(start + length + CONTEXT * length))
    low, high = max(0, low), min(most, high)
    return (low, high) if high > low else (max(0, most - 1), most)


def _shrunk(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    scale = LARGEST_SIDE / max(height, width)
    if scale >= 1:
        return pixels
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def _write(data: Path, lesson: Lesson, pixels: Pixels) -> Path:
    folder = data / lesson.kind / lesson.folder
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{lesson.stem}.jpg"
    _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    write_file(path, jpeg.tobytes())
    return path


def summary(result: Harvest) -> list[str]:
    """What was written, a line per folder."""
    lines = []
    for (kind, folder), paths in result.pictures.items():
        events = Counter(path.stem.rpartition("-")[0] for path in paths)
        lines.append(f"{kind}/{folder}: {len(paths)} pictures of {len(events)} events")
    return lines + [f"nothing from {name}: {why}" for name, why in result.missed.items()]


def only(lessons: Iterable[Lesson], keys: Iterable[str]) -> list[Lesson]:
    """The lessons about these events."""
    wanted = set(keys)
    return [lesson for lesson in lessons if lesson.stem.split("-")[2] in wanted]
