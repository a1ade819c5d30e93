"""How unfamiliar a window is, by every method that this program knows: larger = less familiar.

Each has a file of its own with its paper and its formula. `SCORES` has them by name.
"""

from __future__ import annotations

from collections.abc import Iterable

from streamfilter.rejector.scores.base import Fitting, Head, Score, Tensors
from streamfilter.rejector.scores.fused import MEMBERS, Fused
from streamfilter.rejector.scores.odin import Odin

__all__ = ["DEFAULT", "SCORES", "Fitting", "Head", "Score", "Tensors", "fit_scores"]

_ALL: tuple[type[Score], ...] = (*MEMBERS, Odin, Fused)
SCORES: dict[str, type[Score]] = {score.name: score for score in _ALL}
DEFAULT = "max_softmax"
"""The score that decides unless settings name another."""


def fit_scores(training: Fitting, names: Iterable[str] = tuple(SCORES)) -> dict[str, Score]:
    """Scores of a network by name, fitted. Raises `ValueError` for fewer than two windows of known logos."""
    wanted = tuple(names)
    fitted = {name: SCORES[name].fit(training) for name in wanted if name != Fused.name}
    if Fused.name in wanted:
        fitted[Fused.name] = Fused.combine(fitted, training)
    return fitted
