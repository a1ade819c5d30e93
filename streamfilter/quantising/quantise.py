"""Finds how a model's network can run in int8 and still decide as it does in float32, measured on held-out pictures."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from streamfilter.classifier import DenseClassifier, make_classifier, with_witness
from streamfilter.classifier.doubting import Doubt
from streamfilter.classifier.runtimes import Choice, Runtime, choose_runtime
from streamfilter.classifier.runtimes.conversion import as_onnx
from streamfilter.config import ClassifierConfig, RejectorConfig
from streamfilter.errors import DatasetError
from streamfilter.evaluation.pictures import find_unknown, read_subject, resized
from streamfilter.model import Int8, Model
from streamfilter.model.device import choose_compute
from streamfilter.model.int8 import Scales
from streamfilter.model.network import DenseOutput, network_digest
from streamfilter.quantising.ranges import observed_scales
from streamfilter.rejector import rejector_of
from streamfilter.stages import Rejector
from streamfilter.types import Candidate, Pixels

MOST_CALIBRATED, MOST_HELD_OUT = 100, 600
LEAST_HELD_OUT = 200
"""With fewer, one picture weighs more than the half percent that is allowed."""
CALIBRATED_SHARE = 0.25
DOUBTS = (0.5, 1.0)
"""Log odds. Of 27 brands' undecided ones half differ by 0.25 between int8 and float32, nine of ten by less than 0.9."""
MOST_CUTS = 200
"""Closer looks that the scales of their pass come from."""

Found = list[list[Candidate]]
"""The candidates of pictures, in their order."""


@dataclass(frozen=True, slots=True)
class Material:
    """Pictures to find scales with, and others to measure the decisions on."""

    calibration: tuple[Path, ...]
    held_out: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Measured:
    """One way to run in int8, in words, and what it decides."""

    how: str
    int8: Int8


def find_material(folders: Sequence[Path], *, seed: int = 0) -> Material:
    """The pictures below the folders, each file once, divided by chance.

    Raises `DatasetError` for too few of them or a folder that cannot be listed.
    """
    found = {subject.digest: subject.path for folder in folders for subject in find_unknown(folder)}
    paths = [path for _, path in sorted(found.items())]
    random.Random(seed).shuffle(paths)
    calibrated = min(MOST_CALIBRATED, int(len(paths) * CALIBRATED_SHARE))
    held_out = paths[calibrated : calibrated + MOST_HELD_OUT]
    if len(held_out) < LEAST_HELD_OUT:
        needed = round(LEAST_HELD_OUT / (1 - CALIBRATED_SHARE))
        raise DatasetError(
            f"--calibrate: {len(paths)} pictures, expected at least {needed}, with and without your logos; "
            "frames of your videos are good ones"
        )
    return Material(tuple(paths[:calibrated]), tuple(held_out))


def quantise(
    model: Model, material: Material, *, wanted: float, told: Callable[[Measured], None], threads: int = 0
) -> Measured:
    """The fastest of a few ways that agrees with float32 in the share `wanted` of the held-out pictures, or the best.

    `told` hears of each way that was measured. Raises `ModelError` where OpenVINO is not installed, `DatasetError` for
    a picture that cannot be read.
    """
    config = ClassifierConfig(runtime="openvino", device="cpu", precision="float32", threads=threads)
    sure = _found(replace(model, int8=None), config, material.held_out)
    scales = _scales(model, config, material.calibration)
    small = config.model_copy(update={"precision": "int8"})
    rejector = rejector_of(model, RejectorConfig())
    bare = Int8(network_digest(model.network), {}, 1.0, len(material.held_out), len(material.calibration))
    measured: list[Measured] = []
    found: dict[str, Found] = {}
    for doubt, (how, chosen) in product(DOUBTS, _ways(scales)):
        int8 = replace(bare, scales=chosen, doubt=doubt)
        if how not in found:
            found[how] = _found(replace(model, int8=int8), small, material.held_out)
        measured.append(Measured(how, _compared(model, rejector, int8, found[how], sure)))
        told(measured[-1])
        if measured[-1].int8.agreement >= wanted:
            break
    return max(measured, key=lambda one: one.int8.agreement)


