"""ImageNet weights to start from: a file, or torchvision's own download."""

from __future__ import annotations

import struct
import warnings
from http.client import HTTPException
from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from streamfilter.errors import ModelError
from streamfilter.model.vision import torchvision

UNREADABLE = (
    SafetensorError,
    UnpicklingError,
    OSError,
    RuntimeError,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    struct.error,
)
"""What safetensors and PyTorch let through for damaged and foreign files."""
EXPECTED = "give --backbone-weights a torchvision state dict, .safetensors or .pth"


def load_backbone(path: Path | None, architecture: str) -> dict[str, Tensor]:
    """A torchvision state dict, float32, from a `.safetensors` or `.pth` file, or downloaded when no file is given.

    Raises `ModelError` when the file is no state dict or the download fails.
    """
    state = _download(architecture) if path is None else _read(path)
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in state.items()}


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise ModelError(f"no backbone weights at {path}: {EXPECTED}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch warns of pickles it then refuses: one message is enough
            state = load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
    except UNREADABLE as error:
        reason = " ".join(str(error).split())[:160]
        raise ModelError(f"cannot read backbone weights {path}: {reason}; {EXPECTED}") from None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ModelError(f"{path} holds no tensors by name; {EXPECTED}")
    return state


def _download(architecture: str) -> dict[str, Tensor]:
    name = {"resnet50": "ResNet50_Weights.IMAGENET1K_V2", "resnet18": "ResNet18_Weights.IMAGENET1K_V1"}[architecture]
    try:
        state: dict[str, Tensor] = torchvision.models.get_weight(name).get_state_dict(progress=False, check_hash=True)
    except (OSError, HTTPException, RuntimeError) as error:
        reason = getattr(error, "reason", error)
        raise ModelError(
            f"cannot download torchvision's {name} ({reason}): pass a file with --backbone-weights FILE"
        ) from None
    return state
