"""Writes the two passes of a model's network as files that other programs read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from streamfilter.classifier.runtimes.base import PASSES
from streamfilter.classifier.runtimes.choosing import is_installed, not_installed
from streamfilter.classifier.runtimes.conversion import INPUT, OUTPUTS, as_onnx
from streamfilter.classifier.runtimes.with_openvino import import_openvino
from streamfilter.errors import SinkError
from streamfilter.files import write_file
from streamfilter.model import Model

FACTS = "network.json"
"""What the files are: the name of the file that says so."""


def export_network(model: Model, folder: Path, form: str) -> list[Path]:
    """Write the passes into `folder` as `onnx` (`.onnx`) or `openvino` (`.xml` and `.bin`), and `FACTS` beside them.

    They are in int8 where the model has that. Returns the files. Raises `ModelError` where a package is missing,
    `SinkError` when they cannot be written.
    """
    kind = "openvino" if form == "openvino" else "onnx"
    if not is_installed(kind):
        raise not_installed(kind)
    names = PASSES if model.closer is not None else PASSES[:1]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files = [file for name in names for file in _write(model, folder, name, form)]
        facts = folder / FACTS
        text = json.dumps(_facts(model, files, names), ensure_ascii=False, indent=1) + "\n"
        write_file(facts, text.encode())
    except OSError as error:
        raise SinkError(f"cannot write to {folder}: {error.strerror}; check the folder and its free space") from None
    return [*files, facts]


def _write(model: Model, folder: Path, name: str, form: str) -> Iterator[Path]:
    cut = model.closer.cut if model.closer is not None else "box"
    scales = model.int8.scales.get(name) if model.int8 is not None else None
    content = as_onnx(model.network, name, cut=cut, keep=False, scales=scales)
    if form == "onnx":
        path = folder / f"{name}.onnx"
        write_file(path, content)
        yield path
        return
    openvino = import_openvino()
    path = folder / f"{name}.xml"
    openvino.serialize(openvino.Core().read_model(content, b""), path, path.with_suffix(".bin"))
    yield from (path, path.with_suffix(".bin"))


def _facts(model: Model, files: list[Path], names: tuple[str, ...]) -> dict[str, object]:
    return {
        "model": model.digest,
        "files": [file.name for file in files],
        "input": {"name": INPUT, "shape": ["pictures", "height", "width", 3], "type": "uint8", "colours": "RGB"},
        "outputs": {name: list(OUTPUTS[name]) for name in names},
        "labels": list(model.labels),
        "short_side": model.short_side,
        "int8": sorted(model.int8.scales) if model.int8 is not None else [],
        "close_side": model.closer.side if model.closer is not None else None,
    }
