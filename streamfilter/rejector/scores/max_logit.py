"""Maximum logit: Hendrycks et al., "Scaling Out-of-Distribution Detection for Real-World Settings" (ICML 2022).

    s(x) = −max_{c ≤ C} (f_c(x) − f_none(x))

over the C labels. The paper's networks know no class for nothing; with one, softmax is the same for logits that are all
shifted alike, and the logit of none of the above is the natural place to measure from.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from streamfilter.rejector.scores.base import Floats, Unfitted, margins
from streamfilter.types import Features


class MaxLogit(Unfitted):
    """The largest of the labels' margins over none of the above, negated."""

    name: ClassVar[str] = "max_logit"

    def __call__(self, features: Features) -> Floats:
        return np.asarray(-margins(features.logits).max(axis=1))
