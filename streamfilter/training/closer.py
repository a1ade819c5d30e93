"""Fits the closer look: a linear classifier on enlarged candidates, and how much its word counts beside the dense pass.

Its examples are close-ups of the training pictures, and what the dense pass proposes in these pictures and in training
scenes, right and wrong. The weights between the opinions are fitted on validation pictures and scenes: stacking
(Wolpert 1992).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from streamfilter.classifier.closer import blend
from streamfilter.model.closer import Closer
from streamfilter.training.closeups import CloseUps
from streamfilter.training.spotting import SIDE, Spots, found_in, spot_labels
from streamfilter.training.targets import IGNORE
from streamfilter.training.validation import Found

PENALTY = 0.02
"""Weight of the squared norm. Of 1,893 pictures of 27 labels half of it and half as much again did as well, a seventh
a little worse."""
CORRECTED_SHARE, MOST_CORRECTED = 3.0, 1.0
"""How much a spot counts in a picture that a person has corrected, for it is what the model gets wrong; and how much
all of them may count beside all other examples together. More of it costs marks that look alike."""
CORRECTED_WEIGHING = 0.3
"""How much they count, all together, beside the validation spots where the opinions are weighed."""
MODESTY = 1e-3
"""Keeps the weights of all opinions near one: where validation scenes are few and easy, any certainty would do."""
MOST_CERTAIN = 7.0
"""Logarithm of the largest weight of an opinion: a step of the search that goes too far must not end in infinity."""
HOTTEST = 2.0
"""Logarithm of the largest temperature, and of the smallest less."""
STEPS = 80
LEAST_SPREAD = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class _Examples:
    """`features`: `(n, F)` float32; `labels`: `(n,)`, the last for none; `shares`: `(n,)`, how much each counts."""

    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    shares: NDArray[np.float64]


def fit_closer(taught: Spots, close_up: CloseUps, held: Spots, corrected: Spots | None = None) -> Closer | None:
    """The closer look from spots in training scenes and close-ups of training pictures, weighed on validation spots.

    `corrected`: spots in pictures in which a person has rejected what a model saw.
    None where there is no label to learn from, or none to weigh with.
    """
    none = taught.features.logits.shape[1] - 1
    examples = _examples([taught], [close_up], corrected)
    if not (examples.labels < none).any() or not (_proposed(held)[1] < none).any():
        return None
    fitted = weighed(Closer(*_fit(examples, none + 1), SIDE), held, corrected)
    wrong = None if corrected is None else found_in(close_logits(fitted, corrected))
    return evened(fitted, found_in(close_logits(fitted, held)), wrong)


def fit_to_more(
    closer: Closer, spots: Sequence[Spots], close_ups: Sequence[CloseUps], corrected: Spots | None = None
) -> Closer:
    """The same closer look fitted to more spots and close-ups, such as those that it was weighed on: the weights of the
    opinions stay. What was measured of the one holds for the other, which has seen more.
    """
    weight, bias = _fit(_examples(spots, close_ups, corrected), len(closer.bias))
    return replace(closer, weight=weight, bias=bias)


def _fit(examples: _Examples, classes: int) -> tuple[Tensor, Tensor]:
    """The linear classifier of standardised features, for features as they are: `(classes, F)` and `(classes,)`."""
    features = examples.features
    center = features.mean(axis=0, dtype=np.float64)
    spread = np.maximum(features.std(axis=0, dtype=np.float64), LEAST_SPREAD)
    standard = features - center.astype(np.float32)  # in place from here: there are some hundred MB of them
    standard /= spread.astype(np.float32)
    weight, bias = fit_linear(
        _tensor(standard), torch.from_numpy(examples.labels), classes, shares=_tensor(examples.shares)
    )
    scaled = weight.double().numpy() / spread
    return torch.from_numpy(scaled).float(), torch.from_numpy(bias.double().numpy() - scaled @ center).float()


def close_logits(closer: Closer, spots: Spots) -> Spots:
    """The spots with the logits of all opinions."""
    close = (spots.close @ closer.weight.numpy().T).astype(np.float64) + closer.bias.double().numpy()
    return spots.with_logits(blend(spots.features.logits, close, closer, spots.odds))


def _examples(spots: Sequence[Spots], close_ups: Sequence[CloseUps], corrected: Spots | None) -> _Examples:
    """What was proposed, the scenes' logos themselves, and close-ups, where there are any.

    Each counts as much as any other: of what a run will ask about, what was proposed in whole pictures tells most. Only
    what was corrected counts for more.
    """
    parts = [_proposed(own) for own in spots]
    parts += [(own.true_close, own.true_labels) for own in spots]
    parts += [(own.features, own.labels) for own in close_ups if len(own.labels)]
    shares = np.ones(sum(len(labels) for _, labels in parts))
    if corrected is not None:
        wrong = _proposed(corrected)
        share = min(CORRECTED_SHARE, MOST_CORRECTED * len(shares) / max(1, len(wrong[1])))
        parts, shares = [*parts, wrong], np.append(shares, np.full(len(wrong[1]), share))
    features, labels = (np.concatenate(part) for part in zip(*parts, strict=True))
    return _Examples(features, labels, shares)


def _proposed(spots: Spots) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    labels = spot_labels(spots)
    return spots.close[labels != IGNORE], labels[labels != IGNORE]


def fit_linear(inputs: Tensor, targets: Tensor, classes: int, *, shares: Tensor) -> tuple[Tensor, Tensor]:
    """Multinomial logistic regression, `(classes, F)` and `(classes,)`, with `PENALTY` / 2 × the weights' squared norm.

    `shares`: `(n,)`, how much each example counts.
    """
    weight = torch.zeros(classes, inputs.shape[1], requires_grad=True)
    bias = torch.zeros(classes, requires_grad=True)
    shares = shares / shares.sum()

    def loss() -> Tensor:
        losses = F.cross_entropy(inputs @ weight.T + bias, targets, reduction="none")
        return (losses * shares).sum() + 0.5 * PENALTY * (weight**2).sum()

    _minimise([weight, bias], loss)
    return weight.detach(), bias.detach()


def weighed(alone: Closer, held: Spots, corrected: Spots | None) -> Closer:
    """With the weights of all opinions, none below zero, that make the validation spots' labels likeliest.

    Corrected spots have a say of their own: they are those of which the dense pass is sure, and wrong.
    """
    dense, close, odds, targets = _opinions(alone, held)
    shares = torch.full((len(targets),), 1 / len(targets))
    if corrected is not None:
        parts = _opinions(alone, corrected)
        shares = torch.cat([shares, torch.full((len(parts[-1]),), CORRECTED_WEIGHING / max(1, len(parts[-1])))])
        pairs = zip((dense, close, odds, targets), parts, strict=True)
        dense, close, odds, targets = (torch.cat(pair) for pair in pairs)
    weights = torch.zeros(3, requires_grad=True)
    shift = torch.zeros(1, requires_grad=True)
    is_none = F.one_hot(torch.tensor(dense.shape[1] - 1), dense.shape[1]).float()

    def loss() -> Tensor:
        first, second, third = weights.clamp(-MOST_CERTAIN, MOST_CERTAIN).exp()
        both = first * dense + second * close + (shift - third * odds[:, None]) * is_none
        losses = F.cross_entropy(both, targets, reduction="none")
        return (losses * shares).sum() + MODESTY * (weights.square().sum() + shift.square().sum())

    _minimise([weights, shift], loss)
    first, second, third = weights.detach().clamp(-MOST_CERTAIN, MOST_CERTAIN).exp().tolist()
    return replace(alone, dense=first, close=second, mark=third, none=float(shift.detach()))


def evened(closer: Closer, found: Found, corrected: Found | None = None) -> Closer:
    """With the logit of none of the above moved so that a picture's best spot is none as likely as not where it is.

    Of all that is proposed nearly everything is none, and so the opinions were weighed. Of each picture only the best
    spot decides, and of these as many are to count as labels as strangers: with the temperature one number is fitted to
    that, from the best spots of held-out pictures. Alexandari et al., "Maximum likelihood with bias-corrected
    calibration is hard-to-beat at label shift adaptation" (ICML 2020). As it was where either kind is missing.

    `corrected`: its strangers have a say of their own, as in `weighed`, or what a person has rejected would come back.
    """
    if not len(found.labels) or not len(found.strange):
        return closer
    logits, targets, shares = (torch.from_numpy(part) for part in found.evenly())
    if corrected is not None and len(corrected.strange):
        count = len(corrected.strange)
        logits = torch.cat([logits, torch.from_numpy(corrected.strange.logits)])
        targets = torch.cat([targets, torch.full((count,), len(closer.bias) - 1)])
        shares = torch.cat([shares, torch.full((count,), CORRECTED_WEIGHING / count)])
    heat, shift = torch.zeros(1, requires_grad=True), torch.zeros(1, requires_grad=True)
    is_none = F.one_hot(torch.tensor(len(closer.bias) - 1), len(closer.bias)).float()

    def loss() -> Tensor:
        losses = F.cross_entropy(
            (logits + shift * is_none) / heat.clamp(-HOTTEST, HOTTEST).exp(), targets, reduction="none"
        )
        return (losses * shares).sum() + MODESTY * (heat.square().sum() + shift.square().sum())

    _minimise([heat, shift], loss)
    return replace(closer, none=closer.none + float(shift.detach()))


def _opinions(alone: Closer, spots: Spots) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """What the dense pass, the closer look and the odds say of the spots that show something, and what they show."""
    labels = spot_labels(spots)
    rows = labels != IGNORE
    close = _tensor(spots.close[rows]) @ alone.weight.T + alone.bias
    return _tensor(spots.features.logits[rows]), close, _tensor(spots.odds[rows]), torch.from_numpy(labels[rows])


def _minimise(parameters: Sequence[Tensor], loss: Callable[[], Tensor]) -> None:
    optimiser = torch.optim.LBFGS(list(parameters), max_iter=STEPS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        value = loss()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimiser.step(closure)  # type: ignore[no-untyped-call]


def _tensor(values: NDArray[np.float32] | NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values)).float()
