"""Virtual-logit matching: Wang et al., "ViM: Out-Of-Distribution with Virtual-logit Matching" (CVPR 2022).

    s(x) = α ‖(z − o) − R Rᵀ(z − o)‖ − log Σ_{c ≤ C} exp(f_c(x) − f_none(x))

R: the principal directions of taught embeddings around o = −W⁺b, the point at which the head says nothing; what lies
outside of them is what no taught logo has. α makes the residual as large as the largest margin over none of the above,
on average over taught logos. As in the energy, logits are measured from none of the above, in W and b, too. Few
directions are enough where the head has few classes: they hold 95 % of the squared length, not a fixed number as in the
paper.
"""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np

from streamfilter.rejector.scores.base import Fitting, Floats, Head, Tensors, log_sum_exp, margins, number, pick, width
from streamfilter.types import Features

PRINCIPAL = 0.95
"""Share of the squared length of taught embeddings that lies in the principal directions, at least."""


class Vim:
    """The virtual logit of what no taught logo has, less the energy of the others."""

    name: ClassVar[str] = "vim"

    def __init__(self, tensors: Tensors, head: Head) -> None:
        self._origin = pick(tensors, "origin", width(head))
        self._basis = pick(tensors, "basis", width(head), None)
        self._scale = float(pick(tensors, "scale"))

    def __call__(self, features: Features) -> Floats:
        energy = -log_sum_exp(margins(features.logits))
        return self._scale * residual(features, self._origin, self._basis) + energy

    def tensors(self) -> Tensors:
        return {
            "origin": self._origin.astype(np.float32),
            "basis": self._basis.astype(np.float32),
            "scale": number(self._scale),
        }

    @classmethod
    def fit(cls, training: Fitting) -> Self:
        known, head = training.known, training.head
        none = slice(head.labels, None)
        weight = head.weight[: head.labels] - head.weight[none].mean(axis=0)
        bias = head.bias[: head.labels] - head.bias[none].mean()
        origin = (-np.linalg.pinv(weight) @ bias).astype(np.float32)
        rows = known.embeddings.astype(np.float64) - origin
        lengths, directions = np.linalg.eigh(rows.T @ rows)
        shares = lengths[::-1].cumsum() / lengths.sum()
        principal = 1 + int(np.searchsorted(shares, PRINCIPAL))
        basis = directions[:, ::-1][:, :principal].astype(np.float32)
        outside = float(residual(known, origin.astype(np.float64), basis.astype(np.float64)).mean())
        largest = float(margins(known.logits).max(axis=1).mean())
        scale = number(max(largest, 0.0) / outside if outside > 0 else 0.0)
        return cls({"origin": origin, "basis": basis, "scale": scale}, head)

    @classmethod
    def restore(cls, tensors: Tensors, head: Head) -> Self:
        return cls(tensors, head)


def residual(features: Features, origin: Floats, basis: Floats) -> Floats:
    """Length `(n,)` of what of the embeddings lies outside of an orthonormal basis `(E, D)` around an origin `(E,)`."""
    rows = features.embeddings.astype(np.float64) - origin
    return np.asarray(np.linalg.norm(rows - rows @ basis @ basis.T, axis=1))
