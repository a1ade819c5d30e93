"""Reads a folder of label pictures, with boxes, negatives and unknown logos, into a checked `Dataset`.

Problems are named and counted in `Dataset.problems`; a `DatasetError` is raised only when nothing sensible is left.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from streamfilter.errors import DatasetError
from streamfilter.training.boxes import BoxRow, merge_boxes, place_box, read_box_rows
from streamfilter.training.duplicates import find_duplicate_groups, join_shots
from streamfilter.training.examples import Dataset, Example, Problem, ProblemKind, printable
from streamfilter.training.folders import Found, Listing, list_folder, list_label_folders
from streamfilter.training.pictures import PictureFacts, inspect_picture
from streamfilter.types import Box

FEW_PICTURES = 5
FEWEST_PICTURES = 2
SMALLEST_SIDE_PX = 16

Progress = Callable[[int, int], None]


def read_dataset(
    root: Path,
    *,
    boxes: Path | None = None,
    negatives: Sequence[Path] = (),
    unknown: Sequence[Path] = (),
    unknown_boxes: Path | None = None,
    on_progress: Progress | None = None,
) -> Dataset:
    """Read `root`, a folder with one folder of pictures per label, and what goes with it; each picture is decoded once.

    `boxes` and `unknown_boxes` are CSV files (image, x1, y1, x2, y2, label; pixels of the displayed picture), whose
    images are named relative to the CSV or to the folder they belong to. `negatives` and `unknown` are folders searched
    through and through. `on_progress` is called with the pictures read so far and their number.

    Raises `DatasetError` when no label with at least two pictures is left, or a folder or CSV cannot be read.
    """
    listing = Listing()
    list_label_folders(root, listing, not_labels=frozenset(path.resolve() for path in (*negatives, *unknown)))
    for folder in negatives:
        list_folder(folder, listing, kind="negative")
    for folder in unknown:
        list_folder(folder, listing, kind="unknown")
    examples = _inspect(listing, on_progress)
    labels = _usable_labels(examples, listing)
    if not labels:
        raise DatasetError(_nothing_left(root, listing))
    examples = [example for example in examples if example.label is None or example.label in labels]
    if boxes is not None:
        examples = _with_boxes(examples, boxes, roots=[root], labels=labels, listing=listing)
    if unknown_boxes is not None:
        examples = _with_boxes(examples, unknown_boxes, roots=unknown, labels=None, listing=listing)
    examples = _joined_by_shot(_without_contradictions(examples, listing))
    _check_balance(labels, examples, listing)
    return Dataset(labels, tuple(examples), tuple(listing.problems), listing.ignored_files)


def _inspect(listing: Listing, on_progress: Progress | None) -> list[Example]:
    found = _each_once(listing.found)
    seen: list[tuple[Found, PictureFacts]] = []
    for number, item in enumerate(found, start=1):
        try:
            facts = inspect_picture(item.path)
        except DatasetError as error:
            listing.report(ProblemKind.UNREADABLE_PICTURE, item.path, str(error))
        else:
            if min(facts.width, facts.height) < SMALLEST_SIDE_PX:
                detail = f"{facts.width}×{facts.height} pixels, expected {SMALLEST_SIDE_PX} a side; left out"
                listing.report(ProblemKind.TINY_PICTURE, item.path, detail)
            else:
                seen.append((item, facts))
        if on_progress is not None:
            on_progress(number, len(found))
    groups = find_duplicate_groups([facts.digest for _, facts in seen], [facts.thumbnail for _, facts in seen])
    return [_example(item, facts, group) for (item, facts), group in zip(seen, groups, strict=True)]


def _each_once(found: Iterable[Found]) -> list[Found]:
    """A file in two of the given folders counts once, as a label's picture before all else; in two labels, for both."""
    seen: set[str] = set()
    kept: list[Found] = []
    for item in found:
        place = os.path.realpath(item.path)
        if item.kind == "known" or place not in seen:
            kept.append(item)
        seen.add(place)
    return kept


def _example(item: Found, facts: PictureFacts, group: int) -> Example:
    return Example(
        path=item.path,
        label=item.label,
        kind=item.kind,
        boxes=(),
        width=facts.width,
        height=facts.height,
        has_alpha=facts.has_alpha,
        digest=facts.digest,
        group=group,
    )


