"""What exporting a model's network does once the options are parsed. Imports the heavy modules."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from streamfilter.classifier.runtimes.choosing import is_installed, not_installed
from streamfilter.classifier.runtimes.exporting import export_network
from streamfilter.console import Console
from streamfilter.errors import ModelError, SinkError
from streamfilter.model import Int8, Model, add_int8, load_model
from streamfilter.model.int8 import AGREEMENT
from streamfilter.quantising import Measured, find_material, quantise


def export_model(
    file: Path, form: str, out: Path, *, int8: bool, calibrate: Sequence[Path], force: bool, console: Console
) -> list[Path]:
    """Write a model's network as `onnx` or `openvino` into the folder `out`, or a `model` file with its int8.

    Returns the files. Raises `StreamFilterError`; nothing is written then.
    """
    _check_place(out, is_folder=form != "model", force=force)
    model = load_model(file)
    if calibrate:
        model = replace(model, int8=_measured(model, calibrate, console))
    if int8 and model.int8 is None:
        raise ModelError(f"{file} has not been measured in int8: add --calibrate DIR with pictures of your own")
    if form != "model":
        return export_network(model if int8 else replace(model, int8=None), out, form)
    assert model.int8 is not None
    add_int8(file, out, model.int8)
    return [out]


def _measured(model: Model, folders: Sequence[Path], console: Console) -> Int8:
    """How it runs in int8. Raises `ModelError`, with the figure, where it does not decide as in float32."""
    if not is_installed("openvino"):
        raise not_installed("openvino")
    material = find_material(folders)
    console.say(f"{len(material.calibration)} pictures to calibrate with, {len(material.held_out)} held out")

    def tell(found: Measured) -> None:
        alike = f"{found.int8.agreement:.2%} of the held-out pictures decided alike"
        console.say(f"{found.how}: {alike}, {found.int8.in_doubt:.0%} of them by looking again without int8")

    best = quantise(model, material, wanted=AGREEMENT, told=tell)
    if best.int8.agreement < AGREEMENT:
        raise ModelError(
            f"int8 decides only {best.int8.agreement:.2%} of {best.int8.pictures} held-out pictures as float32 does, "
            f"expected {AGREEMENT:.1%}: stay with float32, or calibrate with more pictures like those it will see"
        )
    return best.int8


def _check_place(out: Path, *, is_folder: bool, force: bool) -> None:
    """Before minutes of work, not after them."""
    if out.exists() and not force and any(out.iterdir() if out.is_dir() else [out]):
        raise SinkError(f"{out} is there already and not empty; give --force to write into it")
    if not is_folder and (out.is_dir() or not os.access(out.parent, os.W_OK | os.X_OK)):
        raise SinkError(f"cannot write {out}: check the folder {out.parent} and its rights")
