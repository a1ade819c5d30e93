"""Pictures are shown as a player shows them, at whatever size is asked for."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from media import read_stamp, regular_times, stamped_clip, stamped_picture, write_clip

from streamfilter.config import SourceConfig
from streamfilter.errors import SourceError
from streamfilter.source import open_source
from streamfilter.source.geometry import Orientation, displayed_size, orientation_of
from streamfilter.types import Frame, Pixels

ONE = 1 << 16


def frames_of(path: Path, **settings: Any) -> list[Frame]:
    with open_source(path, SourceConfig(**settings)) as source:
        return [item for item in source.frames() if isinstance(item, Frame)]


def shown(pixels: Pixels, matrix: list[int]) -> Pixels:
    """Reference: move every pixel where the display matrix sends it, then shift all back into view."""
    height, width = pixels.shape[:2]
    a, b, _, c, d = (value // ONE for value in matrix[:5])
    places = {(a * p + c * q, b * p + d * q): pixels[q, p] for q, p in product(range(height), range(width))}
    left, top = min(x for x, _ in places), min(y for _, y in places)
    out = np.zeros((height, width) if a else (width, height), np.uint8)
    for (x, y), value in places.items():
        out[y - top, x - left] = value
    return out


@pytest.mark.parametrize("turn", list(product([-ONE, ONE], [-ONE, ONE], [False, True])))
def test_all_eight_display_matrices_move_pixels_where_they_say(turn: tuple[int, int, bool]) -> None:
    first, second, transposed = turn
    matrix = [0, first, 0, second, 0, 0, 0, 0, 1 << 30] if transposed else [first, 0, 0, 0, second, 0, 0, 0, 1 << 30]
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    np.testing.assert_array_equal(orientation_of(matrix).apply(pixels), shown(pixels, matrix))


@pytest.mark.parametrize(
    ("how", "corner"),
    [
        ({}, "top left"),
        ({"rotation_degrees": 90}, "bottom left"),
        ({"rotation_degrees": 180}, "bottom right"),
        ({"rotation_degrees": 270}, "top right"),
        ({"hflip": True}, "top right"),
        ({"vflip": True}, "bottom left"),
        ({"rotation_degrees": 90, "hflip": True}, "bottom right"),
        ({"rotation_degrees": 90, "vflip": True}, "top left"),
    ],
)
def test_a_turned_or_mirrored_clip_is_shown_upright(tmp_path: Path, how: dict[str, Any], corner: str) -> None:
    path = stamped_clip(tmp_path / "clip.mp4", regular_times(3), **how)
    with open_source(path, SourceConfig()) as source:
        frame = next(iter(source.frames()))
        assert isinstance(frame, Frame)
        picture = frame.picture
        size = (120, 160) if how.get("rotation_degrees", 0) % 180 else (160, 120)
        assert (source.facts.width, source.facts.height) == (picture.width, picture.height) == size
    for pixels in (picture.rgb().mean(axis=2), picture.luma(60, 60), picture.rgb(31, 41).mean(axis=2)):
        height, width = pixels.shape
        corners = {
            "top left": pixels[height // 10, width // 10],
            "top right": pixels[height // 10, -1 - width // 10],
            "bottom left": pixels[-1 - height // 10, width // 10],
            "bottom right": pixels[-1 - height // 10, -1 - width // 10],
        }
        assert max(corners, key=lambda name: corners[name]) == corner
    assert picture.rgb(31, 41).shape == (41, 31, 3)


def test_pixels_that_are_not_square_are_made_square(tmp_path: Path) -> None:
    path = stamped_clip(tmp_path / "clip.mp4", regular_times(3), sample_aspect=Fraction(4, 3))
    frame = frames_of(path)[0]
    assert (frame.picture.width, frame.picture.height) == (213, 120)
    assert frame.picture.rgb().shape == (120, 213, 3)


@pytest.mark.parametrize(
    ("aspect", "width"), [(None, 720), (Fraction(1), 720), (Fraction(64, 45), 1024), (Fraction(1, 900), 720)]
)
def test_an_absurd_sample_aspect_ratio_is_ignored(aspect: Fraction | None, width: int) -> None:
    assert displayed_size(720, 576, aspect=aspect, orientation=Orientation()) == (width, 576)
    assert displayed_size(720, 576, aspect=aspect, orientation=Orientation(transposed=True)) == (576, width)


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv444p", "yuv420p10le"])
def test_odd_sizes_and_ten_bits_come_out_as_they_went_in(tmp_path: Path, pixel_format: str) -> None:
    truth = stamped_picture(1.234, width=161, height=121)
    size = (161, 121) if pixel_format == "yuv444p" else (160, 120)
    truth = np.ascontiguousarray(truth[: size[1], : size[0]])
    path = write_clip(tmp_path / "clip.mkv", [(0.0, truth)], pixel_format=pixel_format)
    pixels = frames_of(path)[0].picture.rgb()
    assert pixels.shape == truth.shape
    assert np.abs(pixels.astype(int) - truth).mean() < 4


def test_a_smaller_picture_is_the_average_of_the_large_one(tmp_path: Path) -> None:
    path = stamped_clip(tmp_path / "clip.mp4", regular_times(2), width=320, height=240)
    picture = frames_of(path)[0].picture
    reference = cv2.resize(picture.rgb(), (80, 60), interpolation=cv2.INTER_AREA)
    assert np.abs(picture.rgb(80, 60).astype(int) - reference).mean() < 2
    grey = cv2.cvtColor(reference, cv2.COLOR_RGB2GRAY)
    assert picture.luma(80, 60).shape == (60, 80)
    assert np.abs(picture.luma(80, 60).astype(int) - grey).mean() < 2


def test_high_definition_without_a_colour_tag_is_read_as_bt709(tmp_path: Path) -> None:
    red = np.zeros((720, 1280, 3), np.uint8)
    red[:] = (200, 30, 40)
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        frame = av.VideoFrame.from_ndarray(red, format="rgb24").reformat(format="yuv420p", dst_colorspace="ITU709")
        frame.colorspace = 2
        frame.pts = 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    pixels = frames_of(path)[0].picture.rgb()
    assert np.abs(pixels.astype(int) - red).max() <= 4


def test_two_pictures_live_at_once_and_are_converted_by_any_thread(tmp_path: Path) -> None:
    frames = frames_of(stamped_clip(tmp_path / "clip.mp4", regular_times(40), b_frames=2))
    with ThreadPoolExecutor(4) as pool:
        stamps = list(pool.map(lambda frame: read_stamp(frame.picture.rgb()), frames))
    assert stamps == pytest.approx(regular_times(40), abs=0.0005)


def test_a_frame_is_gone_as_soon_as_nobody_holds_it(tmp_path: Path) -> None:
    path = stamped_clip(tmp_path / "clip.mp4", regular_times(60), b_frames=2, rotation_degrees=90)
    gc.collect()
    gc.disable()
    try:
        alive = []
        with open_source(path, SourceConfig()) as source:
            for item in source.frames():
                assert isinstance(item, Frame)
                item.picture.luma(16, 9)
                # By type: asked for their class, as isinstance does, the lazy objects of other libraries may warn.
                alive.append(sum(type(thing) is av.VideoFrame for thing in gc.get_objects()))
    finally:
        gc.enable()
    assert max(alive) < 15


def test_reading_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    path = stamped_clip(tmp_path / "clip.mp4", regular_times(20), b_frames=2)
    first, second = ([frame.picture.rgb(97, 55).tobytes() for frame in frames_of(path)] for _ in range(2))
    assert first == second


def test_the_number_of_decoder_threads_does_not_change_damaged_pictures(tmp_path: Path) -> None:
    path = stamped_clip(tmp_path / "clip.mp4", regular_times(60), b_frames=2)
    data = bytearray(path.read_bytes())
    for place in range(3000, len(data) - 3000, 500):
        data[place] ^= 0x10
    path.write_bytes(data)
    one, four = ([f.picture.luma(160, 120).tobytes() for f in frames_of(path, threads=n)] for n in (1, 4))
    assert one == four


def test_a_comb_of_two_fields_is_taken_out(tmp_path: Path) -> None:
    def woven(index: int) -> Pixels:
        picture = np.full((120, 160, 3), 40, np.uint8)
        for field in (0, 1):
            left = 20 + 8 * (2 * index + field)
            picture[field::2, left : left + 40] = 220
        return picture

    def comb(pixels: Pixels) -> float:
        luma = pixels[30:90].astype(int).mean(axis=2)
        return float(np.abs(luma[1:-1] * 2 - luma[:-2] - luma[2:]).mean())

    how: dict[str, Any] = {"interlaced": True, "options": {"x264-params": "tff=1"}}
    path = write_clip(tmp_path / "clip.mp4", [(index / 25, woven(index)) for index in range(6)], **how)
    kept = frames_of(path, deinterlace="never")[3].picture.rgb()
    mended = frames_of(path, deinterlace="auto")[3].picture.rgb()
    assert comb(mended) < comb(kept) / 4


def test_a_picture_larger_than_allowed_is_refused(tmp_path: Path) -> None:
    path = stamped_clip(tmp_path / "clip.mp4", regular_times(2))
    with pytest.raises(SourceError, match=r"160×120 picture, more than source\.max_pixels = 1000"):
        frames_of(path, max_pixels=1000)
