"""A whole evaluation, from a model file and folders to numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from streamfilter.config import RunConfig
from streamfilter.console import Console
from streamfilter.errors import DatasetError, ModelError
from streamfilter.evaluation.bootstrap import Estimate
from streamfilter.evaluation.cache import default_cache
from streamfilter.evaluation.clips import ClipResult, measure_clips, read_truth, run_clip
from streamfilter.evaluation.compare import compare
from streamfilter.evaluation.fitting import fitted_scores
from streamfilter.evaluation.looking import Looked, Looker
from streamfilter.evaluation.pictures import Subjects, find_subjects
from streamfilter.evaluation.robustness import ShiftRow, shift_table, spread_over_labels
from streamfilter.evaluation.samples import Samples, ScoreFunction, collect, make_judge
from streamfilter.evaluation.sections import Sections, sections
from streamfilter.evaluation.times import Truth
from streamfilter.model import Model, load_model
from streamfilter.pipeline import Network, make_network
from streamfilter.rejector.scores.odin import Odin


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be measured.

    `clips`: pairs of a clip and its label file; `names`: what a label file's names mean. `fit`: a folder per label,
    whose pictures the scores to compare are fitted to, `fit_negatives`: folders without a known logo. `shifts`: how
    many known pictures are compressed, blurred and so on, and judged again.
    """

    model: Path
    known: Path
    far: tuple[Path, ...] = ()
    near: tuple[Path, ...] = ()
    clips: tuple[tuple[str, str], ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    cache: Path | None = None
    compare: bool = False
    fit: Path | None = None
    fit_negatives: tuple[Path, ...] = ()
    shifts: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """What was measured. `score`: the name of the score that ranks; `left_out`: pictures that were not used.

    `scores`: the metrics of every score, where they were to be compared.
    """

    model: Model
    score: str
    samples: Samples
    sections: Sections
    scores: Mapping[str, Sections]
    shifts: tuple[ShiftRow, ...]
    clips: tuple[ClipResult, ...]
    video: Mapping[str, Estimate]
    left_out: int


def evaluate(task: Task, config: RunConfig, console: Console) -> Evaluation:
    """Do it. Raises `ModelError`, `DatasetError`, `SourceError`, and `SinkError` for a cache that can't be written."""
    model = load_model(task.model)
    if task.compare and task.fit is None and not model.scores:
        raise ModelError(f"model {task.model} carries no fitted score: give pictures to fit them to with --fit")
    truths = [read_truth(path, task.names) for _, path in task.clips]
    subjects = find_subjects(task.known, task.far, task.near, labels=model.all_labels)
    network = make_network(model, config)
    judge = make_judge(model, network.rejector, config)
    cache, perturbs = task.cache or default_cache(), judge.name == Odin.name
    looker = Looker(model, config, cache, perturbs=perturbs or task.compare)
    looked = look_at(subjects, looker, console)
    samples = collect(looked, judge)
    if not samples.is_known.any() or samples.is_known.all():
        raise DatasetError("no known or no unknown picture could be read: see the warnings above")
    compared = compare(samples, every_score(task, model, looker, subjects, console)) if task.compare else {}
    shifted = shift_table(
        spread_over_labels([s for s in subjects.of_kind("known") if s.label in model.labels], task.shifts),
        model,
        Looker(model, config, cache, perturbs=perturbs),
        judge,
        strangers=samples.unfamiliarity[~samples.is_known],
        console=console,
    )
    clips = tuple(watch(task, truths, network, config=config, console=console))
    return Evaluation(
        model=model,
        score=judge.name,
        samples=samples,
        sections=sections(samples),
        scores=compared,
        shifts=tuple(shifted),
        clips=clips,
        video=measure_clips([clip.score for clip in clips]) if clips else {},
        left_out=len(subjects.problems) + len(looked) - len(samples),
    )


def look_at(subjects: Subjects, looker: Looker, console: Console) -> list[Looked]:
    """Every picture through the network or from the cache; what cannot be read is told."""
    for problem in subjects.problems:
        console.warn(str(problem))
    looked = list(looker.follow(subjects.pictures, "pictures", console))
    for item in looked:
        if item.candidates is None:
            console.warn(f"left out: {item.problem}")
    return looked


def every_score(
    task: Task, model: Model, looker: Looker, subjects: Subjects, console: Console
) -> Mapping[str, ScoreFunction]:
    """The scores to compare: fitted to `task.fit`, or those that the model carries, and ODIN, which needs no fit."""
    if task.fit is None:
        return {**model.scores, Odin.name: Odin()}
    digests = {picture.digest for picture in subjects.pictures}
    return fitted_scores(model, looker, task.fit, task.fit_negatives, without=digests, console=console)


def watch(
    task: Task,
    truths: Sequence[Sequence[Truth]],
    network: Network,
    *,
    config: RunConfig,
    console: Console,
) -> list[ClipResult]:
    """Every clip through the pipeline."""
    if not task.clips:
        return []
    results = []
    with console.progress("clips", len(task.clips)) as progress:
        for (name, _), truth in zip(task.clips, truths, strict=True):
            results.append(run_clip(name, truth, network, config=config))
            progress.advance()
    return results
