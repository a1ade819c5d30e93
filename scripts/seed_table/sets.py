"""Sets of small gray pictures: through torchvision, from a folder, or drawn as noise.

Every picture is `(28, 28)` uint8, a light sign on dark ground, as in MNIST; other sets are turned to look so.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torchvision
from numpy.typing import NDArray

from streamfilter.errors import DatasetError
from streamfilter.training.pictures import SUFFIXES, load_picture, on_background
from streamfilter.types import Pixels

SIDE = 28
NOISE = ("uniform", "gaussian")
TEST_SHARE = 5
"""Of a folder without parts of its own, every fifth picture is for testing."""


@dataclass(frozen=True, slots=True, eq=False)
class PictureSet:
    """`train` and `test`: `(n, 28, 28)` uint8; labels `(n,)` int64, of which only those of the known set matter."""

    name: str
    train: Pixels
    train_labels: NDArray[np.int64]
    test: Pixels
    test_labels: NDArray[np.int64]

    def limited(self, count: int | None, *, seed: int = 0) -> PictureSet:
        """At most `count` pictures for training, and a fifth of that for testing, drawn at random."""
        if count is None:
            return self
        rng = np.random.default_rng(seed)
        train = rng.permutation(len(self.train))[:count]
        test = rng.permutation(len(self.test))[: max(1, count // TEST_SHARE)]
        return PictureSet(
            self.name, self.train[train], self.train_labels[train], self.test[test], self.test_labels[test]
        )


def load_set(name: str, root: Path, folders: Mapping[str, Path], *, noise: int = 10_000) -> PictureSet:
    """A set by name: from its folder if one is given, drawn if it is noise, else through torchvision.

    Raises `DatasetError` for a set that cannot be had.
    """
    if name in folders:
        return from_folder(name, folders[name])
    if name in NOISE:
        return drawn_noise(name, noise)
    if name not in _TORCHVISION:
        raise DatasetError(f"{name} is not in torchvision: give its pictures with --folder {name}=DIR")
    try:
        return _TORCHVISION[name](root)
    except (OSError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:160]
        raise DatasetError(
            f"cannot download {name} ({reason}): put it into {root} or give its pictures with --folder {name}=DIR"
        ) from None


def from_folder(name: str, folder: Path) -> PictureSet:
    """The pictures below a folder; the folder that a picture lies in is its label. Every fifth is for testing."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if len(paths) < TEST_SHARE:
        raise DatasetError(f"{folder}: {len(paths)} pictures, expected a folder of pictures of {name}")
    labels = sorted({path.parent for path in paths})
    pictures = np.stack([as_sign(on_background(load_picture(path), 0)) for path in paths])
    numbers = np.array([labels.index(path.parent) for path in paths])
    return divided(name, pictures, numbers)


def divided(name: str, pictures: Pixels, labels: NDArray[np.int64]) -> PictureSet:
    """A set whose every fifth picture, in random order, is for testing."""
    order = np.random.default_rng(0).permutation(len(pictures))
    test, train = order[::TEST_SHARE], np.setdiff1d(order, order[::TEST_SHARE])
    return PictureSet(name, pictures[train], labels[train], pictures[test], labels[test])


def drawn_noise(name: str, count: int) -> PictureSet:
    """Uniform noise over all levels, or Gaussian noise around the middle."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    shape = (count, SIDE, SIDE)
    values = rng.integers(0, 256, shape) if name == "uniform" else np.clip(rng.normal(128, 64, shape), 0, 255)
    return divided(name, values.astype(np.uint8), np.zeros(count, np.int64))


def as_sign(picture: Pixels) -> Pixels:
    """A picture `(H, W, 3)` or `(H, W)` as `(28, 28)`; one that is mostly light is inverted."""
    gray = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    small = np.asarray(cv2.resize(gray, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)
    return np.asarray(255 - small if small.mean() > 127 else small, np.uint8)


def _plain(kind: str) -> Callable[[Path], PictureSet]:
    def load(root: Path) -> PictureSet:
        parts = [getattr(torchvision.datasets, kind)(str(root), train=train, download=True) for train in (True, False)]
        return _of_parts(kind.lower(), parts)

    return load


def _letters(root: Path) -> PictureSet:
    """EMNIST letters; they are stored on their side."""
    parts = [torchvision.datasets.EMNIST(str(root), "letters", train=t, download=True) for t in (True, False)]
    found = _of_parts("emnist", parts)
    return PictureSet(
        "emnist",
        found.train.transpose(0, 2, 1).copy(),
        found.train_labels,
        found.test.transpose(0, 2, 1).copy(),
        found.test_labels,
    )


def _omniglot(root: Path) -> PictureSet:
    """Omniglot: its background alphabets for training, the evaluation alphabets for testing."""
    parts = []
    for background in (True, False):
        found = torchvision.datasets.Omniglot(str(root), background=background, download=True)
        pairs = [found[index] for index in range(len(found))]
        parts.append((np.stack([as_sign(np.array(p)) for p, _ in pairs]), np.array([label for _, label in pairs])))
    (train, train_labels), (test, test_labels) = parts
    return PictureSet("omniglot", train, train_labels, test, test_labels)


def _of_parts(name: str, parts: list[torchvision.datasets.MNIST]) -> PictureSet:
    train, test = parts
    return PictureSet(name, train.data.numpy(), train.targets.numpy(), test.data.numpy(), test.targets.numpy())


_TORCHVISION: dict[str, Callable[[Path], PictureSet]] = {
    "mnist": _plain("MNIST"),
    "fashionmnist": _plain("FashionMNIST"),
    "kmnist": _plain("KMNIST"),
    "emnist": _letters,
    "omniglot": _omniglot,
}
