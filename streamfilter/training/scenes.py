"""Training scenes: what a video shows, composed from the user's pictures. Each scene has its logos' boxes, exactly.

Four kinds: logos pasted on photographs, shop fronts or a plain ground (end cards); a label picture as it is, cropped
and scaled at random; pictures with none of the labels; and mosaics of close-ups of all of these, which teach many logos
in one pass. Strangers, pieces of other logos and of photographs, are pasted the same way as the logos are, so that
"something was pasted here" says nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from streamfilter.config import SyntheticConfig
from streamfilter.training.degrade import degrade
from streamfilter.training.examples import Example
from streamfilter.training.framing import crop, map_box, plain, somewhere, tiles, within_tile
from streamfilter.training.paste import PixelBox, as_sprite, cut_sprite, paste, trimmed
from streamfilter.training.pictures import load_picture
from streamfilter.training.scene import LARGEST, Scene, as_scene
from streamfilter.training.scribble import scribble
from streamfilter.training.synthetic.erase import erase
from streamfilter.training.synthetic.mix import mix
from streamfilter.training.synthetic.recolour import recolour
from streamfilter.training.synthetic.scramble import scramble
from streamfilter.types import Box, Pixels

NOTHING_MADE = SyntheticConfig()
MOSAIC_LOGOS, MOSAIC_STRANGERS = 0.5, 0.8
"""Up to where a draw from 0 to 1 makes a tile of a mosaic show a logo, and up to where a stranger."""


@dataclass(frozen=True, slots=True)
class SceneSettings:
    """Size of a scene in pixels, shares of the kinds of scene, heights of pasted logos, share of scribbled scenes.

    `mosaics`: share of all scenes; `pasted` and `as_is`: shares of the others.
    `synthetic`: shares of the negatives that are made from the labels' own pictures.
    """

    height: int = 384
    width: int = 512
    pasted: float = 0.5
    as_is: float = 0.28
    mosaics: float = 0.0
    min_side: float = 0.05
    max_side: float = 0.85
    scribbles: float = 0.0
    synthetic: SyntheticConfig = NOTHING_MADE

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.width, self.height


class SceneComposer:
    """Draws scenes from examples. Everything random comes from the seed that `compose` is given.

    `whole`: labels whose pictures are pasted whole, see `unmarked_labels`.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        labels: Sequence[str],
        settings: SceneSettings,
        *,
        whole: Collection[str] = (),
    ) -> None:
        self._settings = settings
        self._index = {label: i for i, label in enumerate(labels)}
        self._negatives = [e for e in examples if e.kind == "negative"]
        self._strangers = [e for e in examples if e.kind == "unknown"]
        known = [e for e in examples if e.kind == "known" and e.label in self._index]
        self._pictures = _by_label([e for e in known if not e.has_alpha], labels)
        self._marks = _by_label([e for e in known if _is_mark(e) or e.label in whole], labels)
        self._teachable = [label for label in labels if self._marks[label]]
        self._shown = [label for label in labels if self._pictures[label]]
        self._cut_free = [label for label in self._teachable if label not in whole]
        self._erasable = [e for e in known if not e.has_alpha and _is_mark(e)]
        boxed = _by_label(self._erasable, labels)
        self._boxed = [pictures for pictures in boxed.values() if pictures]

    def compose(self, seed: int) -> Scene:
        """One scene; the same seed gives the same scene.

        Where there is nothing to paste or to show, the other kind stands in.
        """
        rng = np.random.default_rng(seed)
        draw = rng.random()
        if self._boxed and _happens(self._settings.mosaics, rng):
            return self._mosaic(rng)
        if self._erasable and _happens(self._settings.synthetic.erased, rng):
            return self._erased(rng)
        if draw >= self._settings.pasted + self._settings.as_is or not (self._teachable or self._shown):
            return self._none(rng)
        if self._teachable and (draw < self._settings.pasted or not self._shown):
            return self._pasted(rng)
        return self._as_is(self._shown[rng.integers(len(self._shown))], rng)

    def _pasted(self, rng: np.random.Generator) -> Scene:
        marks = [self._mark(self._teachable, rng) for _ in range(1 + int(rng.integers(0, 4)))]
        frame = self._scribbled(self._ground(rng, marks[0][0]), rng)
        taken: list[PixelBox] = []
        self._paste_strangers(frame, taken, int(rng.integers(0, 3)), rng)
        found = []
        for whole, label in marks:
            sprite, strength = self._mixed(whole, rng)
            box = self._place(frame, sprite, taken, rng)
            if box is not None:
                found.append((box, label, strength))
        if rng.random() < 0.25 and found:
            self._cover(frame, found[int(rng.integers(len(found)))][0], rng)
        return as_scene(degrade(frame, rng), found)

    def _as_is(self, label: str, rng: np.random.Generator) -> Scene:
        pictures = self._pictures[label]
        example = pictures[rng.integers(len(pictures))]
        picture = load_picture(example.path, max_side=LARGEST)[..., :3]
        # Where its own logo is not boxed, the places without a box say nothing: such a picture counts as unboxed.
        boxes = example.boxes if any(name == label for _, name in example.boxes) else ()
        frame, matrix = crop(picture, self._settings.size, rng, around=_some_box(boxes, rng))
        found = [(map_box(box, picture, matrix), self._index.get(name, -1), 1.0) for box, name in boxes]
        return as_scene(degrade(frame, rng), found, whole_label=self._index[label])

    def _mosaic(self, rng: np.random.Generator) -> Scene:
        """Close-ups side by side (Bochkovskiy et al., "YOLOv4", 2020): half of them of logos, half of anything else."""
        width, height = self._settings.size
        frame = np.empty((height, width, 3), np.uint8)
        found: list[tuple[PixelBox, int, float]] = []
        shown: set[int] = set()
        for left, top, right, bottom in tiles(width, height, rng):
            size = (right - left, bottom - top)
            example = self._close_up_of(rng)
            boxes = example.boxes if example is not None else ()
            if example is None:
                frame[top:bottom, left:right] = plain(size, rng, None)
                continue
            picture = load_picture(example.path, max_side=LARGEST)[..., :3]
            box = _some_box([b for b in boxes if example.label in (None, b[1])], rng) or somewhere(rng)
            tile, matrix = crop(picture, size, rng, around=box, closely=True)
            frame[top:bottom, left:right] = tile
            if example.label is not None:
                moved = [(map_box(own, picture, matrix), self._index.get(name, -1)) for own, name in boxes]
                found += within_tile(moved, (left, top, right, bottom))
                shown.add(self._index[example.label])
        return as_scene(degrade(frame, rng), found, shown=tuple(sorted(shown)))

    def _close_up_of(self, rng: np.random.Generator) -> Example | None:
        """What a tile shows: a boxed picture of a label, another logo, a photograph; None for a plain ground."""
        draw = rng.random()
        if draw < MOSAIC_LOGOS:
            pictures = self._boxed[rng.integers(len(self._boxed))]
            return pictures[rng.integers(len(pictures))]
        pool = self._strangers if draw < MOSAIC_STRANGERS else self._negatives
        pool = pool or self._strangers or self._negatives
        return pool[rng.integers(len(pool))] if pool else None

    def _none(self, rng: np.random.Generator) -> Scene:
        frame = self._scribbled(self._ground(rng, None), rng)
        self._paste_strangers(frame, [], int(rng.integers(0, 4)), rng)
        return as_scene(degrade(frame, rng) if rng.random() < 0.9 else frame, [])

    def _erased(self, rng: np.random.Generator) -> Scene:
        """A label's picture without its logo. Who drew the boxes may have left one out: it still is its label's."""
        example = self._erasable[rng.integers(len(self._erasable))]
        picture = load_picture(example.path, max_side=LARGEST)[..., :3]
        frame, matrix = crop(picture, self._settings.size, rng, around=_some_box(example.boxes, rng))
        found = [(map_box(box, picture, matrix), self._index.get(name, -1), 0.0) for box, name in example.boxes]
        frame = erase(frame, [box for box, _, _ in found])
        return as_scene(degrade(frame, rng), found, whole_label=self._index[str(example.label)])

    def _scribbled(self, frame: Pixels, rng: np.random.Generator) -> Pixels:
        if _happens(self._settings.scribbles, rng):
            scribble(frame, rng)
        return frame

    def _ground(self, rng: np.random.Generator, sprite: Pixels | None) -> Pixels:
        draw = rng.random()
        if draw < 0.22:
            return plain(self._settings.size, rng, sprite)
        pool = self._strangers if self._strangers and (draw < 0.45 or not self._negatives) else self._negatives
        if not pool:
            return plain(self._settings.size, rng, sprite)
        picture = load_picture(pool[rng.integers(len(pool))].path, max_side=LARGEST)[..., :3]
        frame = crop(picture, self._settings.size, rng)[0]
        return np.ascontiguousarray(frame[:, ::-1]) if rng.random() < 0.5 else frame

    def _mark(self, labels: Sequence[str], rng: np.random.Generator) -> tuple[Pixels, int]:
        label = labels[int(rng.integers(len(labels)))]
        marks = self._marks[label]
        example = marks[rng.integers(len(marks))]
        picture = load_picture(example.path, max_side=LARGEST)
        own = [box for box, name in example.boxes if name == label]
        if own:
            return cut_sprite(picture, own[rng.integers(len(own))], rng), self._index[label]
        return trimmed(as_sprite(picture, rng)), self._index[label]

    def _stranger(self, rng: np.random.Generator) -> Pixels | None:
        """A piece of another logo (often only half of it), or of a photograph."""
        pool = self._strangers if self._strangers and rng.random() < 0.65 else self._negatives
        if not pool:
            return None
        example = pool[rng.integers(len(pool))]
        picture = load_picture(example.path, max_side=LARGEST)
        if example.boxes:
            return cut_sprite(picture, example.boxes[rng.integers(len(example.boxes))][0], rng)
        if picture.shape[2] == 4:
            return picture
        width, height = rng.uniform(0.15, 0.6), rng.uniform(0.15, 0.6)
        return cut_sprite(picture, Box(rng.uniform(0, 1 - width), rng.uniform(0, 1 - height), width, height), rng)

    def _mixed(self, sprite: Pixels, rng: np.random.Generator) -> tuple[Pixels, float]:
        other = self._stranger(rng) if _happens(self._settings.synthetic.mixed, rng) else None
        return (sprite, 1.0) if other is None else mix(sprite, other, rng)

    def _impostors(self, rng: np.random.Generator) -> Iterator[Pixels]:
        """Strangers made of a label's own mark."""
        if self._cut_free and _happens(self._settings.synthetic.scrambled, rng):
            yield scramble(self._mark(self._cut_free, rng)[0], rng)
        if self._cut_free and _happens(self._settings.synthetic.recoloured, rng):
            recoloured = recolour(self._mark(self._cut_free, rng)[0], rng)
            if recoloured is not None:
                yield recoloured

    def _paste_strangers(self, frame: Pixels, taken: list[PixelBox], count: int, rng: np.random.Generator) -> None:
        for impostor in self._impostors(rng):
            self._place(frame, impostor, taken, rng)
        for _ in range(count):
            sprite = self._stranger(rng)
            if sprite is not None:
                self._place(frame, sprite, taken, rng)

    def _place(self, frame: Pixels, sprite: Pixels, taken: list[PixelBox], rng: np.random.Generator) -> PixelBox | None:
        height, width = frame.shape[:2]
        low, high = self._settings.min_side, self._settings.max_side
        for _ in range(6):
            side = height * float(np.exp(rng.uniform(np.log(low), np.log(high))))
            side = min(side, 0.9 * width * sprite.shape[0] / sprite.shape[1])
            reach = side * sprite.shape[1] / sprite.shape[0]
            center = (_within(reach, width, rng), _within(side, height, rng))
            guess = (center[0] - reach / 2, center[1] - side / 2, center[0] + reach / 2, center[1] + side / 2)
            if side >= 0.035 * height and not any(_overlap(guess, other) for other in taken):
                box = paste(frame, sprite, center, side, rng)
                taken.append(box)
                return box
        return None

    def _cover(self, frame: Pixels, box: PixelBox, rng: np.random.Generator) -> None:
        """Hide up to 40 % of a logo behind a bar or a piece of a photograph."""
        x1, y1, x2, y2 = (int(v) for v in box)
        share = rng.uniform(0.1, 0.4)
        if rng.random() < 0.5:
            x2 = x1 + int((x2 - x1) * share)
        else:
            y1 = y2 - int((y2 - y1) * share)
        piece = self._stranger(rng) if rng.random() < 0.6 else None
        if x2 - x1 < 1 or y2 - y1 < 1:
            return
        if piece is None:
            frame[y1:y2, x1:x2] = rng.integers(0, 256, 3)
        else:
            frame[y1:y2, x1:x2] = cv2.resize(piece[..., :3], (x2 - x1, y2 - y1), interpolation=cv2.INTER_AREA)


