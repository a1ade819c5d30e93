"""What surrounds the stages: clips, live feeds, metrics, archives."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from streamfilter.config.section import Positive, Seconds, Section, Share


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
