"""The model file: one `.safetensors` that rebuilds everything, and says where it came from.

Tensors: the network's state (convolutions as float16, or int8 with one scale per output channel; all else float32),
the statistics of the labels, what each rejection score was fitted to, the closer look, the labels that were enrolled
since.
Metadata under one key, `streamfilter`: a JSON object with the labels, the network's shape, preprocessing, thresholds,
provenance and, after `streamfilter calibrate`, what they promise. Loading runs no code.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from streamfilter.errors import ModelError
from streamfilter.files import write_file
from streamfilter.model.closer import PREFIX as CLOSER
from streamfilter.model.closer import Closer, describe_closer, pack_closer, restore_closer
from streamfilter.model.enrolled import PREFIX as ENROLLED
from streamfilter.model.enrolled import Enrolled, describe_enrolled, pack_enrolled, restore_enrolled
from streamfilter.model.int8 import Int8, describe_int8, restore_int8
from streamfilter.model.network import (
    MEAN,
    STAGES,
    STD,
    STRIDE,
    Architecture,
    DenseResNet,
    NetworkShape,
    Undrawn,
    build_network,
)
from streamfilter.model.references import PREFIX as REFERENCES
from streamfilter.model.references import References, pack_references, restore_references
from streamfilter.model.regions import PREFIX as REGIONS
from streamfilter.model.regions import Regions, pack_regions, restore_regions
from streamfilter.model.scores import pack_scores, restore_scores
from streamfilter.model.thresholds import Thresholds, check_thresholds
from streamfilter.probability import ProbabilityCurve, restore_curve
from streamfilter.promise import Promise, restore_promise
from streamfilter.rejector.scores import Score

FORMAT_VERSION = 2
Weights = Literal["float16", "int8"]
PREPROCESSING = {"stride": STRIDE, "mean": list(MEAN), "std": list(STD), "order": "RGB"}
"""What every network of this format takes; a file that says otherwise would be misread."""
MOST_BYTES = 1 << 30
"""Of a model file: one with many enrolled labels is some hundred MiB."""
MOST_TABLE_BYTES = 1 << 24
"""Of its table of tensors, metadata included, which is parsed as a whole."""
MOST_LABEL = 1000
"""Characters of a label, as in the event log."""
SHORT_SIDES = range(32, 2161)
"""Analysis sizes, in pixels, that a file may ask for."""


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
    """A loaded model. `scores`: the fitted rejection scores by name, none in files before format version 2.

    `promise`: what `streamfilter calibrate` found it to keep; `probability`: the curve that turns its scores into
    probabilities. Both None before. `enrolled`: labels that were added without training, beside `labels`. `closer`: the
    closer look, None where the model has none. `references`: what the geometric witness knows, by label. `int8`: how
    the network runs in int8, None where that was not measured.
    `digest` is the SHA-256 of its file, empty for one that was never written.
    """

    network: DenseResNet
    labels: tuple[str, ...]
    short_side: int
    thresholds: Thresholds
    statistics: Statistics
    provenance: Provenance
    scores: Mapping[str, Score] = field(default_factory=dict)
    promise: Promise | None = None
    probability: ProbabilityCurve | None = None
    enrolled: tuple[Enrolled, ...] = ()
    regions: Regions | None = None
    closer: Closer | None = None
    references: References = field(default_factory=dict)
    int8: Int8 | None = None
    digest: str = ""

    @property
    def all_labels(self) -> tuple[str, ...]:
        """The labels that the network was taught, and behind them those that were enrolled."""
        return self.labels + tuple(one.label for one in self.enrolled)


def save_model(model: Model, path: Path, *, weights: Weights = "float16") -> str:
    """Write `model` to `path` whole or not at all; returns the file's SHA-256.

    Raises `ModelError` when it can't be written.
    """
    tensors = _pack(model.network, weights)
    tensors |= {f"statistics.{name}": getattr(model.statistics, name).float() for name in Statistics.__slots__}
    tensors |= pack_scores(model.scores)
    tensors |= pack_enrolled(model.enrolled)
    tensors |= pack_regions(model.regions)
    tensors |= pack_closer(model.closer)
    tensors |= pack_references(model.references)
    return _write(path, _describe(model, weights), tensors)


def amend_model(path: Path, out: Path, *, enrolled: Sequence[Enrolled], references: References) -> str:
    """Copy a model file, its weights bit by bit, with other enrolled labels and references; returns the copy's SHA-256.

    A promise about false events is left out: it was made for the labels that there were. Raises `ModelError` when the
    file cannot be read or the copy not written.
    """
    header, tensors = _read(path, with_tensors=True)
    kept = {name: tensor for name, tensor in tensors.items() if not name.startswith((ENROLLED, REFERENCES))}
    kept |= pack_enrolled(enrolled) | pack_references(references)
    header = {name: value for name, value in header.items() if name not in ("promise", "enrolled", "references")}
    return _write(out, header | _enrolled(enrolled) | _referred(references), kept)


def add_int8(path: Path, out: Path, int8: Int8) -> str:
    """Copy a model file, its weights bit by bit, with what int8 needs; returns the copy's SHA-256.

    Raises `ModelError` when the file cannot be read or the copy not written.
    """
    header, tensors = _read(path, with_tensors=True)
    return _write(out, header | describe_int8(int8), tensors)


def _write(path: Path, header: dict[str, Any], tensors: Mapping[str, Tensor]) -> str:
    data = save({k: v.contiguous() for k, v in tensors.items()}, {"streamfilter": json.dumps(header)})
    try:
        write_file(path, data)
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
        return _rebuild(header, tensors, digest=_digest(path))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError, RuntimeError) as error:
        reason = " ".join(f"{type(error).__name__} {error}".split())[:200]
        raise ModelError(f"model {path} is damaged: {reason}; train it again or fetch it anew") from None


def _rebuild(header: dict[str, Any], tensors: dict[str, Tensor], *, digest: str) -> Model:
    labels = _check_labels(header["labels"])
    shape = _check_shape(NetworkShape(**header["network"]), len(labels))
    short_side = _check_preprocessing(header["preprocessing"])
    thresholds = check_thresholds(Thresholds(**header["thresholds"]))
    provenance = Provenance(**header["provenance"])
    state = _unpack(
        {
            name: t
            for name, t in tensors.items()
            if not name.startswith(("statistics.", "scores.", ENROLLED, REGIONS, CLOSER, REFERENCES))
        }
    )
    _check_state(state, shape)
    with Undrawn():
        network = build_network(shape)
    network.load_state_dict(state, strict=False)
    statistics = Statistics(**{name: tensors[f"statistics.{name}"].float() for name in Statistics.__slots__})
    _check_statistics(statistics, shape)
    scores = restore_scores(tensors, network, thresholds)
    return Model(
        network=network.eval(),
        labels=labels,
        short_side=short_side,
        thresholds=thresholds,
        statistics=statistics,
        provenance=provenance,
        scores=scores,
        promise=restore_promise(header.get("promise")),
        probability=restore_curve(header.get("probability")),
        enrolled=restore_enrolled(header.get("enrolled", {}), tensors, labels=labels, embedding=shape.embedding),
        regions=restore_regions(tensors, embedding=shape.embedding),
        closer=restore_closer(header.get("closer"), tensors, rows=shape.labels + 1, channels=network.middle),
        references=restore_references(header.get("references"), tensors),
        int8=restore_int8(header.get("int8"), network),
        digest=digest,
    )


def _check_labels(labels: Any) -> tuple[str, ...]:
    if not isinstance(labels, list) or not labels or not all(isinstance(label, str) and label for label in labels):
        raise ValueError("labels: expected a list of names")
    if any(len(label) > MOST_LABEL for label in labels):
        raise ValueError(f"labels: a name is longer than {MOST_LABEL} characters")
    if len(set(labels)) != len(labels):
        raise ValueError("labels: a name stands there twice")
    return tuple(labels)


def _check_shape(shape: NetworkShape, labels: int) -> NetworkShape:
    widths = (shape.labels, shape.reduced, shape.embedding, shape.none_classes)
    stages = {stage for stage in shape.se_stages if type(stage) is int and stage in STAGES}
    sound = all(type(w) is int and w > 0 for w in widths) and len(stages) == len(shape.se_stages)
    if shape.architecture not in get_args(Architecture) or not sound:
        raise ValueError(f"network: {shape} is none that this program builds")
    if shape.labels != labels:
        raise ValueError(f"network: {shape.labels} labels, but {labels} names")
    return shape


def _check_state(state: dict[str, Tensor], shape: NetworkShape) -> None:
    """Every weight must be there, at its size: what a header declares is believed, and built, only then."""
    with torch.device("meta"), Undrawn():
        built = build_network(shape).state_dict()
    expected = {name: tensor.shape for name, tensor in built.items() if not name.endswith("num_batches_tracked")}
    for name in sorted(expected.keys() ^ state.keys()):
        raise ValueError(f"weights: {name} is {'missing' if name in expected else 'of no use'}")
    for name, tensor in state.items():
        if tensor.shape != expected[name]:
            raise ValueError(f"weights: {name} is {tuple(tensor.shape)}, expected {tuple(expected[name])}")
        if not bool(tensor.isfinite().all()):
            raise ValueError(f"weights: {name} holds numbers that are not finite")


def _check_statistics(statistics: Statistics, shape: NetworkShape) -> None:
    expected = {
        "means": (shape.labels, shape.embedding),
        "whitening": (shape.embedding, shape.embedding),
        "quantiles": (shape.labels, 101),
    }
    for name, size in expected.items():
        tensor: Tensor = getattr(statistics, name)
        if tensor.shape != size or not bool(tensor.isfinite().all()):
            raise ValueError(f"statistics: {name} is {tuple(tensor.shape)}, expected {size} finite numbers")


def _check_preprocessing(preprocessing: dict[str, Any]) -> int:
    short_side = preprocessing["short_side"]
    if type(short_side) is not int or short_side not in SHORT_SIDES:
        raise ValueError(f"preprocessing: short_side {short_side!r}, expected {SHORT_SIDES[0]} to {SHORT_SIDES[-1]}")
    if {name: preprocessing[name] for name in PREPROCESSING} != PREPROCESSING:
        raise ValueError(f"preprocessing: {preprocessing}, expected {PREPROCESSING}")
    return short_side


def _describe(model: Model, weights: Weights) -> dict[str, Any]:
    return (
        {
            "format_version": FORMAT_VERSION,
            "network": _describe_shape(model.network.shape),
            "weights": weights,
            "labels": list(model.labels),
            "preprocessing": {"short_side": model.short_side, **PREPROCESSING},
            "thresholds": asdict(model.thresholds),
            "provenance": asdict(model.provenance),
        }
        | _calibrated(model)
        | _enrolled(model.enrolled)
        | describe_closer(model.closer)
        | _referred(model.references)
        # Weights that are written as int8 once more may differ in their last bit: that is another network.
        | describe_int8(model.int8 if weights == "float16" else None)
    )


def _describe_shape(shape: NetworkShape) -> dict[str, Any]:
    """Options that the network does without are left out, so that older programs read its file, too."""
    plain = asdict(NetworkShape(shape.architecture, shape.labels))
    optional = {"none_classes", "se_stages"}
    return {name: value for name, value in asdict(shape).items() if name not in optional or value != plain[name]}


def _calibrated(model: Model) -> dict[str, Any]:
    promise = {} if model.promise is None else {"promise": model.promise.tree()}
    return promise | ({} if model.probability is None else {"probability": asdict(model.probability)})


def _enrolled(enrolled: Sequence[Enrolled]) -> dict[str, Any]:
    return {"enrolled": describe_enrolled(enrolled)} if enrolled else {}


def _referred(references: References) -> dict[str, Any]:
    return {"references": list(references)} if references else {}


def _read(path: Path, *, with_tensors: bool) -> tuple[dict[str, Any], dict[str, Tensor]]:
    try:
        if not path.is_file():
            raise ModelError(f"no model file at {path}: train one with `streamfilter train DATA --model {path.name}`")
        _check_sizes(path)
        with safe_open(path, framework="pt") as file:
            header = _check_header((file.metadata() or {}).get("streamfilter"), path)
            tensors = {name: file.get_tensor(name) for name in file.keys()} if with_tensors else {}  # noqa: SIM118
    except (SafetensorError, KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(
            f"{path} is not a whole .safetensors file ({reason}): expected a model written by `streamfilter train`"
        ) from None
    except OSError as error:
        raise ModelError(f"cannot read model {path}: {error.strerror or error}") from None
    return header, tensors


def _check_sizes(path: Path) -> None:
    """Before any memory is taken: a file says in its first eight bytes how long its table is."""
    size = path.stat().st_size
    with path.open("rb") as file:
        table = int.from_bytes(file.read(8), "little")
    if size > MOST_BYTES or table > min(size, MOST_TABLE_BYTES):
        raise ValueError(
            f"{size} bytes with a table of {table}, expected at most {MOST_BYTES >> 20} MiB with "
            f"{MOST_TABLE_BYTES >> 20} MiB"
        )


def _check_header(text: str | None, path: Path) -> dict[str, Any]:
    if text is None:
        raise ModelError(
            f"{path} is a .safetensors file, but not a streamfilter model: train one with `streamfilter train`"
        )
    try:
        header = json.loads(text)
        version = header["format_version"]
        if type(version) is not int or version < 1:
            raise ValueError(version)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ModelError(f"{path} has a damaged header: train the model again or fetch it anew") from None
    if version > FORMAT_VERSION:
        raise ModelError(
            f"{path} has format version {version}, this program reads up to {FORMAT_VERSION}: upgrade streamfilter"
        )
    assert isinstance(header, dict)
    return header


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
            packed[name] = tensor.half() if tensor.dim() == 4 else tensor.float()
    return packed


def _unpack(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    state: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if tensor.dtype not in (torch.float16, torch.float32, torch.int8):
            raise ValueError(f"weights: {name} is {tensor.dtype}, expected float16, float32 or int8")
        if not name.endswith(".scale"):
            scale = tensors.get(name + ".scale")
            state[name] = tensor.float() if scale is None else tensor.float() * scale.view(len(tensor), 1, 1, 1)
    return state
