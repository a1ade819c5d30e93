"""Draws a long video in which little happens: slides, slides with a speaker, a speaker alone; a corner logo in it.

    python scripts/draw_lecture.py OUT.mp4 --speaker PHOTO --logo PNG --label NAME --slide PHOTO... [--minutes 60]

Every minute shows one slide for 20 s, the same with the speaker in its corner, then the speaker alone before a wall. He
sways, nods and moves his mouth, and his part of the picture has a camera's noise. The logo stands in the upper right
corner while he is seen. Its truth is written beside it, as NAME.labels.jsonl.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path

import av
import click
import cv2
import numpy as np

from streamfilter.console import Console
from streamfilter.demo.clip import Appearance, labels_path
from streamfilter.types import Pixels

WIDTH, HEIGHT, RATE_HZ = 854, 480, 25
SCENE_S = 20.0
NOISE = 3.0
"""Standard deviation of the camera's noise, of 255."""
LOGO_SHARE = 0.14
"""The logo's height, of the picture's."""


class Speaker:
    """A person cut out of a photograph by an oval head and shoulders."""

    def __init__(self, photo: Pixels, height: int, seed: int) -> None:
        side = min(photo.shape[:2])
        self._picture = cv2.resize(photo[:side, :side], (height, height), interpolation=cv2.INTER_AREA)
        mask = np.zeros((height, height), np.uint8)
        cv2.ellipse(
            mask, (height // 2, int(0.36 * height)), (int(0.2 * height), int(0.28 * height)), 0, 0, 360, 255, -1
        )
        cv2.ellipse(mask, (height // 2, int(1.1 * height)), (int(0.45 * height), int(0.5 * height)), 0, 0, 360, 255, -1)
        self._mask = cv2.GaussianBlur(mask, (0, 0), 2)
        self._phases = np.random.default_rng(seed).uniform(0, 2 * np.pi, 4)

    def draw(self, ground: Pixels, left: int, time_s: float, rng: np.random.Generator) -> None:
        """Draw him into the picture, his left edge there, as he is at that time."""
        height = self._picture.shape[0]
        a, b, c, d = self._phases
        sway = 0.03 * np.sin(0.9 * time_s + a) + 0.015 * np.sin(2.3 * time_s + b)
        nod = 0.01 * np.sin(3.1 * time_s + c)
        matrix = cv2.getRotationMatrix2D((height / 2, height), 4 * np.sin(0.7 * time_s + d), 1.0)
        matrix[:, 2] += (sway * height, nod * height)
        picture = self._picture.copy()
        gap = int(0.02 * height * (1 + np.sin(9 * time_s)) * (np.sin(0.5 * time_s) > -0.6))
        cv2.ellipse(picture, (height // 2, int(0.5 * height)), (int(0.06 * height), gap), 0, 0, 360, (60, 20, 30), -1)
        picture = cv2.warpAffine(picture, matrix, (height, height), borderMode=cv2.BORDER_REPLICATE)
        share = cv2.warpAffine(self._mask, matrix, (height, height))[..., None] / 255
        part = ground[-height:, left : left + height]
        mixed = part * (1 - share) + picture * share
        noisy = mixed + rng.normal(0, NOISE, mixed.shape[:2])[..., None]
        part[:] = np.clip(noisy, 0, 255).astype(np.uint8)


def read(path: Path) -> Pixels:
    """A picture as RGB. Raises `click.ClickException` where it is none."""
    picture = cv2.imread(str(path))
    if picture is None:
        raise click.ClickException(f"{path} is no picture")
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def slide_of(photo: Pixels, number: int) -> Pixels:
    """A slide: a title, lines of text and a photograph."""
    slide = np.full((HEIGHT, WIDTH, 3), 245, np.uint8)
    cv2.putText(slide, f"Part {number + 1}", (40, 70), cv2.FONT_HERSHEY_SIMPLEX, 1.6, (30, 40, 90), 3, cv2.LINE_AA)
    for line in range(5):
        text = f"point {line + 1}: what is said of it, item {number * 5 + line}"
        place = (40, 150 + 50 * line)
        cv2.putText(slide, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.7, (40, 40, 40), 1, cv2.LINE_AA)
    height = 200
    width = min(300, round(photo.shape[1] * height / photo.shape[0]))
    slide[120 : 120 + height, 510 : 510 + width] = cv2.resize(photo, (width, height), interpolation=cv2.INTER_AREA)
    return slide


def add_logo(picture: Pixels, logo: Pixels) -> None:
    """Put the logo into the upper right corner."""
    height = round(LOGO_SHARE * HEIGHT)
    width = round(logo.shape[1] * height / logo.shape[0])
    small = cv2.resize(logo, (width, height), interpolation=cv2.INTER_AREA)
    picture[20 : 20 + height, WIDTH - 20 - width : WIDTH - 20] = small


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--speaker", type=click.Path(path_type=Path), required=True)
@click.option("--logo", type=click.Path(path_type=Path), required=True)
@click.option("--label", required=True, help="What the logo is called in the truth.")
@click.option("--slide", "slides", type=click.Path(path_type=Path), multiple=True, required=True)
@click.option("--minutes", default=60.0, show_default=True)
@click.option("--seed", default=1, show_default=True)
def main(
    out: Path, *, speaker: Path, logo: Path, label: str, slides: Sequence[Path], minutes: float, seed: int
) -> None:
    """Draw the lecture OUT."""
    photos, mark, face = [read(path) for path in slides], read(logo), read(speaker)
    small, large = Speaker(face, 200, seed), Speaker(face, 400, seed)
    rng = np.random.default_rng(seed)
    wall = np.linspace(150, 190, WIDTH)[None, :, None] * np.array([0.9, 1.0, 1.05])
    wall = np.broadcast_to(wall, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    frames = round(minutes * 60 * RATE_HZ)
    with av.open(str(out), "w") as container:
        stream = container.add_stream("libx264", RATE_HZ, options={"crf": "23", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.time_base = Fraction(1, RATE_HZ)
        with Console().progress("drawing", frames) as progress:
            for number in range(frames):
                time_s = number / RATE_HZ
                scene = int(time_s / SCENE_S)
                minute, kind = divmod(scene, 3)
                picture = wall.copy() if kind == 2 else slide_of(photos[minute % len(photos)], minute)
                if kind == 1:
                    small.draw(picture, WIDTH - 210, time_s, rng)
                if kind == 2:
                    large.draw(picture, 227, time_s, rng)
                if kind:
                    add_logo(picture, mark)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
                progress.advance()
        container.mux(stream.encode())
    until_s = 60 * minutes
    begins_s = [60.0 * minute + SCENE_S for minute in range(math.ceil(minutes))]
    truth = [Appearance(label, s, min(s + 2 * SCENE_S, until_s), "clear") for s in begins_s if s < until_s]
    labels_path(out).write_text("".join(json.dumps(asdict(one)) + "\n" for one in truth), "utf-8")


if __name__ == "__main__":
    main()
