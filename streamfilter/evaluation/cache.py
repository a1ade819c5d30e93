"""What the network said of a picture, kept on disk: a second evaluation of the same model reads it in milliseconds.

A file per picture, named by a digest over everything that decides its content: the model, the settings and arithmetic
of the classifier, its program code, the picture and what was done to it before. Nothing is ever out of date; old files
may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from streamfilter.errors import SinkError
from streamfilter.types import Box, Candidate, Features

_CODE = ("classifier", "model/network.py", "rejector/geometry.py", "rejector/mahalanobis.py", "rejector/softmax.py")
_NUMBERS = ("softmax", "none_probability", "distance", "distance_percentile", "runner_up_softmax", "sharpness")


class CandidateCache:
    """Candidates of pictures under `folder`, for one model and one way to look; `identity` names both."""

    def __init__(self, folder: Path, identity: str, labels: Sequence[str]) -> None:
        """Raises `SinkError` when the folder cannot be made."""
        self._folder = folder
        self._labels = tuple(labels)
        self._identity = identity
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SinkError(f"cannot make cache folder {folder}: {error.strerror}; give another with --cache") from None

    def get(self, key: str) -> list[Candidate] | None:
        """The candidates kept under `key` (picture and treatment); None when there are none or the file is damaged."""
        try:
            content = io.BytesIO(self._path(key).read_bytes())
            with np.load(content, allow_pickle=False) as arrays:
                return unpack(dict(arrays), self._labels)
        except (OSError, ValueError, KeyError, IndexError, EOFError, zipfile.BadZipFile):
            return None

    def put(self, key: str, candidates: Sequence[Candidate]) -> None:
        """Keep candidates with features under `key`. Raises `SinkError` when they cannot be written."""
        path = self._path(key)
        data = io.BytesIO()
        np.savez(data, **pack(candidates, self._labels))
        partial = path.with_name(f"{path.name}.{os.getpid()}.part")
        try:
            path.parent.mkdir(exist_ok=True)
            partial.write_bytes(data.getvalue())
            partial.replace(path)
        except OSError as error:
            raise SinkError(f"cannot write to cache {path.parent}: {error.strerror}; check its free space") from None

    def _path(self, key: str) -> Path:
        name = hashlib.sha256(f"{self._identity}\n{key}".encode()).hexdigest()
        return self._folder / name[:2] / f"{name[2:]}.npz"


def default_cache() -> Path:
    """Where features are kept when nothing else is said: the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "streamfilter" / "features"


@lru_cache(maxsize=1)
def code_digest() -> str:
    """SHA-256 over the source of what turns pixels into candidates: a changed program fills a cache of its own."""
    package = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for name in _CODE:
        place = package / name
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            digest.update(path.read_bytes())
    return digest.hexdigest()


def pack(candidates: Sequence[Candidate], labels: Sequence[str]) -> dict[str, Any]:
    """Candidates as plain arrays; each must carry its features."""
    features = [candidate.features for candidate in candidates if candidate.features is not None]
    assert len(features) == len(candidates), "a candidate of a network has features"
    packed: dict[str, Any] = {
        "boxes": np.array([(c.box.x, c.box.y, c.box.width, c.box.height) for c in candidates]).reshape(-1, 4),
        "numbers": np.array([[getattr(c, name) for name in _NUMBERS] for c in candidates]).reshape(-1, len(_NUMBERS)),
        "inliers": np.array([-1 if c.inliers is None else c.inliers for c in candidates], np.int64),
        "names": np.array([[_index(c.label, labels), _index(c.runner_up, labels)] for c in candidates]).reshape(-1, 2),
    }
    if features:
        whole = Features.concatenate(features)
        packed |= {"logits": whole.logits, "embeddings": whole.embeddings, "cells": whole.cells}
        packed |= {} if whole.perturbed is None else {"perturbed": whole.perturbed}
    return packed


def unpack(arrays: dict[str, Any], labels: Sequence[str]) -> list[Candidate]:
    """The candidates that `pack` packed."""
    if not len(arrays["boxes"]):
        return []
    features = Features(arrays["logits"], arrays["embeddings"], arrays["cells"], arrays.get("perturbed"))
    return [
        Candidate(
            box=Box(*map(float, box)),
            label=labels[int(own)],
            runner_up=labels[int(second)] if second >= 0 else None,
            inliers=int(agreeing) if agreeing >= 0 else None,
            features=features.rows(slice(row, row + 1)),
            **dict(zip(_NUMBERS, map(float, numbers), strict=True)),
        )
        for row, (box, numbers, agreeing, (own, second)) in enumerate(
            zip(arrays["boxes"], arrays["numbers"], arrays["inliers"], arrays["names"].astype(np.int64), strict=True)
        )
    ]


def _index(label: str | None, labels: Sequence[str]) -> int:
    return -1 if label is None else labels.index(label)
