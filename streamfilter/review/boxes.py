"""Box files (`image,x1,y1,x2,y2,label`) that people may have made, with our rows in them kept up to date."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from streamfilter.errors import DatasetError

COLUMNS = ("image", "x1", "y1", "x2", "y2", "label")


@dataclass(frozen=True, slots=True)
class BoxLine:
    """The box of one of our pictures: `corners` x1, y1, x2, y2 in pixels; `image` is relative to the box file."""

    image: str
    corners: tuple[float, float, float, float]
    label: str


def replace_boxes(path: Path, lines: Sequence[BoxLine], mine: Collection[str]) -> None:
    """Put `lines` into a box file in the place of those about the events `mine`; all other rows stay as they are.

    Nothing is made where there is nothing to write. Raises `DatasetError` for a file without the columns, `OSError`.
    """
    rows = _rows(path)
    header = [cell.strip().lower() for cell in rows[0]] if rows and "image" in _lower(rows[0]) else None
    if header is not None and any(name not in header for name in COLUMNS):
        raise DatasetError(f"boxes {path} lacks a column: expected {','.join(COLUMNS)}; name another --data folder")
    order = header or list(COLUMNS)
    image = order.index("image")
    kept = [row for row in rows[bool(header) :] if not _is_mine(row, image, mine)]
    if not rows and not lines:
        return
    first = rows[0] if header is not None else list(COLUMNS)
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([first, *kept, *(_row(line, order) for line in lines)])
    beside = path.with_name(f".{path.name}.{os.getpid()}.new")
    beside.write_text(out.getvalue(), encoding="utf-8", errors="surrogateescape")
    beside.replace(path)


def _rows(path: Path) -> list[list[str]]:
    if not path.exists():
        return []
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
        try:
            return list(csv.reader(stream))
        except csv.Error as error:
            raise DatasetError(f"boxes {path} is not CSV: {error}; name another --data folder") from None


def _lower(cells: Iterable[str]) -> list[str]:
    return [cell.strip().lower() for cell in cells]


def _is_mine(row: Sequence[str], image: int, mine: Collection[str]) -> bool:
    if len(row) <= image:
        return False
    parts = row[image].rpartition("/")[2].split("-")
    return parts[0] == "shot" and len(parts) == 4 and parts[2] in mine


def _row(line: BoxLine, order: Sequence[str]) -> list[str]:
    values = dict(zip(COLUMNS, (line.image, *(f"{value:.1f}" for value in line.corners), line.label), strict=True))
    return [values.get(name, "") for name in order]
