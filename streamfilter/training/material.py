"""What everything behind the network is fitted to: the closer look, the statistics, the rejection scores."""

from __future__ import annotations

from collections.abc import Callable

from streamfilter.config import TrainConfig
from streamfilter.console import Console
from streamfilter.model import DenseResNet
from streamfilter.model.closer import Closer
from streamfilter.model.device import Compute
from streamfilter.training.batches import Compose
from streamfilter.training.closer import close_logits, fit_closer
from streamfilter.training.closeups import close_ups
from streamfilter.training.composers import (
    SEEDS_APART,
    STATISTICS_SEED,
    STRANGERS_SEED,
    VALIDATION_SEED,
    Composers,
    strangers_count,
)
from streamfilter.training.examples import Dataset
from streamfilter.training.rejection import Material
from streamfilter.training.spotting import Spots, Spotter, found_in


def gather(
    network: DenseResNet,
    taught_pictures: Dataset,
    composers: Composers,
    config: TrainConfig,
    *,
    compute: Compute,
    console: Console,
) -> tuple[Closer | None, Material]:
    """The closer look of a trained network, None where there is too little to fit it to, and what both find together.

    `config.closer_scenes` is set.
    """
    assert config.closer_scenes is not None
    spotter = Spotter(network, compute, short_side=config.scene_height)
    strangers = strangers_count(config)
    pictures = taught_pictures.examples
    total = len(pictures) + config.closer_scenes + config.validation_scenes + strangers * len(composers.strangers)
    with console.progress("looking closer", float(total)) as progress:
        close_up = close_ups(pictures, taught_pictures.labels, spotter, seed=config.seed, advance=progress.advance)
        taught = _spot(spotter, composers.taught, STATISTICS_SEED, config.closer_scenes, config, progress.advance)
        held = _spot(spotter, composers.held, VALIDATION_SEED, config.validation_scenes, config, progress.advance)
        others = {
            source: _spot(spotter, compose, STRANGERS_SEED, strangers, config, progress.advance)
            for source, compose in composers.strangers.items()
        }
    closer = fit_closer(taught, close_up, held)

    def seen(spots: Spots) -> Spots:
        return spots if closer is None else close_logits(closer, spots)

    return closer, Material(
        taught=found_in(seen(taught)),
        held=found_in(seen(held)),
        strangers={source: found_in(seen(spots)).strange for source, spots in others.items()},
    )


def _spot(
    spotter: Spotter,
    compose: Compose,
    seed: int,
    count: int,
    config: TrainConfig,
    advance: Callable[[float], None],
) -> Spots:
    first = seed + config.seed * SEEDS_APART
    return spotter.spot(compose, range(first, first + count), advance=advance)
