"""Reads the CSV files that say where in the pictures the logos are."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from streamfilter.errors import DatasetError
from streamfilter.training.examples import Problem, ProblemKind, printable
from streamfilter.types import Box

COLUMNS = ("image", "x1", "y1", "x2", "y2", "label")

_MOST_LINE = 1 << 20
_MOST_ROWS = 5_000_000

# Annotators box one logo twice with jitter; in FlickrLogos-27 such pairs overlap by more than half, while a mark boxed
# both alone and with its lettering, or two logos side by side, overlap by less.
_SAME_LOGO_IOU = 0.5
_MOSTLY_INSIDE = 0.5
_TOLERANCE_PX = 2.0


@dataclass(frozen=True, slots=True)
class BoxRow:
    """One row of a box file, in pixels of the displayed picture: `x1`, `y1` upper left, `x2`, `y2` lower right."""

    line: int
    image: str
    corners: tuple[float, float, float, float]
    label: str


def read_box_rows(path: Path) -> tuple[list[BoxRow], list[Problem]]:
    """The rows of `image,x1,y1,x2,y2,label` (in the header's order; without a header in this one), and the bad rows.

    Raises `DatasetError` when the file cannot be read or its header lacks a column.
    """
    rows: list[BoxRow] = []
    problems: list[Problem] = []
    order: Sequence[str] = COLUMNS
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
            # Line by line, but never more of one than this: a file may be one endless line.
            reader = csv.reader(iter(lambda: stream.readline(_MOST_LINE), ""))
            for number, cells in enumerate(reader):
                if number == 0 and "image" in (names := _column_names(cells)):
                    order = _checked_header(names, path)
                elif len(rows) + len(problems) >= _MOST_ROWS:
                    raise DatasetError(f"boxes {printable(path)} has more than {_MOST_ROWS} rows; divide it")
                elif any(cell.strip() for cell in cells):
                    parsed = _parsed(cells, order, path=path, line=reader.line_num)
                    if isinstance(parsed, Problem):
                        problems.append(parsed)
                    else:
                        rows.append(parsed)
    except OSError as error:
        raise DatasetError(f"cannot read boxes {printable(path)}: {error.strerror}; check the path") from None
    except csv.Error as error:
        raise DatasetError(f"boxes {printable(path)} is not CSV: {error}; expected {','.join(COLUMNS)}") from None
    return rows, problems


def _column_names(cells: Iterable[str]) -> list[str]:
    return [cell.strip().lower() for cell in cells]


def _checked_header(names: list[str], path: Path) -> list[str]:
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        found, expected = ",".join(names), ",".join(COLUMNS)
        raise DatasetError(
            f"boxes {printable(path)} has columns {printable(found)}, expected {expected}; add {missing}"
        )
    return names


def _parsed(cells: list[str], order: Sequence[str], *, path: Path, line: int) -> BoxRow | Problem:
    try:
        return _parse(cells, order, line=line)
    except ValueError as error:
        return Problem(ProblemKind.MALFORMED_ROW, printable(f"{path.name} line {line}"), f"{error}; row left out")


def _parse(cells: list[str], order: Sequence[str], *, line: int) -> BoxRow:
    """One row; `ValueError` says what is wrong with it."""
    if len(cells) < len(order):
        raise ValueError(f"{len(cells)} columns, expected {len(order)}")
    row = dict(zip(order, cells, strict=False))
    x1, y1, x2, y2 = (_pixels(name, row[name]) for name in ("x1", "y1", "x2", "y2"))
    if x2 <= x1 or y2 <= y1:
        raise ValueError(f"box {x1:g},{y1:g},{x2:g},{y2:g} is empty, expected x1 < x2 and y1 < y2")
    image, label = row["image"].strip(), row["label"].strip()
    if not image or not label:
        raise ValueError("image or label is empty")
    return BoxRow(line, image, (x1, y1, x2, y2), label)


def _pixels(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{name} is {printable(repr(text))}, expected pixels")
    return value


def place_box(corners: tuple[float, float, float, float], width: int, height: int) -> tuple[Box | None, bool]:
    """The box of pixel corners in a picture of `width` × `height`, and whether part of it was clipped away.

    None when most of it lies outside. An overhang of up to two pixels is how some tools count and is no clipping.
    """
    x1, y1, x2, y2 = corners
    left, top, right, bottom = max(x1, 0.0), max(y1, 0.0), min(x2, float(width)), min(y2, float(height))
    inside = max(right - left, 0.0) * max(bottom - top, 0.0)
    if inside < _MOSTLY_INSIDE * (x2 - x1) * (y2 - y1):
        return None, True
    overhang = max(left - x1, top - y1, x2 - right, y2 - bottom)
    box = Box(left / width, top / height, (right - left) / width, (bottom - top) / height)
    return box, overhang > _TOLERANCE_PX


def merge_boxes(boxes: Iterable[tuple[Box, str]]) -> tuple[tuple[Box, str], ...]:
    """One box per logo: boxes of one label that overlap by an IoU above 0.5 become their median, edge by edge.

    The median rather than the union: of three annotators it leaves out the one who drew the whole bottle.
    """
    clusters: list[tuple[list[Box], str]] = []
    for box, label in boxes:
        near = [c for c in clusters if c[1] == label and any(box.iou(other) > _SAME_LOGO_IOU for other in c[0])]
        clusters = [c for c in clusters if not any(c is n for n in near)]
        clusters.append(([*(b for c in near for b in c[0]), box], label))
    return tuple((_median_box(members), label) for members, label in clusters)


def _median_box(boxes: list[Box]) -> Box:
    if len(boxes) == 1:
        return boxes[0]
    left, top = median(b.x for b in boxes), median(b.y for b in boxes)
    right, bottom = median(b.x + b.width for b in boxes), median(b.y + b.height for b in boxes)
    return Box(left, top, right - left, bottom - top)
