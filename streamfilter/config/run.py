"""All settings of a run."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic import Field

from streamfilter.config.section import SAVES, Section
from streamfilter.config.service import BatchConfig, ClipsConfig, LiveConfig, MetricsConfig
from streamfilter.config.sinks import AnySink, SinkName
from streamfilter.config.source import SourceConfig
from streamfilter.config.stages import (
    AnnotateConfig,
    ClassifierConfig,
    GateConfig,
    RejectorConfig,
    SamplerConfig,
    SmootherConfig,
)

_UNRECORDED = ("batch", "clips", "live", "metrics", "sinks")
"""Sections of a run that say nothing of what it finds in files."""


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
