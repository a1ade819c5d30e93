"""All scores that look at features as one.

Every score s_j is centred on what is usual for the label that the network names, and divided by its spread:

    z_j(x) = (s_j(x) − m_{j,ŷ(x)}) / d_j

with medians m over logos that the network was not taught with (a label with few of them leans on all labels) and
standard deviations d over them and the negatives. With held-out negatives the z are combined by logistic regression, no
weight below zero, every source of negatives counting the same:  s(x) = Σ w_j z_j(x) + b,  the log odds of a stranger.
Its penalty is the one of `PENALTIES` that does best on sources left out of the fit. Without negatives s(x) is the mean
over j of one less the conformal p-value of z_j: an average of ranks, in which no score outweighs another.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from streamfilter.rejector.conformal import p_values
from streamfilter.rejector.logistic import Logistic, fit_logistic
from streamfilter.rejector.scores.base import Fitting, Floats, Head, Score, Tensors, number, pick
from streamfilter.rejector.scores.energy import Energy
from streamfilter.rejector.scores.gen import Gen
from streamfilter.rejector.scores.knn import Knn
from streamfilter.rejector.scores.mahalanobis import Mahalanobis
from streamfilter.rejector.scores.max_logit import MaxLogit
from streamfilter.rejector.scores.max_softmax import MaxSoftmax
from streamfilter.rejector.scores.react import ReAct
from streamfilter.rejector.scores.relative_mahalanobis import RelativeMahalanobis
from streamfilter.rejector.scores.vae import Vae
from streamfilter.rejector.scores.vim import Vim
from streamfilter.types import Features

MEMBERS: tuple[type[Score], ...] = (
    MaxSoftmax,
    MaxLogit,
    Energy,
    Gen,
    Mahalanobis,
    RelativeMahalanobis,
    Knn,
    Vim,
    ReAct,
    Vae,
)
LEAN = 30
"""A label's median counts for as many logos as it has, that of all labels for this many."""
LARGEST = 20.0
"""Deviations are cut here: how far beyond all doubt something lies says nothing more."""
PENALTIES = (0.01, 0.03, 0.1, 0.3, 1.0)
REFERENCE = 1000
"""Most logos whose z are kept for ranks."""


class Fused:
    """See the module's docstring."""

    name: ClassVar[str] = "fused"

    def __init__(self, members: Mapping[str, Score], tensors: Tensors, head: Head) -> None:
        count = len(MEMBERS)
        self.members = [members[member.name] for member in MEMBERS]
        self._usual = pick(tensors, "usual", head.labels, count)
        self._spread = pick(tensors, "spread", count)
        self._own = {name: np.asarray(tensors[name], np.float32) for name in ("usual", "spread")}
        self._weights: Logistic | None = None
        self._reference: Floats | None = None
        if "weights" in tensors:
            self._weights = Logistic(pick(tensors, "weights", count), float(pick(tensors, "bias")))
            self._own |= {"weights": np.asarray(tensors["weights"]), "bias": np.asarray(tensors["bias"])}
        else:
            self._reference = pick(tensors, "reference", None, count)
            self._own |= {"reference": np.asarray(tensors["reference"])}

    def __call__(self, features: Features) -> Floats:
        deviations = _deviations(features, _measure(self.members, features), self._usual, self._spread)
        if self._weights is not None:
            return np.asarray(deviations @ self._weights.weights + self._weights.bias)
        assert self._reference is not None
        ranks = [p_values(self._reference[:, j], deviations[:, j]) for j in range(deviations.shape[1])]
        return np.asarray(1.0 - np.mean(ranks, axis=0))

    def tensors(self) -> Tensors:
        parts = {f"{m.name}.{part}": values for m in self.members for part, values in m.tensors().items()}
        return {**self._own, **parts}

    @classmethod
    def fit(cls, training: Fitting) -> Self:
        return cls.combine({}, training)

    @classmethod
    def combine(cls, fitted: Mapping[str, Score], training: Fitting) -> Self:
        """As `fit`, from scores that were fitted to the same before; what is missing among them is fitted."""
        members = {m.name: fitted.get(m.name) or m.fit(training) for m in MEMBERS}
        held = training.known if training.held is None or not len(training.held) else training.held
        values = _measure(list(members.values()), held)
        usual = _usual(values, _named(held), training.head.labels)
        negatives, sources = training.negatives, training.sources
        others = values[:0] if negatives is None else _measure(list(members.values()), negatives)
        spread = np.maximum(np.concatenate([values, others]).std(axis=0), 1e-6)
        tensors = {"usual": usual.astype(np.float32), "spread": spread.astype(np.float32)}
        known = _deviations(held, values, usual, spread)
        if negatives is None or sources is None or not len(negatives):
            chosen = np.random.default_rng(training.seed).permutation(len(known))[:REFERENCE]
            return cls(members, {**tensors, "reference": known[chosen].astype(np.float32)}, training.head)
        strange = _deviations(negatives, others, usual, spread)
        weights = fit_weights(known, strange, sources)
        tensors |= {"weights": weights.weights.astype(np.float32), "bias": number(weights.bias)}
        return cls(members, tensors, training.head)

    @classmethod
    def restore(cls, tensors: Tensors, head: Head) -> Self:
        members = {}
        for member in MEMBERS:
            own = {n.removeprefix(f"{member.name}."): v for n, v in tensors.items() if n.startswith(f"{member.name}.")}
            members[member.name] = member.restore(own, head)
        return cls(members, tensors, head)


