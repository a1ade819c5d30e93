"""Lists the picture files of training folders, and names what in them is no picture."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from streamfilter.errors import DatasetError
from streamfilter.training.examples import Kind, Problem, ProblemKind, printable
from streamfilter.training.pictures import SUFFIXES

# Pictures to a person, but nothing that is decoded here: worth a word, unlike a stray text file.
_UNSUPPORTED = frozenset(
    {".heic", ".heif", ".jxl", ".jp2", ".svg", ".psd", ".eps", ".ai", ".pdf", ".xcf", ".cr2", ".nef", ".arw", ".dng"}
)


@dataclass(frozen=True, slots=True)
class Found:
    """A file that should be a picture, and what it would be an example of."""

    path: Path
    label: str | None
    kind: Kind


@dataclass(slots=True)
class Listing:
    """The files found so far, the problems met, and how many files were passed over without a word."""

    found: list[Found] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    ignored_files: int = 0

    def add(self, path: Path, label: str | None, kind: Kind) -> None:
        """Sort one file in: a picture, a picture of a format that cannot be read, or something else."""
        suffix = path.suffix.lower()
        if _is_hidden(path.name) or suffix not in SUFFIXES | _UNSUPPORTED or not path.is_file():
            self.ignored_files += 1
        elif suffix in _UNSUPPORTED:
            detail = f"{suffix} pictures cannot be read; save it as PNG or JPEG"
            self.problems.append(Problem(ProblemKind.UNSUPPORTED_FORMAT, printable(path), detail))
        else:
            self.found.append(Found(path, label, kind))

    def report(self, kind: ProblemKind, what: object, detail: str) -> None:
        """Note a problem; `what` is made printable."""
        self.problems.append(Problem(kind, printable(what), detail))


def list_label_folders(root: Path, listing: Listing, *, not_labels: frozenset[Path]) -> None:
    """Add the pictures of `root`'s folders, one label each; `not_labels` are folders in it that mean something else.

    Raises `DatasetError` when `root` cannot be listed.
    """
    for path in _entries(root):
        if _is_hidden(path.name) or not path.is_dir():
            _note_loose_file(path, listing)
        elif path.resolve() in not_labels:
            continue
        elif not can_be_label(path.name):
            detail = "a label's name must be text without control characters or spaces at its ends; rename the folder"
            listing.report(ProblemKind.BAD_LABEL_NAME, path, detail)
        else:
            _list_label(path, listing)


def _note_loose_file(path: Path, listing: Listing) -> None:
    if path.suffix.lower() in SUFFIXES and not _is_hidden(path.name):
        detail = "lies beside the label folders and was left out; move it into one"
        listing.report(ProblemKind.MISPLACED_PICTURE, path, detail)
    elif not path.is_dir():
        listing.ignored_files += 1


def _list_label(folder: Path, listing: Listing) -> None:
    before = len(listing.found)
    try:
        entries = _entries(folder)
    except DatasetError as error:
        listing.report(ProblemKind.UNREADABLE_FOLDER, folder, str(error))
        return
    for path in entries:
        if path.is_dir() and not _is_hidden(path.name):
            listing.report(ProblemKind.FOLDER_INSIDE_LABEL, path, "pictures must lie directly in their label's folder")
        else:
            listing.add(path, folder.name, "known")
    if len(listing.found) == before:
        listing.report(ProblemKind.EMPTY_FOLDER, folder, f"no picture of label {folder.name!r}; label left out")


def list_folder(folder: Path, listing: Listing, *, kind: Kind) -> None:
    """Add the pictures of `folder` and the folders in it, whatever they are called.

    Raises `DatasetError` when it is no folder or cannot be listed.
    """
    _entries(folder)
    before = len(listing.found)
    for path in _walk(folder, listing):
        listing.add(path, None, kind)
    if len(listing.found) == before:
        listing.report(ProblemKind.EMPTY_FOLDER, folder, f"no {kind} picture in it")


def _walk(folder: Path, listing: Listing) -> Iterator[Path]:
    def note(error: OSError) -> None:
        listing.report(ProblemKind.UNREADABLE_FOLDER, error.filename, error.strerror or "cannot be listed")

    for place, folders, names in os.walk(folder, onerror=note):
        folders[:] = sorted(name for name in folders if not _is_hidden(name))
        yield from (Path(place, name) for name in sorted(names))


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise DatasetError(
            f"cannot list folder {printable(folder)}: {error.strerror}; expected a folder of pictures"
        ) from None


def can_be_label(name: str) -> bool:
    """Labels go into JSON and onto terminals; format characters, which some scripts need, are no harm."""
    return name == name.strip() and not any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in name)


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name in ("__MACOSX", "@eaDir")
