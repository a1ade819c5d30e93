"""Free energy: Liu et al., "Energy-based Out-of-distribution Detection" (NeurIPS 2020).

    s(x) = −T · log Σ_{c ≤ C} exp((f_c(x) − f_none(x)) / T),  T = 1

over the C labels, from the logit of none of the above: the log odds of a stranger. Inside the sum that logit would make
a certain nobody look familiar; left out of it altogether, as the paper's networks have none, it would be lost.
"""

from __future__ import annotations

from typing import ClassVar

from streamfilter.rejector.scores.base import Floats, Unfitted, log_sum_exp, margins
from streamfilter.types import Features


class Energy(Unfitted):
    """The free energy of the labels' margins over none of the above."""

    name: ClassVar[str] = "energy"

    def __call__(self, features: Features) -> Floats:
        return -log_sum_exp(margins(features.logits))
