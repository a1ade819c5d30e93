"""Every setting of a run, its default, bounds and unit: here and nowhere else.

Sections are named after the stages. A YAML file may set any part of them; `--set section.key=value` overrides it. An
unknown key, a wrong type or a value out of bounds is a `ConfigError` that names the key, the value and what is
expected.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, field_validator, model_validator

from streamfilter.errors import ConfigError

# A file of settings is a few kilobytes, and no setting lies deeper than in a list in a section in a section.
_MOST_BYTES = 1 << 20
_MOST_DEPTH = 20

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]


_UNRECORDED = ("batch", "clips", "live", "metrics", "sinks")
"""Sections of a run that say nothing of what it finds in files."""


SAVES: dict[str, JsonValue] = {"saves": True}
"""Marks a switch that makes runs faster and should change next to nothing of what they find: `savings`."""


class Section(BaseModel):
    """Base of every section: unknown keys are refused, values never change after they were checked."""

    model_config = ConfigDict(extra="forbid", frozen=True)


# What recordings come in. Left out: what names other files or addresses (playlists, sequences of pictures), devices,
# scripts, and the hundreds of formats that nobody sends but an attacker.
_FORMATS = """
    apng asf avi dnxhd dv flv gif gxf h261 h263 h264 hevc ivf m4v matroska mjpeg mov mpeg mpegts mpegvideo mxf nut obu
    ogg rm vc1 vvc yuv4mpegpipe
"""
_CODECS = """
    apng av1 cfhd dnxhd dvvideo ffv1 ffvhuff flv gif h261 h263 h263i h263p h264 hevc huffyuv jpeg2000 libdav1d libvpx
    libvpx-vp9 mjpeg mpeg1video mpeg2video mpeg4 mpegvideo msmpeg4 msmpeg4v1 msmpeg4v2 png prores qtrle rawvideo rv10
    rv20 rv30 rv40 svq1 svq3 theora utvideo v210 vc1 vp6 vp6a vp6f vp8 vp9 vvc wmv1 wmv2 wmv3
    aac aac_latm ac3 adpcm_ima_qt adpcm_ima_wav adpcm_ms adpcm_swf alac amrnb amrwb cook dca eac3 flac libopus mp1float
    mp2 mp2float mp3 mp3float nellymoser opus pcm_alaw pcm_bluray pcm_dvd pcm_f32be pcm_f32le pcm_mulaw pcm_s16be
    pcm_s16le pcm_s24be pcm_s24le pcm_s32be pcm_s32le pcm_s8 pcm_u8 s302m speex truehd vorbis wmapro wmav1 wmav2
