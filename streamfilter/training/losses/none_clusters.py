"""Several classes for none of the above: a wall, a face and somebody else's logo need not be one thing.

While training warms up the none classes are one, whose probability is the sum of theirs. Then the negatives that were
mined lately are clustered by their embeddings, and each negative is taught the class of its nearest centre. As the
embedding goes on changing they are clustered again now and then, from the centres that there were, so that a class
stays what it is. Clusters as targets: Caron et al., "Deep Clustering for Unsupervised Learning of Visual Features"
(ECCV 2018).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from streamfilter.training.losses.none_class import SMOOTHING
from streamfilter.training.losses.picked import Picked, WindowLoss

RECENT = 4096
"""Negatives that are remembered for clustering."""
CLUSTERINGS = 6
"""Times that the negatives are clustered in one training; the first ends the warm-up."""
ROUNDS = 20
"""Most rounds of one clustering."""


class NoneClusters(WindowLoss):
    """See the module's docstring. `steps`: how many the training has."""

    needs_embeddings = True

    recent: Tensor
    seen: Tensor
    step: Tensor
    centres: Tensor

    def __init__(
        self, none_classes: int, width: int, *, steps: int, seed: int = 0, smoothing: float = SMOOTHING
    ) -> None:
        super().__init__()
        self._every = max(1, steps // (CLUSTERINGS + 1))
        self._seed, self._smoothing = seed, smoothing
        self.register_buffer("recent", torch.zeros(RECENT, width))
        self.register_buffer("seen", torch.zeros((), dtype=torch.long))
        self.register_buffer("step", torch.zeros((), dtype=torch.long))
        self.register_buffer("centres", torch.zeros(none_classes, width))

    @property
    def is_warming_up(self) -> bool:
        """Nothing has been clustered yet."""
        return not bool(self.centres.any())

    def forward(self, picked: Picked) -> Tensor:
        """See `WindowLoss`."""
        logits, targets = picked.collapsed, picked.targets
        if not self.is_warming_up:
            cluster = picked.labels + nearest(F.normalize(picked.embeddings.detach()), self.centres)
            logits, targets = picked.logits, torch.where(picked.is_known, targets, cluster)
        return F.cross_entropy(logits, targets, reduction="none", label_smoothing=self._smoothing)

    def after_step(self, picked: Picked) -> None:
        """See `WindowLoss`."""
        self._remember(F.normalize(picked.embeddings[~picked.is_known].detach()))
        self.step += 1
        seen = min(int(self.seen), RECENT)
        if int(self.step) % self._every == 0 and seen >= len(self.centres):
            start = None if self.is_warming_up else self.centres
            self.centres.copy_(kmeans(self.recent[:seen], len(self.centres), start=start, seed=self._seed))

    def _remember(self, embeddings: Tensor) -> None:
        places = (int(self.seen) + torch.arange(len(embeddings), device=embeddings.device)) % RECENT
        self.recent[places] = embeddings
        self.seen += len(embeddings)


def kmeans(points: Tensor, count: int, *, start: Tensor | None = None, seed: int = 0) -> Tensor:
    """Centres `(count, E)` of points `(n, E)`, n ≥ count: Lloyd's algorithm from `start`, or from k-means++.

    Arthur and Vassilvitskii, "k-means++: The Advantages of Careful Seeding" (SODA 2007). A centre that no point is
    nearest to stays where it is.
    """
    centres = _spread(points, count, seed) if start is None else start.clone()
    for _ in range(ROUNDS):
        own = F.one_hot(nearest(points, centres), count).to(points.dtype)
        sizes = own.sum(dim=0)[:, None]
        moved = torch.where(sizes > 0, own.T @ points / sizes.clamp_min(1), centres)
        if torch.equal(moved, centres):
            break
        centres = moved
    return centres


def nearest(points: Tensor, centres: Tensor) -> Tensor:
    """The index `(n,)` of the centre `(k, E)` that is nearest to each of the points `(n, E)`."""
    return torch.cdist(points, centres).argmin(dim=1)


def _spread(points: Tensor, count: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    chosen = [int(torch.randint(len(points), (1,), generator=generator))]
    while len(chosen) < count:
        distance = torch.cdist(points, points[chosen]).amin(dim=1).square().cpu()
        chances = distance if bool(distance.any()) else torch.ones_like(distance)
        chosen.append(int(torch.multinomial(chances, 1, generator=generator)))
    return points[chosen]
