"""From settings to sinks. A sink of one's own comes from another package's entry point in `streamfilter.sinks`."""

from __future__ import annotations

import hashlib
import os
from importlib.metadata import entry_points
from pathlib import Path
from typing import cast

from streamfilter.config import AnySink, MqttConfig, PythonSinkConfig, WebhookConfig
from streamfilter.errors import ConfigError, StreamFilterError
from streamfilter.stages import Sink

GROUP = "streamfilter.sinks"


def make_sink(name: str, config: AnySink, *, log: Path) -> Sink:
    """The sink `name` for a log. Raises `ConfigError` for what is missing or does not fit."""
    if isinstance(config, WebhookConfig):
        from streamfilter.delivery.webhook import Webhook

        return Webhook(name, config)
    if isinstance(config, MqttConfig):
        from streamfilter.delivery.mqtt import Mqtt

        try:
            return Mqtt(config, client_id=config.client_id or _client_id(name, log))
        except OSError as error:
            raise ConfigError(f"sinks.{name}.ca_file {config.ca_file}: {error.strerror or error}; check it") from None
    return _from_entry_point(name, config)


def _client_id(name: str, log: Path) -> str:
    """At most 23 characters, which every broker takes."""
    who = f"{os.path.realpath(log)}\0{name}"
    return f"streamfilter-{hashlib.sha256(who.encode('utf-8', 'backslashreplace')).hexdigest()[:10]}"


def _from_entry_point(name: str, config: PythonSinkConfig) -> Sink:
    found = {entry.name: entry for entry in entry_points(group=GROUP)}
    if config.entry_point not in found:
        known = ", ".join(sorted(found)) or "none"
        raise ConfigError(
            f"sinks.{name}.entry_point {config.entry_point!r} is not installed; there are in {GROUP}: {known}"
        )
    try:
        return cast(Sink, found[config.entry_point].load()(dict(config.options)))
    except StreamFilterError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a foreign package raises, the user gets one line
        raise ConfigError(
            f"sinks.{name}: {config.entry_point} cannot be made ({type(error).__name__}); check its options"
        ) from None