"""

_Name = Annotated[str, Field(pattern=r"^[\w.-]+$", max_length=50)]


class SourceLimits(Section):
    """What a source may ask for, since it may be hostile. One that asks for more is refused, or given up there."""

    patience_s: Annotated[float, Field(ge=0.1, le=86_400)] = Field(
        60.0, description="A source that cannot be opened, or from which no packet comes, for so long is given up."
    )
    duration_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(
        7 * 86_400.0, description="Most stream time, in seconds."
    )
    rate_hz: int = Field(1000, ge=1, le=1_000_000, description="Most frames in a second of stream time.")
    streams: int = Field(256, ge=1, le=10_000, description="Most streams in a container, of any kind.")
    block_mib: int = Field(
        512, ge=1, le=2047, description="Most memory that FFmpeg takes at once, for a picture or a packet, in MiB."
    )
    memory_mib: int = Field(
        4096, ge=512, le=1 << 20, description="Address space of a decoder's process, in MiB; with source.isolate only."
    )
    formats: tuple[_Name, ...] = Field(
        tuple(_FORMATS.split()), min_length=1, description="Containers that are opened, by FFmpeg's names."
    )
    codecs: tuple[_Name, ...] = Field(
        tuple(_CODECS.split()), min_length=1, description="Decoders that are used, by FFmpeg's names."
    )


class SourceConfig(Section):
    """What part of a source is read, and what it may ask for."""

    start_s: Seconds = Field(0.0, description="Where to begin, in seconds of stream time.")
    end_s: Seconds | None = Field(None, description="Where to stop, in seconds of stream time; null: at the end.")
    deinterlace: Literal["auto", "never", "always"] = Field(
        "auto", description="Deinterlace when the decoder says a frame is interlaced, never, or always."
    )
    threads: int = Field(0, ge=0, le=64, description="Decoder threads; 0: four, on any machine.")
    discard: Literal["none", "nonref"] = Field(
        "none",
        description="nonref: leave out frames that no other needs, half of usual H.264; edges and cuts are then as "
        "exact as what is left.",
    )
    max_pixels: int = Field(
        8192 * 8192, ge=1, description="Pictures with more pixels than this are refused, in pixels."
    )
    isolate: bool = Field(
        False,
        description="Decode in a process of its own: a decoder that crashes or hangs then fails only its source.",
    )
    limits: SourceLimits = SourceLimits()

    @model_validator(mode="after")
    def _ends_after_start(self) -> SourceConfig:
        if self.end_s is not None and self.end_s <= self.start_s:
            raise ValueError(f"end_s {self.end_s} must be greater than start_s {self.start_s}")
        return self


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
        1.0, description="Longest time between two looks that are asked in any case, while the whole picture moves."
    )
    longest_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(
        10.0, description="The same while little or nothing moves."
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
    coarse: bool = Field(
        False,
        description="First look at half the size, and in full only where anything could be; misses small logos.",
        json_schema_extra=SAVES,
    )
    coarse_floor: Share = Field(
        0.05, description="Windows of that first look that are likelier something than this are worth the full one."
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
        0.5, description="Share of the looks at an appearance that must accept the label, or it is dropped as unstable."
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


class ClipsConfig(Section):
    """Clips of events: from their source's packets, nothing encoded anew."""

    folder: Path | None = Field(None, description="Where clips go; null: there are none.")
    pre_roll_s: Seconds = Field(3.0, description="How long a clip begins before its event; then at a key frame.")
    post_roll_s: Seconds = Field(3.0, description="How long it goes on after it.")
    max_length_s: Annotated[float, Field(gt=0)] = Field(300.0, description="The longest clip; a longer event is cut.")
    thumbnail: bool = Field(False, description="Also a JPEG of the moment with the highest score.")
    annotated: bool = Field(False, description="Also a copy with box, label and score drawn in; this one is encoded.")
    max_bytes: int = Field(20_000_000_000, ge=0, description="The oldest are deleted when all take more, in bytes.")
    max_age_days: Annotated[float, Field(gt=0)] = Field(30.0, description="Those that are older are deleted.")
    max_ring_bytes: int = Field(
        64_000_000, ge=1_000_000, description="What the packets of a live feed may take in memory, in bytes."
    )


class LiveConfig(Section):
    """How live feeds are read. It plays no part for files."""

    rtsp_transport: Literal["tcp", "udp"] = Field(
        "tcp", description="How RTSP pictures travel: tcp loses nothing, udp is what some cameras want."
    )
    connect_s: Positive = Field(10.0, description="A feed that yields nothing for so long when it is opened is lost.")
    silence_s: Positive = Field(5.0, description="A feed of which nothing comes for so long is lost.")
    picture_s: Positive = Field(20.0, description="A feed of which no picture can be decoded for so long is lost.")
    retry_first_s: Positive = Field(0.5, description="The first wait before a lost feed is tried again; it doubles.")
    retry_most_s: Positive = Field(30.0, description="The longest such wait; there is no last try.")
    retry_slow_s: Positive = Field(
        60.0, description="The wait where only a person can help: password refused, unknown path, unknown codec."
    )
    retry_jitter: Share = Field(0.3, description="A wait is shorter by a random share, at most this one.")
    max_staleness_s: Positive = Field(0.5, description="What is older than this is not looked at any more.")
    update_s: Positive = Field(5.0, description="How often an open event is told of again.")
    checkpoint_s: Positive = Field(
        30.0, description="How often the log tells how far a feed was seen; after a crash more than that is a gap."
    )

    @model_validator(mode="after")
    def _waits_grow(self) -> LiveConfig:
        if self.retry_most_s < self.retry_first_s:
            raise ValueError(
                f"retry_most_s {self.retry_most_s} must not be less than retry_first_s {self.retry_first_s}"
            )
        return self


