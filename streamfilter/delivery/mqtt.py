"""MQTT 3.1.1 with QoS 1: a record counts as delivered when the broker has acknowledged it.

Topics, below a prefix: `status` is `online` or `offline`, retained, and the broker says `offline` when we vanish;
`SOURCE/events` has the records of events, `SOURCE/state` gaps and states of a source, `run` what speaks of the whole
run. The client is paho's, which keeps the connection in a thread of its own and comes back by itself.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from streamfilter.config import MqttConfig
from streamfilter.errors import UndeliveredError
from streamfilter.eventlog.names import safe_name
from streamfilter.sinks.encoding import encode
from streamfilter.source.discovery import redacted

_PORT, _TLS_PORT = 1883, 8883
_GOODBYE_S = 1.0


class Mqtt:
    """Publishes to one broker. `client_id`: its session at the broker belongs to it, so nobody else may have it.

    Raises `ConfigError` where a secret is missing or a certificate cannot be read.
    """

    def __init__(self, config: MqttConfig, *, client_id: str) -> None:
        self._config = config
        self._status = f"{config.prefix}/status"
        self._changed = threading.Condition()
        self._is_online = False
        self._refusal = "nobody answers"
        self._pending: tuple[str, int] | None = None
        self._acknowledged: set[int] = set()
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=False, protocol=MQTTv311)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_publish = self._on_publish
        self._client.reconnect_delay_set(
            max(1, round(config.first_retry_s)), max(1, round(config.first_retry_s), round(config.longest_retry_s))
        )
        self._client.will_set(self._status, "offline", qos=1, retain=True)
        if config.username is not None:
            self._client.username_pw_set(config.username, None if config.password is None else config.password.read())
        if config.tls:
            self._client.tls_set(None if config.ca_file is None else str(config.ca_file))

    def __enter__(self) -> Self:
        config = self._config
        self._client.connect_timeout = config.timeout_s
        self._client.connect_async(
            config.host, config.port or (_TLS_PORT if config.tls else _PORT), keepalive=config.keepalive_s
        )
        self._client.loop_start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_online:
            goodbye = self._client.publish(self._status, "offline", qos=1, retain=True).mid
            self._is_acknowledged(goodbye, _GOODBYE_S)
        self._client.disconnect()
        self._client.loop_stop()

    def deliver(self, record: Mapping[str, Any], *, key: str) -> None:
        """Publish one record and wait for the broker's word; the same `key` again goes on waiting for it."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._is_online, self._config.timeout_s):
                raise UndeliveredError(f"no connection to {self._where}: {self._refusal}")
        if self._pending is None or self._pending[0] != key:
            self._pending = key, self._publish(record)
        if not self._is_acknowledged(self._pending[1], self._config.timeout_s):
            raise UndeliveredError(f"{self._where} does not acknowledge")
        self._pending = None

    def _publish(self, record: Mapping[str, Any]) -> int:
        """Hand a record to the client; returns its number, by which the broker will acknowledge it.

        The client calls back under a lock that it also needs for publishing, so ours must not be held here. Numbers
        come again after a while, so those of old are forgotten.
        """
        with self._changed:
            self._acknowledged.clear()
        return self._client.publish(topic_of(record, self._config.prefix), encode(record)[:-1], qos=1).mid

    def _is_acknowledged(self, number: int, timeout_s: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: number in self._acknowledged, timeout_s)

    @property
    def _where(self) -> str:
        return f"MQTT broker {self._config.host}"

    def _on_connect(
        self, client: Client, data: Any, flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        with self._changed:
            self._is_online = not reason.is_failure
            self._refusal = str(reason)
            self._changed.notify_all()
        if not reason.is_failure:
            client.publish(self._status, "online", qos=1, retain=True)

    def _on_disconnect(
        self, client: Client, data: Any, flags: DisconnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        with self._changed:
            self._is_online = False

    def _on_publish(self, client: Client, data: Any, number: int, reason: ReasonCode, properties: Properties) -> None:
        with self._changed:
            self._acknowledged.add(number)
            self._changed.notify_all()


def topic_of(record: Mapping[str, Any], prefix: str) -> str:
    """Where a record is published."""
    source = record.get("source")
    if not isinstance(source, str):
        return f"{prefix}/run"
    last = "events" if str(record.get("type")).startswith("event_") else "state"
    return f"{prefix}/{slug(source)}/{last}"


def slug(source: str) -> str:
    """A source's name as one level of a topic: no separator, no wildcard, no secret."""
    return safe_name(redacted(source).replace("+", "-"))
