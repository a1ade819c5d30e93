"""The region head: what the model file keeps of it.

Windows of the dense pass lie on a coarse grid, and the mean over one hardly falls when half of it is empty, or half of
a mark lies outside. The region head reads the embedding in a window cell by cell (RoIAlign: He et al., "Mask R-CNN",
ICCV 2017) and says how much the window overlaps a mark, whichever it is (Jiang et al., "Acquisition of localization
confidence for accurate object detection", ECCV 2018), and how its box would fit better (Girshick et al., CVPR 2014).
Both are linear, fitted by ridge regression, and cost next to nothing beside the dense pass.

How likely a box is a mark of a label, and so worth a closer look, is a logistic regression on what is known of it (see
`classifier.marking`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

PREFIX = "regions."
CELLS = 4
"""A window is read on a grid of so many cells a side."""
OUTPUTS = 5
EVIDENCE = 4
"""Numbers that tell whether a box is a mark: see `classifier.marking.evidence`."""


@dataclass(frozen=True, slots=True, eq=False)
class Regions:
    """`weight @ x + bias` of a window's grid `x`, `(E × CELLS²,)`: `(5, E × CELLS²)` and `(5,)`.

    First the overlap (IoU) with a mark, then the moves to it: see `classifier.boxes.moves_to`. `marking`: `(5,)`, the
    weights of a box's evidence and the bias that give the log odds that it is a label's mark; None: not fitted.
    """

    weight: Tensor
    bias: Tensor
    marking: Tensor | None = None


def pack_regions(regions: Regions | None) -> dict[str, Tensor]:
    """Its tensors, as the model file names them; half precision is plenty for fractions of a box."""
    if regions is None:
        return {}
    packed = {PREFIX + "weight": regions.weight.half(), PREFIX + "bias": regions.bias.float()}
    return packed if regions.marking is None else packed | {PREFIX + "marking": regions.marking.float()}


def restore_regions(tensors: Mapping[str, Tensor], *, embedding: int) -> Regions | None:
    """The region head that gave these tensors, None where there is none. `ValueError` for what is none."""
    own = {name.removeprefix(PREFIX): tensor for name, tensor in tensors.items() if name.startswith(PREFIX)}
    if not own:
        return None
    if own.keys() - {"marking"} != {"weight", "bias"}:
        raise ValueError(f"regions: tensors {sorted(own)}, expected bias and weight, and maybe marking")
    weight, bias = own["weight"].float(), own["bias"].float()
    wanted = (OUTPUTS, embedding * CELLS**2)
    if weight.shape != wanted or bias.shape != (OUTPUTS,):
        raise ValueError(f"regions: weight {tuple(weight.shape)}, bias {tuple(bias.shape)}, expected {wanted}")
    marking = own["marking"].float() if "marking" in own else None
    if marking is not None and marking.shape != (EVIDENCE + 1,):
        raise ValueError(f"regions: marking {tuple(marking.shape)}, expected {(EVIDENCE + 1,)}")
    if not all(bool(tensor.isfinite().all()) for tensor in (weight, bias, marking) if tensor is not None):
        raise ValueError("regions: holds numbers that are not finite")
    return Regions(weight, bias, marking)