def fit_weights(known: Floats, strange: Floats, sources: NDArray[np.int64]) -> Logistic:
    """Weights of deviations of known logos `(n, m)` against strangers `(k, m)` from `sources` `(k,)`.

    With two sources or more, the penalty with the least loss on each source when the others alone were fitted to.
    """
    every = np.unique(sources)
    penalty = PENALTIES[len(PENALTIES) // 2]
    if len(every) > 1:
        losses = [
            sum(
                _loss(_fit(known, strange, sources, keep=every[every != s], penalty=p), known, strange[sources == s])
                for s in every
            )
            for p in PENALTIES
        ]
        penalty = PENALTIES[int(np.argmin(losses))]
    return _fit(known, strange, sources, keep=every, penalty=penalty)


def _fit(
    known: Floats, strange: Floats, sources: NDArray[np.int64], *, keep: NDArray[np.int64], penalty: float
) -> Logistic:
    kept = np.isin(sources, keep)
    share = {source: 1.0 / (len(keep) * (sources == source).sum()) for source in keep}
    weight = np.concatenate([np.full(len(known), 1.0 / len(known)), [share[s] for s in sources[kept]]])
    x = np.concatenate([known, strange[kept]])
    return fit_logistic(x, np.arange(len(x)) >= len(known), sample_weight=weight, penalty=penalty)


def _loss(fitted: Logistic, known: Floats, strange: Floats) -> float:
    odds = known @ fitted.weights + fitted.bias, -(strange @ fitted.weights + fitted.bias)
    return float(sum(np.logaddexp(0.0, each).mean() for each in odds))


def _measure(members: list[Score], features: Features) -> Floats:
    return np.stack([member(features) for member in members], axis=1)


def _named(features: Features) -> NDArray[np.intp]:
    return np.asarray(features.logits[:, :-1].argmax(axis=1))


def _usual(values: Floats, named: NDArray[np.intp], labels: int) -> Floats:
    """Medians `(C, m)` by label, drawn towards those of all where there are few."""
    of_all = np.median(values, axis=0)
    usual = np.tile(of_all, (labels, 1))
    for label in np.unique(named):
        own = values[named == label]
        usual[label] = (len(own) * np.median(own, axis=0) + LEAN * of_all) / (len(own) + LEAN)
    return usual


def _deviations(features: Features, values: Floats, usual: Floats, spread: Floats) -> Floats:
    return np.asarray(np.clip((values - usual[_named(features)]) / spread, -LARGEST, LARGEST))
