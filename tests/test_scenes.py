"""Composed scenes: the same from the same seed, with boxes where the pixels are, from whatever pictures there are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from labelled import draw_picture
from PIL import Image

from streamfilter.training.degrade import degrade
from streamfilter.training.examples import Example, Kind
from streamfilter.training.paste import MARGIN, as_sprite, cut_sprite, paste, plain_ground, trimmed, would_vanish
from streamfilter.training.scene import Scene
from streamfilter.training.scenes import SceneComposer, SceneSettings, unmarked_labels
from streamfilter.types import Box, Pixels

SMALL = SceneSettings(height=96, width=128)
PASTED = replace(SMALL, pasted=1.0, as_is=0.0)
AS_IS = replace(SMALL, pasted=0.0, as_is=1.0)
MOSAIC = replace(SMALL, mosaics=1.0)
RED, BLUE = (255, 0, 0), (0, 0, 255)
Make = Callable[..., Example]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Writes a picture and describes it, as reading a dataset does."""

    def write(
        pixels: Pixels, kind: Kind = "known", label: str | None = None, boxes: Sequence[tuple[Box, str]] = ()
    ) -> Example:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.png"
        Image.fromarray(pixels).save(path)
        height, width = pixels.shape[:2]
        return Example(path, label, kind, tuple(boxes), width, height, has_alpha=pixels.shape[2] == 4)

    return write


def photograph(seed: int) -> Pixels:
    return np.asarray(draw_picture(seed), np.uint8)


def flat(color: tuple[int, int, int], height: int = 40, width: int = 40) -> Pixels:
    return np.full((height, width, 3), color, np.uint8)


def disc(color: tuple[int, int, int], *, hidden: tuple[int, int, int] = (0, 0, 0)) -> Pixels:
    """Artwork, 40×40: a disc on a transparent ground that hides a colour."""
    picture = np.dstack([flat(hidden), np.zeros((40, 40), np.uint8)])
    cv2.circle(picture, (20, 20), 18, (*color, 255), -1)
    return picture


def same(one: Scene, other: Scene) -> bool:
    facts, others = one.facts, other.facts
    return (
        np.array_equal(one.pixels, other.pixels)
        and np.array_equal(facts.boxes, others.boxes)
        and np.array_equal(facts.labels, others.labels)
        and facts.whole_label == others.whole_label
    )


def is_like(pixels: Pixels, color: tuple[int, int, int]) -> np.ndarray:
    """Where a picture's strongest channel is the colour's and stands out."""
    strongest = int(np.argmax(color))
    rest = [channel for channel in range(3) if channel != strongest]
    return pixels[..., strongest].astype(int) - pixels[..., rest].max(axis=2) > 40


def full_set(make: Make) -> list[Example]:
    """Boxed, artwork and unboxed labels, negatives and unknown logos."""
    left = Box(0.1, 0.1, 0.4, 0.5)
    return [
        *(make(photograph(seed), "known", "Boxed", [(left, "Boxed")]) for seed in range(3)),
        *(make(disc(RED), "known", "Drawn") for _ in range(2)),
        *(make(photograph(seed), "known", "Plain") for seed in range(10, 13)),
        *(make(photograph(seed), "negative") for seed in range(20, 23)),
        make(photograph(30), "unknown", None, [(left, "other")]),
        make(disc(BLUE), "unknown"),
        make(photograph(31), "unknown"),
    ]


LABELS = ("Boxed", "Drawn", "Plain")


@pytest.mark.parametrize("whole", [(), ("Plain",)])
def test_scenes_follow_from_their_seed_and_their_boxes_lie_inside(make: Make, whole: tuple[str, ...]) -> None:
    examples = full_set(make)
    composer, again = (SceneComposer(examples, LABELS, SMALL, whole=whole) for _ in range(2))
    taught = set()
    for seed in range(60):
        scene = composer.compose(seed)
        assert same(scene, again.compose(seed))
        assert (scene.pixels.shape, scene.pixels.dtype) == ((96, 128, 3), np.uint8)
        boxes, labels = scene.facts.boxes, scene.facts.labels
        assert boxes.shape == (len(labels), 4)
        assert ((boxes >= 0) & (boxes <= 1)).all()
        assert (boxes[:, 2:] > boxes[:, :2]).all()
        assert ((labels >= -1) & (labels < 3)).all()
        taught |= set(labels.tolist()) - {-1}
    assert taught == ({0, 1, 2} if whole else {0, 1})
    assert not same(composer.compose(1), composer.compose(2))


