"""Decoding label pictures of every kind."""

from __future__ import annotations

import contextlib
import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from labelled import draw_picture
from PIL import Image

from streamfilter.errors import DatasetError
from streamfilter.training.pictures import SUFFIXES, inspect_picture, load_picture, on_background

QUADRANTS = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]], np.uint8)


def quadrants(width: int = 64, height: int = 48) -> Image.Image:
    return Image.fromarray(QUADRANTS).resize((width, height), Image.Resampling.NEAREST)


def corners(picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape[:2]
    return picture[[height // 4, height // 4, -height // 4, -height // 4], [width // 4, -width // 4] * 2, :3]


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp", ".tif", ".avif", ".ppm"])
def test_every_common_format_gives_the_picture_that_was_saved(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"picture{suffix}"
    quadrants().save(path)
    picture = load_picture(path)
    assert suffix in SUFFIXES
    assert picture.shape == (48, 64, 3)
    assert picture.dtype == np.uint8
    np.testing.assert_allclose(corners(picture), QUADRANTS.reshape(4, 3), atol=12)


def test_of_an_animation_the_first_picture_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "moving.gif"
    quadrants().save(path, save_all=True, append_images=[Image.new("RGB", (64, 48))] * 3, duration=40)
    np.testing.assert_allclose(corners(load_picture(path)), QUADRANTS.reshape(4, 3), atol=4)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_as_opencv_applies_it(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "turned.jpg"
    quadrants().save(path, exif=exif, quality=95)
    expected = cv2.cvtColor(cv2.imread(str(path), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    picture, facts = load_picture(path), inspect_picture(path)
    np.testing.assert_allclose(corners(picture), corners(expected), atol=4)
    assert (facts.height, facts.width) == picture.shape[:2] == expected.shape[:2]


def test_an_orientation_that_does_not_exist_is_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 77
    quadrants().save(tmp_path / "odd.jpg", exif=exif)
    assert load_picture(tmp_path / "odd.jpg").shape == (48, 64, 3)


@pytest.mark.parametrize("mode", ["L", "1", "P", "CMYK", "YCbCr"])
def test_other_colour_modes_become_rgb(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("picture.tif" if mode in ("CMYK", "YCbCr") else "picture.png")
    gray = mode in ("L", "1")
    image = Image.fromarray(np.repeat(np.array([[0, 255]], np.uint8), 16, 0)) if gray else quadrants()
    image.convert(mode).save(path)
    picture = load_picture(path)
    assert picture.shape[2] == 3
    expected = np.array(image.convert("RGB"))
    np.testing.assert_allclose(picture.astype(int), expected.astype(int), atol=3)


def test_a_cmyk_jpeg_keeps_its_colours(tmp_path: Path) -> None:
    quadrants().convert("CMYK").save(tmp_path / "print.jpg", quality=95)
    np.testing.assert_allclose(corners(load_picture(tmp_path / "print.jpg")), QUADRANTS.reshape(4, 3), atol=12)


def test_sixteen_bits_of_gray_keep_their_whole_range(tmp_path: Path) -> None:
    values = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    Image.fromarray(values).save(tmp_path / "deep.png")
    picture = load_picture(tmp_path / "deep.png")
    np.testing.assert_allclose(picture[:, :, 0], values / 257.0, atol=0.51)


def test_gray_in_floating_point_is_stretched_over_its_own_range(tmp_path: Path) -> None:
    values = np.linspace(-3, 5, 64 * 64).reshape(64, 64).astype(np.float32)
    Image.fromarray(values).save(tmp_path / "float.tif")
    picture = load_picture(tmp_path / "float.tif")
    assert (picture.min(), picture.max()) == (0, 255)


def with_hole(mode: str) -> Image.Image:
    image = quadrants().convert("RGBA")
    image.paste((0, 0, 0, 0), (0, 0, 20, 20))
    return image.convert(mode)


@pytest.mark.parametrize(
    ("suffix", "mode", "options"),
    [
        (".png", "RGBA", {}),
        (".png", "LA", {}),
        (".webp", "RGBA", {"lossless": True}),
        (".tif", "RGBA", {}),
        (".gif", "RGBA", {}),
    ],
)
def test_transparency_is_kept(tmp_path: Path, suffix: str, mode: str, options: dict[str, Any]) -> None:
    path = tmp_path / f"artwork{suffix}"
    with_hole(mode).save(path, **options)
    picture = load_picture(path)
    assert picture.shape == (48, 64, 4)
    assert (picture[5, 5, 3], picture[40, 40, 3]) == (0, 255)
    assert inspect_picture(path).has_alpha


def test_a_palette_with_transparency_is_read_without_a_warning(tmp_path: Path) -> None:
    quadrants().quantize(4).save(tmp_path / "palette.png", transparency=bytes([0, 128, 255, 255]))
    assert set(np.unique(load_picture(tmp_path / "palette.png")[:, :, 3])) == {0, 128, 255}


def test_a_picture_whose_every_pixel_is_opaque_is_no_artwork(tmp_path: Path) -> None:
    quadrants().convert("RGBA").save(tmp_path / "opaque.png")
    assert load_picture(tmp_path / "opaque.png").shape == (48, 64, 3)
    assert not inspect_picture(tmp_path / "opaque.png").has_alpha


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_picture_asked_for_smaller_is_the_same_picture_scaled_down(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"large{suffix}"
    draw_picture(1, 1600, 900).save(path)
    small = load_picture(path, max_side=200)
    assert small.shape == (112, 200, 3)
    expected = cv2.resize(load_picture(path), (200, 112), interpolation=cv2.INTER_AREA)
    assert np.abs(small.astype(int) - expected.astype(int)).mean() < 2


def test_a_small_picture_is_never_enlarged(tmp_path: Path) -> None:
    quadrants().save(tmp_path / "small.png")
    assert load_picture(tmp_path / "small.png", max_side=500).shape == (48, 64, 3)


def test_transparent_parts_take_the_background() -> None:
    picture = np.zeros((2, 2, 4), np.uint8)
    picture[0, 0] = (10, 200, 30, 255)
    picture[0, 1] = (255, 255, 255, 51)
    laid = on_background(picture, 100)
    assert laid.tolist() == [[[10, 200, 30], [131, 131, 131]], [[100, 100, 100], [100, 100, 100]]]


def huge_png(width: int, height: int) -> bytes:
    """A PNG whose header promises these sides, with next to nothing in it."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("sides", [(10_001, 10_000), (14_000, 14_000), (60_000, 60_000)])
def test_a_picture_of_more_than_a_hundred_megapixels_is_refused_before_it_is_decoded(
    tmp_path: Path, sides: tuple[int, int]
) -> None:
    (tmp_path / "huge.png").write_bytes(huge_png(*sides))
    with pytest.raises(DatasetError, match="100 megapixels"):
        load_picture(tmp_path / "huge.png")


@pytest.mark.parametrize("content", [b"", b"no picture at all", b"\xff\xd8\xff\xe0", b"GIF89a", b"RIFF\0\0\0\0WEBP"])
def test_what_is_no_picture_is_one_clear_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.jpg"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"broken\.jpg: .+; replace or remove it"):
        load_picture(path)


def test_a_truncated_jpeg_is_found_out_by_inspection(tmp_path: Path) -> None:
    path = tmp_path / "cut.jpg"
    draw_picture(3, 400, 300).save(path)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(DatasetError, match="truncated"):
        inspect_picture(path)


def test_a_missing_file_is_named_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"gone\.png: No such file"):
        load_picture(tmp_path / "gone.png")


def test_a_hostile_name_makes_a_message_of_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a\nb\x1b[31m\udcff.jpg"
    path.write_bytes(b"")
    with pytest.raises(DatasetError) as caught:
        load_picture(path)
    assert str(caught.value).isprintable()


@pytest.fixture(scope="module")
def intact(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("intact")
    exif = Image.Exif()
    exif[0x0112] = 6
    files = {}
    for suffix in (".jpg", ".png", ".gif", ".webp", ".bmp", ".tif", ".avif", ".ppm"):
        path = folder / f"picture{suffix}"
        quadrants(40, 30).save(path, **({"exif": exif} if suffix in (".jpg", ".png", ".webp", ".tif") else {}))
        files[suffix] = path.read_bytes()
    return files


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_is_a_picture_or_a_dataset_error(
    intact: dict[str, bytes], tmp_path: Path, data: st.DataObject
) -> None:
    content = bytearray(data.draw(st.sampled_from(sorted(intact.items())))[1])
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged"
    path.write_bytes(content[: data.draw(st.integers(len(content) // 2, len(content)))])
    shape: tuple[int, ...] = (0, 0, 3)
    with contextlib.suppress(DatasetError):
        shape = load_picture(path).shape
    assert len(shape) == 3
    assert shape[2] in (3, 4)