class MetricsConfig(Section):
    """What a monitoring system is told."""

    listen: str | None = Field(
        None,
        pattern=r"^([^\s/@]+:)?[0-9]{1,5}$",
        description="[HOST:]PORT that answers /metrics and /healthz over HTTP, on loopback without HOST; null: none.",
    )
    stale_s: Annotated[float, Field(gt=0)] = Field(
        15.0, description="A feed that was not seen for longer than this makes /healthz answer 503, in seconds."
    )

    @field_validator("listen", mode="before")
    @classmethod
    def _port_alone(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class BatchConfig(Section):
    """How `streamfilter batch` shares an archive out. It plays no part in what is found."""

    jobs: int = Field(0, ge=0, le=256, description="Files that are read side by side; 0: as many as suit the machine.")
    fetch_folder: Path | None = Field(
        None, description="Where files from elsewhere are kept while they are read; null: beside the logs."
    )
    fetch_bytes: int = Field(
        50_000_000_000, ge=1, description="Files from elsewhere that are larger are refused, in bytes."
    )


class Secret(Section):
    """Where a secret is found: never in the settings themselves."""

    env: str | None = Field(None, pattern=r"^[A-Za-z_]\w*$", description="The environment variable that holds it.")
    file: Path | None = Field(None, description="The file that holds it; space around it does not count.")

    @model_validator(mode="after")
    def _one_place(self) -> Secret:
        if (self.env is None) == (self.file is None):
            raise ValueError("expected either env or file")
        return self

    def read(self) -> str:
        """The secret. Raises `ConfigError` where there is none."""
        if self.env is not None:
            value, where = os.environ.get(self.env, "").strip(), f"environment variable {self.env}"
        else:
            assert self.file is not None
            where = f"file {self.file}"
            try:
                value = self.file.read_text("utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigError(f"cannot read the secret in {where}: {type(error).__name__}; check it") from None
        if not value:
            raise ConfigError(f"no secret in {where}: set it, or name another place")
        return value


RecordType = Literal[
    "run_start", "source_state", "event_open", "event_update", "event_close", "event_amend", "gap", "run_end"
]


class SinkConfig(Section):
    """What every sink beside the log has."""

    types: tuple[RecordType, ...] = Field(
        ("event_open", "event_update", "event_close", "event_amend", "gap", "source_state"),
        description="Which types of records are delivered.",
    )
    timeout_s: Annotated[float, Field(gt=0, le=600)] = Field(10.0, description="How long the receiver may be silent.")
    first_retry_s: Annotated[float, Field(gt=0)] = Field(1.0, description="Wait after a first failure; then doubled.")
    longest_retry_s: Annotated[float, Field(gt=0)] = Field(60.0, description="The longest such wait.")
    drain_s: Seconds = Field(3.0, description="At the end of a run, how long to deliver what is left in the log.")
    give_up_s: Seconds = Field(60.0, description="How long `deliver` without `--follow` lets a receiver fail.")


class WebhookConfig(SinkConfig):
    """HTTP POST of each record."""

    kind: Literal["webhook"]
    url: str | Secret = Field(description="Where to; an address that is a secret comes from elsewhere.")
    secret: Secret | None = Field(None, description="Signs what is sent; null: nothing is signed.")
    authorization: Secret | None = Field(None, description="Value of the Authorization header, such as `Bearer ...`.")


class MqttConfig(SinkConfig):
    """MQTT 3.1.1, QoS 1."""

    kind: Literal["mqtt"]
    host: str = Field(min_length=1, description="The broker.")
    port: int | None = Field(None, ge=1, le=65535, description="null: 1883, with TLS 8883.")
    tls: bool = Field(False, description="Encrypt, and check the broker's certificate.")
    ca_file: Path | None = Field(None, description="Certificates to trust; null: those of the system.")
    username: str | None = Field(None, description="Who we are to the broker.")
    password: Secret | None = Field(None, description="And how it knows.")
    prefix: str = Field("streamfilter", pattern=r"^[^+#$\x00][^+#\x00]*$", description="What all topics begin with.")
    client_id: str | None = Field(None, min_length=1, description="null: made of the log's path and the sink's name.")
    keepalive_s: int = Field(30, ge=5, le=3600, description="How soon a broken connection is noticed, in seconds.")


class PythonSinkConfig(SinkConfig):
    """A sink of one's own."""

    kind: Literal["python"]
    entry_point: str = Field(description="Its name in the group `streamfilter.sinks`.")
    options: dict[str, Any] = Field(default_factory=dict, description="Handed to it as they are.")


AnySink = Annotated[WebhookConfig | MqttConfig | PythonSinkConfig, Field(discriminator="kind")]
_SINK_KINDS: dict[int | str, type[Section]] = {
    "webhook": WebhookConfig,
    "mqtt": MqttConfig,
    "python": PythonSinkConfig,
}
SinkName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]


class RunConfig(Section):
    """What decides what a run finds, whose digest is part of every event's identity, and who is told of it."""

    source: SourceConfig = SourceConfig()
    sampler: SamplerConfig = SamplerConfig()
    gate: GateConfig = GateConfig()
    classifier: ClassifierConfig = ClassifierConfig()
    rejector: RejectorConfig = RejectorConfig()
    smoother: SmootherConfig = SmootherConfig()
    annotate: AnnotateConfig = AnnotateConfig()
    clips: ClipsConfig = ClipsConfig()
    live: LiveConfig = LiveConfig()
    metrics: MetricsConfig = MetricsConfig()
    batch: BatchConfig = BatchConfig()
    sinks: dict[SinkName, AnySink] = Field(default_factory=dict, description="Sinks beside the log, by name.")

    def recorded(self) -> dict[str, Any]:
        """The settings that an event log tells. Who is told of the run is left out, with all that could be secret."""
        return self.model_dump(mode="json", exclude=set(_UNRECORDED))

    def digest(self) -> str:
        """SHA-256 over the settings that decide the events; batch size, threads, limits and drawing do not."""
        kept = self.model_dump(
            mode="json",
            exclude={
                **dict.fromkeys(_UNRECORDED, True),
                "annotate": True,
                "classifier": {"batch", "threads"},
                "source": {"threads", "limits", "isolate"},
            },
        )
        return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def savings(config: RunConfig) -> dict[str, RunConfig]:
    """Each saving that is switched on, by its dotted name, with the settings that have it off and all else as it is."""
    found = {}
    for name in RunConfig.model_fields:
        section = getattr(config, name)
        for key, field in type(section).model_fields.items() if isinstance(section, Section) else ():
            if field.json_schema_extra == SAVES and getattr(section, key):
                off = section.model_copy(update={key: False})
                found[f"{name}.{key}"] = config.model_copy(update={name: off})
    return found


class SyntheticConfig(Section):
    """Negatives that are made and not found, each as a share; 0 makes none."""

    mixed: Share = Field(
        0.0, description="Of the pasted logos: mixed with a stranger, and taught as the label only as far as it shows."
    )
    erased: Share = Field(0.0, description="Of the scenes: a label's picture whose logo was painted over.")
    scrambled: Share = Field(0.0, description="Of the scenes with strangers: one of them is a logo in disorder.")
    recoloured: Share = Field(
        0.0,
        description="Of the scenes with strangers: one is a logo in other hues. Not for marks of any colour.",
    )
    pushed: Share = Field(
        0.0, description="Of the logos' windows: their embedding, pushed along the loss's gradient, is a negative, too."
    )
    adversarial: Share = Field(
        0.0, description="Of the logos' windows: as many negatives by a generator that is drawn to the labels' borders."
    )


class TrainConfig(Section):
    """How a model is taught. `null` takes what suits the device; the model file says what it was."""

    seed: int = Field(0, ge=0, description="Everything random follows from this.")
    architecture: Literal["resnet50", "resnet18"] = Field("resnet50", description="The torchvision backbone.")
    pretrained: bool = Field(True, description="Start from ImageNet weights; false: from random ones.")
    tune: Literal["head", "layer4", "all"] | None = Field(
        None,
        description="What is tuned: neck and head, layer 4 too, or everything. null: as the device allows.",
    )
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="auto, cpu, cuda or cuda:N.")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="Arithmetic; auto takes bfloat16 where the device has hardware for it."
    )
    threads: int = Field(0, ge=0, le=256, description="CPU threads; 0: one per core.")
    short_side: int = Field(
        384, ge=64, le=2160, description="Shorter side in pixels at which the model will look at pictures by default."
    )
    scene_height: int = Field(384, ge=64, le=1024, multiple_of=32, description="Height of a training scene, in pixels.")
    scene_width: int = Field(512, ge=64, le=2048, multiple_of=32, description="Width of a training scene, in pixels.")
    min_side: Annotated[float, Field(gt=0, le=1)] = Field(
        0.06, description="Height of the smallest pasted logos, as a share of the scene's."
    )
    max_side: Annotated[float, Field(gt=0, le=1)] = Field(
        0.85, description="Height of the largest pasted logos, as a share of the scene's."
    )
    scribbles: Share = Field(
        0.4, description="Share of the scenes with strokes, blobs and words that are nobody's logo."
    )
    mosaics: Share = Field(
        0.5, description="Share of the scenes that are mosaics of close-ups: many logos for the time of one scene."
    )
    scenes: int | None = Field(
        None, ge=10, description="Training scenes composed in all. null: what half an hour on the device allows."
    )
    closer_scenes: int | None = Field(
        None, ge=10, description="Scenes that the closer look learns from. null: as the device allows."
    )
    closer_pictures: int | None = Field(
        None,
        ge=10,
        description="Pictures, as they are, that it learns from, and as many held-out ones that thresholds are fitted "
        "to. null: as the device allows.",
    )
    validation_scenes: int = Field(400, ge=10, description="Scenes composed from the validation pictures.")
    epochs: int | None = Field(None, ge=1, le=1000, description="Passes over the scenes. null: as the device allows.")
    batch: int = Field(8, ge=1, le=512, description="Scenes in one step.")
    learning_rate: Annotated[float, Field(gt=0, lt=1)] = Field(1e-3, description="Peak rate of neck and head.")
    backbone_rate: Annotated[float, Field(gt=0, lt=1)] = Field(1e-4, description="Peak rate of the tuned backbone.")
    weight_decay: Annotated[float, Field(ge=0, lt=1)] = Field(0.02, description="Decoupled weight decay (AdamW).")
    validation: Annotated[float, Field(gt=0, lt=0.9)] = Field(0.2, description="Share of the pictures held out.")
    reduced: int = Field(256, ge=8, le=2048, description="Channels of the neck's first layer.")
    embedding: int = Field(512, ge=8, le=2048, description="Channels of the embedding.")
    loss: Literal["none_class", "entropic", "weighted"] = Field(
        "none_class",
        description="What windows of no label are taught: none_class: that they are none of the above; entropic: to be "
        "equally like every label; weighted: none of the above, but by one over the number of labels.",
    )
    none_classes: int = Field(
        1, ge=1, le=64, description="Classes that the negatives are clustered into: nothing need not be one thing."
    )
    objectosphere: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        0.0, description="Weight of the loss on the embeddings' length: long for labels, short for all else. 0: none."
    )
    radius: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(
        20.0, description="Length from which on a label's embedding is long enough for `objectosphere`."
    )
    se_stages: tuple[Annotated[int, Field(ge=1, le=4)], ...] = Field(
        (), description="Stages of the backbone that a block of context with squeeze and excitation follows."
    )
    synthetic: SyntheticConfig = SyntheticConfig()
    weights: Literal["float16", "int8"] = Field("float16", description="How the weights are stored in the model file.")
    false_share: Annotated[float, Field(gt=0, lt=0.5)] = Field(
        0.08, description="Share of validation scenes without a known logo that may yield one: sets the thresholds."
    )

    @model_validator(mode="after")
    def _options_fit(self) -> TrainConfig:
        if self.loss == "entropic" and self.none_classes > 1:
            raise ValueError("loss entropic knows no none class: none_classes must be 1 with it")
        if len(set(self.se_stages)) < len(self.se_stages):
            raise ValueError(f"se_stages {list(self.se_stages)}: a stage stands there twice")
        if self.tune in ("head", "layer4") and self.se_stages and min(self.se_stages) < 3:
            raise ValueError(f"se_stages {list(self.se_stages)}: stages 1 and 2 learn only with tune: all")
        return self


