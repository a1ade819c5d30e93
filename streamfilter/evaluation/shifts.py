"""What cameras, channels and attackers do to a picture, in known doses: how far a model's worth reaches.

All take and give `(H, W, 3)` uint8 RGB at the size of analysis. What is random is seeded by the picture itself.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import av
import cv2
import numpy as np

from streamfilter.types import Pixels

Kind = Literal["none", "jpeg", "h264", "blur", "scale", "brightness", "noise", "fgsm"]
_GROUP = 5
"""Pictures that are encoded for one H.264 picture: the last of them is a P frame, as most frames of a film are."""


@dataclass(frozen=True, slots=True)
class Shift:
    """One treatment in one dose; `words` say what it does, with a place for the dose."""

    kind: Kind
    amount: float
    words: str

    @property
    def name(self) -> str:
        """Such as `JPEG, quality 50`: it says all about the treatment."""
        return self.words.format(f"{self.amount:g}")


def _doses(kind: Kind, words: str, *amounts: float) -> tuple[Shift, ...]:
    return tuple(Shift(kind, amount, words) for amount in amounts)


SHIFTS = (
    Shift("none", 0, "none"),
    *_doses("jpeg", "JPEG, quality {}", 50, 20, 10),
    *_doses("h264", "H.264, CRF {}", 28, 36, 44),
    *_doses("blur", "blur, sigma {} px", 1, 2, 4),
    *_doses("scale", "scaled to {} and back", 0.5, 0.25),
    *_doses("brightness", "brightness × {}", 0.5, 1.5),
    *_doses("noise", "noise, sigma {} levels", 10, 25),
    *_doses("fgsm", "FGSM, step {}", 1, 4),
)
"""The rows of the table. FGSM needs the network and is applied where it is at hand."""


def apply_shift(shift: Shift, picture: Pixels) -> Pixels:
    """The picture after a treatment that needs no network."""
    match shift.kind:
        case "none":
            return picture
        case "jpeg":
            return jpeg(picture, quality=round(shift.amount))
        case "h264":
            return h264(picture, crf=round(shift.amount))
        case "blur":
            return np.asarray(cv2.GaussianBlur(picture, (0, 0), shift.amount), np.uint8)
        case "scale":
            return fewer_pixels(picture, factor=shift.amount)
        case "brightness":
            return np.asarray(np.clip(np.rint(picture * shift.amount), 0, 255), np.uint8)
        case "noise":
            return noisy(picture, sigma=shift.amount)
        case "fgsm":
            raise ValueError("an attack needs the network that it attacks: see classifier.attack")


def jpeg(picture: Pixels, *, quality: int) -> Pixels:
    """The picture through JPEG at `quality`, 1 to 100."""
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    _, data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), options)
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert decoded is not None, "OpenCV reads what it has just written"
    return np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8)


def fewer_pixels(picture: Pixels, *, factor: float) -> Pixels:
    """The picture scaled down by `factor` and up again: what a small copy of it still shows."""
    height, width = picture.shape[:2]
    size = max(1, round(width * factor)), max(1, round(height * factor))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def noisy(picture: Pixels, *, sigma: float) -> Pixels:
    """The picture with Gaussian noise of `sigma` levels; the same picture gets the same noise."""
    rng = np.random.default_rng(zlib.crc32(picture.tobytes()))
    grain = rng.standard_normal(picture.shape, dtype=np.float32) * np.float32(sigma)
    return np.clip(np.rint(picture + grain), 0, 255).astype(np.uint8)


def h264(picture: Pixels, *, crf: int) -> Pixels:
    """The picture as the last of a few equal frames of an H.264 film at constant rate factor `crf`, 0 to 51."""
    height, width = picture.shape[:2]
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base = Fraction(1, 25)
    encoder.thread_count = 1
    encoder.options = {"crf": str(crf), "preset": "veryfast", "tune": "zerolatency"}
    decoder = av.CodecContext.create("h264", "r")
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24").reformat(format="yuv420p")
    packets = []
    for index in range(_GROUP):
        frame.pts, frame.time_base = index, encoder.time_base
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    frames = [decoded for packet in packets for decoded in decoder.decode(packet)] + decoder.decode(None)
    return np.asarray(frames[-1].to_ndarray(format="rgb24"), np.uint8)
