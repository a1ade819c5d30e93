"""Who is told of a run beside its log."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from streamfilter.config.section import Seconds, Section
from streamfilter.errors import ConfigError


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
SINK_KINDS: dict[int | str, type[Section]] = {
    "webhook": WebhookConfig,
    "mqtt": MqttConfig,
    "python": PythonSinkConfig,
}
SinkName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
