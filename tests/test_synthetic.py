"""Made negatives are what they say: nothing of an erased logo is left, a scrambled one has the same pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from labelled import draw_picture
from PIL import Image
from torch.nn import functional as F

from streamfilter.classifier.windows import window_grid
from streamfilter.config import SyntheticConfig
from streamfilter.model import NetworkShape, build_network
from streamfilter.training.examples import Example
from streamfilter.training.losses.picked import Picked
from streamfilter.training.scene import Scene
from streamfilter.training.scenes import SceneComposer, SceneSettings
from streamfilter.training.synthetic.adversary import Adversary, uniform_divergence
from streamfilter.training.synthetic.erase import erase
from streamfilter.training.synthetic.mix import blend, mix
from streamfilter.training.synthetic.pushed import FEATURES, Pushed, push
from streamfilter.training.synthetic.recolour import LEAST_TURN, MOST_TURN, recolour
from streamfilter.training.synthetic.scramble import scramble
from streamfilter.types import Box, Pixels

RED, GRAY = (255, 0, 0), (110, 110, 110)
LABELS, WIDTH = 3, 16


def random_sprite(rng: np.random.Generator, height: int, width: int) -> Pixels:
    return rng.integers(0, 256, (height, width, 4), np.uint8)


def colours_of(sprite: Pixels) -> list[tuple[int, ...]]:
    return sorted(map(tuple, sprite.reshape(-1, sprite.shape[2]).tolist()))


def test_nothing_of_an_erased_logo_is_left_and_all_else_is_as_it_was() -> None:
    frame = np.asarray(draw_picture(3, 120, 90), np.uint8).copy()
    frame[..., 0] //= 4
    boxes = [(20.0, 30.0, 60.0, 50.0), (90.0, 60.0, 119.0, 89.0)]
    marked = frame.copy()
    for x1, y1, x2, y2 in boxes:
        marked[int(y1) : int(y2) + 1, int(x1) : int(x2) + 1] = RED
    erased = erase(marked, boxes)
    assert int(erased[..., 0].max()) < 128
    assert np.array_equal(erased[:25, :80], frame[:25, :80])
    assert int((erased != frame).any(axis=2).sum()) < 1.8 * 40 * 20 + 2.0 * 30 * 30


@pytest.mark.parametrize("box", [(-50.0, -50.0, 200.0, 200.0), (0.0, 0.0, 40.0, 30.0)])
def test_a_logo_that_fills_the_picture_leaves_one_gray(box: tuple[float, float, float, float]) -> None:
    assert np.array_equal(erase(np.full((30, 40, 3), RED, np.uint8), [box]), np.full((30, 40, 3), 128, np.uint8))


def test_a_box_beside_the_picture_erases_nothing() -> None:
    frame = np.asarray(draw_picture(4, 40, 30), np.uint8)
    assert np.array_equal(erase(frame, [(-80.0, -80.0, -60.0, -60.0), (100.0, 100.0, 120.0, 120.0)]), frame)


@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(1, 40))
@settings(deadline=None, max_examples=60)
def test_a_scrambled_sprite_has_the_same_pixels_elsewhere(seed: int, height: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    sprite = random_sprite(rng, height, width)
    scrambled = scramble(sprite, rng)
    rows, columns = scrambled.shape[:2]
    assert height - 5 < rows <= height
    assert width - 5 < columns <= width
    assert colours_of(scrambled) == colours_of(sprite[:rows, :columns])
    if height >= 5 and width >= 5:
        moved = (scrambled != sprite[:rows, :columns]).any(axis=2)
        assert moved.mean() > 0.9, "no piece stays where it was"


@pytest.mark.parametrize("seed", range(8))
def test_a_recoloured_sprite_has_its_hues_turned_by_one_angle_and_its_shape(seed: int) -> None:
    rng = np.random.default_rng(seed)
    hues = rng.integers(0, 180, (12, 12, 1))
    saturated = np.concatenate([hues, rng.integers(180, 256, (12, 12, 2))], axis=2).astype(np.uint8)
    sprite = np.dstack([cv2.cvtColor(saturated, cv2.COLOR_HSV2RGB), rng.integers(0, 256, (12, 12), np.uint8)])
    before = sprite.copy()
    turned = recolour(sprite, rng)
    assert turned is not None
    assert np.array_equal(sprite, before)
    assert np.array_equal(turned[..., 3], sprite[..., 3])
    one, other = (
        cv2.cvtColor(np.ascontiguousarray(s[..., :3]), cv2.COLOR_RGB2HSV).astype(int) for s in (sprite, turned)
    )
    angles = (other[..., 0] - one[..., 0]) % 180
    middle = int(np.median(angles))
    assert LEAST_TURN / 2 - 1 <= middle <= MOST_TURN / 2 + 1
    assert np.abs((angles - middle + 90) % 180 - 90).max() <= 3
    assert np.abs(other[..., 1:] - one[..., 1:]).max() <= 6


@pytest.mark.parametrize("level", [0, 90, 255])
def test_a_gray_logo_is_not_recoloured(level: int) -> None:
    sprite = np.full((10, 10, 4), level, np.uint8)
    sprite[..., 3] = 255
    sprite[0, 0, :3] = RED
    assert recolour(sprite, np.random.default_rng(0)) is None
    sprite[..., 3] = 0
    assert recolour(sprite, np.random.default_rng(0)) is None


@given(st.integers(0, 10_000), st.sampled_from([3, 4]))
@settings(deadline=None, max_examples=40)
def test_a_mixture_says_how_much_of_the_logo_is_left(seed: int, channels: int) -> None:
    rng = np.random.default_rng(seed)
    sprite = np.zeros((24, 36, 4), np.uint8)
    sprite[4:20, 5:30] = (*RED, 255)
    other = np.full((50, 50, channels), 255, np.uint8)
    other[..., :3] = (0, 0, 255)
    mixed, share = mix(sprite, other, rng)
    assert mixed.shape == sprite.shape
    red = (mixed[..., 0].astype(float) * mixed[..., 3]).sum() / (255.0 * 255 * 16 * 25)
    assert red == pytest.approx(share, abs=0.02)
    assert 0 <= share <= 1


def test_blending_by_all_or_nothing_is_one_or_the_other() -> None:
    rng = np.random.default_rng(0)
    one, other = random_sprite(rng, 8, 9), random_sprite(rng, 8, 9)
    one[..., 3], other[..., 3] = 255, 200
    own, share = blend(one, other, np.ones((8, 9)))
    assert (np.array_equal(own, one), share) == (True, 1.0)
    others, share = blend(one, other, np.zeros((8, 9)))
    assert (np.array_equal(others, other), share) == (True, 0.0)


def example_of(path: Path, pixels: Pixels, boxes: Sequence[Box] = (), *, kind: str = "known") -> Example:
    Image.fromarray(pixels).save(path)
    height, width = pixels.shape[:2]
    marked = tuple((box, "Mark") for box in boxes)
    label = "Mark" if kind == "known" else None
    return Example(path, label, kind, marked, width, height, has_alpha=pixels.shape[2] == 4)  # type: ignore[arg-type]


@pytest.fixture
def examples(tmp_path: Path) -> list[Example]:
    """A label that is a red square on gray, and gray pictures without it."""
    picture = np.full((120, 160, 3), GRAY, np.uint8)
    picture[30:90, 40:100] = RED
    gray = np.full((120, 160, 3), GRAY, np.uint8)
    box = Box(0.25, 0.25, 0.375, 0.5)
    return [
        example_of(tmp_path / "mark.png", picture, [box]),
        example_of(tmp_path / "gray.png", gray, kind="negative"),
    ]


def scenes_of(examples: list[Example], count: int = 20, **changes: object) -> list[Scene]:
    shares = SyntheticConfig(**{k: v for k, v in changes.items() if k in SyntheticConfig.model_fields})  # type: ignore[arg-type]
    rest = {k: v for k, v in changes.items() if k not in SyntheticConfig.model_fields}
    plain = SceneSettings(height=96, width=128, min_side=0.3)
    settings = replace(plain, synthetic=shares, **rest)  # type: ignore[arg-type]
    composer = SceneComposer(examples, ("Mark",), settings)
    return [composer.compose(seed) for seed in range(count)]


def reddish(scene: Scene) -> float:
    return float((scene.pixels[..., 0].astype(int) - scene.pixels[..., 1:].max(axis=2) > 40).mean())


def test_an_erased_scene_shows_no_logo_and_says_where_it_was(examples: list[Example]) -> None:
    for scene in scenes_of(examples, erased=1.0):
        assert reddish(scene) < 0.005
        assert scene.facts.whole_label == 0
        assert scene.facts.labels.tolist() == [0]
        assert scene.facts.strengths is not None
        assert scene.facts.strengths.tolist() == [0.0]
        assert scene.facts.whole_labels.tolist() == [-1]


@pytest.mark.parametrize("kind", ["scrambled", "recoloured"])
def test_impostors_are_pasted_where_no_box_is(examples: list[Example], kind: str) -> None:
    plain = scenes_of(examples, pasted=0.0, as_is=0.0)
    made = scenes_of(examples, pasted=0.0, as_is=0.0, **{kind: 1.0})
    assert all(not len(scene.facts.boxes) for scene in made)
    assert all(not np.array_equal(one.pixels, other.pixels) for one, other in zip(plain, made, strict=True))
    reds = sum(reddish(scene) > 0.02 for scene in made)
    assert reds > 10 if kind == "scrambled" else reds < 4


def test_mixed_logos_keep_their_box_and_say_how_much_there_is(examples: list[Example]) -> None:
    strengths = [scene.facts.strengths for scene in scenes_of(examples, pasted=1.0, as_is=0.0, mixed=1.0)]
    shares = np.concatenate([each for each in strengths if each is not None])
    assert len(shares) > 20
    assert shares.min() < 0.3
    assert 0.7 < shares.max() < 1
    assert all((scene.facts.strengths == 1).all() for scene in scenes_of(examples, pasted=1.0, as_is=0.0))


@pytest.mark.parametrize("kind", ["erased", "scrambled", "recoloured", "mixed"])
def test_made_negatives_need_no_particular_pictures(tmp_path: Path, kind: str) -> None:
    whole = example_of(tmp_path / "whole.png", np.full((40, 60, 3), RED, np.uint8))
    assert len(scenes_of([whole], 6, **{kind: 1.0})) == 6
    assert len(scenes_of([], 3, **{kind: 1.0})) == 3


class TinyHead:
    """A head and its training, on embeddings of three labels that lie apart."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.network = build_network(NetworkShape("resnet18", LABELS, reduced=8, embedding=WIDTH))
        self.network.head.weight.data.normal_(std=0.5)
        self.windows = torch.from_numpy(window_grid(4, 6))

    def picked(self, count: int = 30, seed: int = 0) -> Picked:
        generator = torch.Generator().manual_seed(seed)
        targets = torch.arange(count) % (LABELS + 1)
        centres = 4 * F.one_hot(targets * 4, WIDTH).float()
        embeddings = (centres + 0.3 * torch.randn((count, WIDTH), generator=generator)).clamp_min(0)
        embeddings[targets == LABELS] = torch.rand((int((targets == LABELS).sum()), WIDTH), generator=generator)
        windows = self.windows[:count]
        logits = self.network.embedding_logits(embeddings, windows)
        return Picked(logits, embeddings, windows, targets, torch.rand(count, generator=generator), LABELS)

    def learn(self, steps: int = 100) -> None:
        optimiser = torch.optim.Adam(self.network.head.parameters(), lr=0.05)
        for step in range(steps):
            picked = self.picked(seed=step)
            optimiser.zero_grad()
            F.cross_entropy(picked.logits, picked.targets).backward()
            optimiser.step()