def unmarked_labels(examples: Sequence[Example], labels: Sequence[str]) -> frozenset[str]:
    """Labels of which no picture says where its logo is, by a box or by transparency: they can only be pasted whole."""
    return frozenset(labels) - {e.label for e in examples if e.kind == "known" and _is_mark(e)}


def _is_mark(example: Example) -> bool:
    return example.has_alpha or any(name == example.label for _, name in example.boxes)


def _by_label(examples: Sequence[Example], labels: Sequence[str]) -> dict[str, list[Example]]:
    return {label: [e for e in examples if e.label == label] for label in labels}


def _some_box(boxes: Sequence[tuple[Box, str]], rng: np.random.Generator) -> Box | None:
    return boxes[int(rng.integers(len(boxes)))][0] if boxes else None


def _happens(share: float, rng: np.random.Generator) -> bool:
    """By chance, in this share of the cases. What never happens draws no number, so that it changes no scene."""
    return share > 0 and rng.random() < share


def _within(length: float, room: int, rng: np.random.Generator) -> float:
    """A centre that keeps most of a mark of this length inside; now and then it hangs over the edge."""
    slack = 0.3 * length if rng.random() < 0.15 else 0.0
    low, high = length / 2 - slack, room - length / 2 + slack
    return float(rng.uniform(low, high)) if high > low else room / 2


def _overlap(a: PixelBox, b: PixelBox) -> bool:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    smaller = min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]))
    return width > 0 and height > 0 and width * height > 0.1 * smaller
