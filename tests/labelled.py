"""Label folders that tests draw: every picture is its own, and comes out the same each time."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw


def draw_picture(seed: int, width: int = 96, height: int = 72) -> Image.Image:
    """A picture of a dozen random shapes; two seeds give two pictures that nobody would mistake for each other."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (width, height), tuple(rng.integers(0, 256, 3).tolist()))
    pen = ImageDraw.Draw(image)
    for _ in range(12):
        x, y = rng.uniform(-0.2, 1, 2) * (width, height)
        w, h = rng.uniform(0.1, 0.6, 2) * (width, height)
        shape = pen.ellipse if rng.random() < 0.5 else pen.rectangle
        shape((x, y, x + w, y + h), fill=tuple(rng.integers(0, 256, 3).tolist()))
    return image


def write_pictures(folder: Path, seeds: Iterable[int], suffix: str = ".png") -> list[Path]:
    """One file per seed in `folder`, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{seed:03}{suffix}" for seed in seeds]
    for path, seed in zip(paths, seeds, strict=True):
        draw_picture(seed).save(path)
    return paths
