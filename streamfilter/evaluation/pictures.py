"""The pictures that a model is measured on: known ones by label, unknown ones far from and near to the labels."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from streamfilter.errors import DatasetError
from streamfilter.training.examples import Problem, ProblemKind, printable
from streamfilter.training.folders import Listing, list_folder, list_label_folders
from streamfilter.training.pictures import load_picture, on_background, resized
from streamfilter.types import Pixels

__all__ = ["Kind", "Subject", "Subjects", "find_known", "find_subjects", "find_unknown", "read_subject", "resized"]

Kind = Literal["known", "far", "near"]


@dataclass(frozen=True, slots=True)
class Subject:
    """One picture to measure on. `label`: what it shows, None for an unknown one; `digest`: SHA-256 of its file."""

    path: Path
    kind: Kind
    label: str | None
    digest: str


@dataclass(frozen=True, slots=True)
class Subjects:
    """All pictures, each file once, known ones first; and what was left out and why."""

    pictures: tuple[Subject, ...]
    problems: tuple[Problem, ...]

    def of_kind(self, kind: Kind) -> tuple[Subject, ...]:
        """The pictures of one kind."""
        return tuple(picture for picture in self.pictures if picture.kind == kind)


def find_subjects(known: Path, far: Sequence[Path], near: Sequence[Path], *, labels: Iterable[str]) -> Subjects:
    """List and digest the pictures: `known` has a folder per label, `far` and `near` any folders.

    A picture that is there twice counts once, known before near before far.
    Raises `DatasetError` when a folder cannot be listed, no folder of `known` is called like a label, or no unknown
    picture is left.
    """
    listing = Listing()
    found = _known(known, listing, frozenset(labels), not_labels=(*far, *near))
    folders: list[tuple[Kind, Sequence[Path]]] = [("near", near), ("far", far)]
    for kind, places in folders:
        found += [(path, kind, None) for folder in places for path in _pictures_in(folder, listing)]
    pictures = _each_once(found, listing)
    if all(picture.kind == "known" for picture in pictures):
        raise DatasetError("no unknown picture: give folders of what is none of the labels with --far or --near")
    return Subjects(tuple(pictures), tuple(listing.problems))


def find_known(known: Path, *, labels: Iterable[str]) -> Subjects:
    """The pictures of a folder per label alone. Raises `DatasetError` as `find_subjects` does."""
    listing = Listing()
    return Subjects(tuple(_each_once(_known(known, listing, frozenset(labels)), listing)), tuple(listing.problems))


def find_unknown(folder: Path) -> tuple[Subject, ...]:
    """All pictures below a folder, as far ones. Raises `DatasetError` when it cannot be listed."""
    listing = Listing()
    return tuple(_each_once(((path, "far", None) for path in _pictures_in(folder, listing)), listing))


def read_subject(path: Path) -> Pixels:
    """The picture as displayed, `(H, W, 3)` uint8 RGB, transparent parts gray. Raises `DatasetError`."""
    return on_background(load_picture(path))


_Listed = tuple[Path, Kind, str | None]


def _known(known: Path, listing: Listing, labels: frozenset[str], *, not_labels: Sequence[Path] = ()) -> list[_Listed]:
    list_label_folders(known, listing, not_labels=frozenset(path.resolve() for path in not_labels))
    found: list[_Listed] = [(item.path, "known", item.label) for item in listing.found]
    for label in sorted({label for _, _, label in found if label is not None and label not in labels}):
        listing.report(ProblemKind.LABEL_LEFT_OUT, label, "is no label of the model; folder left out")
    found = [item for item in found if item[2] in labels]
    if not found:
        raise DatasetError(
            f"no folder in {printable(known)} with pictures is called like a label of the model "
            f"({', '.join(sorted(labels)[:5])}, ...): expected one folder per label"
        )
    return found


def _pictures_in(folder: Path, listing: Listing) -> list[Path]:
    before = len(listing.found)
    list_folder(folder, listing, kind="unknown")
    return [item.path for item in listing.found[before:]]


def _each_once(found: Iterable[_Listed], listing: Listing) -> list[Subject]:
    seen: dict[str, Subject] = {}
    for path, kind, label in found:
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            listing.report(ProblemKind.UNREADABLE_PICTURE, path, error.strerror or "cannot be read")
            continue
        subject = Subject(path, kind, label, digest)
        first = seen.setdefault(digest, subject)
        if first is not subject and (first.kind, first.label) != (kind, label):
            detail = f"is the picture {printable(first.path)}, given as {first.label or first.kind}; left out here"
            listing.report(ProblemKind.KNOWN_AMONG_OTHERS, path, detail)
    return list(seen.values())
