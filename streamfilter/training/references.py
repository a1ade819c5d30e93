"""Picks the pictures of each label that the geometric witness will compare candidates with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from streamfilter.rejector.geometry import FEWEST, Reference, cut_out, describe
from streamfilter.training.examples import Example
from streamfilter.training.paste import trimmed
from streamfilter.training.pictures import load_picture, on_background
from streamfilter.types import Box, Pixels

REFERENCES = 16
"""References of a label: about 270 kB. Fewer find less: with 8 a quarter of what these find is not found."""
MOST_TRIED = 64
SMALLEST_SIDE_PX = 40
LARGEST_PX = 1600


def label_references(examples: Sequence[Example], labels: Iterable[str]) -> dict[str, tuple[Reference, ...]]:
    """References per label from boxed pictures and transparent artwork, those with the most features first.

    A label without either, or whose marks have no features, has none and is missing.
    """
    found: dict[str, tuple[Reference, ...]] = {}
    for label in labels:
        marks = [mark for e in examples if e.label == label for mark in _marks(e, label)]
        tried = [describe(mark) for mark in _spread(marks)]
        useful = sorted((one for one in tried if len(one) >= FEWEST), key=len, reverse=True)
        if useful:
            found[label] = tuple(useful[:REFERENCES])
    return found


def _marks(example: Example, label: str) -> list[Pixels]:
    """What an example shows of its label, as RGB."""
    own = [box for box, name in example.boxes if name == label]
    if not own and not example.has_alpha:
        return []
    picture = load_picture(example.path, max_side=LARGEST_PX)
    parts = [cut_out(picture, box) for box in own] or [trimmed(picture)]
    return [on_background(part) for part in parts if min(part.shape[:2]) >= SMALLEST_SIDE_PX]


def _spread(marks: Sequence[Pixels]) -> Sequence[Pixels]:
    step = -(-len(marks) // MOST_TRIED) if marks else 1
    return marks[::step]


def whole_references(pictures: Sequence[Example], label: str) -> tuple[Reference, ...]:
    """References of one label from pictures of which those without a box show it all over."""
    whole = ((Box(0.0, 0.0, 1.0, 1.0), label),)
    placed = [e if e.boxes or e.has_alpha else replace(e, boxes=whole) for e in pictures]
    return label_references(placed, (label,)).get(label, ())
