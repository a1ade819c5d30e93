"""Fits the row, the probability and the limits of an enrolled label to windows that show it and windows that don't."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from streamfilter.classifier.windows import window_means
from streamfilter.enrolling.windows import (
    Row,
    Seen,
    Windows,
    hard_strangers,
    random_strangers,
    shown,
    window_sizes,
)
from streamfilter.errors import DatasetError
from streamfilter.model import Enrolled, Statistics
from streamfilter.rejector.mahalanobis import mahalanobis

Floats = NDArray[np.float64]

DECAY = 1e-3
"""Weight decay of the logistic regression, whose inputs have about unit variance."""
MINING_ROUNDS = 3
DRAWN_PER_LABEL = 8
"""Windows drawn from each taught label's Gaussian, which stand for its logos."""
LEAST, MOST = 0.5, 0.95
"""Bounds of a fitted threshold: a probability that says neither, and one that few real logos reach."""
LEAST_WITNESSED, LEAST_DRAWN = 0.8, 0.9
"""The lower bound for a label that the geometric witness knows, and that where all strangers were drawn.

On brands that the network had not been taught, from five photographs each, the witness found two logos of three and no
stranger. Beside it a lower threshold adds more strangers than logos, and drawn ones show too few of them.
"""
FEW_LOGOS = 8
"""With fewer examples their distances say nothing of how far a logo may be."""
FAR_PERCENTILE, FAR_SLACK = 99.0, 1.25
"""How much farther than nearly all its composed examples a logo may be: real ones vary more than these."""


@dataclass(frozen=True, slots=True)
class Linear:
    """A linear row: `weight` `(E,)` over mean embeddings, `size` `(2,)` over a window's size and its square, `bias`."""

    weight: Tensor
    size: Tensor
    bias: Tensor

    def of_scene(self, cells: Tensor, windows: Tensor) -> Tensor:
        """Its value `(n,)` for windows `(n, 4)` over cells `(E, h, w)`."""
        plane = torch.einsum("e,ehw->hw", self.weight, cells)
        return window_means(plane[None, None], windows)[0, :, 0] + self._of_sizes(window_sizes(windows))

    def of_windows(self, windows: Windows) -> Tensor:
        """Its value `(n,)` for windows of which the means are known."""
        return torch.from_numpy(windows.embeddings) @ self.weight + self._of_sizes(torch.from_numpy(windows.sizes))

    def scaled(self, gain: float, shift: float) -> Linear:
        """Another row, `gain` times this one plus `shift`."""
        return Linear(self.weight * gain, self.size * gain, self.bias * gain + shift)

    def _of_sizes(self, sizes: Tensor) -> Tensor:
        return sizes * self.size[0] + sizes**2 * self.size[1] + self.bias


def fit_row(scenes: Sequence[Seen], taught: Windows, rng: np.random.Generator) -> Linear:
    """Logistic regression of windows that show the label against random and, in rounds, ever harder strangers.

    `taught` are windows of the other labels. Raises `DatasetError` when no window shows the label.
    """
    own = shown(scenes, rng)
    if own is None:
        raise DatasetError("the pictures could not be placed in any scene: give one that shows the logo larger")
    others = Windows.join([random_strangers(scenes, rng), taught])
    row = regress(own, others)
    for _ in range(MINING_ROUNDS):
        others = Windows.join([others, hard_strangers(scenes, row.of_scene, rng)])
        row = regress(own, others)
    return row


