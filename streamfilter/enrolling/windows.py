"""The windows that an enrolment learns from: those that show the label, and the likeliest of those that don't."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streamfilter.classifier.windows import window_grid, window_means
from streamfilter.model import DenseResNet
from streamfilter.model.device import Compute
from streamfilter.model.network import WINDOW_MIDDLE
from streamfilter.training.batches import pictures_tensor
from streamfilter.training.scene import Scene
from streamfilter.training.targets import scene_targets

WINDOWS_PER_LOGO = 6
RANDOM_WINDOWS = 16
HARD_WINDOWS = 8
FROM_HARDEST = 5
"""Hard windows are drawn among this many times as many: the very hardest are one place again and again."""
NONE = 1
"""Index of none of the above among the targets of one label."""

Rows = NDArray[np.float32]
Row = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """Mean embeddings `(n, E)` of windows, and `sizes`: `(n,)`, see `model.Enrolled`."""

    embeddings: Rows
    sizes: Rows

    def __len__(self) -> int:
        return len(self.sizes)

    @classmethod
    def join(cls, parts: Iterable[Windows]) -> Windows:
        """All windows, in order; at least one part."""
        listed = list(parts)
        return cls(np.concatenate([p.embeddings for p in listed]), np.concatenate([p.sizes for p in listed]))


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A scene that the network has looked at.

    `embedding`: `(E, h, w)` float16 per cell. `windows`: `(n, 4)` in cells. `owner`: `(n,)`, which logo a window shows,
    -1 for none; `is_none`: `(n,)`, the windows that show nothing of any.
    """

    embedding: Tensor
    windows: NDArray[np.int64]
    owner: NDArray[np.int64]
    is_none: NDArray[np.bool_]

    def at(self, chosen: NDArray[np.intp]) -> Windows:
        """Some of its windows."""
        windows = torch.from_numpy(self.windows[chosen])
        means = window_means(self.embedding[None], windows)[0]
        return Windows(means.numpy(), window_sizes(windows).numpy())

    def scores(self, row: Row) -> NDArray[np.float32]:
        """What a linear row over embeddings and sizes says of each window, `(n,)`."""
        windows = torch.from_numpy(self.windows)
        return np.asarray(row(self.embedding.float(), windows).numpy())


def look(network: DenseResNet, scene: Scene, compute: Compute) -> Seen:
    """One pass over one scene."""
    batch = pictures_tensor([scene.pixels]).to(compute.device)
    with torch.inference_mode(), compute.autocast():
        embedding = network(batch).embedding[0].half().cpu()
    grid = (embedding.shape[1], embedding.shape[2])
    targets = scene_targets(scene.facts, grid, none=NONE)
    return Seen(embedding, window_grid(*grid), targets.owner, targets.labels == NONE)


def window_sizes(windows: Tensor) -> Tensor:
    """The binary logarithm of the side of windows `(n, 4)` in cells, less `WINDOW_MIDDLE`: `(n,)` float32."""
    return (windows[:, 2] * windows[:, 3]).float().log2() / 2 - WINDOW_MIDDLE


def shown(scenes: Iterable[Seen], rng: np.random.Generator) -> Windows | None:
    """A few windows of every logo; None when there is no logo."""
    parts = []
    for scene in scenes:
        for box in range(int(scene.owner.max()) + 1):
            own = np.flatnonzero(scene.owner == box)
            if len(own):
                parts.append(scene.at(rng.permutation(own)[:WINDOWS_PER_LOGO]))
    return Windows.join(parts) if parts else None


def random_strangers(scenes: Iterable[Seen], rng: np.random.Generator) -> Windows:
    """A few windows of every scene that show nothing of the label."""
    return Windows.join(scene.at(rng.permutation(np.flatnonzero(scene.is_none))[:RANDOM_WINDOWS]) for scene in scenes)


def hard_strangers(scenes: Iterable[Seen], row: Row, rng: np.random.Generator) -> Windows:
    """Windows of every scene that show nothing of the label but look most like it."""
    parts = []
    for scene in scenes:
        none = np.flatnonzero(scene.is_none)
        hardest = none[np.argsort(-scene.scores(row)[none], kind="stable")[: HARD_WINDOWS * FROM_HARDEST]]
        parts.append(scene.at(rng.permutation(hardest)[:HARD_WINDOWS]))
    return Windows.join(parts)
