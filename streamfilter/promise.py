"""What a calibration promises of a model, and the settings that the promise stands on: one value of the model file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from streamfilter.config import RunConfig

_SECTIONS = ("sampler", "gate", "classifier", "rejector", "smoother")
_INDIFFERENT = frozenset(
    [
        "classifier.batch",
        "classifier.device",
        "classifier.precision",
        "classifier.runtime",
        "classifier.threads",
        "smoother.unknowns",
        "smoother.unknown_s",
    ]
)


@dataclass(frozen=True, slots=True)
class FalseEvents:
    """At most `per_hour` false events, at this confidence; seen were `events` in `hours` of `clips` without a label.

    `wanted_per_hour` is what was asked for: less than `per_hour` where the footage could not carry it.
    """

    per_hour: float
    confidence: float
    events: int
    hours: float
    clips: int
    wanted_per_hour: float


@dataclass(frozen=True, slots=True)
class FalseLooks:
    """At most the share `share` of single looks accepts a label; `accepted` of `looks` photographs did."""

    share: float
    confidence: float
    accepted: int
    looks: int


@dataclass(frozen=True, slots=True)
class Kept:
    """At most the share `lost_share` of a label's appearances is lost: conformal, over `clips` with `appearances`."""

    label: str
    lost_share: float
    appearances: int
    clips: int


@dataclass(frozen=True, slots=True)
class Promise:
    """All that was promised, and what it stands on.

    `threshold` is that of `decided_by`, a setting of the rejector; `settings` the others that decide the events, by
    dotted name; `footage` the SHA-256 over the footage's fingerprints.
    """

    decided_by: str
    threshold: float
    settings: Mapping[str, Any]
    footage: str
    false_events: FalseEvents | None = None
    false_looks: FalseLooks | None = None
    kept: tuple[Kept, ...] = ()

    def broken_by(self, config: RunConfig) -> list[str]:
        """The settings, by dotted name, in which a run differs from what the promise stands on."""
        mine = deciding_settings(config)
        return sorted(name for name, value in self.settings.items() if mine.get(name, value) != value)

    def tree(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def deciding_settings(config: RunConfig) -> dict[str, Any]:
    """The settings that decide which events a stretch of video gives, by dotted name."""
    tree = config.model_dump(mode="json", include=set(_SECTIONS))
    flat = {f"{section}.{name}": value for section, fields in tree.items() for name, value in fields.items()}
    return {name: value for name, value in flat.items() if name not in _INDIFFERENT}


def restore_promise(tree: Mapping[str, Any] | None) -> Promise | None:
    """The promise of a model file's header; None where it has none. Raises `ValueError` for anything else."""
    if tree is None:
        return None
    try:
        return _checked(
            Promise(
                decided_by=str(tree["decided_by"]),
                threshold=float(tree["threshold"]),
                settings=dict(tree["settings"]),
                footage=str(tree["footage"]),
                false_events=None if tree["false_events"] is None else FalseEvents(**tree["false_events"]),
                false_looks=None if tree["false_looks"] is None else FalseLooks(**tree["false_looks"]),
                kept=tuple(Kept(**one) for one in tree["kept"]),
            )
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"promise: {type(error).__name__} {error}") from None


def _checked(promise: Promise) -> Promise:
    numbers: list[float] = [promise.threshold]
    for part in (promise.false_events, promise.false_looks, *promise.kept):
        if part is not None:
            values = [value for name, value in asdict(part).items() if name != "label"]
            numbers += values
            if min(values) < 0:
                raise ValueError(f"{part}: expected no number below 0")
    if not all(type(number) in (int, float) and math.isfinite(number) for number in numbers):
        raise ValueError("expected finite numbers")
    return promise