def regress(own: Windows, others: Windows) -> Linear:
    """Logistic regression with weight decay, both sides of equal weight, by L-BFGS: the optimum is unique."""
    both = Windows.join([own, others])
    inputs = torch.from_numpy(np.column_stack([both.embeddings, both.sizes, both.sizes**2])).double()
    middle, spread = inputs.mean(dim=0), inputs.std(dim=0) + 1e-3 * inputs.std() + 1e-9
    inputs = (inputs - middle) / spread
    is_own = torch.arange(len(both)) < len(own)
    share = torch.where(is_own, 0.5 / len(own), 0.5 / len(others)).double()
    weight = torch.zeros(inputs.shape[1] + 1, dtype=torch.double, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        values = inputs @ weight[:-1] + weight[-1]
        error = F.binary_cross_entropy_with_logits(values, is_own.double(), weight=share, reduction="sum")
        total = error + DECAY * (weight[:-1] ** 2).sum()
        total.backward()  # type: ignore[no-untyped-call]
        return total

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    slopes = weight[:-1].detach() / spread
    bias = weight[-1].detach() - slopes @ middle
    return Linear(slopes[:-2].float(), slopes[-2:].float(), bias.float())


def calibrate(
    label: str, row: Linear, scenes: Sequence[Seen], statistics: Statistics, *, false_share: float, least: float = LEAST
) -> Enrolled:
    """The label's probability and limits, from scenes that the row was not fitted to.

    `false_share`: the share of these scenes in which a window that does not show the label may be taken for it, as long
    as the threshold is no lower than `least`. Raises `DatasetError` when none of them shows the label.
    """
    strange = np.array([_best(row, scene, scene.is_none) for scene in scenes if scene.is_none.any()])
    own, windows = _found(row, scenes)
    if windows is None:
        raise DatasetError("the pictures could not be placed in any scene: give one that shows the logo larger")
    gain, shift = platt(own, strange)
    sure = row.scaled(gain, shift)
    strangest = 1 / (1 + np.exp(-(gain * np.quantile(strange, 1 - false_share) + shift)))
    mean = torch.from_numpy(windows.embeddings).mean(dim=0)
    distances = mahalanobis(windows.embeddings, mean.double().numpy()[None], statistics.whitening.double().numpy())[
        :, 0
    ]
    threshold = float(min(max(strangest, least), MOST))
    chances = 1 / (1 + np.exp(-(gain * own + shift)))
    return Enrolled(
        label=label,
        weight=sure.weight,
        mean=mean,
        quantiles=torch.from_numpy(np.percentile(distances, np.arange(101))).float(),
        bias=float(sure.bias),
        size=(float(sure.size[0]), float(sure.size[1])),
        threshold=threshold,
        far=FAR_SLACK * float(np.percentile(distances, FAR_PERCENTILE)) if len(windows) >= FEW_LOGOS else float("inf"),
        facts={"found_in_scenes": float((chances >= threshold).mean())},
    )


def platt(own: Floats, strange: Floats) -> tuple[float, float]:
    """Gain and shift that make a probability of a score, both sides of equal weight.

    Platt, "Probabilistic outputs for support vector machines" (1999), with his targets: short of 0 and 1, so that the
    gain stays finite where the sides do not overlap.
    """
    values = torch.from_numpy(np.concatenate([own, strange])).double()
    high, low = (len(own) + 1) / (len(own) + 2), 1 / (len(strange) + 2)
    target = torch.tensor([high] * len(own) + [low] * len(strange), dtype=torch.double)
    share = torch.tensor([0.5 / len(own)] * len(own) + [0.5 / len(strange)] * len(strange), dtype=torch.double)
    middle, spread = values.mean(), values.std() + 1e-9
    line = torch.zeros(2, dtype=torch.double, requires_grad=True)
    optimizer = torch.optim.LBFGS([line], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        logits = (values - middle) / spread * line[0] + line[1]
        total = F.binary_cross_entropy_with_logits(logits, target, weight=share, reduction="sum")
        total.backward()  # type: ignore[no-untyped-call]
        return total

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    gain = float(line[0].detach() / spread)
    return gain, float(line[1].detach() - line[0].detach() * middle / spread)


def taught_windows(statistics: Statistics, rng: np.random.Generator) -> Windows:
    """Windows of the taught labels, drawn from the Gaussians that the model keeps of them; sizes are middling."""
    means = statistics.means.double().numpy()
    spread = np.linalg.pinv(statistics.whitening.double().numpy())
    noise = rng.standard_normal((len(means) * DRAWN_PER_LABEL, means.shape[1]))
    drawn = np.maximum(np.repeat(means, DRAWN_PER_LABEL, axis=0) + noise @ spread, 0.0).astype(np.float32)
    return Windows(drawn, np.zeros(len(drawn), np.float32))


def _best(row: Linear, scene: Seen, among: NDArray[np.bool_]) -> float:
    return float(scene.scores(row.of_scene)[among].max())


def _found(row: Linear, scenes: Sequence[Seen]) -> tuple[Floats, Windows | None]:
    """The best window of every logo: its value, and what it is."""
    values, parts = [], []
    for scene in scenes:
        scores = scene.scores(row.of_scene)
        for box in range(int(scene.owner.max()) + 1):
            own = np.flatnonzero(scene.owner == box)
            if len(own):
                best = own[int(scores[own].argmax())]
                values.append(float(scores[best]))
                parts.append(scene.at(np.array([best])))
    return np.array(values), Windows.join(parts) if parts else None


__all__ = ["Linear", "Row", "calibrate", "fit_row", "platt", "regress", "taught_windows"]