S = TypeVar("S", bound=Section)


def load_config(kind: type[S], path: Path | None = None, overrides: Iterable[str] = ()) -> S:
    """Settings of `kind` from its defaults, a YAML file and dotted overrides (`smoother.onset_s=0.3`), in that order.

    Raises `ConfigError` for a file that cannot be read or parsed, an unknown key, a wrong type, a value out of bounds.
    """
    tree = _settings_tree(path) if path is not None else {}
    for override in overrides:
        _apply(tree, override)
    return check_config(kind, tree, origin=str(path) if path is not None else "settings")


def check_config(kind: type[S], tree: Mapping[str, Any], *, origin: str) -> S:
    """Validate a plain mapping; `origin` is named in the error."""
    try:
        return kind.model_validate(tree)
    except ValidationError as error:
        lines = "; ".join(_explain(kind, problem) for problem in error.errors()[:5])
        raise ConfigError(f"{origin}: {lines}") from None


class _PlainLoader(yaml.SafeLoader):
    """Safe YAML without aliases, which a few lines of could grow to gigabytes, and not deeper than settings are."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("it repeats a part of itself by an alias (`*name`); write that part again")
        self.depth += 1
        if self.depth > _MOST_DEPTH:
            raise yaml.YAMLError(f"it is nested deeper than {_MOST_DEPTH} levels")
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


def _plain_yaml(text: str | bytes) -> Any:
    """What a YAML text says. Raises `ValueError`, in one line, for one that is none, or that is hostile."""
    try:
        return yaml.load(text, _PlainLoader)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        # Beside its own errors YAML lets those of dates and numbers through.
        raise ValueError(" ".join(str(error).split())[:500]) from None


def read_yaml(path: Path) -> Any:
    """What a YAML file says: safe, without aliases, bounded in size and depth. Raises `OSError`, `ValueError`."""
    with path.open("rb") as file:
        content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise ValueError(f"it is larger than {_MOST_BYTES >> 20} MiB")
    return _plain_yaml(content)


def _settings_tree(path: Path) -> dict[str, Any]:
    try:
        tree = read_yaml(path)
    except OSError as error:
        raise ConfigError(f"cannot read config {path}: {error.strerror}; check the path") from None
    except ValueError as error:
        raise ConfigError(f"config {path} is not YAML for settings: {error}") from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ConfigError(f"config {path} holds a {type(tree).__name__}, expected sections such as `smoother:`")
    return tree


def _apply(tree: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set {override!r}: expected section.key=value, such as smoother.onset_s=0.3")
    *sections, last = key.strip().split(".")
    for name in sections:
        child = tree.setdefault(name, {})
        if not isinstance(child, dict):
            raise ConfigError(f"--set {override!r}: {name} is a value, not a section")
        tree = child
    try:
        tree[last] = _plain_yaml(text)
    except ValueError:
        raise ConfigError(f"--set {override!r}: cannot read the value {text!r}") from None


def _explain(kind: type[Section], problem: Any) -> str:
    where = ".".join(str(part) for part in problem["loc"] if not str(part).startswith(("constrained", "literal")))
    if problem["type"] == "extra_forbidden":
        known = ", ".join(_siblings(kind, problem["loc"]))
        return f"unknown setting {where}; known here: {known}"
    message = problem["msg"].removeprefix("Value error, ")
    shown = "" if _may_be_secret(problem) else f" = {problem['input']!r}"
    return f"{where or 'settings'}{shown}: {message[0].lower()}{message[1:]}"


def _may_be_secret(problem: Any) -> bool:
    """A sink's settings hold addresses and options with passwords in them."""
    return problem["loc"][:1] == ("sinks",) and not isinstance(problem["input"], bool | int | float)


def _siblings(kind: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    if location[0] == "sinks" and len(location) > 3:
        kind, location = _SINK_KINDS[location[2]], location[3:]
    for part in location[:-1]:
        field = kind.model_fields.get(str(part))
        if field is None or not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)):
            break
        kind = field.annotation
    return sorted(kind.model_fields)
