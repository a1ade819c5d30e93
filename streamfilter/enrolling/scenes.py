"""Scenes to enroll a label from: its pictures at many sizes among drawn clutter, other logos and photographs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from streamfilter.demo.clutter import draw_background
from streamfilter.demo.shapes import render
from streamfilter.demo.strangers import plain_stranger
from streamfilter.errors import DatasetError
from streamfilter.training.examples import Example
from streamfilter.training.scene import Scene
from streamfilter.training.scenes import SceneComposer, SceneSettings
from streamfilter.types import Pixels

DRAWN = 60
"""Backgrounds, and as many other logos, that are drawn for one enrolment."""
GROUND = (480, 270)
STRANGER_PX = 160
STRANGE_SEED = 1 << 20
"""Scenes without the label are numbered from here on."""


@dataclass(frozen=True, slots=True, eq=False)
class Composers:
    """Two kinds of scenes: with the label, and with none of it; the same number gives the same scene."""

    shown: SceneComposer
    strange: SceneComposer

    def scene(self, number: int, *, shows: bool) -> Scene:
        """One scene that shows the label, or does not."""
        return self.shown.compose(number) if shows else self.strange.compose(STRANGE_SEED + number)


@contextmanager
def composers(pictures: Sequence[Example], grounds: Sequence[Example], size: tuple[int, int]) -> Iterator[Composers]:
    """Composers over pictures of one label and over grounds, for scenes of `size` (height, width in pixels).

    What is drawn lies in a temporary folder until the block ends. Raises `DatasetError` when it cannot be written.
    """
    with TemporaryDirectory(prefix="streamfilter-") as folder:
        try:
            others = [*_drawn(Path(folder), np.random.default_rng(0)), *grounds]
        except OSError as error:
            raise DatasetError(f"cannot write {folder}: {error.strerror}; free some space or set TMPDIR") from None
        yield Composers(_composer(pictures, others, size, shows=True), _composer(pictures, others, size, shows=False))


def _composer(
    pictures: Sequence[Example], others: Sequence[Example], size: tuple[int, int], *, shows: bool
) -> SceneComposer:
    """With boxes in every photograph a share of the scenes are these photographs as they are."""
    label = pictures[0].label
    assert label is not None
    as_is = 0.2 if any(p.boxes for p in pictures) and all(p.boxes or p.has_alpha for p in pictures) else 0.0
    settings = SceneSettings(
        height=size[0],
        width=size[1],
        pasted=1.0 - as_is if shows else 0.0,
        as_is=as_is if shows else 0.0,
        min_side=0.08,
        scribbles=0.4,
    )
    return SceneComposer([*pictures, *others], (label,), settings, whole=(label,))


def _drawn(folder: Path, rng: np.random.Generator) -> list[Example]:
    """Backgrounds and transparent artwork of other logos, none of which is any label's."""
    examples = []
    for number in range(DRAWN):
        ground = draw_background(rng, *GROUND)
        examples.append(_example(folder / f"ground{number}.jpg", ground, is_logo=False))
        examples.append(_example(folder / f"logo{number}.png", render(plain_stranger(rng), STRANGER_PX), is_logo=True))
    return examples


def _example(path: Path, picture: Pixels, *, is_logo: bool) -> Example:
    code = cv2.COLOR_RGBA2BGRA if is_logo else cv2.COLOR_RGB2BGR
    path.write_bytes(cv2.imencode(path.suffix, cv2.cvtColor(picture, code))[1].tobytes())
    height, width = picture.shape[:2]
    return Example(path, None, "unknown" if is_logo else "negative", (), width, height, is_logo)
