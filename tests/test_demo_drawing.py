"""What the demo draws: marks, strangers, backgrounds, training folders and the clip with its truth."""

from __future__ import annotations

import csv
import hashlib
import itertools
import json
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from streamfilter.demo.clip import HEIGHT, RATE_HZ, WIDTH, draw_clip, labels_path
from streamfilter.demo.clutter import PAINTERS, draw_background
from streamfilter.demo.folder import write_training_folder
from streamfilter.demo.marks import TAUGHT, UNTAUGHT
from streamfilter.demo.scene import Actor, Camera, Pose, draw_actors, patch_of, visible_shares
from streamfilter.demo.shapes import Mark, ellipse, layer, points, rectangle, render
from streamfilter.demo.storyboard import DURATION_S, storyboard
from streamfilter.demo.strangers import random_mark
from streamfilter.errors import DatasetError, SinkError

SQUARE = Mark("square", 1.0, (layer((200, 40, 60), rectangle(0, 0, width=1, height=1)),))


def standing(mark: Mark, *, x: float, y: float, height: float, opacity: float = 1.0) -> Actor:
    pose = (x, y, height, 0.0, 0.0, opacity)
    return Actor(mark, mark.name, (Pose(0.0, *pose), Pose(10.0, *pose)))


@pytest.mark.parametrize("height", [16, 61, 256])
def test_a_rendered_mark_has_the_height_asked_for_and_its_own_aspect(height: int) -> None:
    for mark in (*TAUGHT, *UNTAUGHT):
        artwork = render(mark, height)
        assert artwork.shape == (height, round(mark.aspect * height), 4)
        assert artwork.dtype == np.uint8


def test_a_rendered_disc_covers_its_area() -> None:
    alpha = render(Mark("disc", 1.0, (layer((9, 9, 9), ellipse(0.5, 0.5, rx=0.4)),)), 64)[:, :, 3]
    assert alpha.sum() / 255 == pytest.approx(np.pi * (0.4 * 64) ** 2, rel=0.01)


def test_an_inner_outline_is_a_hole() -> None:
    ring = render(Mark("ring", 1.0, (layer((9, 9, 9), ellipse(0.5, 0.5, rx=0.45), ellipse(0.5, 0.5, rx=0.3)),)), 64)
    assert ring[32, 32, 3] == 0
    assert ring[32, 8, 3] == 255


def test_no_outline_of_a_mark_is_cut_by_its_canvas() -> None:
    for mark in (*TAUGHT, *UNTAUGHT):
        corners = np.concatenate([outline for part in mark.layers for outline in part.outlines])
        assert corners.min() >= 0.0, mark.name
        assert corners[:, 0].max() <= mark.aspect, mark.name
        assert corners[:, 1].max() <= 1.0, mark.name


def test_taught_and_untaught_marks_share_no_name_and_their_aspects_stay_in_bounds() -> None:
    names = [mark.name for mark in (*TAUGHT, *UNTAUGHT)]
    assert len(set(names)) == len(names)
    assert all(0.7 <= mark.aspect <= 2.5 for mark in (*TAUGHT, *UNTAUGHT))


def test_the_same_seed_draws_the_same_strangers_and_backgrounds() -> None:
    for draw in (lambda rng: random_mark(rng, 48), lambda rng: draw_background(rng, 96, 54)):
        first, second = (np.random.default_rng(3), np.random.default_rng(3))
        for _ in range(20):
            np.testing.assert_array_equal(draw(first), draw(second))


def test_every_painter_fills_any_size() -> None:
    for painter in set(PAINTERS):
        for width, height in ((64, 36), (33, 57)):
            picture = painter(np.random.default_rng(1), width, height)
            assert (picture.shape, picture.dtype) == ((height, width, 3), np.uint8), painter.__name__