def test_scenes_of_marked_labels_do_not_change_when_whole_pictures_are_allowed(make: Make) -> None:
    examples = [e for e in full_set(make) if e.label != "Plain"]
    assert unmarked_labels(examples, LABELS[:2]) == frozenset()
    one = SceneComposer(examples, LABELS[:2], SMALL)
    other = SceneComposer(examples, LABELS[:2], SMALL, whole=unmarked_labels(examples, LABELS[:2]))
    assert all(same(one.compose(seed), other.compose(seed)) for seed in range(25))


def test_only_labels_without_any_box_or_artwork_of_their_own_are_unmarked(make: Make) -> None:
    examples = full_set(make)
    stranger = make(photograph(1), "known", "Plain", [(Box(0, 0, 0.5, 0.5), "Boxed")])
    assert unmarked_labels(examples, LABELS) == {"Plain"}
    assert unmarked_labels([*examples, stranger], LABELS) == {"Plain"}
    boxed = replace(stranger, boxes=((Box(0, 0, 0.5, 0.5), "Plain"),))
    assert unmarked_labels([*examples, boxed], LABELS) == frozenset()


@pytest.mark.parametrize("kind", ["boxed", "artwork", "whole"])
def test_a_pasted_logo_lies_where_its_box_says(make: Make, kind: str) -> None:
    if kind == "boxed":
        picture = flat((128, 128, 128), 80, 80)
        picture[20:60, 20:60] = RED
        example = make(picture, "known", "Mark", [(Box(0.25, 0.25, 0.5, 0.5), "Mark")])
    else:
        example = make(disc(RED) if kind == "artwork" else flat(RED), "known", "Mark")
    gray = make(flat((110, 110, 110)), "negative")
    examples = [example, gray]
    composer = SceneComposer(examples, ("Mark",), PASTED, whole=unmarked_labels(examples, ("Mark",)))
    seen, astray = 0, []
    for seed in range(25):
        scene = composer.compose(seed)
        assert len(scene.facts.boxes) > 0
        inside = np.zeros(scene.pixels.shape[:2], bool)
        red = is_like(scene.pixels, RED)
        for x1, y1, x2, y2 in scene.facts.boxes * (128, 96, 128, 96):
            inside[max(0, int(y1) - 4) : int(y2) + 5, max(0, int(x1) - 4) : int(x2) + 5] = True
            seen += bool(red[int(y1) : int(y2), int(x1) : int(x2)].mean() > 0.3)
        astray.append((red & ~inside).mean())
    assert seen > 25
    assert sorted(astray)[-6] < 0.01, "a few scenes have a ground of the mark's colour, the others none of it"


def test_artwork_is_composited_so_its_hidden_ground_never_shows(make: Make) -> None:
    examples = [make(disc(RED, hidden=(0, 255, 0)), "known", "Mark"), make(flat((90, 90, 90)), "negative")]
    composer = SceneComposer(examples, ("Mark",), replace(PASTED, min_side=0.4))
    greens = [is_like(composer.compose(seed).pixels, (0, 255, 0)) for seed in range(30)]
    on_other_grounds = [green.mean() for green in greens if not green[[0, 0, -1, -1], [0, -1, 0, -1]].any()]
    assert len(on_other_grounds) > 15
    assert sorted(on_other_grounds)[-3] < 0.01, "but for noise there is no green at all"


@pytest.mark.parametrize("kinds", ["negatives", "labels", "unboxed labels", "unknown", "nothing"])
def test_scenes_come_from_whatever_pictures_there_are(make: Make, kinds: str) -> None:
    everything = full_set(make)
    examples = {
        "negatives": [e for e in everything if e.kind == "negative"],
        "labels": [e for e in everything if e.kind == "known"],
        "unboxed labels": [e for e in everything if e.label == "Plain"],
        "unknown": [e for e in everything if e.kind == "unknown"],
        "nothing": [],
    }[kinds]
    whole = unmarked_labels(examples, LABELS)
    composer = SceneComposer(examples, LABELS, SMALL, whole=whole)
    scenes = [composer.compose(seed) for seed in range(30)]
    shown = [scene for scene in scenes if len(scene.facts.labels) or scene.facts.whole_label >= 0]
    assert bool(shown) == ("labels" in kinds)
    assert len(shown) < len(scenes)
    if kinds == "unboxed labels":
        assert {2} == {int(label) for scene in scenes for label in scene.facts.labels} - {-1}


