"""The values that describe training data: examples, the dataset they form, and what was wrong with it."""

from __future__ import annotations

import enum
import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from streamfilter.types import Box

Kind = Literal["known", "negative", "unknown"]


class ProblemKind(enum.StrEnum):
    """What can be wrong with training data without making it useless."""

    UNREADABLE_PICTURE = "unreadable_picture"
    UNSUPPORTED_FORMAT = "unsupported_format"
    TINY_PICTURE = "tiny_picture"
    MISPLACED_PICTURE = "misplaced_picture"
    FOLDER_INSIDE_LABEL = "folder_inside_label"
    EMPTY_FOLDER = "empty_folder"
    UNREADABLE_FOLDER = "unreadable_folder"
    BAD_LABEL_NAME = "bad_label_name"
    FEW_PICTURES = "few_pictures"
    LABEL_LEFT_OUT = "label_left_out"
    MALFORMED_ROW = "malformed_row"
    BOX_OF_UNKNOWN_IMAGE = "box_of_unknown_image"
    BOX_OF_UNKNOWN_LABEL = "box_of_unknown_label"
    BOX_CLIPPED = "box_clipped"
    BOX_OUTSIDE = "box_outside"
    KNOWN_AMONG_OTHERS = "known_among_others"
    UNDER_TWO_LABELS = "under_two_labels"
    NO_NEGATIVES = "no_negatives"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that was wrong: `what` names the file, row or label, `detail` says what was done about it."""

    kind: ProblemKind
    what: str
    detail: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.what}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Example:
    """One picture to learn from; sizes and boxes are of the displayed picture (EXIF orientation applied).

    `label` is the folder's name for kind `known`, None otherwise. `boxes` are the logos seen in it, of any label; a
    known picture without a box of its own label shows its logo somewhere. `has_alpha`: some pixel is transparent.
    `digest` is the SHA-256 of the file; examples of one `group` are near-duplicates of each other.
    """

    path: Path
    label: str | None
    kind: Kind
    boxes: tuple[tuple[Box, str], ...]
    width: int
    height: int
    has_alpha: bool
    digest: str = ""
    group: int = 0


@dataclass(frozen=True, slots=True)
class Dataset:
    """Examples in a fixed order (known by label, negative, unknown), the sorted labels they teach, the problems met.

    `ignored_files` counts hidden files and files that are no pictures.
    """

    labels: tuple[str, ...]
    examples: tuple[Example, ...]
    problems: tuple[Problem, ...] = ()
    ignored_files: int = 0

    def of_label(self, label: str) -> tuple[Example, ...]:
        """The known examples of one label."""
        return tuple(example for example in self.examples if example.label == label)

    def of_kind(self, kind: Kind) -> tuple[Example, ...]:
        """The examples of one kind."""
        return tuple(example for example in self.examples if example.kind == kind)

    def pictures_per_label(self) -> dict[str, int]:
        """How many known examples each label has; 0 where a split left none."""
        counts = Counter(example.label for example in self.examples)
        return {label: counts[label] for label in self.labels}

    def with_examples(self, examples: Iterable[Example]) -> Dataset:
        """The same labels and problems with other examples."""
        return replace(self, examples=tuple(examples))

    def digest(self) -> str:
        """SHA-256 over pictures, kinds, labels and boxes; where the files lie and their names do not matter."""
        lines = sorted(f"{e.digest} {e.kind} {e.label!r} {e.boxes!r}" for e in self.examples)
        return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def printable(text: object) -> str:
    """`text` on one line that any terminal and log can show: unprintable characters are escaped."""
    escaped = (c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in str(text))
    return "".join(escaped)
