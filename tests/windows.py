"""Windows of a made-up network: labels around means of their own, strangers around another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from numpy.typing import NDArray

from streamfilter.model import autoencoder
from streamfilter.rejector.scores import Fitting, Head
from streamfilter.types import Features

CLASSES, WIDTH = 4, 12
MEANS = np.random.default_rng(99).normal(0, 1.5, (CLASSES, WIDTH))


def make_head(seed: int = 0, *, none: int = 1, sized: bool = True) -> Head:
    """A head that tells the labels apart, mostly; `sized`: one for which a window's size matters."""
    rng = np.random.default_rng(seed)
    usual = np.maximum(MEANS + 1.0, 0)
    weight = 0.4 * (usual - usual.mean(axis=0))
    return Head(
        weight=np.concatenate([weight, np.zeros((none, WIDTH))]) + rng.normal(0, 0.05, (CLASSES + none, WIDTH)),
        bias=np.concatenate([-(weight * usual).sum(axis=1) / 2, rng.normal(0, 0.3, none)]),
        gain=np.array([0.2, 0.1, -0.05]) * sized,
        none_bias=np.array([0.5, -0.3, 0.1]) * sized,
        labels=CLASSES,
        middle=3.0,
    )


def make_windows(count: int, seed: int, *, head: Head, strange: bool = False) -> tuple[Features, NDArray[np.int64]]:
    """Windows and the labels they are of; strangers lie apart from all of them."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, count)
    spread = np.random.default_rng(98).normal(0, 0.4, (WIDTH, WIDTH))
    places = rng.normal(0, 1.5, (count, WIDTH)) if strange else MEANS[labels]
    embeddings = np.maximum(places + rng.normal(0, 1, (count, WIDTH)) @ spread + 1.0, 0).astype(np.float32)
    cells = rng.integers(4, 400, count).astype(np.float64)
    return Features(head.logits(embeddings, cells).astype(np.float32), embeddings, cells), labels


@contextmanager
def brief_autoencoder() -> Iterator[None]:
    """An autoencoder that is taught for a moment only: enough for twelve channels."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(autoencoder, "STEPS", 150)
        yield


def make_fitting(*, head: Head | None = None, negatives: int = 90, sources: int = 3) -> Fitting:
    """Everything that a score may be fitted to; no negatives at all for 0."""
    head = make_head() if head is None else head
    known, labels = make_windows(160, 1, head=head)
    apart = make_windows(negatives, 4, head=head, strange=True)[0]
    return Fitting(
        known=known,
        labels=labels,
        head=head,
        temperature=1.3,
        seed=7,
        strange=make_windows(50, 2, head=head, strange=True)[0],
        held=make_windows(120, 3, head=head)[0],
        negatives=apart if negatives else None,
        sources=np.arange(negatives) % sources if negatives else None,
    )
