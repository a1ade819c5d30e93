"""How likely a box is a mark of a label, by all that the dense pass says of it: whether it is worth a closer look, and
one of the opinions on what it is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from streamfilter.rejector.softmax import softmax

Floats = NDArray[np.float64]
LEAST_CHANCE = 1e-6
"""Less is not told apart: logarithms stay small."""
MOST_ODDS = 10.0
"""No box is surer than this to be a mark, or none."""
LEAST_SIDE = 0.01
"""Of the picture's; a box that is narrower counts as that narrow."""


def evidence(overlaps: Floats, logits: NDArray[np.float32], boxes: Floats) -> Floats:
    """What tells it of boxes `(n, 4)` in 0 to 1, each number the more the likelier: `(n, 4)`.

    The overlap with a mark, which the region head says, `(n,)`; by the dense pass's logits of the box, `(n, C+1)`, the
    log odds of any label and the log chance of the likeliest one; and the logarithm of the box's area, for the smaller
    the boxes the more of them there are to be mistaken in.
    """
    chances = softmax(logits, 1.0)
    none = np.clip(chances[:, -1], LEAST_CHANCE, 1 - LEAST_CHANCE)
    likeliest = np.maximum(chances[:, :-1].max(axis=1), LEAST_CHANCE)
    sides = np.clip(boxes[:, 2:], LEAST_SIDE, 1.0)
    return np.column_stack([overlaps, np.log1p(-none) - np.log(none), np.log(likeliest), np.log(sides).sum(axis=1)])


def mark_odds(found: Floats, marking: Tensor) -> Floats:
    """The log odds that each of these boxes is a label's mark, `(n,)`, by its `evidence` and `Regions.marking`."""
    weights = marking.double().numpy()
    return np.asarray(np.clip(found @ weights[:-1] + weights[-1], -MOST_ODDS, MOST_ODDS))
