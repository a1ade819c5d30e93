"""The values that flow through the stages.

Times are float seconds of stream time (0 at the container's start) and end in `_s`; rates end in `_hz`. PTS stays an
integer in its own time base until one final conversion. Boxes are normalised to the displayed picture: rotated,
mirrored and aspect-corrected as a player would show it. Intervals are half-open, `[start_s, end_s)`.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


class Picture(Protocol):
    """A decoded picture that is converted only when somebody asks, at the size that is asked for."""

    @property
    def width(self) -> int:
        """Displayed width in square pixels."""

    @property
    def height(self) -> int:
        """Displayed height in square pixels."""

    def rgb(self, width: int | None = None, height: int | None = None) -> Pixels:
        """The displayed picture, `(height, width, 3)` uint8 RGB; its own size when none is given."""

    def luma(self, width: int, height: int) -> Pixels:
        """The displayed picture's brightness, `(height, width)` uint8."""

    def kept(self, width: int, height: int, like: Picture | None = None) -> Picture:
        """The same picture for `rgb` at this size later: smaller where that saves memory, else itself.

        `like`: one that was kept for this size before; what both show alike may be kept once.
        """

    @property
    def nbytes(self) -> int:
        """What it takes in memory, about."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle inside the displayed picture; `x`, `y` is its upper left corner. All four lie in 0 to 1."""

    x: float
    y: float
    width: float
    height: float

    def __post_init__(self) -> None:
        values = (self.x, self.y, self.width, self.height)
        slack = 1e-6
        inside = self.x + self.width <= 1 + slack and self.y + self.height <= 1 + slack
        if not all(math.isfinite(v) for v in values) or min(values) < -slack or not inside:
            raise ValueError(f"box {values} is not inside the picture: expected x, y, width, height in 0 to 1")

    @property
    def area(self) -> float:
        """Share of the picture, 0 to 1."""
        return self.width * self.height

    @property
    def center(self) -> tuple[float, float]:
        """The middle, as x, y."""
        return self.x + self.width / 2, self.y + self.height / 2

    def grown(self, margin: float) -> Box:
        """With `margin` of its width and height more on every side, cut at the edges of the picture."""
        left, top = max(0.0, self.x - margin * self.width), max(0.0, self.y - margin * self.height)
        right = min(1.0, self.x + (1 + margin) * self.width)
        bottom = min(1.0, self.y + (1 + margin) * self.height)
        return Box(left, top, right - left, bottom - top)

    def intersection(self, other: Box) -> float:
        """Area that both cover, as a share of the picture."""
        width = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        height = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        return max(0.0, width) * max(0.0, height)

    def iou(self, other: Box) -> float:
        """Intersection over union (Jaccard index), 0 to 1."""
        shared = self.intersection(other)
        union = self.area + other.area - shared
        return shared / union if union > 0 else 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One decoded picture with its time. `time_s` is `pts` × `time_base` less the container's start."""

    time_s: float
    pts: int
    time_base: Fraction
    is_key: bool
    picture: Picture

    def __post_init__(self) -> None:
        if not math.isfinite(self.time_s):
            raise ValueError(f"frame time {self.time_s} s is not finite")

    def __repr__(self) -> str:
        return f"Frame({self.time_s:.3f} s, pts {self.pts}, {self.picture.width}×{self.picture.height})"


@dataclass(frozen=True, slots=True)
class Gap:
    """Stream time in which frames were lost. `cause` is one short word or two: `decode_error`, `ended_early`, ..."""

    start_s: float
    end_s: float
    cause: str

    def __post_init__(self) -> None:
        if not self.end_s >= self.start_s:
            raise ValueError(f"gap ends at {self.end_s} s, before its start at {self.start_s} s")


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """A frame that the sampler chose.

    `cuts_s`: times of the cuts since the look before, oldest first; each is the time of a new shot's first frame.
    `is_still`: the gate found the picture unchanged, so the verdicts of the look before still hold. `thumbnail` is what
    it compared, `(72, 128)` uint8 luma; None where it did not. `passed`: the frames since the look before, where the
    sampler keeps them.
    """

    frame: Frame
    cuts_s: tuple[float, ...] = ()
    is_still: bool = False
    thumbnail: Pixels | None = None
    passed: tuple[Frame, ...] = ()


