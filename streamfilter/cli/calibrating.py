"""What `streamfilter calibrate` does once its options are parsed. Imports the heavy modules."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from streamfilter.calibration.calibrate import Calibration, Task, calibrate
from streamfilter.calibration.words import loss_lines, loss_rows, promise_lines, report, score_line
from streamfilter.config import RunConfig, load_config
from streamfilter.console import Console
from streamfilter.errors import SinkError
from streamfilter.model import load_model, model_info, save_model


@dataclass(frozen=True, slots=True)
class Job:
    """Where the model is and where the calibrated one goes; `force`: whether it may replace a file."""

    model: Path
    out: Path
    force: bool


def run_calibration(task: Task, job: Job, console: Console, *, config: Path | None, overrides: Sequence[str]) -> None:
    """Calibrate, write, tell. Raises `StreamFilterError`; nothing is written then."""
    settings = load_config(RunConfig, config, overrides)
    model = load_model(job.model)
    weights = model_info(job.model)["weights"]
    _check_out(job)
    found = calibrate(model, task, settings, console)
    digest = save_model(found.model, job.out, weights=weights)
    _tell(found, console)
    console.say(f"model: {job.out}")
    written = {"model": str(job.out), "digest": digest, **report(found)}
    sys.stdout.write(json.dumps(written, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def _check_out(job: Job) -> None:
    """Before an hour of work, not after it."""
    if job.out.exists() and not job.force:
        raise SinkError(f"{job.out} exists: give another name, or --force to replace it")
    if not job.out.parent.is_dir() or not os.access(job.out.parent, os.W_OK | os.X_OK):
        raise SinkError(f"cannot write {job.out}: check the folder {job.out.parent} and its rights")


def _tell(found: Calibration, console: Console) -> None:
    if found.losses:
        columns = ("label", "appearances", "clips", "lost", f"strictest {found.dial.setting}")
        console.table(columns, loss_rows(found))
    for line in (*promise_lines(found), *loss_lines(found), score_line(found)):
        console.say(line)
