"""The network in int8: what the model file keeps of it.

Weights follow from the float ones; what has to be measured is how large the numbers between the layers get, and
whether the network then still decides alike. Both are kept, with the digest of the network they were measured with.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from streamfilter.model.network import DenseResNet, network_digest

PASSES = ("dense", "close")
MOST_SCALES = 1000
"""Of a pass: one for each tensor that convolutions read."""
AGREEMENT = 0.995
"""Least share of held-out pictures that int8 has to decide as float32 does."""

MOST_DOUBT = 20.0
"""Log odds: a difference that large is no rounding."""

Scales = tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Int8:
    """`scales`: by pass, the step of each tensor that convolutions read, None where they stay float32.

    A pass that is not there is float32 as a whole. `agreement`: share of the `pictures` held-out pictures in which the
    same labels were accepted as in float32; `calibrated`: pictures that the scales come from. `network`: its digest.
    `doubt`: by how much the log odds of labels may differ from those in float32; what lies as near to a threshold is
    looked at again without int8, and `in_doubt` is the share of the held-out pictures that was.
    """

    network: str
    scales: Mapping[str, Scales]
    agreement: float
    pictures: int
    calibrated: int
    doubt: float = 0.0
    in_doubt: float = 0.0


def describe_int8(int8: Int8 | None) -> dict[str, Any]:
    """As JSON, for the model file's header."""
    if int8 is None:
        return {}
    named = ("network", "agreement", "pictures", "calibrated", "doubt", "in_doubt")
    scales = {name: list(own) for name, own in int8.scales.items()}
    return {"int8": {name: getattr(int8, name) for name in named} | {"scales": scales}}


def restore_int8(header: Mapping[str, Any] | None, network: DenseResNet) -> Int8 | None:
    """What gave this header; None where there is none. `ValueError`, `KeyError` or `TypeError` for what is none."""
    if header is None:
        return None
    if header["network"] != network_digest(network):
        raise ValueError("int8: was measured with another network")
    agreement = header["agreement"]
    if type(agreement) is not float or not AGREEMENT <= agreement <= 1:
        raise ValueError(f"int8: agreement {agreement!r}, expected {AGREEMENT} to 1")
    counts = (header["pictures"], header["calibrated"])
    if not all(type(count) is int and count > 0 for count in counts):
        raise ValueError(f"int8: {counts} pictures, expected numbers of them")
    if not header["scales"].keys() <= set(PASSES):
        raise ValueError(f"int8: passes {sorted(header['scales'])}, expected some of {', '.join(PASSES)}")
    scales = {name: _checked(own) for name, own in header["scales"].items()}
    doubt, in_doubt = (float(header.get(name, 0.0)) for name in ("doubt", "in_doubt"))
    if not (0 <= doubt <= MOST_DOUBT and 0 <= in_doubt <= 1):
        raise ValueError(f"int8: doubt {doubt}, in doubt {in_doubt}, expected 0 to {MOST_DOUBT} and 0 to 1")
    return Int8(header["network"], scales, agreement, *counts, doubt, in_doubt)


def _checked(scales: Any) -> Scales:
    if not isinstance(scales, list) or len(scales) > MOST_SCALES:
        raise ValueError(f"int8: expected lists of at most {MOST_SCALES} scales")
    for scale in scales:
        if scale is not None and not (type(scale) is float and math.isfinite(scale) and scale > 0):
            raise ValueError(f"int8: scale {scale!r}, expected a number above 0")
    return tuple(scales)
