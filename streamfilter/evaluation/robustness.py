"""The covariate-shift table: known pictures, treated, judged again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from streamfilter.classifier.attack import fgsm
from streamfilter.console import Console
from streamfilter.evaluation.bootstrap import Estimate, Floats, Metrics, estimate
from streamfilter.evaluation.curve import auroc, trace
from streamfilter.evaluation.decisions import measure_decisions
from streamfilter.evaluation.looking import Looked, Looker, Treatment
from streamfilter.evaluation.pictures import Subject
from streamfilter.evaluation.samples import Judge, Samples, collect
from streamfilter.evaluation.shifts import SHIFTS, Shift, apply_shift
from streamfilter.model import Model
from streamfilter.types import Pixels


@dataclass(frozen=True, slots=True)
class ShiftRow:
    """What a treatment leaves: shares of known pictures named right, rejected, named wrong; AUROC against unknown."""

    shift: Shift
    pictures: int
    metrics: dict[str, Estimate]


def shift_table(
    subjects: Sequence[Subject],
    model: Model,
    looker: Looker,
    judge: Judge,
    *,
    strangers: Floats,
    console: Console,
) -> list[ShiftRow]:
    """A row per treatment, over the same known pictures; those that cannot be read are left out.

    `strangers`: the unfamiliarity of untreated unknown pictures, `(m,)`, that the treated known ones are held against.
    """
    if not subjects:
        return []
    rows = []
    with console.progress("shifts", len(SHIFTS) * len(subjects)) as progress:
        for shift in SHIFTS:
            looked: list[Looked] = []
            for subject in subjects:
                treatment = _treatment(shift, model, subject)
                looked += looker.look([subject], treatment=treatment, name="" if treatment is None else shift.name)
                progress.advance()
            samples = collect(looked, judge)
            rows.append(ShiftRow(shift, len(samples), _measure(samples, strangers)))
    return rows


def spread_over_labels(subjects: Sequence[Subject], count: int, *, seed: int = 0) -> list[Subject]:
    """At most `count` of the pictures, drawn so that every label has about as many."""
    rng = np.random.default_rng(seed)
    turns: dict[str | None, int] = {}
    ranked = []
    for index in rng.permutation(len(subjects)):
        label = subjects[index].label
        turns[label] = turns.get(label, 0) + 1
        ranked.append((turns[label], int(index)))
    return [subjects[index] for index in sorted(index for _, index in sorted(ranked)[:count])]


def _treatment(shift: Shift, model: Model, subject: Subject) -> Treatment | None:
    if shift.kind == "none":
        return None
    if shift.kind != "fgsm":
        return partial(apply_shift, shift)
    assert subject.label is not None
    return _attack(model, model.labels.index(subject.label), shift.amount)


def _attack(model: Model, label: int, levels: float) -> Callable[[Pixels], Pixels]:
    return lambda picture: fgsm(model.network, picture, label, levels=levels)


def _measure(samples: Samples, strangers: Floats) -> dict[str, Estimate]:
    """`strangers`: how unfamiliar the untreated unknown pictures are."""
    truth, decided, count = samples.truth, samples.decided, len(samples)
    values = np.concatenate([samples.unfamiliarity, strangers])
    is_known = np.arange(len(values)) < count
    is_right = np.append(samples.taken_for == truth, np.zeros(len(strangers), bool))

    def metrics(weights: Floats) -> Metrics:
        found = measure_decisions(truth, decided, weights[:, :count], classes=samples.none + 1)
        shares = {name: found[name] for name in ("known_named_right", "known_rejected", "known_named_wrong")}
        return {**shares, "auroc": auroc(trace(values, is_known, is_right, weights))}

    return estimate(metrics, np.arange(len(values)), is_known.astype(np.int64))
