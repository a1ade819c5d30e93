"""What the machine can do at most: a matrix product, the network alone, the decoder alone."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from streamfilter.bench.measured import Limits
from streamfilter.config import RunConfig
from streamfilter.model import Model
from streamfilter.pipeline import Network
from streamfilter.source.opening import open_container, video_stream
from streamfilter.types import Pixels

_SIDE = 2048
_LEAST_S = 2.0
"""How long each is measured; the fastest time counts, since nothing makes a machine too fast."""


def measure_limits(video: str, model: Model, network: Network, config: RunConfig) -> Limits:
    """The limits for runs over this video. Raises `SourceError` where it cannot be read."""
    picture = _picture(video, network, config)
    batch = [picture] * config.classifier.batch
    assert network.runtime is not None
    dense = network.runtime.dense
    return Limits(
        gflops=_matrix_gflops(),
        picture_gflop=_gflop(model, picture),
        pictures_hz=len(batch) / _fastest_s(lambda: dense(batch)),
        frames_hz=_frames_hz(video, config),
    )


def _fastest_s(work: Callable[[], object]) -> float:
    fastest_s, until_s = float("inf"), time.perf_counter() + _LEAST_S
    while time.perf_counter() < until_s or fastest_s == float("inf"):
        began_s = time.perf_counter()
        work()
        fastest_s = min(fastest_s, time.perf_counter() - began_s)
    return fastest_s


def _matrix_gflops() -> float:
    """Of a product of two float32 matrices, with as many threads as the network has."""
    one = torch.rand(_SIDE, _SIDE)
    return 2 * _SIDE**3 / _fastest_s(lambda: one @ one) / 1e9


def _gflop(model: Model, picture: Pixels) -> float:
    """Of one dense pass of this picture; a multiplication and an addition are two."""
    pictures = torch.zeros(1, 3, *picture.shape[:2])
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        model.network.cpu()(pictures)
    return float(counter.get_total_flops()) / 1e9


def _picture(video: str, network: Network, config: RunConfig) -> Pixels:
    """Noise of the size at which this video is analysed: what is in a picture plays no part in its time."""
    with open_container(video, config.source.limits) as container:
        stream = video_stream(container, video, config.source.limits)
        width, height = network.classifier.analysis_size(stream.width, stream.height)
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def _frames_hz(video: str, config: RunConfig) -> float:
    """Frames a second that PyAV decodes, with threads, and throws away; until the run's end, or the video's."""
    with open_container(video, config.source.limits) as container:
        stream = video_stream(container, video, config.source.limits)
        stream.thread_type = "AUTO"
        end_s = config.source.end_s or float("inf")
        began_s = time.perf_counter()
        frames = 0
        for frame in container.decode(stream):
            frames += 1
            if frame.time is not None and frame.time >= end_s:
                break
        return frames / (time.perf_counter() - began_s)