def _usable_labels(examples: Iterable[Example], listing: Listing) -> tuple[str, ...]:
    digests: dict[str, set[str]] = {item.label: set() for item in listing.found if item.label is not None}
    for example in examples:
        if example.label is not None:
            digests[example.label].add(example.digest)
    for label, different in sorted(digests.items()):
        if len(different) < FEWEST_PICTURES:
            detail = (
                f"usable pictures: {len(different)}, expected at least {FEWEST_PICTURES} different ones; label left out"
            )
            listing.report(ProblemKind.LABEL_LEFT_OUT, label, detail)
        elif len(different) < FEW_PICTURES:
            detail = f"{len(different)} different pictures; it will be found poorly, add some (30 are plenty)"
            listing.report(ProblemKind.FEW_PICTURES, label, detail)
    return tuple(sorted(label for label, different in digests.items() if len(different) >= FEWEST_PICTURES))


def _nothing_left(root: Path, listing: Listing) -> str:
    counts = Counter(problem.kind for problem in listing.problems)
    met = ", ".join(f"{count} {kind}" for kind, count in counts.most_common()) or "no folder in it"
    nested = [p.what for p in listing.problems if p.kind is ProblemKind.FOLDER_INSIDE_LABEL]
    hint = f"; did you mean {printable(Path(nested[0]).parent)}?" if nested else ""
    return (
        f"no label to train in {printable(root)} ({met}): "
        f"expected one folder per label with at least {FEWEST_PICTURES} pictures each{hint}"
    )


def _with_boxes(
    examples: list[Example], path: Path, *, roots: Sequence[Path], labels: tuple[str, ...] | None, listing: Listing
) -> list[Example]:
    """The examples with the boxes of one CSV. `labels` None: the boxes are of unknown logos, any label will do."""
    rows, problems = read_box_rows(path)
    listing.problems.extend(problems)
    kind = "known" if labels is not None else "unknown"
    by_path: dict[str, list[int]] = defaultdict(list)
    for index, example in enumerate(examples):
        if example.kind == kind:
            by_path[os.path.realpath(example.path)].append(index)
    bases = [path.parent, *roots, *(root.parent for root in roots)]
    boxes: dict[int, list[tuple[Box, str]]] = defaultdict(list)
    for row in rows:
        places = (os.path.realpath(base / row.image) for base in bases)
        indices = next((by_path[place] for place in places if place in by_path), [])
        box = _checked_box(row, examples[indices[0]] if indices else None, path, labels=labels, listing=listing)
        if box is not None:
            for index in indices:
                boxes[index].append((box, row.label))
    return [replace(e, boxes=merge_boxes(boxes[i])) if i in boxes else e for i, e in enumerate(examples)]


def _checked_box(
    row: BoxRow, example: Example | None, path: Path, *, labels: tuple[str, ...] | None, listing: Listing
) -> Box | None:
    where = f"{path.name} line {row.line}"
    if example is None:
        detail = f"image {printable(row.image)} is not among the pictures read; box left out"
        listing.report(ProblemKind.BOX_OF_UNKNOWN_IMAGE, where, detail)
        return None
    if labels is not None and row.label not in labels:
        detail = f"label {printable(row.label)} has no folder in use; box left out"
        listing.report(ProblemKind.BOX_OF_UNKNOWN_LABEL, where, detail)
        return None
    box, clipped = place_box(row.corners, example.width, example.height)
    size = f"the picture's {example.width}×{example.height} pixels"
    if box is None:
        listing.report(ProblemKind.BOX_OUTSIDE, where, f"box lies mostly outside {size}; box left out")
    elif clipped:
        listing.report(ProblemKind.BOX_CLIPPED, where, f"box reaches outside {size}; box clipped")
    return box


def _without_contradictions(examples: list[Example], listing: Listing) -> list[Example]:
    """Leaves out negatives and unknown logos that are copies of a label's picture: they would teach to reject it."""
    known = {example.group: example for example in examples if example.kind == "known"}
    kept: list[Example] = []
    for example in examples:
        if example.kind != "known" and example.group in known:
            detail = f"given as {example.kind}, but shows the picture {printable(known[example.group].path)}; left out"
            listing.report(ProblemKind.KNOWN_AMONG_OTHERS, example.path, detail)
        else:
            kept.append(example)
    return kept


def _joined_by_shot(examples: list[Example]) -> list[Example]:
    """Pictures of one shot share a group, so that no split parts them; what they show may well differ."""
    groups = join_shots([example.group for example in examples], [example.path.name for example in examples])
    return [replace(example, group=group) for example, group in zip(examples, groups, strict=True)]


def _check_balance(labels: tuple[str, ...], examples: Iterable[Example], listing: Listing) -> None:
    if all(example.kind == "known" for example in examples):
        detail = "no photographs without a logo and no other logos; strangers will be rejected less well"
        listing.problems.append(Problem(ProblemKind.NO_NEGATIVES, "dataset", detail))
    if len(labels) < 2:
        detail = f"{labels[0]} is the only label; what sets it apart must come from the negatives alone"
        listing.problems.append(Problem(ProblemKind.UNDER_TWO_LABELS, "dataset", detail))
