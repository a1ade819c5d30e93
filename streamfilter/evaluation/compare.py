"""Every rejection score on the same features: which of them tells known from unknown best, near and far apart."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from streamfilter.evaluation.bootstrap import ROUNDS, Estimate, estimate
from streamfilter.evaluation.curve import measure_curve, trace
from streamfilter.evaluation.samples import NOTHING, Samples, ScoreFunction, rank
from streamfilter.evaluation.sections import Rows, Sections, divisions

_COLUMNS = (
    ("AUROC", "auroc"),
    ("FPR at 95 % of known accepted", "fpr_when_95_of_known_accepted"),
    ("OSCR", "oscr_area"),
)


def compare(samples: Samples, scores: Mapping[str, ScoreFunction], *, rounds: int = ROUNDS) -> dict[str, Sections]:
    """The threshold-free metrics of each score, all on the same resamples; the scores were fitted to other pictures."""
    parts = divisions(samples)
    return {
        name: {part: _measure(samples, rows, score, rounds=rounds) for part, rows in parts.items()}
        for name, score in scores.items()
    }


def _measure(samples: Samples, rows: Rows, score: ScoreFunction, *, rounds: int) -> dict[str, Estimate]:
    values, chosen = rank([samples.seen[row] for row in rows], score)
    is_right = np.array(
        [
            place != NOTHING and samples.seen[row][place].label == samples.subjects[row].label
            for row, place in zip(rows, map(int, chosen), strict=True)
        ]
    )
    is_known = samples.is_known[rows]
    return estimate(
        lambda weights: measure_curve(trace(values, is_known, is_right, weights)),
        rows.astype(np.int64),
        is_known.astype(np.int64),
        rounds=rounds,
    )


def markdown(compared: Mapping[str, Sections]) -> str:
    """A table of the comparison, best at `all` first: per part the metrics of `_COLUMNS`, the interval of the AUROC."""
    parts = list(next(iter(compared.values()), {}))
    heads = ["score", *(f"{part}: {title}" for part in parts for title, _ in _COLUMNS)]
    lines = [_row(heads), _row(["---", *["---:"] * (len(heads) - 1)])]
    for name, found in sorted(compared.items(), key=lambda item: -item[1]["all"]["auroc"].value):
        lines.append(_row([f"`{name}`", *(_cell(found[part][key], key) for part in parts for _, key in _COLUMNS)]))
    return "\n".join(lines)


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(value: Estimate, key: str) -> str:
    text = f"{value.value:.3f}"
    if key != "auroc" or value.low is None or value.high is None:
        return text
    return f"{text} ({value.low:.3f} to {value.high:.3f})"
