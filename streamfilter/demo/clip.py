"""Draws the demo clip and writes down what is in it: the truth is exact because every frame was drawn."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from streamfilter.demo.scene import Actor, draw_actors
from streamfilter.demo.storyboard import DURATION_S, Shot, storyboard
from streamfilter.errors import SinkError
from streamfilter.files import write_file
from streamfilter.types import Pixels

WIDTH, HEIGHT, RATE_HZ = 640, 360, 25
AUDIO_RATE_HZ = 44100
CLEAR_SHARE = 1 / 3
"""A logo of which less can be seen is hard to tell."""
CLEAR_HEIGHT = 0.06
"""A logo that is smaller, as a share of the picture's height, is hard to tell."""

_WORLD = 1.4
_SEEN_SHARE = 0.02
_GRAIN = 3.0

State = Literal["clear", "hard"]


@dataclass(frozen=True, slots=True)
class Appearance:
    """A stretch of time, `[start_s, end_s)`, in which one logo can be seen; `hard` ones need not be found."""

    label: str
    start_s: float
    end_s: float
    visibility: State


def draw_clip(path: Path, seed: int, *, watch: Callable[[float], None] = lambda time_s: None) -> tuple[Appearance, ...]:
    """Draw the clip to `path` (MP4: H.264 640×360 at 25 Hz, quiet AAC) and its truth to `NAME.labels.jsonl` beside it.

    The same seed draws the same clip. `watch` is told how far it has come, in seconds of the clip. Raises `SinkError`
    when a file cannot be written.
    """
    states: dict[Actor, list[State | None]] = {}
    try:
        _encode(path, _frames(seed, states), watch)
        truth = _truth(states)
        rows = "".join(json.dumps(asdict(appearance)) + "\n" for appearance in truth)
        write_file(labels_path(path), rows.encode())
    except OSError as error:
        raise SinkError(f"cannot write the demo clip {path}: {error.strerror}; choose another folder") from None
    return truth


def labels_path(path: Path) -> Path:
    """Where the truth of a clip is written."""
    return path.with_suffix(".labels.jsonl")


def _frames(seed: int, states: dict[Actor, list[State | None]]) -> Iterator[Pixels]:
    """Every picture in order; notes in `states` how each labelled actor can be seen, one entry per picture."""
    shots = storyboard()
    seeds = np.random.SeedSequence(seed).spawn(len(shots) + 1)
    size = round(WIDTH * _WORLD), round(HEIGHT * _WORLD)
    backgrounds = [shot.painter(np.random.default_rng(child), *size) for shot, child in zip(shots, seeds, strict=False)]
    grains = _grains(np.random.default_rng(seeds[-1]))
    count = round(DURATION_S * RATE_HZ)
    states.update({a: [None] * count for shot in shots for a in shot.actors if a.label is not None})
    for index in range(count):
        time_s = index / RATE_HZ
        live = [pair for pair in zip(shots, backgrounds, strict=True) if pair[0].start_s <= time_s < pair[0].end_s]
        weights = _weights([shot for shot, _ in live], time_s)
        mixed = np.zeros((HEIGHT, WIDTH, 3), np.float32)
        for (shot, background), weight in zip(live, weights, strict=True):
            picture, shares = _draw_shot(shot, background, time_s)
            mixed += picture * np.float32(weight)
            for actor, share in zip(shot.actors, shares, strict=True):
                if actor.label is not None:
                    states[actor][index] = _state(actor, time_s, share * weight)
        yield (mixed + grains[index % len(grains)]).clip(0, 255).astype(np.uint8)


def _weights(live: list[Shot], time_s: float) -> list[float]:
    """How strongly each of the shots at this time shows: one alone, or two while the later one is dissolved in."""
    if len(live) == 1:
        return [1.0]
    newest = live[-1]
    share = (time_s - newest.start_s) / newest.dissolve_s
    return [1 - share, share]


def _draw_shot(shot: Shot, background: Pixels, time_s: float) -> tuple[Pixels, list[float]]:
    share = (time_s - shot.start_s) / (shot.end_s - shot.start_s)
    picture = shot.camera.view(background, share, width=WIDTH, height=HEIGHT)
    return picture, draw_actors(picture, shot.actors, time_s)


def _state(actor: Actor, time_s: float, share: float) -> State | None:
    """How well an actor of which this share can be seen is visible; None when it is not."""
    pose = actor.pose(time_s)
    if pose is None or share < _SEEN_SHARE:
        return None
    return "clear" if share >= CLEAR_SHARE and pose.height >= CLEAR_HEIGHT - 1e-9 else "hard"


def _grains(rng: Generator) -> list[NDArray[np.float32]]:
    """A few pictures of sensor noise, `(H, W, 1)`, that take turns."""
    return [rng.standard_normal((HEIGHT, WIDTH, 1), dtype=np.float32) * np.float32(_GRAIN) for _ in range(7)]


def _truth(states: dict[Actor, list[State | None]]) -> tuple[Appearance, ...]:
    """Runs of one state as appearances, by start; a logo that is wholly covered for a moment is hard, not gone."""
    found = []
    for actor, seen in states.items():
        there = [index for index, state in enumerate(seen) if state is not None]
        if actor.label is None or not there:
            continue
        whole: list[State] = [state or "hard" for state in seen[there[0] : there[-1] + 1]]
        index = there[0]
        for state, run in itertools.groupby(whole):
            after = index + len(list(run))
            found.append(Appearance(actor.label, index / RATE_HZ, after / RATE_HZ, state))
            index = after
    return tuple(sorted(found, key=lambda one: (one.start_s, one.label, one.end_s)))


def _encode(path: Path, pictures: Iterator[Pixels], watch: Callable[[float], None]) -> None:
    """Write the pictures as H.264 with the quiet tone beside them; one thread, so that it is always the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart", "fflags": "+bitexact"}) as container:
        video = container.add_stream("libx264", rate=RATE_HZ, options={"crf": "27", "preset": "veryfast", "g": "50"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.codec_context.thread_count = 1
        audio = container.add_stream("aac", rate=AUDIO_RATE_HZ, layout="mono", options={"b": "48k"})
        for index, picture in enumerate(pictures):
            planes = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420), np.uint8)
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, RATE_HZ)
            container.mux(video.encode(frame))
            container.mux(audio.encode(_tone(index)))
            watch((index + 1) / RATE_HZ)
        container.mux(video.encode(None))
        container.mux(audio.encode(None))


def _tone(index: int) -> av.AudioFrame:
    """The sound of one picture's time: two soft notes that change every two seconds."""
    samples = AUDIO_RATE_HZ // RATE_HZ
    time_s = (index * samples + np.arange(samples)) / AUDIO_RATE_HZ
    step = (time_s // 2).astype(int)
    notes = np.array([220.0, 261.63, 329.63, 293.66])
    fade = np.sin(np.pi * (time_s % 2) / 2)
    wave = np.sin(2 * np.pi * notes[step % 4] * time_s) + 0.5 * np.sin(2 * np.pi * notes[(step // 2) % 4] / 2 * time_s)
    frame = av.AudioFrame.from_ndarray((0.03 * fade * wave).astype(np.float32)[None], format="fltp", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = AUDIO_RATE_HZ, index * samples, Fraction(1, AUDIO_RATE_HZ)
    return frame
