"""What everything behind the network is fitted to: the closer look, the statistics, the rejection scores."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from torch import Tensor

from streamfilter.config import TrainConfig
from streamfilter.console import Console
from streamfilter.model import DenseResNet
from streamfilter.model.closer import Closer
from streamfilter.model.device import Compute
from streamfilter.model.regions import Regions
from streamfilter.training.batches import Compose
from streamfilter.training.closer import close_logits, fit_closer, fit_to_more
from streamfilter.training.closeups import close_ups
from streamfilter.training.composers import (
    OTHER_LOGOS,
    PHOTOGRAPHS,
    SEEDS_APART,
    STATISTICS_SEED,
    STRANGERS_SEED,
    VALIDATION_SEED,
    Composers,
    strangers_count,
)
from streamfilter.training.examples import Dataset, Example
from streamfilter.training.marking import fit_marking, judged_boxes
from streamfilter.training.regions import fit_regions, is_marked, marked_pictures, marked_scenes
from streamfilter.training.rejection import Material
from streamfilter.training.spotting import Spots, Spotter, found_in, join_spots
from streamfilter.training.validation import Found
from streamfilter.training.whole_pictures import WholePictures, corrections

KNOWN, CORRECTED = "known", "corrected"
REGION_TIMES = 3
"""The region head learns from so many times more pictures: a dense pass is all that it takes."""
CORRECTED_SIZES = 0.7, 0.85, 1.0, 1.18, 1.4
"""Sizes, beside that of analysis, at which the closer look learns what was corrected: it must not come back a bit
nearer or farther away."""
_SOURCES = {"known": KNOWN, "negative": PHOTOGRAPHS, "unknown": OTHER_LOGOS}
"""What each kind of picture is to the material."""


@dataclass(frozen=True, slots=True)
class _Job:
    """Scenes to look at. `held`: of pictures that nothing was taught with; `source`: whose strangers they show."""

    compose: Compose
    seeds: Sequence[int]
    held: bool
    source: str = ""
    weighs: bool = True
    """Whether what is found belongs to the taught or the held part, or to its source alone."""


@dataclass(frozen=True, slots=True)
class Readers:
    """What reads the dense pass, and the picture once more; None where there is too little to fit one to."""

    regions: Regions | None
    closer: Closer | None


def gather(
    network: DenseResNet,
    taught: Dataset,
    held: Dataset,
    composers: Composers,
    config: TrainConfig,
    *,
    compute: Compute,
    console: Console,
) -> tuple[Readers, Material]:
    """The readers of a trained network, and what all find together.

    Pictures are looked at as they are, and in scenes composed of them. `config.closer_scenes` and
    `config.closer_pictures` are set.
    """
    plain = Spotter(network, compute, short_side=config.short_side)
    jobs = list(_jobs(taught, held, composers, config))
    regions = _regions(plain, taught, composers, config, console=console)
    if regions is not None:
        regions = replace(regions, marking=_marking(plain.with_regions(regions), jobs, console=console))
    spotter = plain.with_regions(regions)
    with console.progress("close-ups", float(len(taught.examples) + len(held.examples))) as progress:
        shown, shown_held = (
            close_ups(part.examples, taught.labels, spotter, seed=config.seed, advance=progress.advance)
            for part in (taught, held)
        )
    with console.progress("looking closer", float(sum(len(job.seeds) for job in jobs))) as progress:
        seen = [(job, spotter.spot(job.compose, job.seeds, advance=progress.advance)) for job in jobs]
    parts = [[spots for job, spots in seen if job.weighs and job.held is is_held] for is_held in (False, True)]
    taught_spots, held_spots = map(join_spots, parts)
    wrong = [spots for job, spots in seen if job.source == CORRECTED]
    corrected = join_spots(wrong) if wrong else None
    closer = fit_closer(taught_spots, shown, held_spots, corrected)
    find = _finder(closer)
    sources = {source: [spots for job, spots in seen if job.source == source] for source in composers.strangers}
    material = Material(
        taught=find(taught_spots),
        held=find(held_spots),
        strangers={source: find(join_spots(own)).strange for source, own in sources.items()},
    )
    if closer is not None:  # all thresholds are known to be fair by now, so nothing has to be held out any more
        closer = fit_to_more(closer, [taught_spots, held_spots], [shown, shown_held], corrected)
    return Readers(regions, closer), material


def _regions(
    spotter: Spotter, taught: Dataset, composers: Composers, config: TrainConfig, *, console: Console
) -> Regions | None:
    """The region head, from pictures whose marks are boxed, or that have none, and from composed scenes."""
    assert config.closer_scenes is not None
    examples = _some([example for example in taught.examples if is_marked(example)], config, times=REGION_TIMES)
    seeds = _range(STATISTICS_SEED + config.seed * SEEDS_APART, config.closer_scenes)
    marked = chain(
        marked_pictures(examples, short_side=config.short_side), marked_scenes(composers.taught(seed) for seed in seeds)
    )
    with console.progress("fitting boxes", float(len(examples) + len(seeds))) as progress:
        return fit_regions(marked, spotter, seed=config.seed, advance=progress.advance)


def _marking(spotter: Spotter, jobs: Sequence[_Job], *, console: Console) -> Tensor | None:
    """How likely boxes are marks, from what is held out: of what a network was taught with it is too sure."""
    held = [job for job in jobs if job.held and job.weighs]
    with console.progress("weighing boxes", float(sum(len(job.seeds) for job in held))) as progress:
        return fit_marking(
            [one for job in held for one in judged_boxes(spotter, job.compose, job.seeds, advance=progress.advance)]
        )


def _finder(closer: Closer | None) -> Callable[[Spots], Found]:
    return lambda spots: found_in(spots if closer is None else close_logits(closer, spots))


def _jobs(taught: Dataset, held: Dataset, composers: Composers, config: TrainConfig) -> Iterator[_Job]:
    assert config.closer_scenes is not None
    first = config.seed * SEEDS_APART
    count = min(config.closer_scenes, config.validation_scenes)
    yield _Job(composers.taught, _range(STATISTICS_SEED + first, config.closer_scenes), held=False)
    yield _Job(composers.held, _range(VALIDATION_SEED + first, count), held=True)
    for source, compose in composers.strangers.items():
        seeds = _range(STRANGERS_SEED + first, strangers_count(config))
        yield _Job(compose, seeds, held=True, source=source, weighs=False)
    wrong = corrections(taught.examples)
    yield from _picture_jobs(taught.with_examples(e for e in taught.examples if e not in wrong), config, held=False)
    for size in CORRECTED_SIZES if wrong else ():
        pictures = WholePictures(wrong, taught.labels, short_side=round(size * config.short_side))
        yield _Job(pictures.compose, range(len(wrong)), held=False, source=CORRECTED, weighs=False)
    yield from _picture_jobs(held, config, held=True)


def _picture_jobs(dataset: Dataset, config: TrainConfig, *, held: bool) -> Iterator[_Job]:
    """Some of the pictures, as they are, by kind, in their proportions."""
    chosen = _some(dataset.examples, config)
    for kind, source in _SOURCES.items():
        examples = [example for example in chosen if example.kind == kind and not example.has_alpha]
        if examples:
            pictures = WholePictures(examples, dataset.labels, short_side=config.short_side)
            yield _Job(pictures.compose, range(len(examples)), held=held, source=source if held else "")


def _some(examples: Sequence[Example], config: TrainConfig, *, times: int = 1) -> list[Example]:
    assert config.closer_pictures is not None
    shuffled = random.Random(config.seed).sample(list(examples), len(examples))
    return shuffled[: config.closer_pictures * times]


def _range(first: int, count: int) -> range:
    return range(first, first + count)