@pytest.fixture(scope="module")
def head() -> TinyHead:
    made = TinyHead()
    made.learn()
    return made


def test_a_push_moves_the_strongest_features_alone_and_by_its_length() -> None:
    generator = torch.Generator().manual_seed(0)
    embeddings = 10 + torch.rand((5, 20), generator=generator)
    gradient = torch.randn((5, 20), generator=generator)
    pushed = push(embeddings, gradient, 0.1)
    moved = pushed - embeddings
    assert ((moved != 0).sum(dim=1) == int(FEATURES * 20)).all()
    assert torch.allclose(moved.norm(dim=1), 0.1 * embeddings.norm(dim=1), rtol=1e-4)
    assert (moved * gradient >= 0).all()
    assert bool((push(torch.zeros(2, 20), gradient[:2], 0.5) == 0).all())
    assert torch.equal(push(embeddings, torch.zeros(5, 20), 0.5), embeddings)


def test_pushed_embeddings_are_less_their_labels_and_join_as_negatives(head: TinyHead) -> None:
    picked = head.picked()
    whole = Pushed(head.network.embedding_logits, 1.0, steps=10)(picked, picked)
    known = int(picked.is_known.sum())
    assert len(whole.targets) == len(picked.targets) + known
    assert (whole.targets[len(picked.targets) :] == LABELS).all()
    assert torch.equal(whole.weights[len(picked.targets) :], picked.weights[picked.is_known])
    own = picked.targets[picked.is_known][:, None]
    before = picked.logits.softmax(1)[picked.is_known].gather(1, own)
    after = whole.logits[len(picked.targets) :].softmax(1).gather(1, own)
    assert float((after < before).float().mean()) > 0.95
    assert (whole.embeddings >= 0).all()


