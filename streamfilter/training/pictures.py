"""Decodes label pictures of any common format into plain RGB or RGBA arrays."""

from __future__ import annotations

import hashlib
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from streamfilter.errors import DatasetError
from streamfilter.training.examples import printable
from streamfilter.types import Pixels

MAX_PIXELS = 100_000_000
THUMBNAIL_SIDE = 32

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "AVIF", "PPM")
SUFFIXES = frozenset(
    {
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".mpo",
        ".png",
        ".apng",
        ".webp",
        ".bmp",
        ".dib",
        ".gif",
        ".tif",
        ".tiff",
        ".avif",
        ".ppm",
        ".pgm",
        ".pbm",
        ".pnm",
    }
)

# What Pillow lets through for damaged files: its parsers read lengths, offsets and numbers from them and trust those.
_DAMAGED = (
    OSError,
    EOFError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    MemoryError,
    RuntimeError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)

_EXIF_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# The warning filters belong to the whole process; one thread at a time may swap them.
_warning_filters = threading.Lock()


@dataclass(frozen=True, slots=True, eq=False)
class PictureFacts:
    """What is known of a picture after one look: displayed size in pixels, whether any pixel is transparent, the
    SHA-256 of the file, and a `(32, 32, 3)` uint8 RGB thumbnail (stretched; transparent parts gray)."""

    width: int
    height: int
    has_alpha: bool
    digest: str
    thumbnail: Pixels


def load_picture(path: Path, *, max_side: int | None = None) -> Pixels:
    """Decode a picture as displayed, `(H, W, 3)` uint8 RGB, or `(H, W, 4)` RGBA where some pixel is transparent.

    EXIF orientation is applied; of an animation the first picture is taken. With `max_side` the picture is scaled down
    until its longer side has at most that many pixels, which is much quicker for a large JPEG.

    Raises `DatasetError` for a file that cannot be read or decoded, and for one of more than 100 megapixels.
    """
    with _opened(path) as (image, orientation):
        return _decode(image, orientation, max_side=max_side)


def inspect_picture(path: Path) -> PictureFacts:
    """Decode a picture at reduced size, so that one that cannot be decoded is known, and sum it up.

    Raises `DatasetError` as `load_picture` does.
    """
    with _opened(path) as (image, orientation):
        width, height = image.size if orientation < 5 else image.size[::-1]
        small = _decode(image, orientation, max_side=8 * THUMBNAIL_SIDE)
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return PictureFacts(width, height, small.shape[2] == 4, digest, _thumbnail(small))


def on_background(picture: Pixels, gray: int = 128) -> Pixels:
    """`(H, W, 3)` of an `(H, W, 3 | 4)` picture, its transparent parts laid over one gray."""
    if picture.shape[2] == 3:
        return picture
    alpha = picture[:, :, 3:].astype(np.float32) / 255
    return np.rint(picture[:, :, :3] * alpha + gray * (1 - alpha)).astype(np.uint8)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Image.Image, int]]:
    try:
        with path.open("rb") as stream, _open(stream) as image:
            _check_size(image)
            yield image, _orientation(image)
    except DatasetError as error:
        raise DatasetError(f"picture {printable(path)}: {error}") from None
    except _DAMAGED as error:
        raise DatasetError(f"cannot read picture {printable(path)}: {_reason(error)}; replace or remove it") from None


@contextmanager
def _quietly() -> Iterator[None]:
    with _warning_filters, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _open(stream: BinaryIO) -> Image.Image:
    with _quietly():
        return Image.open(stream, formats=_FORMATS)


def _check_size(image: Image.Image) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise DatasetError(f"{width}×{height} pixels, expected at most {MAX_PIXELS // 10**6} megapixels; scale it down")


def _reason(error: BaseException) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "it is not a picture of a format that is known here"
    if isinstance(error, Image.DecompressionBombError):
        return f"it has more than {MAX_PIXELS // 10**6} megapixels"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return printable(error) or type(error).__name__


def _orientation(image: Image.Image) -> int:
    if image.format == "PNG":
        # Its EXIF may follow the pixels: asked for it, Pillow decodes them, and no thread should wait for that.
        image.load()
    with _quietly():
        value = image.getexif().get(_EXIF_ORIENTATION, 1)
    return value if value in _UPRIGHT else 1


def _decode(image: Image.Image, orientation: int, *, max_side: int | None) -> Pixels:
    if max_side is not None and max(image.size) > max_side:
        scale = max_side / max(image.size)
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        image.draft(None, size)
        image = _plain(image).resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
    else:
        image = _plain(image)
    if orientation in _UPRIGHT:
        image = image.transpose(_UPRIGHT[orientation])
    pixels: Pixels = np.array(image)
    opaque = pixels.shape[2] == 4 and bool((pixels[:, :, 3] == 255).all())
    return np.ascontiguousarray(pixels[:, :, :3]) if opaque else pixels


def _plain(image: Image.Image) -> Image.Image:
    """The picture in mode RGB, or RGBA where its mode knows transparency."""
    if image.mode in ("F", "I") or image.mode.startswith("I;16"):
        return _from_deep_gray(image)
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _from_deep_gray(image: Image.Image) -> Image.Image:
    """Gray of more than 8 bits: 16 bits scaled by its whole range; others, whose range nothing tells, by their own."""
    values = np.asarray(image).astype(np.float32)
    low, high = (0.0, 65535.0) if image.mode.startswith("I;16") else (float(values.min()), float(values.max()))
    scaled = (values - low) * (255.0 / max(high - low, 1e-12))
    return Image.fromarray(np.rint(np.clip(scaled, 0, 255)).astype(np.uint8)).convert("RGB")


def _thumbnail(picture: Pixels) -> Pixels:
    image = Image.fromarray(on_background(picture))
    return np.array(image.resize((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.BOX))


def resized(picture: Pixels, width: int, height: int) -> Pixels:
    """The picture at another size: means over areas when it gets smaller, between pixels linear when larger."""
    shrinks = width < picture.shape[1] or height < picture.shape[0]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, (width, height), interpolation=how), np.uint8)
