"""Where little changes, the network sees that region only, and says what it would say of the whole picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import GROUND, LABELS, ColorClassifier, color_network
from hypothesis import given
from hypothesis import strategies as st
from media import write_clip

from streamfilter.classifier.sizes import by_size
from streamfilter.config import GateConfig, RunConfig, check_config
from streamfilter.gate import Region, Seen, merged, region_of, stale_tiles
from streamfilter.pipeline import identify, run
from streamfilter.sinks import EventLog
from streamfilter.types import Box, Candidate, Pixels

SIZE = (672, 384)
GRAY = np.full((72, 128), 90, np.uint8)


def tiles(rows: slice, columns: slice) -> np.ndarray:
    stale = np.zeros((9, 16), np.bool_)
    stale[rows, columns] = True
    return stale


def candidate(x: float, y: float, side: float = 0.1, label: str = "Red", softmax: float = 0.9) -> Candidate:
    return Candidate(Box(x, y, side, side), label, softmax, 1 - softmax, 1.0, 1.0)


places = st.tuples(st.integers(0, 8), st.integers(0, 15), st.integers(1, 9), st.integers(1, 16))


@given(places)
def test_a_region_covers_what_changed_with_a_margin_and_is_one_of_few_sizes(place: tuple[int, int, int, int]) -> None:
    row, column, height, width = place
    stale = tiles(slice(row, row + height), slice(column, column + width))
    region = region_of(stale, *SIZE)
    if region is None:
        return
    assert (region.tiles((9, 16)) | ~stale).all()
    assert region.width % 32 == region.height % 32 == region.x % 32 == region.y % 32 == 0
    assert region.x + region.width <= SIZE[0]
    assert region.y + region.height <= SIZE[1]
    assert region.width in (192, 352, 512, 672)
    assert region.height in (96, 192, 288, 384)


def test_a_small_change_is_a_small_region_and_a_large_one_the_whole_picture() -> None:
    small = region_of(tiles(slice(4, 5), slice(7, 9)), *SIZE)
    assert small is not None
    assert small.width * small.height < 0.3 * SIZE[0] * SIZE[1]
    assert region_of(tiles(slice(0, 9), slice(0, 16)), *SIZE) is None


def test_tiles_are_stale_that_changed_since_they_were_seen_or_were_not_seen_for_long() -> None:
    seen = Seen.whole(GRAY, 10.0)
    now = GRAY.copy()
    now[8:16, :8] += 40
    config = GateConfig(hold_s=5.0)
    assert np.array_equal(stale_tiles(seen, now, 11.0, config), tiles(slice(1, 2), slice(0, 1)))
    assert stale_tiles(seen, GRAY, 15.1, config).all()


def test_a_look_at_a_region_renews_the_tiles_in_it_only() -> None:
    region = Region(0, 0, 352, 192, *SIZE)
    seen = Seen.whole(GRAY, 0.0).after(region, GRAY + 9, 2.0)
    inside = region.tiles((9, 16))
    assert inside.sum() == 4 * 8
    assert np.array_equal(seen.times_s == 2.0, inside)
    assert (seen.picture[:32, :64] == 99).all()
    assert (seen.picture[33:] == 90).all()


REGION = Region(320, 96, 352, 192, *SIZE)
STALE = tiles(slice(3, 6), slice(10, 14))


def test_what_did_not_change_is_kept_and_what_is_found_in_the_region_takes_its_place() -> None:
    corner, old = candidate(0.02, 0.02), candidate(0.7, 0.4)
    (new,) = [candidate(0.5, 0.5, label="Green", softmax=0.95)]
    both = merged([corner, old], [new], REGION, STALE, matter=[0, 1])
    assert both is not None
    assert [one.label for one in both] == ["Green", "Red"]
    assert both[1] is corner
    assert both[0].box.x == pytest.approx((320 + 0.5 * 352) / 672)
    assert both[0].box.y == pytest.approx((96 + 0.5 * 192) / 384)


def test_the_whole_picture_is_wanted_where_a_thing_that_changed_sticks_out() -> None:
    wide = replace(candidate(0.1, 0.4), box=Box(0.1, 0.4, 0.8, 0.2))
    assert merged([wide], [], REGION, STALE, matter=[0]) is None
    assert merged([wide], [], REGION, STALE, matter=[]) == ()


def test_what_is_cut_off_by_a_seam_is_not_taken() -> None:
    assert merged([], [candidate(0.0, 0.4)], REGION, STALE, matter=[]) == ()
    at_the_edge_of_the_picture = merged([], [candidate(0.9, 0.4)], REGION, STALE, matter=[])
    assert at_the_edge_of_the_picture is not None
    assert len(at_the_edge_of_the_picture) == 1


def test_pictures_of_several_sizes_come_back_in_their_order() -> None:
    sizes = [32, 64, 32, 96, 64]
    pictures = [np.full((side, side, 3), number, np.uint8) for number, side in enumerate(sizes)]
    groups: list[int] = []

    def work(some: Sequence[Pixels]) -> list[int]:
        assert len({picture.shape for picture in some}) == 1
        groups.append(len(some))
        return [int(picture[0, 0, 0]) for picture in some]

    assert by_size(pictures, work) == [0, 1, 2, 3, 4]
    assert groups == [2, 2, 1]


class Sharp(ColorClassifier):
    """Sees pictures as large as they are, and counts their pixels."""

    pixels = 0

    def analysis_size(self, width: int, height: int) -> tuple[int, int]:
        return width, height

    def classify(self, pictures: Sequence[Pixels]) -> list[list[Candidate]]:
        self.pixels += sum(picture.shape[0] * picture.shape[1] for picture in pictures)
        return super().classify(pictures)


def talk(path: Path, *, seconds: float, rate_hz: float = 5) -> Path:
    """A speaker that moves all the time, and a green corner logo from the fourth to the last but three seconds."""

    def picture(time_s: float) -> Pixels:
        pixels = np.full((384, 672, 3), GROUND, np.uint8)
        left = 300 + round(30 * np.sin(3 * time_s))
        pixels[140:300, left : left + 100] = np.random.default_rng(round(time_s * 100)).integers(60, 140, (160, 100, 1))
        if 4 <= time_s < seconds - 3:
            pixels[20:150, 30:160] = LABELS["Green"]
        return pixels

    times = (index / rate_hz for index in range(round(seconds * rate_hz)))
    return write_clip(path, ((time_s, picture(time_s)) for time_s in times), rate_hz=rate_hz)


def test_a_corner_logo_beside_a_speaker_is_tracked_and_the_speaker_alone_is_looked_at(tmp_path: Path) -> None:
    clip = talk(tmp_path / "talk.mp4", seconds=40)
    found: dict[bool, tuple[list[Any], int]] = {}
    for tiles_on in (True, False):
        settings = {"gate": {"tiles": tiles_on}}
        config, network = check_config(RunConfig, settings, origin="test"), color_network()
        sharp = Sharp()
        with EventLog(tmp_path / f"{tiles_on}.jsonl", identify([str(clip)], config=config, model=network.facts)) as log:
            summary = run([str(clip)], replace(network, classifier=sharp), config=config, log=log)
        spans = [(event.label, event.start_s, event.end_s) for source in summary.sources for event in source.events]
        found[tiles_on] = spans, sharp.pixels
    assert found[True][0] == found[False][0] == [("Green", 3.9, 36.9)]
    assert found[True][1] < 0.7 * found[False][1]