def test_the_head_alone_learns_from_what_was_pushed(head: TinyHead) -> None:
    picked = head.picked()
    embeddings = picked.embeddings.clone().requires_grad_(True)
    source = replace(picked, embeddings=embeddings, logits=picked.logits.detach())
    whole = Pushed(head.network.embedding_logits, 1.0, steps=10)(source, source)
    made = whole.logits[len(picked.targets) :].sum()
    gradients = torch.autograd.grad(made, [embeddings, head.network.head.weight], allow_unused=True)
    assert gradients[0] is None or not bool(gradients[0].any())
    assert gradients[1] is not None


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_a_share_of_the_labels_windows_is_taken(head: TinyHead, share: float) -> None:
    source = Pushed(head.network.embedding_logits, share, steps=10)
    picked = head.picked(40)
    made = [len(source(picked, picked).targets) - 40 for _ in range(20)]
    assert np.mean(made) == pytest.approx(share * 30, abs=2.5)


def test_without_a_label_in_the_batch_nothing_is_made(head: TinyHead) -> None:
    picked = replace(head.picked(8), targets=torch.full((8,), LABELS))
    for source in (
        Pushed(head.network.embedding_logits, 1.0, steps=10),
        Adversary(head.network.embedding_logits, 1.0, WIDTH),
    ):
        assert source(picked, picked) is picked


