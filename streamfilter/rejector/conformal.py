"""Conformal p-values: how many of the known are at least as unfamiliar as this one.

Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World" (2005). Where the known of a reference and a new
known value are exchangeable, P(p ≤ α) ≤ α for every α, whatever their distribution.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def p_values(reference: Floats, values: Floats) -> Floats:
    """`(n,)`, above 0 and up to 1: (1 + how many of the reference `(m,)` are no smaller than the value) / (m + 1)."""
    smaller = np.searchsorted(np.sort(reference), values, side="left")
    return np.asarray((1.0 + len(reference) - smaller) / (len(reference) + 1.0))
