"""Every setting of a run, its default, bounds and unit: here and nowhere else.

Sections are named after the stages. A YAML file may set any part of them; `--set section.key=value` overrides it. An
unknown key, a wrong type or a value out of bounds is a `ConfigError` that names the key, the value and what is
expected.
"""

from streamfilter.config.loading import check_config, load_config, read_yaml
from streamfilter.config.run import RunConfig, savings
from streamfilter.config.section import Section
from streamfilter.config.service import BatchConfig, ClipsConfig, LiveConfig, MetricsConfig
from streamfilter.config.sinks import AnySink, MqttConfig, PythonSinkConfig, Secret, SinkConfig, WebhookConfig
from streamfilter.config.source import SourceConfig, SourceLimits
from streamfilter.config.stages import (
    AnnotateConfig,
    ClassifierConfig,
    GateConfig,
    RejectorConfig,
    SamplerConfig,
    SmootherConfig,
)
from streamfilter.config.training import SyntheticConfig, TrainConfig

__all__ = [
    "AnnotateConfig",
    "AnySink",
    "BatchConfig",
    "ClassifierConfig",
    "ClipsConfig",
    "GateConfig",
    "LiveConfig",
    "MetricsConfig",
    "MqttConfig",
    "PythonSinkConfig",
    "RejectorConfig",
    "RunConfig",
    "SamplerConfig",
    "Secret",
    "Section",
    "SinkConfig",
    "SmootherConfig",
    "SourceConfig",
    "SourceLimits",
    "SyntheticConfig",
    "TrainConfig",
    "WebhookConfig",
    "check_config",
    "load_config",
    "read_yaml",
    "savings",
]