def test_strangers_are_no_copies_of_taught_or_untaught_marks() -> None:
    marks = [_over_grey(render(mark, 64)) for mark in (*TAUGHT, *UNTAUGHT)]
    rng = np.random.default_rng(11)
    strangers = [_over_grey(random_mark(rng, 64)) for _ in range(300)]
    nearest = min(float(np.abs(a - b).mean()) for a in marks for b in strangers)
    assert nearest > 4.0


def _over_grey(artwork: np.ndarray) -> np.ndarray:
    alpha = artwork[:, :, 3:].astype(np.float32) / 255
    return cv2.resize(artwork[:, :, :3] * alpha + 128 * (1 - alpha), (64, 64), interpolation=cv2.INTER_AREA)


def test_half_a_square_beyond_the_edge_is_half_visible() -> None:
    picture = np.zeros((100, 200, 3), np.uint8)
    shares = draw_actors(picture, [standing(SQUARE, x=0.0, y=0.5, height=0.4)], 1.0)
    assert shares == [pytest.approx(0.5, abs=0.02)]
    assert tuple(picture[50, 10]) == (200, 40, 60)


def test_what_stands_in_front_hides_and_opacity_fades() -> None:
    back, front = standing(SQUARE, x=0.5, y=0.5, height=0.4), standing(SQUARE, x=0.6, y=0.5, height=0.4)
    faint = standing(SQUARE, x=0.1, y=0.2, height=0.2, opacity=0.25)
    shares = draw_actors(np.zeros((100, 200, 3), np.uint8), [back, front, faint], 1.0)
    assert shares == [pytest.approx(0.5, abs=0.02), pytest.approx(1.0, abs=0.01), pytest.approx(0.25, abs=0.01)]


def test_an_actor_outside_its_time_is_not_drawn() -> None:
    picture = np.zeros((40, 40, 3), np.uint8)
    assert draw_actors(picture, [standing(SQUARE, x=0.5, y=0.5, height=0.5)], 10.0) == [0.0]
    assert not picture.any()


def test_visible_shares_agree_with_pixels_painted_one_actor_at_a_time() -> None:
    shot = storyboard()[1]
    for time_s in (8.0, 9.9, 10.1, 12.0):
        patches = [patch_of(actor, time_s, width=WIDTH, height=HEIGHT) for actor in shot.actors]
        canvas = np.zeros((3 * HEIGHT, 3 * WIDTH))
        owner = np.full(canvas.shape, -1)
        whole = [0.0] * len(patches)
        for index, patch in enumerate(patches):
            if patch is None:
                continue
            rows = slice(HEIGHT + patch.y, HEIGHT + patch.y + patch.cover.shape[0])
            columns = slice(WIDTH + patch.x, WIDTH + patch.x + patch.cover.shape[1])
            owner[rows, columns][patch.cover > 0.5] = index
            whole[index] = float((patch.cover > 0.5).sum())
        inside = owner[HEIGHT : 2 * HEIGHT, WIDTH : 2 * WIDTH]
        expected = [float((inside == i).sum()) / whole[i] if whole[i] else 0.0 for i in range(len(patches))]
        assert visible_shares(patches, width=WIDTH, height=HEIGHT) == pytest.approx(expected, abs=0.02)


def test_a_camera_that_does_not_move_shows_the_middle_of_the_background() -> None:
    background = np.random.default_rng(0).integers(0, 255, (80, 120, 3), dtype=np.uint8)
    seen = Camera((0.5, 0.5), (0.5, 0.5)).view(background, 0.3, width=60, height=40)
    np.testing.assert_array_equal(seen, background[20:60, 30:90])


def test_shots_fill_the_clip_and_overlap_only_where_one_is_dissolved_in() -> None:
    shots = storyboard()
    assert (shots[0].start_s, shots[-1].end_s) == (0, DURATION_S)
    for before, after in itertools.pairwise(shots):
        assert after.start_s == pytest.approx(before.end_s - after.dissolve_s)


