"""Which runtime a run takes, and why."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

import torch

from streamfilter.classifier.runtimes.base import Runtime
from streamfilter.classifier.runtimes.conversion import as_onnx
from streamfilter.classifier.runtimes.with_onnx import OnnxRuntime
from streamfilter.classifier.runtimes.with_openvino import OpenVinoRuntime
from streamfilter.classifier.runtimes.with_torch import TorchRuntime
from streamfilter.config import ClassifierConfig
from streamfilter.errors import ModelError
from streamfilter.machine import cores
from streamfilter.model import Model
from streamfilter.model.device import Compute, has_bfloat16, has_int8
from streamfilter.model.int8 import Int8

_PACKAGES = {"openvino": ("openvino", "onnx"), "onnx": ("onnxruntime", "onnx")}
"""What has to be installed for a runtime."""
_EXTRAS = {"openvino": "cpu", "onnx": "onnx"}
"""The extra of streamfilter that installs it."""
_PRECISIONS = {"openvino": ("auto", "float32", "bfloat16", "int8"), "onnx": ("auto", "float32", "int8")}


@dataclass(frozen=True, slots=True)
class Choice:
    """A runtime, and in a few words why it was chosen. `is_int8`: it computes in what the model file has for int8."""

    runtime: Runtime
    why: str
    is_int8: bool = False


def choose_runtime(model: Model, config: ClassifierConfig, compute: Compute, *, perturbs: bool = False) -> Choice:
    """The runtime that the settings ask for; `auto`: OpenVINO on a CPU where it is installed and can, else PyTorch.

    `perturbs`: candidates carry what the ODIN score reads, for which only PyTorch has gradients. Raises `ModelError`
    when the runtime that is asked for is not installed, or cannot do what is asked of it.
    """
    wanted = config.runtime
    if wanted == "auto":
        reason = _against_openvino(model, compute, perturbs=perturbs)
        kind, why = ("openvino", "the fastest on CPUs") if reason is None else ("torch", reason)
    else:
        kind, why = wanted, "asked for"
        _check(kind, config, compute, perturbs=perturbs)
    int8 = _int8(kind, model, config)
    runtime = _make(kind, model, config, compute, int8)
    return Choice(runtime, why) if int8 is None else Choice(runtime, f"{why}; {_measured(int8)}", is_int8=True)


def _int8(kind: str, model: Model, config: ClassifierConfig) -> Int8 | None:
    """How the network runs in int8, where it is to; `auto`: where it was measured and this CPU is made for it."""
    if config.precision == "int8":
        if kind == "torch":
            raise ModelError(
                "precision int8 needs OpenVINO or ONNX Runtime, not PyTorch: pip install 'streamfilter[cpu]'"
            )
        if model.int8 is None:
            raise ModelError(
                "precision int8: the model file has not been measured in it; "
                "`streamfilter export MODEL --to model --int8 --calibrate DIR --out FILE` does that"
            )
        return model.int8
    # Where bfloat16 is multiplied as well, int8 and its second looks take as long as it does, and agree less.
    pays = kind == "openvino" and has_int8() and not has_bfloat16()
    return model.int8 if config.precision == "auto" and pays else None


def _measured(int8: Int8) -> str:
    said = f"int8 decided {int8.agreement:.2%} of {int8.pictures} pictures as float32 does"
    return f"{said}, {int8.in_doubt:.0%} of them by looking again without it" if int8.in_doubt else said


def _against_openvino(model: Model, compute: Compute, *, perturbs: bool) -> str | None:
    """What speaks against OpenVINO; None when nothing does."""
    if compute.device.type != "cpu":
        return "the fastest on CUDA"
    if perturbs:
        return "the ODIN score needs gradients"
    if not model.digest:
        return "the model comes from no file, so converting it would pay once only"
    if compute.dtype == torch.float16:
        return "float16 on a CPU"
    if not is_installed("openvino"):
        return "OpenVINO is not installed: pip install 'streamfilter[cpu]'"
    return None


def _check(kind: str, config: ClassifierConfig, compute: Compute, *, perturbs: bool) -> None:
    if kind == "torch":
        return
    if not is_installed(kind):
        raise not_installed(kind)
    if perturbs:
        raise ModelError(f"runtime {kind} has no gradients, which the ODIN score needs: use --runtime torch")
    if kind == "openvino" and compute.device.type != "cpu":
        raise ModelError(f"runtime openvino runs on the CPU, not on {compute.device}: add --device cpu")
    if config.precision not in _PRECISIONS[kind]:
        raise ModelError(
            f"classifier.precision is {config.precision}, but runtime {kind} computes in "
            f"{' or '.join(_PRECISIONS[kind][1:])}: set it to auto"
        )


def _make(kind: str, model: Model, config: ClassifierConfig, compute: Compute, int8: Int8 | None) -> Runtime:
    cut = model.closer.cut if model.closer is not None else "box"
    if kind == "torch":
        return TorchRuntime(model.network, compute, cut)

    def read(name: str) -> bytes:
        scales = None if int8 is None else int8.scales.get(name)
        return as_onnx(model.network, name, cut=cut, keep=bool(model.digest), scales=scales)

    threads = config.threads or cores()
    if kind == "openvino":
        dtype = compute.compiled_dtype if int8 is None else torch.float32  # as it was measured
        return OpenVinoRuntime(read, dtype=dtype, threads=threads, int8=int8 is not None)
    return OnnxRuntime(read, device=compute.device, threads=threads, int8=int8 is not None)


def not_installed(kind: str) -> ModelError:
    """The error of a runtime that is not there."""
    return ModelError(f"runtime {kind} is not installed: pip install 'streamfilter[{_EXTRAS[kind]}]'")


def is_installed(kind: str) -> bool:
    """Whether all that a runtime needs can be imported."""
    return all(importlib.util.find_spec(package) is not None for package in _PACKAGES[kind])
