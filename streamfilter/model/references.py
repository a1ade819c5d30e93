"""What the model file keeps of each label's own pictures for the geometric witness: local features, some kB each.

Tensors: `references.pictures` `(R, 4)` int32: the label's number among the names in the header, width, height and how
many features; `references.points` `(F, 2)` int16 in 1/64 pixel and `references.descriptors` `(F, 128)` uint8, in the
order of the pictures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from streamfilter.rejector.geometry import MOST_FEATURES, SIDE, Reference

PREFIX = "references."
_TENSORS = ("pictures", "points", "descriptors")
_FRACTIONS = 64
"""Parts of a pixel that a point is kept to."""

References = Mapping[str, Sequence[Reference]]


def pack_references(references: References) -> dict[str, Tensor]:
    """Their tensors, as the model file names them; none for no references."""
    owned = [(number, one) for number, own in enumerate(references.values()) for one in own]
    if not owned:
        return {}
    rows = [(number, *one.size, len(one)) for number, one in owned]
    points = np.concatenate([one.points for _, one in owned]) * _FRACTIONS
    return {
        f"{PREFIX}pictures": torch.tensor(rows, dtype=torch.int32),
        f"{PREFIX}points": torch.from_numpy(points.round().astype(np.int16)),
        f"{PREFIX}descriptors": torch.from_numpy(np.concatenate([one.descriptors for _, one in owned])),
    }


def restore_references(labels: Any, tensors: Mapping[str, Tensor]) -> dict[str, tuple[Reference, ...]]:
    """The references that gave these tensors. `labels`: their names from the header, None where there are none.

    `ValueError`, `KeyError` or `TypeError` for tensors that do not fit.
    """
    if labels is None:
        return {}
    pictures, points, descriptors = (tensors[f"{PREFIX}{name}"].numpy() for name in _TENSORS)
    _check(labels, pictures, points, descriptors)
    found: dict[str, list[Reference]] = {label: [] for label in labels}
    ends = np.cumsum(pictures[:, 3])
    for (number, width, height, count), end in zip(pictures.tolist(), ends.tolist(), strict=True):
        rows = slice(end - count, end)
        one = Reference(np.asarray(points[rows] / _FRACTIONS, np.float32), descriptors[rows], (width, height))
        found[labels[number]].append(one)
    return {label: tuple(own) for label, own in found.items()}


def _check(labels: Any, pictures: Any, points: Any, descriptors: Any) -> None:
    if not isinstance(labels, list) or len(set(labels)) != len(labels):
        raise ValueError("references: expected a list of names")
    if pictures.dtype != np.int32 or pictures.ndim != 2 or pictures.shape[1] != 4:
        raise ValueError(f"references: pictures are {pictures.shape} {pictures.dtype}, expected (R, 4) int32")
    numbers, counts = pictures[:, 0], pictures[:, 3]
    sound = (numbers >= 0) & (numbers < len(labels)) & (counts > 0) & (counts <= MOST_FEATURES)
    if not (sound & (pictures[:, 1:3] > 0).all(axis=1) & (pictures[:, 1:3] <= SIDE).all(axis=1)).all():
        raise ValueError("references: a picture is of no label, or has a size or a number of features that is none")
    for name, values, expected in (("points", points, (np.int16, 2)), ("descriptors", descriptors, (np.uint8, 128))):
        if values.dtype != expected[0] or values.shape != (int(counts.sum()), expected[1]):
            raise ValueError(f"references: {name} are {values.shape} {values.dtype}")
