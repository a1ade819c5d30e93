"""The pictures that a label is enrolled from: read, boxed and checked, each reason to refuse one in a line."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from streamfilter.errors import DatasetError
from streamfilter.training.boxes import merge_boxes, place_box, read_box_rows
from streamfilter.training.dataset import SMALLEST_SIDE_PX
from streamfilter.training.examples import Example, printable
from streamfilter.training.folders import Listing, list_folder
from streamfilter.training.paste import trimmed
from streamfilter.training.pictures import inspect_picture, load_picture, on_background
from streamfilter.types import Box, Pixels

LEAST_DETAIL = 6.0
"""Standard deviation of brightness (0 to 255) below which a picture shows nothing that could be told from others."""
MOST_GROUNDS = 160
"""Negatives that are looked at: more would not fit into a minute."""
WHOLE = Box(0.0, 0.0, 1.0, 1.0)


def read_pictures(paths: Sequence[Path], label: str, *, boxes: Path | None = None) -> list[Example]:
    """The pictures as examples of `label`, with their boxes. One without a box of `label` will be taken whole.

    Raises `DatasetError` for a picture that cannot be read, is tiny or shows nothing, for one that is given twice, and
    for boxes of which none is of `label` on one of these pictures.
    """
    placed = _boxes(boxes, label) if boxes is not None else {}
    examples: dict[str, Example] = {}
    for path in paths:
        example = _example(path, label, placed.get(os.path.realpath(path), []))
        if example.digest in examples:
            raise DatasetError(
                f"{printable(path)} is the same picture as {examples[example.digest].path}: leave one out"
            )
        examples[example.digest] = example
    if boxes is not None and not any(example.boxes for example in examples.values()):
        raise DatasetError(
            f"boxes {printable(boxes)}: no box of {label!r} on these pictures; "
            "`image` is relative to the CSV or the folder around it"
        )
    return list(examples.values())


def read_grounds(folders: Iterable[Path], rng: np.random.Generator) -> list[Example]:
    """Negatives out of the folders, `MOST_GROUNDS` at most, drawn at random; those that cannot be read are passed over.

    Raises `DatasetError` for a folder that cannot be listed and when folders were given but no picture is left.
    """
    listing = Listing()
    folders = list(folders)
    for folder in folders:
        list_folder(folder, listing, kind="negative")
    order = rng.permutation(len(listing.found))
    grounds: list[Example] = []
    for index in order[:MOST_GROUNDS]:
        try:
            facts = inspect_picture(listing.found[index].path)
        except DatasetError:
            continue
        path = listing.found[index].path
        grounds.append(Example(path, None, "negative", (), facts.width, facts.height, facts.has_alpha, facts.digest))
    if folders and not grounds:
        raise DatasetError(f"no picture to be read in {printable(folders[0])}: leave --negatives out, or give another")
    return grounds


def has_detail(picture: Pixels) -> bool:
    """Whether an `(H, W, 3 | 4)` picture shows anything on black or on white ground."""
    grounds = [on_background(picture, gray).astype(np.float32).mean(axis=2) for gray in (0, 255)]
    return max(float(ground.std()) for ground in grounds) >= LEAST_DETAIL


def _example(path: Path, label: str, boxes: list[tuple[float, float, float, float]]) -> Example:
    facts = inspect_picture(path)
    if min(facts.width, facts.height) < SMALLEST_SIDE_PX:
        raise DatasetError(
            f"picture {printable(path)}: {facts.width}×{facts.height} pixels, expected {SMALLEST_SIDE_PX} a side; "
            "give a larger one"
        )
    placed = [place_box(corners, facts.width, facts.height)[0] for corners in boxes]
    if boxes and not any(placed):
        raise DatasetError(f"picture {printable(path)}: its box lies outside its {facts.width}×{facts.height} pixels")
    shown = merge_boxes((box, label) for box in placed if box is not None)
    picture = load_picture(path, max_side=512)
    if not all(has_detail(_part(picture, box)) for box in [box for box, _ in shown] or [WHOLE]):
        raise DatasetError(f"picture {printable(path)} shows nothing: one colour all over; give one with the logo")
    return Example(path, label, "known", shown, facts.width, facts.height, facts.has_alpha, facts.digest)


def _part(picture: Pixels, box: Box) -> Pixels:
    """The part of a picture under a box, without what is transparent around it."""
    height, width = picture.shape[:2]
    top, left = int(box.y * height), int(box.x * width)
    part = picture[top : top + max(1, round(box.height * height)), left : left + max(1, round(box.width * width))]
    return trimmed(part) if part.shape[2] == 4 else part


def _boxes(path: Path, label: str) -> dict[str, list[tuple[float, float, float, float]]]:
    """Corners of `label`'s boxes by the real path of their picture. Rows of other labels say nothing here."""
    rows, problems = read_box_rows(path)
    if problems:
        raise DatasetError(f"boxes {printable(path)}: {problems[0].what}: {problems[0].detail}")
    found: dict[str, list[tuple[float, float, float, float]]] = defaultdict(list)
    for row in rows:
        if row.label == label:
            for base in (path.parent, path.parent.parent):
                found[os.path.realpath(base / row.image)].append(row.corners)
    return found