def _ways(scales: dict[str, Scales]) -> Iterator[tuple[str, dict[str, Scales]]]:
    """The fastest first. The first layers see the picture's detail, the last ones what is decided by."""
    yield "every layer but the first", scales
    guarded = {name: _guarded(own, last=3 if name == "dense" else 0) for name, own in scales.items()}
    yield "first block, neck and head in float32", guarded
    if "close" in scales:
        yield "first block, neck, head and the closer look in float32", {"dense": guarded["dense"]}


def _guarded(scales: Scales, *, last: int, first: int = 3) -> Scales:
    return (*(None for _ in range(first)), *scales[first : len(scales) - last], *(None for _ in range(last)))


def _found(model: Model, config: ClassifierConfig, paths: Sequence[Path]) -> Found:
    """As a run finds them, geometric witness included."""
    classifier = with_witness(make_classifier(model, config), model, RejectorConfig())
    return [classifier.classify([_read(path, classifier.analysis_size)])[0] for path in paths]


def _compared(model: Model, rejector: Rejector, int8: Int8, quick: Found, sure: Found) -> Int8:
    """With what int8 was measured to do: `quick`, beside `sure` in float32."""
    doubt = Doubt(model, rejector, int8.doubt)
    unwitnessed = ([replace(one, inliers=None) for one in own] for own in quick)  # a run doubts before it asks
    again = [doubt.about(own) for own in unwitnessed]
    same = [
        is_doubtful or _decided(rejector, own) == _decided(rejector, other)
        for is_doubtful, own, other in zip(again, quick, sure, strict=True)
    ]
    return replace(int8, agreement=fmean(same), in_doubt=fmean(again))


def _decided(rejector: Rejector, candidates: Sequence[Candidate]) -> set[str]:
    """The labels that are accepted in a picture."""
    return {sighting.label for sighting in rejector.judge(candidates) if sighting.label is not None}


def _read(path: Path, size: Callable[[int, int], tuple[int, int]]) -> Pixels:
    picture = read_subject(path)
    return resized(picture, *size(picture.shape[1], picture.shape[0]))


def _scales(model: Model, config: ClassifierConfig, paths: Sequence[Path]) -> dict[str, Scales]:
    """Of both passes: what the pictures, and the closer looks at them, make of the tensors."""
    cut = model.closer.cut if model.closer is not None else "box"
    compute = choose_compute("cpu", "float32", threads=config.threads)
    listener = _Listener(choose_runtime(model, config, compute).runtime)
    classifier = DenseClassifier(model, config, compute, Choice(listener, ""))
    for path in paths:
        classifier.classify([_read(path, classifier.analysis_size)])
    heard = {"dense": listener.pictures, "close": listener.cuts[:MOST_CUTS]}
    return {
        name: observed_scales(as_onnx(model.network, name, cut=cut, keep=bool(model.digest)), inputs)
        for name, inputs in heard.items()
        if inputs
    }


class _Listener:
    """A runtime that remembers what it was given, `(1, H, W, 3)` each."""

    def __init__(self, inner: Runtime) -> None:
        self._inner = inner
        self.pictures: list[NDArray[np.uint8]] = []
        self.cuts: list[NDArray[np.uint8]] = []

    @property
    def name(self) -> str:
        return self._inner.name

    def dense(self, pictures: Sequence[Pixels]) -> list[DenseOutput]:
        self.pictures += [picture[None] for picture in pictures]
        return self._inner.dense(pictures)

    def close(self, cuts: Sequence[Sequence[Pixels]]) -> list[NDArray[np.float32]]:
        self.cuts += [cut[None] for own in cuts for cut in own]
        return self._inner.close(cuts)