def test_a_picture_as_it_is_keeps_its_boxes_and_says_whose_it_is(make: Make) -> None:
    picture = flat((110, 110, 110), 120, 160)
    picture[30:90, 40:100] = RED
    box = Box(0.25, 0.25, 0.375, 0.5)
    composer = SceneComposer([make(picture, "known", "Mark", [(box, "Mark")])], ("Mark",), AS_IS)
    for seed in range(15):
        scene = composer.compose(seed)
        assert scene.facts.whole_label == 0
        (x1, y1, x2, y2), (label,) = scene.facts.boxes[0] * (128, 96, 128, 96), scene.facts.labels
        assert label == 0
        red = is_like(scene.pixels, RED)
        assert red[int(y1) + 3 : int(y2) - 3, int(x1) + 3 : int(x2) - 3].mean() > 0.9
        red[max(0, int(y1) - 4) : int(y2) + 5, max(0, int(x1) - 4) : int(x2) + 5] = False
        assert red.mean() < 0.02


def test_a_picture_whose_boxes_are_all_of_other_labels_counts_as_unboxed(make: Make) -> None:
    other = make(photograph(1), "known", "Plain", [(Box(0.1, 0.1, 0.5, 0.5), "Boxed")])
    composer = SceneComposer([other], ("Boxed", "Plain"), AS_IS)
    for seed in range(8):
        facts = composer.compose(seed).facts
        assert (len(facts.boxes), facts.whole_label) == (0, 1)
    never_pasted = SceneComposer([other], ("Boxed", "Plain"), PASTED)
    assert all(never_pasted.compose(seed).facts.whole_label == 1 for seed in range(8))


def test_boxes_of_labels_that_are_not_taught_are_neither_taught_nor_forbidden(make: Make) -> None:
    boxes = [(Box(0.1, 0.1, 0.3, 0.5), "Mark"), (Box(0.6, 0.1, 0.3, 0.5), "Left out")]
    composer = SceneComposer([make(photograph(1), "known", "Mark", boxes)], ("Mark",), AS_IS)
    labels = {int(label) for seed in range(20) for label in composer.compose(seed).facts.labels}
    assert labels == {0, -1}


def test_a_mosaic_shows_several_logos_where_its_boxes_say(make: Make) -> None:
    """The pictures are black but for the coloured mark in their box, so the colour tells where marks are."""
    marked = np.zeros((60, 80, 3), np.uint8)
    marked[20:40, 20:60] = RED
    box = (Box(20 / 80, 20 / 60, 40 / 80, 20 / 60), "Acme")
    examples = [make(marked, label="Acme", boxes=[box]), make(np.zeros((50, 50, 3), np.uint8), kind="negative")]
    composer = SceneComposer(examples, ["Acme"], replace(MOSAIC, height=192, width=256))
    counts = []
    for seed in range(20):
        scene = composer.compose(seed)
        red = scene.pixels[..., 0].astype(int) - scene.pixels[..., 1:].max(axis=2)
        for x1, y1, x2, y2 in scene.facts.boxes * (256, 192, 256, 192):
            middle = red[int(y1 + (y2 - y1) * 0.3) : int(y2 - (y2 - y1) * 0.3) + 1, int((x1 + x2) / 2)]
            assert middle.max() > 20, f"scene {seed}: no mark at {x1:.0f}, {y1:.0f}"
            red[max(0, int(y1) - 6) : int(y2) + 7, max(0, int(x1) - 6) : int(x2) + 7] = 0
        assert (red > 60).mean() < 0.01, f"scene {seed}: a mark without a box"
        assert scene.facts.shown == ((0,) if len(scene.facts.boxes) else ())
        counts.append(len(scene.facts.boxes))
    assert np.mean(counts) > 2


def test_a_logo_that_the_edge_of_its_tile_cuts_off_is_neither_taught_nor_forbidden(make: Make) -> None:
    wide = np.zeros((40, 160, 3), np.uint8)
    boxes = [(Box(0.0, 0.25, 0.1, 0.5), "Acme"), (Box(0.9, 0.25, 0.1, 0.5), "Acme")]
    scenes = [SceneComposer([make(wide, label="Acme", boxes=boxes)], ["Acme"], MOSAIC).compose(s) for s in range(30)]
    labels = np.concatenate([scene.facts.labels for scene in scenes])
    assert set(labels.tolist()) == {-1, 0}


def test_where_nothing_is_boxed_there_are_no_mosaics(make: Make) -> None:
    examples = [make(photograph(1), label="Acme"), make(photograph(2), kind="negative")]
    with_mosaics, without = (SceneComposer(examples, ["Acme"], how).compose(3) for how in (MOSAIC, SMALL))
    assert same(with_mosaics, without)


