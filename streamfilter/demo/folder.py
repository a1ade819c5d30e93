"""Writes a folder of drawn pictures that `streamfilter train` takes as any user's: the demo model's training data.

ROOT/known/<Name>/*.png     the taught marks as transparent artwork, slightly varied, some on a pale plate
ROOT/negatives/*.jpg        backgrounds without any mark
ROOT/unknown/*.png, *.jpg   strangers as artwork and in scenes
ROOT/unknown_boxes.csv      where the strangers are in those scenes, in pixels
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.random import Generator

from streamfilter.demo.clutter import draw_background
from streamfilter.demo.marks import TAUGHT
from streamfilter.demo.shapes import Mark, layer, rectangle, render
from streamfilter.demo.strangers import NEAR_SHARE, near_stranger, plain_stranger, random_mark
from streamfilter.errors import DatasetError
from streamfilter.types import Pixels

SCENE_WIDTH, SCENE_HEIGHT = 480, 270
_BoxRow = tuple[str, int, int, int, int, str]


@dataclass(frozen=True, slots=True)
class TrainingFolder:
    """Where the parts of a written training folder are."""

    root: Path
    known: Path
    negatives: Path
    unknown: Path
    unknown_boxes: Path


def write_training_folder(
    root: Path, seed: int, *, artworks: int = 40, negatives: int = 600, strangers: int = 800
) -> TrainingFolder:
    """Write `artworks` pictures per label, `negatives` backgrounds and `strangers` pictures with strange marks.

    The same seed writes the same pictures. Raises `DatasetError` when a file cannot be written.
    """
    folder = TrainingFolder(root, root / "known", root / "negatives", root / "unknown", root / "unknown_boxes.csv")
    known, back, odd = (np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(3))
    try:
        _write_known(folder.known, known, artworks)
        folder.negatives.mkdir(parents=True, exist_ok=True)
        for index in range(negatives):
            scene = draw_background(back, SCENE_WIDTH, SCENE_HEIGHT)
            _write(folder.negatives / f"{index:05}.jpg", scene, quality=int(back.integers(60, 95)))
        _write_strangers(folder, odd, strangers)
    except OSError as error:
        raise DatasetError(f"cannot write {error.filename or root}: {error.strerror}; choose another folder") from None
    return folder


def composite(picture: Pixels, artwork: Pixels, *, x: int, y: int) -> None:
    """Lay `(h, w, 4)` artwork with its upper left corner at x, y over an RGB picture, in place; it must fit inside."""
    height, width = artwork.shape[:2]
    target = picture[y : y + height, x : x + width]
    alpha = artwork[:, :, 3:].astype(np.float32) / 255
    target[:] = (target * (1 - alpha) + artwork[:, :, :3] * alpha).round().astype(np.uint8)


def varied_artwork(rng: Generator, artwork: Pixels) -> Pixels:
    """The artwork with slightly other hue, saturation and brightness, one in four on a pale plate."""
    hsv = cv2.cvtColor(artwork[:, :, :3], cv2.COLOR_RGB2HSV).astype(np.float32)
    hsv[:, :, 0] = (hsv[:, :, 0] + rng.uniform(-3, 3)) % 180
    hsv[:, :, 1] *= rng.uniform(0.8, 1.05)
    hsv[:, :, 2] *= rng.uniform(0.8, 1.1)
    colour = cv2.cvtColor(hsv.round().clip(0, [179, 255, 255]).astype(np.uint8), cv2.COLOR_HSV2RGB)
    varied: Pixels = np.dstack([colour, artwork[:, :, 3]])
    return _on_plate(rng, varied) if rng.random() < 0.25 else varied


def _on_plate(rng: Generator, artwork: Pixels) -> Pixels:
    """The artwork on a pale plate with round corners, so that it stays artwork: some of it is transparent."""
    height, width = artwork.shape[:2]
    margin = int(height * rng.uniform(0.1, 0.2))
    high, wide = height + 2 * margin, width + 2 * margin
    red, green, blue = (int(rng.integers(215, 256) - offset) for offset in rng.integers(0, 16, 3))
    outline = rectangle(0, 0, width=wide / high, height=1, rounding=float(rng.uniform(0.05, 0.3)))
    plate = render(Mark("plate", wide / high, (layer((red, green, blue), outline),)), high)
    composite(plate[:, :, :3], artwork, x=margin, y=margin)
    return plate


def _write_known(root: Path, rng: Generator, artworks: int) -> None:
    for mark in TAUGHT:
        (root / mark.name).mkdir(parents=True, exist_ok=True)
        for index in range(artworks):
            artwork = varied_artwork(rng, render(mark, int(rng.integers(96, 257))))
            _write(root / mark.name / f"{index:03}.png", artwork)


def _write_strangers(folder: TrainingFolder, rng: Generator, strangers: int) -> None:
    """Every second stranger is artwork, the others stand in scenes of one to three."""
    folder.unknown.mkdir(parents=True, exist_ok=True)
    rows: list[_BoxRow] = []
    for index in range(strangers):
        if index % 2 == 0:
            _write(folder.unknown / f"{index:05}.png", _strange_artwork(rng))
            continue
        name = f"{index:05}.jpg"
        scene, boxes = _strange_scene(rng)
        _write(folder.unknown / name, scene, quality=int(rng.integers(60, 95)))
        rows += [(f"unknown/{name}", x, y, x + width, y + height, "unknown") for x, y, width, height in boxes]
    with folder.unknown_boxes.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(("image", "x1", "y1", "x2", "y2", "label"))
        writer.writerows(rows)


def _strange_artwork(rng: Generator) -> Pixels:
    """One stranger. One that comes near a label gets a wide margin: as a look-alike picture it would be left out."""
    size = int(rng.integers(96, 257))
    if rng.random() >= NEAR_SHARE:
        return varied_artwork(rng, render(plain_stranger(rng), size))
    artwork = varied_artwork(rng, render(near_stranger(rng), size))
    above, below, left, right = (rng.dirichlet((1, 1, 1, 1)) * rng.uniform(0.8, 1.4) * size).astype(int).tolist()
    padded = np.pad(artwork, ((above, below), (left, right), (0, 0)), mode="edge")
    padded[:, :, 3] = np.pad(artwork[:, :, 3], ((above, below), (left, right)))
    return padded


def _strange_scene(rng: Generator) -> tuple[Pixels, list[tuple[int, int, int, int]]]:
    """A background with one to three strangers side by side, and their boxes as x, y, width, height in pixels."""
    scene, count = draw_background(rng, SCENE_WIDTH, SCENE_HEIGHT), int(rng.integers(1, 4))
    column, boxes = SCENE_WIDTH // count, []
    for index in range(count):
        high = int(SCENE_HEIGHT * np.exp(rng.uniform(np.log(0.08), np.log(0.8))))
        artwork = random_mark(rng, 192)
        scale = min(high / artwork.shape[0], (column - 2) / artwork.shape[1])
        small = np.asarray(cv2.resize(artwork, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
        height, width = small.shape[:2]
        x = index * column + int(rng.integers(0, max(1, column - width)))
        y = int(rng.integers(0, max(1, SCENE_HEIGHT - height)))
        composite(scene, small, x=x, y=y)
        boxes.append((x, y, width, height))
    return scene, boxes


def _write(path: Path, picture: Pixels, *, quality: int = 90) -> None:
    code = cv2.COLOR_RGBA2BGRA if picture.shape[2] == 4 else cv2.COLOR_RGB2BGR
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if path.suffix == ".jpg" else []
    _, data = cv2.imencode(path.suffix, cv2.cvtColor(picture, code), options)
    path.write_bytes(data.tobytes())