def test_the_generator_learns_to_sit_between_the_labels_and_near_them(head: TinyHead) -> None:
    adversary = Adversary(head.network.embedding_logits, 1.0, WIDTH)
    generator = torch.Generator().manual_seed(9)
    for step in range(400):
        picked = head.picked(seed=step)
        whole = adversary(picked, picked)
        assert len(whole.targets) == len(picked.targets) + int(picked.is_known.sum())
    made = adversary.sample(200, generator).detach()
    real = head.picked(40).embeddings[head.picked(40).is_known]
    windows = head.windows[torch.arange(200) % len(head.windows)]
    logits = head.network.embedding_logits(made, windows).detach()[:, :LABELS]
    own = head.network.embedding_logits(real, head.windows[: len(real)]).detach()[:, :LABELS]
    assert float(uniform_divergence(logits).mean()) < 0.7 * float(uniform_divergence(own).mean())
    away = torch.cdist(made, real).amin(1).mean()
    noise = F.relu(4 * torch.randn((200, WIDTH), generator=generator))
    assert float(away) < 0.7 * float(torch.cdist(noise, real).amin(1).mean())


def test_the_divergence_from_uniform_is_that_of_pytorch() -> None:
    logits = torch.randn((6, 5), generator=torch.Generator().manual_seed(0))
    expected = F.kl_div(logits.log_softmax(1), torch.full((6, 5), 0.2), reduction="none").sum(1)
    assert torch.allclose(uniform_divergence(logits), expected, atol=1e-5)
    assert torch.allclose(uniform_divergence(torch.ones(2, 5)), torch.zeros(2), atol=1e-6)


def test_the_adversary_goes_on_from_its_state_as_if_nothing_had_happened(head: TinyHead, tmp_path: Path) -> None:
    one, other = (Adversary(head.network.embedding_logits, 0.5, WIDTH, seed=seed) for seed in (1, 2))
    picked = head.picked()
    for _ in range(3):
        one(picked, picked)
    torch.save(one.state_dict(), tmp_path / "state.pt")
    other._seed = 1
    other.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    for _ in range(3):
        assert torch.equal(one(picked, picked).embeddings, other(picked, picked).embeddings)


def test_the_adversary_leaves_no_gradient_in_the_network(head: TinyHead) -> None:
    head.network.zero_grad()
    picked = head.picked()
    Adversary(head.network.embedding_logits, 1.0, WIDTH)(picked, picked)
    assert all(parameter.grad is None for parameter in head.network.parameters())
