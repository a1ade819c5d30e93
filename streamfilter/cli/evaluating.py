"""What `streamfilter evaluate` does once its options are parsed. Imports the heavy modules."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from streamfilter.config import RunConfig, load_config
from streamfilter.console import Console
from streamfilter.errors import SinkError
from streamfilter.evaluation.bootstrap import Estimate
from streamfilter.evaluation.compare import markdown
from streamfilter.evaluation.document import document
from streamfilter.evaluation.evaluate import Evaluation, Task, evaluate
from streamfilter.evaluation.page import report_page
from streamfilter.files import write_file

__all__ = ["Outputs", "Task", "run_evaluation"]

STDOUT = "-"
_TOLD = (
    "open_set_accuracy",
    "macro_f1",
    "closed_set_accuracy",
    "auroc",
    "oscr_area",
    "fpr_when_95_of_known_accepted",
    "known_lost_when_95_of_unknown_rejected",
    "unknown_accepted",
    "known_rejected",
)


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where the results go. `numbers` is a file or `-`, `report` a page or None."""

    numbers: str
    report: Path | None
    force: bool

    def files(self) -> list[Path]:
        """What will be written."""
        return [*([Path(self.numbers)] if self.numbers != STDOUT else []), *([self.report] if self.report else [])]


def run_evaluation(
    task: Task, outputs: Outputs, console: Console, *, config: Path | None, overrides: Sequence[str]
) -> None:
    """Measure, tell, write. Raises `StreamFilterError`."""
    settings = load_config(RunConfig, config, overrides)
    _refuse_existing(outputs.files(), force=outputs.force)
    evaluation = evaluate(task, settings, console)
    _tell(evaluation, console)
    if outputs.report is not None:
        _write(outputs.report, report_page(evaluation))
        console.say(f"report: {outputs.report}")
    text = json.dumps(document(evaluation), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    if outputs.numbers == STDOUT:
        sys.stdout.write(text)
    else:
        _write(Path(outputs.numbers), text)


def _refuse_existing(paths: Sequence[Path], *, force: bool) -> None:
    for path in paths:
        if path.exists() and not force:
            raise SinkError(f"{path} exists: give another name, or --force to replace it")
        if not path.parent.is_dir():
            raise SinkError(f"cannot write {path}: there is no folder {path.parent}")


def _write(path: Path, text: str) -> None:
    try:
        write_file(path, text.encode())
    except OSError as error:
        raise SinkError(f"cannot write {path}: {error.strerror}; check the folder and its free space") from None


def _tell(evaluation: Evaluation, console: Console) -> None:
    names = list(evaluation.sections)
    rows = [(metric, *(_cell(evaluation.sections[name][metric]) for name in names)) for metric in _TOLD]
    console.table(("known against", *names), rows)
    if evaluation.scores:
        console.say(markdown(evaluation.scores))
    if evaluation.video:
        console.table(("video", ""), [(name, _cell(value)) for name, value in evaluation.video.items()])


def _cell(estimate: Estimate) -> str:
    return f"{estimate.value:.3f}" if math.isfinite(estimate.value) else "–"
