"""The closer look: what the model file keeps of it.

The dense pass finds where something could be; it reads a small logo from a handful of cells and takes the best of
thousands of windows. The closer look cuts the few candidates out of the picture, enlarges each to one size and reads
it again with the lower part of the same network (stem to layer 3, mean and maximum over the box) and a linear
classifier. Two opinions that err differently: their logits are added, with weights that validation pictures decide.

A window of the dense pass only roughly fits what it found, and a mark that is half cut off looks like another one. So
the closer look is taken twice: the first says how the box would fit better (bounding-box regression: Girshick et al.,
"Rich feature hierarchies for accurate object detection", CVPR 2014), the second reads the box that fits.
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
_REFINER = ("refine_weight", "refine_bias")
Cut = Literal["box", "square"]
"""How a candidate is cut out: `box`: the box and a margin, stretched to a square, read without the margin; `square`: a
square around the longer side, read whole, as the first models of this kind have it."""
SIDES = range(32, 513, 32)
"""Sides in pixels to which a candidate may be enlarged."""


@dataclass(frozen=True, slots=True, eq=False)
class Refiner:
    """How a box would fit better: `weight @ x + bias` of the closer look's grid `x`, `(G,)`; `(4, G)` and `(4,)`.

    What comes out is measured by the part of the picture that was cut out: how far the middle of the better box lies
    from that of the cut, in widths and heights of the cut, and the logarithms of its width and height in the same.
    """

    weight: Tensor
    bias: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Closer:
    """Logits of an enlarged candidate with features `x`, `(F,)`: `weight @ x + bias`, `(C+1, F)` and `(C+1,)`.

    `side`: pixels to which a candidate is enlarged, `cut`: how it is cut out. What counts are `dense` × the dense
    pass's logits + `close` × these, with `none` added to the none class. `refiner`: None where one look has to do.
    """

    weight: Tensor
    bias: Tensor
    side: int
    dense: float = 1.0
    close: float = 1.0
    none: float = 0.0
    cut: Cut = "box"
    refiner: Refiner | None = None


def pack_closer(closer: Closer | None) -> dict[str, Tensor]:
    """Its tensors, as the model file names them."""
    if closer is None:
        return {}
    parts = {name: getattr(closer, name).float() for name in _TENSORS}
    if closer.refiner is not None:
        # Fractions of a box are asked for, no more: half precision is plenty, and the file stays small.
        parts |= {"refine_weight": closer.refiner.weight.half(), "refine_bias": closer.refiner.bias.float()}
    return {PREFIX + name: tensor for name, tensor in parts.items()}


def describe_closer(closer: Closer | None) -> dict[str, Any]:
    """The rest of it, as JSON."""
    if closer is None:
        return {}
    named = ("side", "dense", "close", "none", "cut")
    return {"closer": {name: getattr(closer, name) for name in named}}


def restore_closer(header: Mapping[str, Any] | None, tensors: Mapping[str, Tensor], *, rows: int) -> Closer | None:
    """The closer look that gave this header and these tensors, None where there is none.

    `rows`: labels and the none class. `ValueError`, `KeyError` or `TypeError` for what is none.
    """
    own = {name.removeprefix(PREFIX): tensor for name, tensor in tensors.items() if name.startswith(PREFIX)}
    if header is None and not own:
        return None
    if header is None or own.keys() not in (set(_TENSORS), {*_TENSORS, *_REFINER}):
        raise ValueError(f"closer: tensors {sorted(own)}, expected {list(_TENSORS)} and their header")
    weight, bias = own["weight"].float(), own["bias"].float()
    if weight.dim() != 2 or len(weight) != rows or bias.shape != (rows,):
        raise ValueError(f"closer: weight {tuple(weight.shape)}, bias {tuple(bias.shape)}, expected {rows} rows")
    numbers = [float(header[name]) for name in ("dense", "close", "none")]
    if not all(map(math.isfinite, numbers)) or not all(bool(torch.isfinite(t).all()) for t in (weight, bias)):
        raise ValueError("closer: holds numbers that are not finite")
    if type(header["side"]) is not int or header["side"] not in SIDES:
        raise ValueError(
            f"closer: side {header['side']!r}, expected {SIDES[0]} to {SIDES[-1]} in steps of {SIDES.step}"
        )
    cut = header.get("cut", "square")
    if cut not in get_args(Cut):
        raise ValueError(f"closer: cut {cut!r}, expected one of {', '.join(get_args(Cut))}")
    dense, close, none = numbers
    refiner = _restore_refiner(own, side=header["side"], layers=weight.shape[1] // 2)
    return Closer(weight, bias, header["side"], dense=dense, close=close, none=none, cut=cut, refiner=refiner)


def grid_cells(side: int) -> int:
    """Cells of the grid that a cut of `side` pixels is read on for its box: twice as coarse as layer 3."""
    return (side // 32) ** 2


def _restore_refiner(own: Mapping[str, Tensor], *, side: int, layers: int) -> Refiner | None:
    if "refine_weight" not in own:
        return None
    weight, bias = own["refine_weight"].float(), own["refine_bias"].float()
    wanted = (4, layers * grid_cells(side))
    if weight.shape != wanted or bias.shape != (4,):
        raise ValueError(f"closer: refine_weight {tuple(weight.shape)}, expected {wanted}")
    if not all(bool(torch.isfinite(part).all()) for part in (weight, bias)):
        raise ValueError("closer: the refiner holds numbers that are not finite")
    return Refiner(weight, bias)
