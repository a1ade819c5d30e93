"""The closer look: what the model file keeps of it.

The dense pass finds where something could be; it reads a small logo from a handful of cells and takes the best of
thousands of windows. The closer look cuts the few candidates out of the picture, enlarges each to one size and reads
it again with the lower part of the same network (stem to layer 3) and a linear classifier. That reads mean and maximum
over the box, and the means of its quarters: what makes a mark is where its parts are (Lazebnik et al., "Beyond bags of
features: spatial pyramid matching for recognizing natural scene categories", CVPR 2006). A third opinion is how likely
the box is any label's mark (`Regions.marking`). All err differently: their logits are added, with weights that
validation pictures decide.

A mark that is half cut off looks like another one, so it matters that boxes fit: see `model.regions`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor

PREFIX = "closer."
_TENSORS = ("weight", "bias")
Cut = Literal["box", "square"]
"""How a candidate is cut out: `box`: the box and a margin, stretched to a square, read without the margin; `square`: a
square around the longer side, read whole, as the first models of this kind have it."""
PARTS = (2, 6)
"""Numbers for each channel of layer 3: mean and maximum, which is all that the first models of this kind read, and the
means of four quarters."""
SIDES = range(32, 513, 32)
"""Sides in pixels to which a candidate may be enlarged."""


@dataclass(frozen=True, slots=True, eq=False)
class Closer:
    """Logits of an enlarged candidate with features `x`, `(F,)`: `weight @ x + bias`, `(C+1, F)` and `(C+1,)`.

    `side`: pixels to which a candidate is enlarged, `cut`: how it is cut out. What counts are `dense` × the dense
    pass's logits + `close` × these, with `none` added to the none class and `mark` × the log odds that it is a mark
    taken from it.
    """

    weight: Tensor
    bias: Tensor
    side: int
    dense: float = 1.0
    close: float = 1.0
    none: float = 0.0
    mark: float = 0.0
    cut: Cut = "box"


def pack_closer(closer: Closer | None) -> dict[str, Tensor]:
    """Its tensors, as the model file names them."""
    if closer is None:
        return {}
    parts = {name: getattr(closer, name).float() for name in _TENSORS}
    return {PREFIX + name: tensor for name, tensor in parts.items()}


def describe_closer(closer: Closer | None) -> dict[str, Any]:
    """The rest of it, as JSON."""
    if closer is None:
        return {}
    named = ("side", "dense", "close", "none", "mark", "cut")
    return {"closer": {name: getattr(closer, name) for name in named}}


def restore_closer(
    header: Mapping[str, Any] | None, tensors: Mapping[str, Tensor], *, rows: int, channels: int
) -> Closer | None:
    """The closer look that gave this header and these tensors, None where there is none.

    `rows`: labels and the none class; `channels`: of layer 3. `ValueError`, `KeyError` or `TypeError` for what is none.
    """
    own = {name.removeprefix(PREFIX): tensor for name, tensor in tensors.items() if name.startswith(PREFIX)}
    if header is None and not own:
        return None
    if header is None or own.keys() != set(_TENSORS):
        raise ValueError(f"closer: tensors {sorted(own)}, expected {list(_TENSORS)} and their header")
    weight, bias = own["weight"].float(), own["bias"].float()
    if weight.shape not in [(rows, parts * channels) for parts in PARTS] or bias.shape != (rows,):
        raise ValueError(
            f"closer: weight {tuple(weight.shape)}, bias {tuple(bias.shape)}, expected {rows} rows of "
            f"{' or '.join(str(parts * channels) for parts in PARTS)}"
        )
    numbers = [float(header[name]) for name in ("dense", "close", "none")]
    numbers.append(float(header.get("mark", 0.0)))
    if not all(map(math.isfinite, numbers)) or not all(bool(torch.isfinite(t).all()) for t in (weight, bias)):
        raise ValueError("closer: holds numbers that are not finite")
    if type(header["side"]) is not int or header["side"] not in SIDES:
        raise ValueError(
            f"closer: side {header['side']!r}, expected {SIDES[0]} to {SIDES[-1]} in steps of {SIDES.step}"
        )
    cut = header.get("cut", "square")
    if cut not in get_args(Cut):
        raise ValueError(f"closer: cut {cut!r}, expected one of {', '.join(get_args(Cut))}")
    dense, close, none, mark = numbers
    return Closer(weight, bias, header["side"], dense=dense, close=close, none=none, mark=mark, cut=cut)
