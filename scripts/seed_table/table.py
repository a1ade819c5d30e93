"""The two protocols, and the table that they fill.

paper          the outlier sets are taught as unknown, and their test parts met again: easy, and soon near perfect
leave-one-out  each set is met by a network that was taught all the others as unknown, and never that one
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from seed_table.network import Loss, SmallNetwork, head_of, look, teach
from seed_table.sets import PictureSet
from streamfilter.evaluation.bootstrap import Estimate, estimate
from streamfilter.evaluation.curve import measure_curve, trace
from streamfilter.evaluation.sections import as_json
from streamfilter.rejector.scores import Fitting, Score, fit_scores
from streamfilter.types import Features, Pixels

Protocol = Literal["paper", "leave-one-out"]
HELD_SHARE = 5
_READING = "AUROC / FPR at 95 % of known / OSCR area; * its training part was taught as unknown"
SHOWN = ("auroc", "fpr_when_95_of_known_accepted", "oscr_area")


@dataclass(frozen=True, slots=True)
class Row:
    """A set met by a network, judged by a score. `was_taught`: the set's training part was taught as unknown."""

    protocol: Protocol
    loss: Loss
    score: str
    unknown: str
    was_taught: bool
    metrics: Mapping[str, Estimate]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        names = {"protocol": self.protocol, "loss": self.loss, "score": self.score, "unknown": self.unknown}
        return {**names, "was_taught": self.was_taught, "metrics": as_json(self.metrics)}


@dataclass(frozen=True, slots=True, eq=False)
class Experiment:
    """What every row has in common. `outliers`: the sets that the paper's protocol teaches as unknown."""

    known: PictureSet
    unknown: tuple[PictureSet, ...]
    outliers: tuple[str, ...]
    losses: tuple[Loss, ...]
    scores: tuple[str, ...]
    epochs: int
    seed: int
    device: str
    say: Callable[[str], None]

    def rows(self, protocol: Protocol) -> list[Row]:
        """All rows of one protocol."""
        if protocol == "paper":
            taught = [one for one in self.unknown if one.name in self.outliers]
            return [row for loss in self.losses for row in self._rows(protocol, loss, taught, self.unknown)]
        return [
            row
            for loss in self.losses
            for met in self.unknown
            for row in self._rows(protocol, loss, [one for one in self.unknown if one is not met], [met])
        ]

    def _rows(
        self, protocol: Protocol, loss: Loss, taught: Sequence[PictureSet], met: Sequence[PictureSet]
    ) -> list[Row]:
        """Teach one network, meet some sets."""
        names = [one.name for one in taught]
        self.say(f"{protocol}: {loss}, unknown in training: {', '.join(names)}")
        negatives, sources = _joined(taught, self.seed)
        held = np.arange(len(self.known.train)) % HELD_SHARE == 0
        strange = np.arange(len(negatives)) % HELD_SHARE == 0
        network = teach(
            (self.known.train[~held], self.known.train_labels[~held]),
            negatives[~strange],
            loss=loss,
            epochs=self.epochs,
            seed=self.seed,
            device=self.device,
        )
        scores = self._fit(network, held, negatives[strange], sources[strange])
        known = look(network, self.known.test)
        return [
            Row(protocol, loss, name, one.name, one.name in names, self._measure(score, known, look(network, one.test)))
            for one in met
            for name, score in scores.items()
        ]

    def _fit(self, network: SmallNetwork, held: Any, negatives: Pixels, sources: Any) -> dict[str, Score]:
        """Scores, fitted to what taught the network and to what was held out of that, never to what is met."""
        training = Fitting(
            known=look(network, self.known.train[~held]),
            labels=self.known.train_labels[~held],
            head=head_of(network),
            held=look(network, self.known.train[held]),
            negatives=look(network, negatives),
            sources=sources,
        )
        return fit_scores(training, self.scores)

    def _measure(self, score: Score, known: Features, unknown: Features) -> dict[str, Estimate]:
        values = np.concatenate([score(known), score(unknown)])
        is_known = np.arange(len(values)) < len(known)
        named = known.logits[:, :-1].argmax(axis=1) == self.known.test_labels
        is_right = np.concatenate([named, np.zeros(len(unknown), bool)])
        return estimate(
            lambda weights: measure_curve(trace(values, is_known, is_right, weights)),
            np.arange(len(values)),
            is_known.astype(np.int64),
            rounds=200,
            seed=self.seed,
        )


def markdown(rows: Sequence[Row]) -> str:
    """A table: a line per protocol, loss and score, a column per set met; AUROC / FPR at 95 % of known / OSCR area."""
    sets = list(dict.fromkeys(row.unknown for row in rows))
    lines = [_line(["protocol", "loss", "score", *sets]), _line(["---"] * 3 + ["---:"] * len(sets))]
    kinds = list(dict.fromkeys((row.protocol, row.loss, row.score) for row in rows))
    for kind in kinds:
        own = {row.unknown: row for row in rows if (row.protocol, row.loss, row.score) == kind}
        lines.append(_line([*kind, *(_cell(own.get(name)) for name in sets)]))
    return "\n".join([*lines, "", _READING])


def _cell(row: Row | None) -> str:
    if row is None:
        return ""
    values = " / ".join(f"{row.metrics[name].value:.3f}" for name in SHOWN)
    return values + (" *" if row.was_taught else "")


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _joined(sets: Sequence[PictureSet], seed: int) -> tuple[Pixels, Any]:
    """As many training pictures of each set, in random order, and the number of the set that each is from."""
    rng = np.random.default_rng(seed)
    least = min(len(one.train) for one in sets)
    pictures = np.concatenate([one.train[rng.permutation(len(one.train))[:least]] for one in sets])
    order = rng.permutation(len(pictures))
    return pictures[order], np.repeat(np.arange(len(sets)), least)[order]
