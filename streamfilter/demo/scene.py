"""Draws one frame of a shot and says how much of each actor can be seen in it.

An actor is a drawn mark that moves through the picture: a logo, or somebody who passes in front of one. Later actors
stand before earlier ones. Places are shares of the picture, heights shares of its height, angles radians.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from streamfilter.demo.shapes import Mark, render
from streamfilter.types import Pixels

_DEPTH = 0.35
"""How strongly a turned mark's far side shrinks."""

_SMALLEST, _LARGEST = 16, 512
"""Heights in pixels at which artwork is kept."""


@dataclass(frozen=True, slots=True)
class Pose:
    """Where an actor is at one time: centre, height, `turn` in the plane, `yaw` out of it, opacity 0 to 1."""

    time_s: float
    x: float
    y: float
    height: float
    turn: float = 0.0
    yaw: float = 0.0
    opacity: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Actor:
    """A mark with its way through the picture. `label` is its name in the truth, None for what is no logo.

    It is there from its first pose to its last; between two poses it moves softly.
    """

    mark: Mark
    label: str | None
    poses: tuple[Pose, ...]

    def pose(self, time_s: float) -> Pose | None:
        """Where it is at this time, None when it is not there."""
        if not self.poses[0].time_s <= time_s < self.poses[-1].time_s:
            return None
        after = next(index for index, pose in enumerate(self.poses) if pose.time_s > time_s)
        first, last = self.poses[after - 1], self.poses[after]
        share = (time_s - first.time_s) / (last.time_s - first.time_s)
        soft = share * share * (3 - 2 * share)

        def between(start: float, end: float) -> float:
            return start + (end - start) * soft

        return Pose(
            time_s,
            between(first.x, last.x),
            between(first.y, last.y),
            float(np.exp(between(np.log(first.height), np.log(last.height)))),
            between(first.turn, last.turn),
            between(first.yaw, last.yaw),
            between(first.opacity, last.opacity),
        )


