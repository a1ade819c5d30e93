"""What a camera, a codec and a channel do to a picture, drawn at random. All pictures are `(H, W, 3)` uint8 RGB."""

from __future__ import annotations

import cv2
import numpy as np

from streamfilter.types import Pixels


def degrade(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """One random chain of light, blur, loss of resolution, noise and compression."""
    if rng.random() < 0.7:
        picture = _light(picture, rng)
    if rng.random() < 0.35:
        picture = _blur(picture, rng)
    if rng.random() < 0.35:
        picture = _fewer_pixels(picture, rng)
    if rng.random() < 0.2:
        picture = _noise(picture, rng)
    return _compress(picture, rng) if rng.random() < 0.7 else picture


def _light(picture: Pixels, rng: np.random.Generator) -> Pixels:
    gamma = rng.uniform(0.7, 1.4)
    gain, lift = rng.uniform(0.7, 1.15), rng.uniform(-15, 20)
    tint = rng.uniform(0.92, 1.08, 3)
    ramp = (np.arange(256) / 255.0) ** gamma * 255 * gain + lift
    tables = np.clip(ramp[:, None] * tint, 0, 255).astype(np.uint8)
    out = np.empty_like(picture)
    for channel in range(3):
        out[..., channel] = tables[picture[..., channel], channel]
    return _saturate(out, rng.uniform(0.5, 1.3)) if rng.random() < 0.5 else out


def _saturate(picture: Pixels, factor: float) -> Pixels:
    gray = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return np.asarray(cv2.addWeighted(picture, factor, gray, 1 - factor, 0), np.uint8)


def _blur(picture: Pixels, rng: np.random.Generator) -> Pixels:
    if rng.random() < 0.5:
        return np.asarray(cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.5, 2.2)), np.uint8)
    length = int(rng.integers(3, 12))
    line = np.zeros((length, length), np.float32)
    line[length // 2] = 1.0
    turn = cv2.getRotationMatrix2D(((length - 1) / 2, (length - 1) / 2), rng.uniform(0, 180), 1.0)
    kernel = np.asarray(cv2.warpAffine(line, turn, (length, length)), np.float32)
    return np.asarray(cv2.filter2D(picture, -1, kernel / max(kernel.sum(), 1e-6)), np.uint8)


def _fewer_pixels(picture: Pixels, rng: np.random.Generator) -> Pixels:
    height, width = picture.shape[:2]
    factor = rng.uniform(0.4, 0.9)
    small = cv2.resize(picture, (int(width * factor), int(height * factor)), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def _noise(picture: Pixels, rng: np.random.Generator) -> Pixels:
    grain = rng.normal(0, rng.uniform(2, 10), picture.shape).astype(np.float32)
    return np.asarray(np.clip(picture + grain, 0, 255), np.uint8)


def _compress(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """JPEG, or WebP: its lossy form is a VP8 key frame, with the block prediction and deblocking of a video codec."""
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    if rng.random() < 0.5:
        kind, options = ".jpg", [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(20, 90))]
    else:
        kind, options = ".webp", [cv2.IMWRITE_WEBP_QUALITY, int(rng.integers(5, 80))]
    _, data = cv2.imencode(kind, bgr, options)
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert decoded is not None, "OpenCV reads what it has just written"
    return np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8)
