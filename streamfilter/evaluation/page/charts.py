"""The charts of the report, each as HTML: a figure with a caption and what its colours mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from streamfilter.evaluation.bootstrap import Floats
from streamfilter.evaluation.curve import Curve, trace
from streamfilter.evaluation.decisions import confusion
from streamfilter.evaluation.feature_map import feature_map
from streamfilter.evaluation.page.svg import Frame, canvas, legend, rectangle, text
from streamfilter.evaluation.pictures import Kind
from streamfilter.evaluation.reliability import Reliability, reliability
from streamfilter.evaluation.samples import NOTHING, Samples
from streamfilter.evaluation.sections import divisions
from streamfilter.types import Features

KINDS: tuple[Kind, ...] = ("known", "far", "near")
_BINS = 40
_MAPPED = 600
"""Most pictures on the map: its cost grows with their square."""
_CELL = 22
_VISIBLE = 0.005
"""Height of a bar that stands for zero."""


def figure(title: str, body: str, caption: str, *, kind: str = "") -> str:
    """A chart with its title and one sentence on how to read it."""
    return f'<figure class="{kind}"><h3>{escape(title)}</h3>{body}<figcaption>{escape(caption)}</figcaption></figure>'


def histogram(samples: Samples, *, score: str) -> str:
    """How unfamiliar pictures of each kind are."""
    values = samples.unfamiliarity
    low, high = (float(v) for v in np.quantile(values, [0.005, 0.995]))
    edges = np.linspace(low, high if high > low else low + 1, _BINS + 1)
    kinds = [kind for kind in KINDS if len(samples.rows_of(kind))]
    shares = {kind: _shares(values[samples.rows_of(kind)], edges) for kind in kinds}
    frame = Frame((float(edges[0]), float(edges[-1])), (0, max(float(s.max()) for s in shares.values())))
    bars = [
        frame.bar((float(edges[i]), float(edges[i + 1])), (0, float(share)), f"fill {kind}")
        for kind in kinds
        for i, share in enumerate(shares[kind])
        if share > 0
    ]
    axes = frame.axes(f"unfamiliarity ({score})", "share of its kind")
    chart = frame.svg(f"Histogram of {score} for known and unknown pictures", axes, *bars)
    caption = "Known pictures should lie at the left, unknown ones at the right, and nothing in both."
    return figure("Scores", chart + legend((f"fill {kind}", kind) for kind in kinds), caption)


def _shares(values: Floats, edges: Floats) -> Floats:
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
    return np.asarray(counts / max(1, len(values)))


def curves(samples: Samples) -> dict[str, Curve]:
    """The curve of the known pictures against each kind of unknown ones that is there."""
    return {
        name: trace(samples.unfamiliarity[rows], samples.is_known[rows], (samples.taken_for == samples.truth)[rows])
        for name, rows in divisions(samples).items()
        if name != "all"
    }


def roc(found: Mapping[str, Curve]) -> str:
    """Known accepted over unknown accepted."""
    lines = {name: (curve.unknown_share[0], curve.known_share[0]) for name, curve in found.items()}
    caption = "Every threshold is a point; the upper left corner is perfect, the diagonal is chance."
    return _lines("ROC", lines, "share of unknown accepted", "share of known accepted", caption, chance=True)


def oscr(found: Mapping[str, Curve]) -> str:
    """Known accepted and named right over unknown accepted."""
    lines = {name: (curve.unknown_share[0], curve.right_share[0]) for name, curve in found.items()}
    caption = "As the ROC curve, but a known picture counts only with the right label: the OSCR curve."
    return _lines("Named right", lines, "share of unknown accepted", "share of known named right", caption)


def precision_recall_known(found: Mapping[str, Curve]) -> str:
    """Precision over recall with the known pictures as positives."""
    caption = "Of what is called known, the share that is, over the share of the known pictures that is found."
    return _lines("Finding the known", {n: _precision_in(c) for n, c in found.items()}, "recall", "precision", caption)


def precision_recall_unknown(found: Mapping[str, Curve]) -> str:
    """Precision over recall with the unknown pictures as positives."""
    caption = "Of what is called unknown, the share that is, over the share of the unknown pictures that is found."
    lines = {name: _precision_out(curve) for name, curve in found.items()}
    return _lines("Finding the unknown", lines, "recall", "precision", caption)


def _lines(
    title: str, lines: Mapping[str, tuple[Floats, Floats]], x: str, y: str, caption: str, *, chance: bool = False
) -> str:
    """A chart of shares with a line for each kind of unknown pictures."""
    frame = Frame((0, 1), (0, 1))
    parts = [frame.line([0, 1], [0, 1], "chance")] if chance else []
    parts += [frame.line(xs, ys, name) for name, (xs, ys) in lines.items()]
    chart = frame.svg(f"{title}: {y} over {x}", frame.axes(x, y), *parts)
    return figure(title, chart + legend((f"stroke {name}", f"known against {name}") for name in lines), caption)


def _precision_in(curve: Curve) -> tuple[Floats, Floats]:
    known, unknown = curve.known[0, 1:], curve.unknown[0, 1:]
    return curve.known_share[0, 1:], known / np.maximum(known + unknown, 1e-12)


def _precision_out(curve: Curve) -> tuple[Floats, Floats]:
    known, unknown = (counts[0, -1] - counts[0, :-1] for counts in (curve.known, curve.unknown))
    return unknown / curve.unknown[0, -1], unknown / np.maximum(known + unknown, 1e-12)


def reliability_diagram(samples: Samples) -> str:
    """How often a picture is right, over the score that it has."""
    is_right = samples.confident_in == samples.truth
    found = reliability(samples.confidence, is_right)
    bare = reliability(samples.softmax, is_right)
    frame = Frame((0, 1), (0, 1))
    bars = [
        frame.bar(_edges(i, found), (0, max(float(found.accuracy[i]), _VISIBLE)), "fill known")
        for i in np.flatnonzero(found.counts).tolist()
    ]
    dots = [
        frame.dot(float(bare.confidence[i]), float(bare.accuracy[i]), "far", f"{int(bare.counts[i])} pictures")
        for i in np.flatnonzero(bare.counts).tolist()
    ]
    axes = frame.axes("score", "share that is right")
    chart = frame.svg("Reliability diagram", axes, *bars, frame.line([0, 1], [0, 1], "chance"), *dots)
    entries = [
        ("fill known", f"score: calibration error {found.error:.3f}"),
        ("fill far", f"bare softmax: {bare.error:.3f}"),
    ]
    caption = "Where a score means what it says, bars and dots reach the diagonal."
    return figure("Reliability", chart + legend(entries), caption)


def _edges(index: int, found: Reliability) -> tuple[float, float]:
    return index / len(found.counts), (index + 1) / len(found.counts)


def confusion_matrix(samples: Samples) -> str:
    """What was shown (rows) and what was said (columns), as shares of a row."""
    table = confusion(samples.truth, samples.decided, samples.none + 1)
    rows: list[int] = np.flatnonzero(table.sum(axis=1)).tolist()
    columns: list[int] = np.flatnonzero(table.sum(axis=0) + table.sum(axis=1)).tolist()
    names = [*samples.labels, "none of these"]
    left = 10 + 7 * max(len(names[row]) for row in rows)
    top = 12 + round(5.2 * max(len(names[column]) for column in columns))
    parts = []
    for i, row in enumerate(rows):
        y = top + i * _CELL
        parts.append(text(left - 6, y + 15, names[row], kind="tick end"))
        parts += [
            _cell(table[row], column, names, x=left + j * _CELL, y=y, row=row) for j, column in enumerate(columns)
        ]
    for j, column in enumerate(columns):
        x = left + j * _CELL + 14
        parts.append(
            f'<text class="tick" transform="translate({x} {top - 6}) rotate(-45)">{escape(names[column])}</text>'
        )
    width = left + len(columns) * _CELL + 60
    chart = canvas(width, top + len(rows) * _CELL + 4, "Confusion matrix", *parts)
    caption = "Rows: what a picture shows. Columns: what was said of it. A cell's strength is its share of the row."
    return figure("Confusion", f'<div style="width:{width}px">{chart}</div>', caption, kind="scrolls")


def _cell(own: NDArray[np.int64], column: int, names: Sequence[str], *, x: float, y: float, row: int) -> str:
    count, share = int(own[column]), float(own[column] / own.sum())
    kind = "cell right" if column == row else "cell wrong"
    title = f"{names[row]} called {names[column]}: {count} of {int(own.sum())}" if count else ""
    square = rectangle(x, y, _CELL - 1, _CELL - 1, kind="cell")
    if not count:
        return square
    strong = rectangle(x, y, _CELL - 1, _CELL - 1, kind=kind, title=title, style=f"opacity:{0.15 + 0.85 * share:.2f}")
    number = text(x + _CELL / 2 - 0.5, y + 15, str(count), kind="count middle" + (" on" if share > 0.5 else ""))
    return square + strong + number


def map_of_features(samples: Samples, *, seed: int = 0) -> str:
    """Where the network puts the pictures: the embedding of each one's least unfamiliar window, laid out flat."""
    seen = np.flatnonzero(samples.chosen != NOTHING)
    if not len(seen):
        return "<p>Nothing that could be a label was seen in any picture: there is nothing to map.</p>"
    chosen = np.sort(np.random.default_rng(seed).permutation(seen)[:_MAPPED])
    places = feature_map(_features(samples, chosen).embeddings)
    frame = Frame((-1.06, 1.06), (-1.06, 1.06), width=640, height=520, left=6, bottom=6, right=6, top=6)
    dots, names = [], []
    for kind in ("far", "near", "known"):
        for place, row in zip(places, chosen, strict=True):
            subject = samples.subjects[row]
            if subject.kind == kind:
                shown = subject.label or subject.kind
                x, y = map(float, place)
                dots.append(frame.dot(x, y, kind, f"{shown}: {subject.path.name}"))
    for number, label in enumerate(samples.labels):
        own = places[samples.truth[chosen] == number]
        if len(own):
            x, y = map(float, np.median(own, axis=0))
            names.append(text(frame.across(x), frame.down(y) - 6, label, kind="place middle"))
    chart = frame.svg("Map of the features", *dots, *names)
    caption = (
        f"t-SNE of the embeddings of {len(chosen)} pictures: near is alike. A name stands amid its label's pictures."
    )
    kinds = [kind for kind in KINDS if len(samples.rows_of(kind))]
    return figure("Map of the features", chart + legend((f"fill {k}", k) for k in kinds), caption, kind="broad")


def _features(samples: Samples, rows: NDArray[np.intp]) -> Features:
    return Features.concatenate([samples.best(row) for row in rows])