@dataclass(frozen=True, slots=True)
class Camera:
    """A straight move over a background: middle as a share of it, magnification and roll, at both ends of the shot."""

    start: tuple[float, float] = (0.45, 0.5)
    end: tuple[float, float] = (0.55, 0.5)
    zoom: tuple[float, float] = (1.0, 1.0)
    roll: tuple[float, float] = (0.0, 0.0)

    def view(self, background: Pixels, share: float, *, width: int, height: int) -> Pixels:
        """What the camera sees at this share (0 to 1) of its move, `(height, width, 3)` uint8."""
        x, y = (first + (last - first) * share for first, last in zip(self.start, self.end, strict=True))
        zoom = self.zoom[0] + (self.zoom[1] - self.zoom[0]) * share
        roll = self.roll[0] + (self.roll[1] - self.roll[0]) * share
        middle = (x * background.shape[1], y * background.shape[0])
        matrix = cv2.getRotationMatrix2D(middle, float(np.degrees(roll)), zoom)
        matrix[:, 2] += (width / 2 - middle[0], height / 2 - middle[1])
        seen = cv2.warpAffine(background, matrix, (width, height), borderMode=cv2.BORDER_REFLECT)
        return np.asarray(seen, np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """An actor as drawn in one frame, before the frame's edges cut it.

    `colour` `(h, w, 3)` float32 is premultiplied, `cover` `(h, w)` float32 is 0 to 1; x, y is the upper left corner in
    pixels, `area` the cover's sum were the actor wholly opaque.
    """

    x: int
    y: int
    colour: NDArray[np.float32]
    cover: NDArray[np.float32]
    area: float

    def inside(self, width: int, height: int) -> tuple[slice, slice, slice, slice]:
        """Rows and columns of a picture of this size that it touches, then its own rows and columns there."""
        left, top = max(0, self.x), max(0, self.y)
        right = max(left, min(width, self.x + self.cover.shape[1]))
        bottom = max(top, min(height, self.y + self.cover.shape[0]))
        own = slice(top - self.y, bottom - self.y), slice(left - self.x, right - self.x)
        return slice(top, bottom), slice(left, right), *own


def draw_actors(picture: Pixels, actors: Sequence[Actor], time_s: float) -> list[float]:
    """Draw all actors into the picture, in place; the share of each that can be seen, 0 to 1."""
    height, width = picture.shape[:2]
    patches = [patch_of(actor, time_s, width=width, height=height) for actor in actors]
    for patch in patches:
        if patch is not None:
            rows, columns, own_rows, own_columns = patch.inside(width, height)
            target = picture[rows, columns]
            mixed = target * (1 - patch.cover[own_rows, own_columns, None]) + patch.colour[own_rows, own_columns]
            target[:] = mixed.round().clip(0, 255).astype(np.uint8)
    return visible_shares(patches, width=width, height=height)


def visible_shares(patches: Sequence[Patch | None], *, width: int, height: int) -> list[float]:
    """Of each patch the share that lies inside the picture and behind no later one; 0 for None."""
    free = np.ones((height, width), np.float32)
    shares = []
    for patch in reversed(patches):
        if patch is None:
            shares.append(0.0)
            continue
        rows, columns, own_rows, own_columns = patch.inside(width, height)
        cover = patch.cover[own_rows, own_columns]
        shares.append(float((cover * free[rows, columns]).sum()) / max(patch.area, 1e-6))
        free[rows, columns] *= 1 - cover
    return shares[::-1]


def patch_of(actor: Actor, time_s: float, *, width: int, height: int) -> Patch | None:
    """The actor as it is drawn at this time into a picture of this size, None when it is not there."""
    pose = actor.pose(time_s)
    if pose is None:
        return None
    tall = pose.height * height
    artwork = _artwork(actor.mark, int(np.clip(2 ** np.ceil(np.log2(tall)), _SMALLEST, _LARGEST)))
    middle = np.array([pose.x * width, pose.y * height])
    corners = middle + _corners(pose, aspect=artwork.shape[1] / artwork.shape[0], tall=tall)
    low, high = np.floor(corners.min(axis=0)).astype(int), np.ceil(corners.max(axis=0)).astype(int) + 1
    rows, columns = artwork.shape[:2]
    edges = np.array([(0, 0), (columns, 0), (columns, rows), (0, rows)], np.float32) - 0.5
    matrix = cv2.getPerspectiveTransform(edges, (corners - low - 0.5).astype(np.float32))
    size = (int(high[0] - low[0]), int(high[1] - low[1]))
    drawn = np.asarray(cv2.warpPerspective(artwork, matrix, size, flags=cv2.INTER_LINEAR), np.float32)
    opacity, cover = np.float32(pose.opacity), drawn[:, :, 3] / np.float32(255)
    return Patch(int(low[0]), int(low[1]), drawn[:, :, :3] * opacity, cover * opacity, float(cover.sum()))


def _corners(pose: Pose, *, aspect: float, tall: float) -> NDArray[np.float64]:
    """Upper left, upper right, lower right, lower left corner around the middle, in pixels."""
    x = np.array([-1, 1, 1, -1]) * aspect / 2
    y = np.array([-1, -1, 1, 1]) / 2
    nearness = 1 / (1 + _DEPTH * x * np.sin(pose.yaw))
    flat = np.stack([x * np.cos(pose.yaw) * nearness, y * nearness], axis=1) * tall
    cos, sin = np.cos(pose.turn), np.sin(pose.turn)
    turned: NDArray[np.float64] = flat @ np.array([[cos, sin], [-sin, cos]])
    return turned


@functools.cache
def _artwork(mark: Mark, height: int) -> Pixels:
    """The mark with colours premultiplied, so that scaling mixes no colour of transparent pixels in."""
    artwork = render(mark, height)
    alpha = artwork[:, :, 3:].astype(np.float32) / 255
    return np.dstack([(artwork[:, :, :3] * alpha).round().astype(np.uint8), artwork[:, :, 3]])
