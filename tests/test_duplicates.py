"""Which pictures count as copies of each other."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from labelled import draw_picture
from PIL import Image, ImageEnhance

from streamfilter.training.duplicates import find_duplicate_groups
from streamfilter.training.pictures import inspect_picture

SEEDS = range(40)


def groups_of(tmp_path: Path, pictures: list[Image.Image], suffix: str = ".png") -> list[int]:
    facts = []
    for number, picture in enumerate(pictures):
        path = tmp_path / f"{number}{suffix}"
        picture.save(path)
        facts.append(inspect_picture(path))
    return find_duplicate_groups([f.digest for f in facts], [f.thumbnail for f in facts])


def recompressed(tmp_path: Path, picture: Image.Image) -> Image.Image:
    picture.save(tmp_path / "again.jpg", quality=20)
    with Image.open(tmp_path / "again.jpg") as again:
        return again.convert("RGB")


def cropped(picture: Image.Image, share: float) -> Image.Image:
    width, height = picture.size
    return picture.crop((round(width * share / 2), round(height * share), width - round(width * share / 2), height))


def test_different_pictures_are_never_joined(tmp_path: Path) -> None:
    assert groups_of(tmp_path, [draw_picture(seed) for seed in range(200)]) == list(range(200))


@pytest.mark.parametrize("change", ["recompressed", "scaled", "stretched", "cropped", "brightened"])
def test_copies_are_joined_with_their_original_and_nothing_else(tmp_path: Path, change: str) -> None:
    originals = [draw_picture(seed, 320, 240) for seed in SEEDS]
    copies = {
        "recompressed": lambda p: recompressed(tmp_path, p),
        "scaled": lambda p: p.resize((80, 60)),
        "stretched": lambda p: p.resize((300, 300)),
        "cropped": lambda p: cropped(p, 0.05),
        "brightened": lambda p: ImageEnhance.Brightness(p).enhance(1.1),
    }[change]
    groups = groups_of(tmp_path, [*originals, *map(copies, originals)])
    assert groups == [*SEEDS, *SEEDS]


def test_the_same_bytes_are_joined_whatever_they_show(tmp_path: Path) -> None:
    plain = Image.new("RGB", (64, 64), "white")
    assert groups_of(tmp_path, [plain, draw_picture(1), plain]) == [0, 1, 0]


def test_plain_pictures_and_gradients_are_not_joined_for_lack_of_detail(tmp_path: Path) -> None:
    ramp = np.repeat(np.linspace(0, 200, 64)[:, None, None], 64, 1).repeat(3, 2)
    other = ramp[::-1] * 0.9 + 20
    noise = np.random.default_rng(0).normal(128, 0.7, (2, 64, 64, 3))
    pictures = [Image.fromarray(np.clip(p, 0, 255).astype(np.uint8)) for p in (ramp, other, *noise)]
    assert groups_of(tmp_path, pictures) == [0, 1, 2, 3]


def test_one_layout_in_other_colours_is_another_picture(tmp_path: Path) -> None:
    picture = draw_picture(5)
    turned = Image.merge("RGB", [band.point(lambda v: 255 - v) for band in picture.split()])
    assert groups_of(tmp_path, [picture, turned]) == [0, 1]


def test_being_a_copy_is_transitive(tmp_path: Path) -> None:
    whole = draw_picture(7, 400, 300)
    steps = [whole.crop((0, 0, 400 - 16 * n, 300 - 12 * n)) for n in range(4)]
    assert groups_of(tmp_path, [whole, draw_picture(8), *steps[1:]]) == [0, 1, 0, 0, 0]


def test_transparent_artwork_is_compared_as_it_looks(tmp_path: Path) -> None:
    art = draw_picture(9).convert("RGBA")
    art.paste((0, 0, 0, 0), (0, 0, 48, 72))
    hidden = art.copy()
    hidden.paste((255, 0, 0, 0), (0, 0, 48, 72))
    assert groups_of(tmp_path, [art, hidden]) == [0, 0]


def test_no_picture_makes_no_group() -> None:
    assert find_duplicate_groups([], []) == []


@given(st.lists(st.sampled_from("abcdefgh"), max_size=40))
def test_groups_of_equal_bytes_are_numbered_by_their_first_member(digests: list[str]) -> None:
    flat = [np.zeros((32, 32, 3), np.uint8)] * len(digests)
    groups = find_duplicate_groups(digests, flat)
    first = list(dict.fromkeys(digests))
    assert groups == [first.index(digest) for digest in digests]


def test_copies_in_the_shared_data_are_found_and_strangers_left_apart(test_data: Path) -> None:
    paths = sorted((test_data / "logos" / "known" / "Nbc").glob("*.jpg"))
    if not paths:
        pytest.skip(f"no logos in {test_data}")
    paths += sorted((test_data / "photos").glob("*.jpg"))[:300]
    facts = [inspect_picture(path) for path in paths]
    members = defaultdict(list)
    for path, group in zip(
        paths, find_duplicate_groups([f.digest for f in facts], [f.thumbnail for f in facts]), strict=True
    ):
        members[group].append(path.parent.name)
    assert [names for names in members.values() if len(names) > 1] == [["Nbc"] * 5]