def test_every_mark_appears_in_the_story() -> None:
    told = {actor.label for shot in storyboard() for actor in shot.actors}
    assert {mark.name for mark in (*TAUGHT, *UNTAUGHT)} <= told


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("streamfilter.demo.clip.DURATION_S", 8.0)
        draw_clip(path, 5)
    return path


def test_the_clip_has_the_promised_size_rate_codec_and_sound(drawn: Path) -> None:
    with av.open(str(drawn)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.width, video.height, video.average_rate) == (WIDTH, HEIGHT, RATE_HZ)
        assert (video.codec_context.name, audio.codec_context.name) == ("h264", "aac")
        times = [frame.time for frame in container.decode(video)]
    assert times == pytest.approx([index / RATE_HZ for index in range(200)])


def test_the_truth_on_disk_is_what_was_drawn(drawn: Path) -> None:
    rows = [json.loads(line) for line in labels_path(drawn).read_text(encoding="utf-8").splitlines()]
    assert [(row["label"], row["start_s"], row["end_s"], row["visibility"]) for row in rows[:2]] == [
        ("Trivane", 1.04, 1.16, "hard"),
        ("Trivane", 1.16, 7.0, "clear"),
    ]
    assert {row["label"] for row in rows} == {"Trivane", "Folivo"}


def test_a_logo_is_where_the_truth_says_and_gone_at_the_cut(drawn: Path) -> None:
    with av.open(str(drawn)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    orange = [_share_of(frame, (255, 122, 26)) for frame in frames]
    assert max(orange[:25]) < 0.001
    assert orange[174] > 0.01
    assert max(orange[175:]) < 0.001


def _share_of(frame: np.ndarray, colour: tuple[int, int, int]) -> float:
    return float((np.abs(frame.astype(int) - colour).max(axis=2) < 40).mean())


def test_the_same_seed_draws_the_same_clip(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamfilter.demo.clip.DURATION_S", 8.0)
    again = tmp_path / "again.mp4"
    draw_clip(again, 5)
    assert hashlib.sha256(again.read_bytes()).digest() == hashlib.sha256(drawn.read_bytes()).digest()


def test_a_clip_that_cannot_be_written_is_a_sink_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SinkError, match="choose another folder"):
        draw_clip(tmp_path / "file" / "clip.mp4", 1)


def test_a_training_folder_has_what_training_reads(tmp_path: Path) -> None:
    folder = write_training_folder(tmp_path / "data", 1, artworks=5, negatives=3, strangers=8)
    for mark in TAUGHT:
        artworks = [cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in (folder.known / mark.name).glob("*.png")]
        assert len(artworks) == 5
        assert all(artwork.shape[2] == 4 and artwork[:, :, 3].min() == 0 for artwork in artworks)
    assert len(list(folder.negatives.glob("*.jpg"))) == 3
    assert len(list(folder.unknown.glob("*.png"))) == len(list(folder.unknown.glob("*.jpg"))) == 4
    with folder.unknown_boxes.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            height, width = cv2.imread(str(folder.root / row["image"])).shape[:2]
            assert 0 <= int(row["x1"]) < int(row["x2"]) <= width
            assert 0 <= int(row["y1"]) < int(row["y2"]) <= height


def test_the_same_seed_writes_the_same_training_folder(tmp_path: Path) -> None:
    digests = []
    for name in ("one", "two"):
        write_training_folder(tmp_path / name, 9, artworks=2, negatives=2, strangers=4)
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        digests.append([hashlib.sha256(path.read_bytes()).hexdigest() for path in files])
    assert digests[0] == digests[1]


def test_a_training_folder_that_cannot_be_written_is_a_dataset_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match="choose another folder"):
        write_training_folder(tmp_path / "file", 1, artworks=1, negatives=0, strangers=0)


def test_a_polygon_keeps_its_corners() -> None:
    assert points((0, 0), (1, 0.5)).tolist() == [[0, 0], [1, 0.5]]
