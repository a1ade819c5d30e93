"""The stages behind the source, and what is drawn of what they find."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from streamfilter.config.section import SAVES, Seconds, Section, Share


class SamplerConfig(Section):
    """Which frames are looked at."""

    rate: Annotated[float, Field(gt=0, le=1000)] | Literal["every", "keyframes"] = Field(
        4.0, description="Looks per second of stream time, or `every` frame, or `keyframes` only."
    )
    cuts: bool = Field(True, description="Find cuts between shots on every decoded frame.")
    cut_threshold: Share = Field(
        0.08, description="Least mean change of brightness (0 to 1) between two frames that can be a cut."
    )
    adaptive: bool = Field(
        True,
        description="At a rate in Hz: ask the network at a few looks, and between two of them only where they differ. "
        "Live feeds are asked at each.",
        json_schema_extra=SAVES,
    )
    stride_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(
        1.0,
        description="Longest time between two looks that are asked in any case, while the whole picture shows what the "
        "shot has not shown before.",
    )
    longest_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(
        10.0, description="The same while it shows little or nothing new."
    )
    edges: bool = Field(
        True,
        description="Search the frames between two such looks for the one with which an appearance begins or ends.",
    )

    @property
    def is_adaptive(self) -> bool:
        """Whether some looks may go unasked; who wants every frame, or key frames, wants them asked."""
        return self.adaptive and not isinstance(self.rate, str)


class GateConfig(Section):
    """When a still picture keeps its last verdicts."""

    enabled: bool = Field(True, description="Reuse the verdicts of an unchanged picture.", json_schema_extra=SAVES)
    threshold: Share = Field(
        0.008, description="Largest change of brightness (0 to 1) in any tile that counts as unchanged."
    )
    hold_s: Seconds = Field(30.0, description="Longest time a verdict is reused without a new look by the network.")
    tiles: bool = Field(
        True,
        description="Where little has changed since it was seen, show the network that region only. With "
        "sampler.adaptive.",
        json_schema_extra=SAVES,
    )


class ClassifierConfig(Section):
    """How the network looks at a picture."""

    short_side: int | None = Field(
        None,
        ge=64,
        le=2160,
        description="Short side of the analysed picture, in pixels: larger finds smaller logos; null: the model's own.",
    )
    batch: int = Field(8, ge=1, le=256, description="Pictures in one pass of the network.")
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="auto, cpu, cuda or cuda:N.")
    precision: Literal["auto", "float32", "bfloat16", "float16", "int8"] = Field(
        "auto",
        description="Arithmetic of the network; auto takes the fastest that the device has hardware for, int8 only "
        "where the model file says that it decides alike.",
    )
    runtime: Literal["auto", "torch", "openvino", "onnx"] = Field(
        "auto", description="What runs the network; auto: OpenVINO on a CPU where it is installed, else PyTorch."
    )
    threads: int = Field(0, ge=0, le=256, description="CPU threads of the network; 0: one per core.")
    floor: Share = Field(0.2, description="Windows whose likeliest label has a lower probability are dropped.")
    nms_iou: Share = Field(0.3, description="Two boxes of one label that overlap more than this (IoU) are one.")
    max_candidates: int = Field(8, ge=1, le=1000, description="Most candidates per picture, likeliest first.")
    closer: bool = Field(True, description="Cut candidates out, enlarge them and read them again, where the model can.")
    overview: bool = Field(
        True,
        description="Look at half the size, too, where the model has a region head: large logos are found whole there.",
    )
    coarse: bool = Field(
        True,
        description="Look in full only at the part that shows anything small at half the size. Not with enrolled "
        "labels, nor where the score is ODIN.",
        json_schema_extra=SAVES,
    )
    coarse_pixels: int = Field(
        80,
        ge=0,
        le=4096,
        description="Places whose shorter side has fewer pixels of the analysed picture than this are small.",
    )


class RejectorConfig(Section):
    """When a candidate is none of the labels. `null` takes the threshold that the model file carries."""

    none_class: Share | None = Field(None, description="Reject when the none-of-the-above probability is above this.")
    max_softmax: Share | None = Field(None, description="Reject when the label's probability is below this.")
    mahalanobis: Annotated[float, Field(gt=0)] | None = Field(
        None, description="Reject when the distance to the label's mean is above this, in standard deviations."
    )
    score: str = Field(
        "auto",
        pattern=r"^[a-z_]+$",
        description="The score that says how unfamiliar a candidate is; auto: the model's own; none: no score.",
    )
    score_threshold: Annotated[float, Field(allow_inf_nan=False)] | None = Field(
        None, description="Reject when that score is above this."
    )
    geometry: Literal["off", "witness"] = Field(
        "witness",
        description="witness: a candidate whose local features fit a picture of its label is accepted at any score.",
    )


class SmootherConfig(Section):
    """When an appearance begins and ends. All in seconds, never in frames."""

    onset_s: Seconds = Field(0.6, description="Evidence needed to open an event: seconds it was seen for, less misses.")
    hold_score: Share = Field(
        0.3, description="An open event goes on while its label is seen with at least this score, rejected or not."
    )
    bridge_s: Seconds = Field(1.0, description="Longest time without a sighting that does not end an event.")
    steady: Share = Field(
        0.5,
        description="Share of an appearance, in time, whose looks must accept the label, or it is dropped as unstable.",
    )
    certain_s: Seconds = Field(
        2.0,
        description="Lead of accepting looks over all others, in seconds, from which on it is an event in any case.",
    )
    min_duration_s: Seconds = Field(0.4, description="Shorter appearances are dropped as unstable.")
    max_look_s: Annotated[float, Field(gt=0)] = Field(
        0.5, description="One sighting counts for at most this much evidence, however far apart the looks are."
    )
    place_iou: Share = Field(
        0.1, description="Overlap (IoU) at which two sightings of a label are the same logo; so are nested ones."
    )
    place_reach: Annotated[float, Field(ge=0)] = Field(
        1.0,
        description="How far a logo may jump, in its own box diagonals; three times that after 2 × max_look_s unseen.",
    )
    unknowns: bool = Field(False, description="Also log regions that were rejected but stayed, without a label.")
    unknown_s: Annotated[float, Field(gt=0)] = Field(1.5, description="How long such a region must last, in seconds.")


class AnnotateConfig(Section):
    """How an annotated video is drawn and written."""

    crf: int = Field(20, ge=0, le=51, description="H.264 quality: lower is better and larger.")
    preset: Literal["ultrafast", "veryfast", "fast", "medium", "slow"] = Field(
        "veryfast", description="H.264 encoder effort."
    )
    timeline: bool = Field(True, description="Draw a timeline of the events along the lower edge.")
