"""How strict a threshold may be so that at most a share of a label's appearances is lost: conformal quantiles.

Each appearance has a strictest threshold at which it is still found. A new one is as likely to take any place among
those seen, so the quantile with one place for the new one bounds the chance that it is lost, whatever the distribution
(Vovk, Gammerman and Shafer 2005; per label: "Mondrian"). Appearances in one clip are not exchangeable with those of
another, but clips are: every clip has one vote, shared among its appearances (hierarchical conformal prediction, Lee,
Barber and Willett 2023), and the new clip has one too. The chance is over clips, those seen and the new one alike.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray


def clips_needed(share: float) -> int:
    """The least number of clips that can carry "at most `share` of the appearances are lost", 0 < share < 1.

    >>> clips_needed(0.1)
    9
    """
    return math.ceil(1 / share - 1e-9) - 1


def strictest_kept(limits: NDArray[np.float64], clips: Sequence[Hashable], *, share: float) -> float:
    """The strictest threshold at which an appearance of a new clip is lost with a chance of at most `share`.

    `limits`: `(n,)`, per appearance the strictest threshold that keeps it, larger being looser; infinite for one that
    no threshold keeps. `clips`: whose each of them is. What lies at the threshold is kept. Infinite when there are too
    few clips to promise anything, or too many appearances that nothing keeps.
    """
    votes = Counter(clips)
    vote = 1 / (len(votes) + 1)
    weights = np.array([vote / votes[clip] for clip in clips])
    order = np.argsort(-limits, kind="stable")
    # Walking from the loosest limit: the new clip's vote counts as lost whatever the threshold.
    lost_above = vote + np.concatenate([[0.0], np.cumsum(weights[order])])[:-1]
    kept = np.flatnonzero(lost_above <= share + 1e-12)
    return float(limits[order][kept[-1]]) if len(kept) else math.inf


def lost_share(limits: NDArray[np.float64], clips: Sequence[Hashable], threshold: float) -> float:
    """Share of the appearances lost at a threshold, every clip having one vote: 0 to 1."""
    votes = Counter(clips)
    weights = np.array([1 / (len(votes) * votes[clip]) for clip in clips])
    return float(weights[limits > threshold].sum())
