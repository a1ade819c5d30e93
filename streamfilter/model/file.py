"""The model file: one `.safetensors` that rebuilds everything, and says where it came from.

Tensors: the network's state (float16, or int8 with one scale per output channel), the statistics of the labels.
Metadata under one key, `streamfilter`: a JSON object with the labels, the network's shape, preprocessing, thresholds
and provenance. Loading runs no code.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from streamfilter.errors import ModelError
from streamfilter.model.network import MEAN, STD, STRIDE, DenseResNet, NetworkShape, build_network

FORMAT_VERSION = 1
Weights = Literal["float16", "int8"]


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What the rejector was fitted to on validation pictures, and the temperature that the probabilities are read at.

    `none_class` and `max_softmax` are probabilities, `mahalanobis` a distance in standard deviations.
    """

    temperature: float = 1.0
    none_class: float = 0.5
    max_softmax: float = 0.5
    mahalanobis: float = float("inf")


@dataclass(frozen=True, slots=True, eq=False)
class Statistics:
    """Class statistics for the Mahalanobis distance, all float32.

    `means`: `(C, E)`. `whitening`: `(E, E)`; the distance of `x` to class `c` is the norm of `(x - means[c]) @
    whitening`. `quantiles`: `(C, 101)`, the 0th to 100th percentile of that distance over the label's own validation
    windows.
    """

    means: Tensor
    whitening: Tensor
    quantiles: Tensor


@dataclass(frozen=True, slots=True)
class Provenance:
    """What made a model: program version, settings, data counts, figures on validation data."""

    made_by: str
    settings: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A loaded model. `digest` is the SHA-256 of its file, empty for one that was never written."""

    network: DenseResNet
    labels: tuple[str, ...]
    short_side: int
    thresholds: Thresholds
    statistics: Statistics
    provenance: Provenance
    digest: str = ""


def save_model(model: Model, path: Path, *, weights: Weights = "float16") -> str:
    """Write `model` to `path` whole or not at all; returns the file's SHA-256.

    Raises `ModelError` when it can't be written.
    """
    tensors = _pack(model.network, weights)
    tensors |= {f"statistics.{name}": getattr(model.statistics, name).float() for name in Statistics.__slots__}
    data = save(
        {k: v.contiguous() for k, v in tensors.items()}, {"streamfilter": json.dumps(_describe(model, weights))}
    )
    partial = path.with_name(path.name + ".part")
    try:
        partial.write_bytes(data)
        os.replace(partial, path)
    except OSError as error:
        raise ModelError(f"cannot write model {path}: {error.strerror}; check the folder and its free space") from None
    return hashlib.sha256(data).hexdigest()


def model_info(path: Path) -> dict[str, Any]:
    """The metadata of a model file, without its weights.

    Raises `ModelError` for a missing, truncated, foreign or newer file.
    """
    header, _ = _read(path, with_tensors=False)
    return header


def load_model(path: Path) -> Model:
    """Rebuild a model from its file. Raises `ModelError` for a missing, truncated, foreign, damaged or newer file."""
    header, tensors = _read(path, with_tensors=True)
    try:
        shape = NetworkShape(**header["network"])
        network = build_network(shape)
        network.load_state_dict(_unpack(tensors), strict=False)
        statistics = Statistics(**{name: tensors[f"statistics.{name}"] for name in Statistics.__slots__})
        return Model(
            network=network.eval(),
            labels=tuple(header["labels"]),
            short_side=int(header["preprocessing"]["short_side"]),
            thresholds=Thresholds(**header["thresholds"]),
            statistics=statistics,
            provenance=Provenance(**header["provenance"]),
            digest=hashlib.sha256(path.read_bytes()).hexdigest(),
        )
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"model {path} is damaged: {reason}; train it again or fetch it anew") from None


def _describe(model: Model, weights: Weights) -> dict[str, Any]:
    return {
        "format_version": FORMAT_VERSION,
        "network": asdict(model.network.shape),
        "weights": weights,
        "labels": list(model.labels),
        "preprocessing": {"short_side": model.short_side, "stride": STRIDE, "mean": MEAN, "std": STD, "order": "RGB"},
        "thresholds": asdict(model.thresholds),
        "provenance": asdict(model.provenance),
    }


def _read(path: Path, *, with_tensors: bool) -> tuple[dict[str, Any], dict[str, Tensor]]:
    if not path.is_file():
        raise ModelError(f"no model file at {path}: train one with `streamfilter train DATA --model {path.name}`")
    try:
        with safe_open(path, framework="pt") as file:
            header = _check_header((file.metadata() or {}).get("streamfilter"), path)
            tensors = {name: file.get_tensor(name) for name in file.keys()} if with_tensors else {}  # noqa: SIM118
    except SafetensorError as error:
        raise ModelError(
            f"{path} is not a whole .safetensors file ({error}): expected a model written by `streamfilter train`"
        ) from None
    except OSError as error:
        raise ModelError(f"cannot read model {path}: {error.strerror or error}") from None
    return header, tensors


def _check_header(text: str | None, path: Path) -> dict[str, Any]:
    if text is None:
        raise ModelError(
            f"{path} is a .safetensors file, but not a streamfilter model: train one with `streamfilter train`"
        )
    try:
        header = json.loads(text)
        version = int(header["format_version"])
    except (ValueError, KeyError, TypeError):
        raise ModelError(f"{path} has a damaged header: train the model again or fetch it anew") from None
    if version > FORMAT_VERSION:
        raise ModelError(
            f"{path} has format version {version}, this program reads up to {FORMAT_VERSION}: upgrade streamfilter"
        )
    assert isinstance(header, dict)
    return header


def _pack(network: DenseResNet, weights: Weights) -> dict[str, Tensor]:
    packed: dict[str, Tensor] = {}
    for name, tensor in network.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        if weights == "int8" and tensor.dim() == 4:
            scale = tensor.abs().amax(dim=(1, 2, 3)).clamp_min(1e-12) / 127
            packed[name] = (tensor / scale.view(-1, 1, 1, 1)).round().to(torch.int8)
            packed[name + ".scale"] = scale.float()
        else:
            packed[name] = tensor.half()
    return packed


def _unpack(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    state: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if name.startswith("statistics.") or name.endswith(".scale"):
            continue
        scale = tensors.get(name + ".scale")
        state[name] = tensor.float() if scale is None else tensor.float() * scale.view(-1, 1, 1, 1)
    return state