@pytest.mark.parametrize("shape", [(16, 4000), (4000, 16), (17, 16)])
def test_pictures_of_extreme_shapes_are_cropped_all_the_same(make: Make, shape: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    examples = [make(picture, "known", "Mark", [(Box(0, 0, 1, 1), "Mark")]), make(picture, "negative")]
    composer = SceneComposer(examples, ("Mark",), SMALL)
    assert all(composer.compose(seed).pixels.shape == (96, 128, 3) for seed in range(15))


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    height=st.integers(8, 90),
    width=st.integers(8, 90),
    x=st.floats(-10, 138),
    y=st.floats(-10, 106),
    side=st.floats(6, 90),
)
def test_the_box_of_a_paste_is_where_pixels_change(
    seed: int, height: int, width: int, x: float, y: float, side: float
) -> None:
    frame, sprite = np.zeros((96, 128, 3), np.uint8), np.full((height, width, 4), 255, np.uint8)
    x1, y1, x2, y2 = paste(frame, sprite, (x, y), side, np.random.default_rng(seed))
    rows, columns = np.flatnonzero(frame.any(axis=(1, 2))), np.flatnonzero(frame.any(axis=(0, 2)))
    assert 0 <= x1 <= x2 <= 128
    assert 0 <= y1 <= y2 <= 96
    if len(rows):
        changed = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
        assert x1 <= changed[0]
        assert y1 <= changed[1]
        assert x2 >= changed[2]
        assert y2 >= changed[3]
        if x1 > 0 and y1 > 0 and x2 < 128 and y2 < 96:
            assert np.abs(np.subtract((x1, y1, x2, y2), changed)).max() <= 2


def test_a_cut_sprite_holds_its_box_and_at_most_the_margin_around_it() -> None:
    picture = photograph(4)
    box = Box(0.3, 0.3, 0.25, 0.5)
    for seed in range(20):
        sprite = cut_sprite(picture, box, np.random.default_rng(seed))
        assert 36 <= sprite.shape[0] <= 36 * (1 + 2 * MARGIN) + 2
        assert 24 <= sprite.shape[1] <= 24 * (1 + 2 * MARGIN) + 2
        assert sprite.shape[2] == 4
        assert sprite[..., 3].any()


def test_a_plain_ground_is_known_and_cut_away() -> None:
    patch = flat((250, 250, 250))
    patch[10:30, 10:30] = BLUE
    ground = plain_ground(patch)
    assert ground is not None
    assert ground.tolist() == [250, 250, 250]
    assert plain_ground(photograph(3)) is None
    free = next(s for seed in range(20) if (s := as_sprite(patch, np.random.default_rng(seed)))[0, 0, 3] == 0)
    assert (free[10:30, 10:30, 3] == 255).all()
    assert free[:10, :, 3].max() == 0


def test_artwork_with_much_air_around_it_is_cut_to_what_shows() -> None:
    airy = np.zeros((200, 300, 4), np.uint8)
    airy[50:90, 100:180] = (*RED, 255)
    assert trimmed(airy).shape == (40, 80, 4)
    tight = airy[48:92, 98:182]
    assert trimmed(tight) is tight
    assert trimmed(np.zeros((5, 5, 4), np.uint8)).shape == (5, 5, 4)


def test_artwork_is_not_put_on_a_ground_on_which_it_could_not_be_seen() -> None:
    black, white = np.zeros(3, np.float32), np.full(3, 255, np.float32)
    assert would_vanish(disc((0, 0, 0)), black)
    assert not would_vanish(disc((0, 0, 0)), white)
    assert not would_vanish(np.dstack([flat((0, 0, 0)), np.full((40, 40), 255, np.uint8)]), black)
    two_colors = disc((0, 0, 0))
    two_colors[15:25, 15:25, :3] = RED
    assert not would_vanish(two_colors, black)


@pytest.mark.parametrize(
    "picture", [flat(RED, 96, 128), flat((0, 0, 0), 64, 64), photograph(2)], ids=["red", "black", "photo"]
)
def test_degrading_keeps_size_and_type_follows_its_seed_and_leaves_the_original(picture: Pixels) -> None:
    before = picture.copy()
    for seed in range(25):
        out = degrade(picture, np.random.default_rng(seed))
        assert (out.shape, out.dtype) == (picture.shape, np.uint8)
        assert np.array_equal(out, degrade(picture, np.random.default_rng(seed)))
    assert np.array_equal(picture, before)
