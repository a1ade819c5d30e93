"""What was measured, as values; nothing here measures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

STAGES = (
    "decode",
    "scale",
    "sampler and gate",
    "dense pass",
    "closer look",
    "candidates",
    "rejector",
    "smoother",
    "log",
)
"""In the order of a run; the first three are the decode thread's."""
AHEAD = STAGES[:3]


@dataclass(frozen=True, slots=True)
class Ran:
    """One run over the video. `stream_s`: seconds of video; `wall_s`, `cpu_s`: what they took.

    `stages_s`: wall seconds by stage, those of two threads that run side by side. `pictures`: so many the network saw,
    parts of one counted by their share, and so many `cuts` out of them once more.
    """

    stream_s: float
    wall_s: float
    cpu_s: float
    frames: int
    looks: int
    pictures: float
    cuts: int
    events: int
    stages_s: Mapping[str, float]

    @property
    def speed(self) -> float:
        """Times real time."""
        return self.stream_s / self.wall_s

    @property
    def idle_s(self) -> float:
        """What the network's thread waited for pictures."""
        return max(0.0, self.wall_s - sum(self.stages_s[name] for name in STAGES if name not in AHEAD))


@dataclass(frozen=True, slots=True)
class Limits:
    """What the machine can do at most, measured in the same minute.

    `gflops`: of a float32 matrix product; `picture_gflop`: of one dense pass; `pictures_hz`: dense passes a second with
    nothing else, in the run's batches; `frames_hz`: frames a second that are decoded with nothing else.
    """

    gflops: float
    picture_gflop: float
    pictures_hz: float
    frames_hz: float


@dataclass(frozen=True, slots=True)
class Saving:
    """A saving switched off alone: the run without it, and the share of time in which its events are those with it."""

    switch: str
    without: Ran
    agreement: float | None


@dataclass(frozen=True, slots=True)
class Measured:
    """All of it. `peak_mib`: most memory of the process until then."""

    machine: str
    video: str
    runtime: str
    ran: Ran
    limits: Limits
    savings: tuple[Saving, ...]
    peak_mib: float

    def as_json(self) -> dict[str, Any]:
        """Everything, in JSON values; what follows from it is left out."""
        return asdict(self) | {"speed": self.ran.speed, "idle_s": self.ran.idle_s}
