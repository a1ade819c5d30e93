"""Where the steps of training get their scenes from: kept features of the frozen part, or scenes drawn afresh."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from streamfilter.buffering import prefetch
from streamfilter.errors import ModelError
from streamfilter.model import DenseResNet
from streamfilter.model.network import STRIDE, DenseOutput
from streamfilter.training.frozen import Maps as FrozenMaps
from streamfilter.training.scene import Scene, SceneFacts
from streamfilter.training.targets import Targets, scene_targets
from streamfilter.types import Pixels

Compose = Callable[[int], Scene]
Maps = np.ndarray[tuple[int, ...], np.dtype[np.float16]]
"""Layer 3 or layer 4 of many scenes, `(N, C, h, w)`, mapped from disk."""

CHUNK = 8
"""Scenes in one pass of the frozen part."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """What one step learns from: `inputs` is what the batches' `forward` takes, with facts and targets by scene.

    `tops`: layer 4 of the same scenes, where that is kept too.
    """

    inputs: Tensor
    facts: tuple[SceneFacts, ...]
    targets: tuple[Targets, ...]
    tops: Tensor | None = None


class Batches(Protocol):
    """Yields the batches of an epoch and knows which part of the network they still have to pass.

    Whoever asks for batches closes their generator: a thread may be composing ahead.
    """

    @property
    def grid(self) -> tuple[int, int]: ...

    @property
    def steps(self) -> int:
        """Batches in an epoch."""

    def epoch(self, number: int) -> Generator[Batch]: ...

    def in_order(self) -> Generator[Batch]:
        """The same scenes every time, first to last."""

    def forward(self, network: DenseResNet, batch: Batch) -> DenseOutput: ...


class KeptScenes:
    """Scenes of which what does not change was computed once and lies on disk: layer 3, and `tops`, layer 4, too."""

    def __init__(
        self,
        maps: Maps,
        facts: Sequence[SceneFacts],
        *,
        batch: int,
        seed: int,
        none: int,
        tops: Maps | None = None,
    ) -> None:
        self._maps, self._tops, self._facts = maps, tops, facts
        self._batch, self._seed, self._none = batch, seed, none
        self._targets = [scene_targets(each, self.grid, none=none) for each in facts]

    @property
    def grid(self) -> tuple[int, int]:
        return int(self._maps.shape[2]), int(self._maps.shape[3])

    @property
    def steps(self) -> int:
        return -(-len(self._facts) // self._batch)

    def epoch(self, number: int) -> Generator[Batch]:
        order = np.random.default_rng([self._seed, number]).permutation(len(self._facts))
        return self._batches(order)

    def in_order(self) -> Generator[Batch]:
        return self._batches(np.arange(len(self._facts)))

    def forward(self, network: DenseResNet, batch: Batch) -> DenseOutput:
        device = next(network.parameters()).device
        middle = batch.inputs.to(device)
        return network.upper(middle) if batch.tops is None else network.top(middle, batch.tops.to(device))

    def _batches(self, order: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> Generator[Batch]:
        for start in range(0, len(order), self._batch):
            chosen = np.sort(order[start : start + self._batch])
            facts = tuple(self._facts[i] for i in chosen)
            targets = tuple(self._targets[i] for i in chosen)
            tops = None if self._tops is None else _as_tensor(self._tops[chosen])
            yield Batch(_as_tensor(self._maps[chosen]), facts, targets, tops)


class FreshScenes:
    """New scenes for every step, composed ahead in a thread; the whole network is in the step."""

    def __init__(
        self, compose: Compose, size: tuple[int, int], *, scenes: int, batch: int, seed: int, none: int
    ) -> None:
        self._compose, self._size, self._scenes = compose, size, scenes
        self._batch, self._seed, self._none = batch, seed, none

    @property
    def grid(self) -> tuple[int, int]:
        return self._size[0] // STRIDE, self._size[1] // STRIDE

    @property
    def steps(self) -> int:
        return max(1, self._scenes // self._batch)

    def epoch(self, number: int) -> Generator[Batch]:
        with prefetch(self._compose_epoch(number), depth=4) as batches:
            yield from batches

    def in_order(self) -> Generator[Batch]:
        return self.epoch(0)

    def forward(self, network: DenseResNet, batch: Batch) -> DenseOutput:
        output: DenseOutput = network(batch.inputs.to(next(network.parameters()).device))
        return output

    def _compose_epoch(self, number: int) -> Iterator[Batch]:
        first = self._seed + number * self._scenes
        size = min(self._batch, self._scenes)
        for step in range(self.steps):
            seeds = range(first + step * size, first + (step + 1) * size)
            yield compose_batch(self._compose, seeds, none=self._none)


def compose_batch(compose: Compose, seeds: Sequence[int], *, none: int) -> Batch:
    """Scenes of these seeds as one batch of pictures."""
    scenes = [compose(seed) for seed in seeds]
    grid = (scenes[0].pixels.shape[0] // STRIDE, scenes[0].pixels.shape[1] // STRIDE)
    facts = tuple(scene.facts for scene in scenes)
    targets = tuple(scene_targets(each, grid, none=none) for each in facts)
    return Batch(pictures_tensor([scene.pixels for scene in scenes]), facts, targets)


def keep_scenes(
    look: FrozenMaps,
    compose: Compose,
    seeds: Sequence[int],
    path: Path,
    *,
    with_tops: bool = False,
    advance: Callable[[float], None],
) -> tuple[Maps, Maps | None, list[SceneFacts]]:
    """Compose a scene per seed, look at it with what of the network stays as it is, and keep what comes out.

    Layer 3 is kept at `path`, `(N, C, h, w)` float16, and layer 4 beside it when it is asked for. Raises `ModelError`
    for a disk without room.
    """
    assert len(seeds), "keep_scenes needs at least one seed"
    facts: list[SceneFacts] = []
    kept: list[Maps] = []
    chunks = (seeds[i : i + CHUNK] for i in range(0, len(seeds), CHUNK))
    with prefetch(([compose(seed) for seed in chunk] for chunk in chunks), depth=4) as composed:
        for scenes in composed:
            arrays = look([scene.pixels for scene in scenes])[: 1 + with_tops]
            if not kept:
                _check_room(path.parent, len(seeds) * sum(array[0].nbytes for array in arrays))
                names = (path, path.with_suffix(".top" + path.suffix))
                kept = [
                    np.memmap(name, np.float16, "w+", shape=(len(seeds), *array.shape[1:]))
                    for name, array in zip(names, arrays, strict=False)
                ]
            for maps, array in zip(kept, arrays, strict=True):
                maps[len(facts) : len(facts) + len(array)] = array
            facts += [scene.facts for scene in scenes]
            advance(len(scenes))
    return kept[0], kept[1] if with_tops else None, facts


def _as_tensor(maps: Maps) -> Tensor:
    return torch.from_numpy(maps).float().contiguous(memory_format=torch.channels_last)


def _check_room(folder: Path, needed: int) -> None:
    """A full disk would end the program when a page of the map is written."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise ModelError(
            f"cannot keep training scenes in {folder}: {needed / 1e9:.1f} GB needed, {free / 1e9:.1f} GB free; "
            "choose another folder for --model, or fewer `scenes`"
        )


def pictures_tensor(pictures: Sequence[Pixels]) -> Tensor:
    """`(N, 3, H, W)` float32 0 to 255, channels last, from `(H, W, 3)` uint8 pictures of one size."""
    batch = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
    return batch.float().contiguous(memory_format=torch.channels_last)