class Rejection(enum.StrEnum):
    """Why a candidate is none of the labels."""

    NONE_CLASS = "none_class"
    LOW_SOFTMAX = "low_softmax"
    FAR = "far"
    TAKEN = "taken"
    UNSTABLE = "unstable"


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """What the network says of `n` windows: all that a rejection score may look at.

    `logits`: `(n, C+1)` float32, the labels in order and then none of the above, before any temperature. `embeddings`:
    `(n, E)` float32, the mean over the window's cells. `cells`: `(n,)` float64, the window's area in cells.
    `perturbed`: `(n, C+1)` float32, the logits of the same windows in a picture that the ODIN score perturbed; None
    where it does not decide.
    """

    logits: NDArray[np.float32]
    embeddings: NDArray[np.float32]
    cells: NDArray[np.float64]
    perturbed: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        if not len(self.logits) == len(self.embeddings) == len(self.cells):
            raise ValueError(f"{len(self.logits)} logits, {len(self.embeddings)} embeddings, {len(self.cells)} areas")

    def __len__(self) -> int:
        return len(self.logits)

    def rows(self, wanted: NDArray[np.intp] | NDArray[np.bool_] | slice) -> Features:
        """Some of the windows."""
        perturbed = None if self.perturbed is None else self.perturbed[wanted]
        return Features(self.logits[wanted], self.embeddings[wanted], self.cells[wanted], perturbed)

    @classmethod
    def concatenate(cls, parts: Sequence[Features]) -> Features:
        """The windows of all parts, in order; at least one part. Perturbed logits where all of them have some."""
        perturbed = [part.perturbed for part in parts if part.perturbed is not None]
        return cls(
            np.concatenate([part.logits for part in parts]),
            np.concatenate([part.embeddings for part in parts]),
            np.concatenate([part.cells for part in parts]),
            np.concatenate(perturbed) if len(perturbed) == len(parts) else None,
        )


@dataclass(frozen=True, slots=True)
class Candidate:
    """A window in which the network sees something that could be a label.

    `label` is the likeliest known label, `softmax` its temperature-scaled probability, `none_probability` that of the
    none-of-the-above class; `distance` is the Mahalanobis distance to `label`'s mean, and `distance_percentile` the
    share (0 to 100) of the label's own validation examples that lie nearer than this one. `sharpness` is the variance
    of the Laplacian of the box's luma at analysis size. `features` are those of its one window, for the rejector's
    scores; a classifier that is no network has none. `inliers`: how many local features fit a picture of the label
    under one homography; None where nobody looked.
    """

    box: Box
    label: str
    softmax: float
    none_probability: float
    distance: float
    distance_percentile: float
    runner_up: str | None = None
    runner_up_softmax: float = 0.0
    sharpness: float = 0.0
    inliers: int | None = None
    features: Features | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Sighting:
    """A candidate with the rejector's verdict. `label is None` exactly when `rejection` says why.

    `score` is the probability, 0 to 1, that `candidate.label` is right.
    """

    candidate: Candidate
    label: str | None
    rejection: Rejection | None
    score: float

    def __post_init__(self) -> None:
        if (self.label is None) != (self.rejection is not None):
            raise ValueError(f"label {self.label!r} with rejection {self.rejection!r}: exactly one of them must be set")
        if not 0.0 <= self.score <= 1.0:
            raise ValueError(f"score {self.score} is not a probability: expected 0 to 1")


@dataclass(frozen=True, slots=True)
class Verdict:
    """All that one look found: what the smoother takes in. `drops`: looks just before it that nobody had time for.

    `is_settled`: a run may go on from here at another time.
    """

    time_s: float
    pts: int
    sightings: tuple[Sighting, ...]
    cuts_s: tuple[float, ...] = ()
    drops: int = 0
    is_settled: bool = True


@dataclass(frozen=True, slots=True)
class TrackPoint:
    """Where a logo was at one time, thinned to what is needed to redraw it."""

    time_s: float
    box: Box
    score: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """What an event stands on. `coverage` is the share, 0 to 1, of its time that was looked at and not lost in gaps.

    `drops`: looks at a live feed between the first and the last that nobody had time for.
    """

    looks: int
    hits: int
    rejections: dict[str, int]
    gap_s: float
    coverage: float
    drops: int = 0


@dataclass(frozen=True, slots=True)
class Exposure:
    """How the logo was on screen. Shares are of the picture's area, 0 to 1; `x`, `y` is the mean centre of its box."""

    visible_s: float
    alone_s: float
    mean_share: float
    largest_share: float
    x: float
    y: float
    sharpness: float


@dataclass(frozen=True, slots=True)
class Opening:
    """An appearance has just been confirmed; it may have begun earlier than the look that confirmed it.

    `ordinal` numbers events of one label that begin at the same time (two copies in one picture), from 0.
    """

    label: str
    start_s: float
    start_pts: int
    ordinal: int
    box: Box
    score: float


@dataclass(frozen=True, slots=True)
class Event:
    """One whole appearance of one label at one place. `best` is the candidate with the highest score."""

    label: str
    start_s: float
    end_s: float
    start_pts: int
    end_pts: int
    ordinal: int
    score: float
    best: Candidate
    evidence: Evidence
    exposure: Exposure
    track: tuple[TrackPoint, ...]

    def __post_init__(self) -> None:
        if not self.end_s > self.start_s:
            raise ValueError(f"event of {self.label!r} ends at {self.end_s} s, not after its start at {self.start_s} s")


@dataclass(frozen=True, slots=True)
class Unknown:
    """A region that was rejected, and yet stayed: a logo, perhaps, that nobody has taught.

    The label of `event` is only what it was rejected for at first, its score that of such a label. `likeness` is the
    network's embedding of it, as `likeness` writes it.
    """

    event: Event
    likeness: str


Happening = Opening | Event | Unknown
"""What a smoother tells."""
