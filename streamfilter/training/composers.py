"""What scenes a training, and whatever is fitted after it, is made from: taught pictures, held-out ones, strangers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from streamfilter.config import TrainConfig
from streamfilter.training.batches import Compose
from streamfilter.training.examples import Dataset
from streamfilter.training.scenes import NOTHING_MADE, SceneComposer, SceneSettings, unmarked_labels

TRAINING_SEED, VALIDATION_SEED, STATISTICS_SEED, STRANGERS_SEED = 0, 1 << 40, 1 << 41, 3 << 40
SEEDS_APART = 1 << 42
"""Scenes of one configured seed are numbered this far from those of the next."""
STATISTICS_SCENES = 600
PHOTOGRAPHS, OTHER_LOGOS, DRAWN = "photographs", "other logos", "drawn"
"""Sources of strangers."""


@dataclass(frozen=True, slots=True)
class Composers:
    """`taught`, `held`: scenes of the pictures on either side of the split.

    `strangers`: by source, scenes without a known logo, of held-out pictures of that source alone: of photographs, of
    other logos, of drawings.
    """

    taught: Compose
    held: Compose
    strangers: Mapping[str, Compose]


def make_composers(taught: Dataset, held: Dataset, config: TrainConfig) -> Composers:
    """The composers of a training's two parts. Negatives that are made are for training only."""
    settings = SceneSettings(
        height=config.scene_height,
        width=config.scene_width,
        min_side=config.min_side,
        max_side=config.max_side,
        scribbles=config.scribbles,
        synthetic=config.synthetic,
    )
    labels = taught.labels
    found_only = replace(settings, synthetic=NOTHING_MADE)
    whole = unmarked_labels(taught.examples, labels)
    whole_held = unmarked_labels([*taught.examples, *held.examples], labels)
    kinds = {PHOTOGRAPHS: held.of_kind("negative"), OTHER_LOGOS: held.of_kind("unknown")}
    sources = {source: examples for source, examples in kinds.items() if examples} | {DRAWN: ()}
    return Composers(
        taught=SceneComposer(taught.examples, labels, replace(settings, mosaics=config.mosaics), whole=whole).compose,
        held=SceneComposer(held.examples, labels, found_only, whole=whole_held).compose,
        strangers={name: SceneComposer(own, labels, found_only).compose for name, own in sources.items()},
    )


def strangers_count(config: TrainConfig) -> int:
    """Scenes of each source of strangers."""
    return max(8, config.validation_scenes // 8)
