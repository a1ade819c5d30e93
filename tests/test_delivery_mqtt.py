"""MQTT, through a real Mosquitto that is killed and comes back."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from receivers import Broker, Subscriber, Told, as_line, record, until

from streamfilter.config import MqttConfig, RunConfig, Secret, check_config
from streamfilter.delivery import delivering
from streamfilter.delivery.making import make_sink
from streamfilter.delivery.mqtt import Mqtt, slug, topic_of
from streamfilter.errors import ConfigError, UndeliveredError


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path)
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def subscriber(broker: Broker) -> Iterator[Subscriber]:
    subscriber = Subscriber(broker)
    yield subscriber
    subscriber.close()


def mqtt(broker: Broker, **settings: Any) -> MqttConfig:
    quick = {"first_retry_s": 0.05, "longest_retry_s": 1.0, "timeout_s": 2.0}
    return MqttConfig(kind="mqtt", host="127.0.0.1", port=broker.port, **{**quick, **settings})


def test_records_are_published_by_source_and_kind(tmp_path: Path, broker: Broker, subscriber: Subscriber) -> None:
    log = tmp_path / "events.jsonl"
    start = record(0, "run_start") | {"source": None}
    records = [start, record(1, "source_state"), record(2, "event_open"), record(3), record(4, source="rtsp://a:b@c/1")]
    log.write_bytes(b"".join(map(as_line, records)))
    types = ("run_start", "source_state", "event_open", "event_close")
    with delivering(log, {"bus": mqtt(broker, types=types, drain_s=60.0)}, Told()):
        pass
    until(lambda: len(subscriber.messages) >= 7, "all messages")
    assert subscriber.records("streamfilter/run") == [start]
    assert subscriber.records("streamfilter/a.mp4/state") == [records[1]]
    assert subscriber.records("streamfilter/a.mp4/events") == records[2:4]
    assert subscriber.texts("streamfilter/status") == [b"online", b"offline"]
    assert not [topic for topic, _, _ in subscriber.messages if "a:b" in topic]


def test_the_status_is_retained_and_the_broker_tells_when_we_vanish(broker: Broker, subscriber: Subscriber) -> None:
    sink = Mqtt(mqtt(broker), client_id="vanishing")
    sink.__enter__()
    until(lambda: subscriber.texts("streamfilter/status") == [b"online"], "online")
    late = Subscriber(broker)
    try:
        until(lambda: bool(late.messages), "the retained status")
        assert late.messages == [("streamfilter/status", b"online", True)]
        connection = sink._client.socket()
        assert connection is not None
        sink._client.loop_stop()
        connection.close()  # no goodbye: as when the process is killed
        until(lambda: late.texts("streamfilter/status") == [b"online", b"offline"], "the last will")
    finally:
        late.close()


def test_a_broker_that_is_killed_and_comes_back_gets_everything(
    tmp_path: Path, broker: Broker, subscriber: Subscriber
) -> None:
    log, told = tmp_path / "events.jsonl", Told()
    log.write_bytes(b"".join(as_line(record(seq)) for seq in range(0, 10, 2)))
    with delivering(log, {"bus": mqtt(broker, timeout_s=0.5, drain_s=60.0)}, told) as (deliverer,):
        until(lambda: deliverer.numbers().delivered == 5, "the first half")
        broker.save()
        broker.stop()
        with log.open("ab") as file:
            file.write(b"".join(as_line(record(seq)) for seq in range(10, 20, 2)))
        until(lambda: deliverer.numbers().is_failing, "a failure")
        broker.start()
        until(lambda: deliverer.numbers().delivered == 10, "the second half")
    # On a busy machine the first connection may take too long as well, which is told too.
    assert told.warned
    assert all("MQTT broker 127.0.0.1" in warning for warning in told.warned)
    topic = "streamfilter/a.mp4/events"
    until(lambda: len({one["event_id"] for one in subscriber.records(topic)}) == 10, "all events at the subscriber")
    by_id = {one["event_id"]: one for one in subscriber.records(topic)}
    assert sorted(one["seq"] for one in by_id.values()) == list(range(0, 20, 2))


def test_nothing_counts_as_delivered_without_the_brokers_word(tmp_path: Path, broker: Broker) -> None:
    with Mqtt(mqtt(broker, timeout_s=0.3), client_id="waiting") as sink:
        sink.deliver(record(0), key="0")
        broker.stop()
        for _ in range(3):
            with pytest.raises(UndeliveredError):
                sink.deliver(record(2), key="2")
        broker.start()
        until(lambda: _works(sink), "the broker's word")


def _works(sink: Mqtt) -> bool:
    try:
        sink.deliver(record(2), key="2")
    except UndeliveredError:
        return False
    return True


def test_a_wrong_password_is_told_and_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MQTT_PASSWORD_OF_A_TEST", "hidden")
    (tmp_path / "passwords").write_text("somebody:$7$101$AAAA$AAAA\n")
    (tmp_path / "passwords").chmod(0o600)
    broker = Broker(tmp_path, lines=("allow_anonymous false", f"password_file {tmp_path}/passwords"))
    broker.start()
    try:
        config = mqtt(broker, username="somebody", password=Secret(env="MQTT_PASSWORD_OF_A_TEST"), timeout_s=1.0)
        with Mqtt(config, client_id="wrong") as sink:
            until(lambda: "uthor" in sink._refusal or "password" in sink._refusal, "a refusal")
            with pytest.raises(UndeliveredError, match=r"no connection to MQTT broker 127\.0\.0\.1") as caught:
                sink.deliver(record(0), key="0")
        assert "hidden" not in str(caught.value)
    finally:
        broker.stop()


def test_certificates_that_cannot_be_read_are_one_clear_error(tmp_path: Path) -> None:
    config = MqttConfig(kind="mqtt", host="x", tls=True, ca_file=tmp_path / "absent.pem")
    with pytest.raises(ConfigError, match=r"sinks\.bus\.ca_file"):
        make_sink("bus", config, log=tmp_path / "events.jsonl")
    (tmp_path / "bad.pem").write_text("no certificate")
    with pytest.raises(ConfigError, match=r"sinks\.bus\.ca_file"):
        make_sink("bus", config.model_copy(update={"ca_file": tmp_path / "bad.pem"}), log=tmp_path / "events.jsonl")


def test_with_tls_certificates_are_checked(tmp_path: Path) -> None:
    sink = Mqtt(MqttConfig(kind="mqtt", host="x", tls=True), client_id="tls")
    context = sink._client._ssl_context
    assert context is not None
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname


def test_every_sink_of_every_log_has_a_session_of_its_own(tmp_path: Path) -> None:
    config = MqttConfig(kind="mqtt", host="x")
    sinks = [make_sink(name, config, log=tmp_path / log) for name in ("a", "b") for log in ("1.jsonl", "2.jsonl")]
    again = make_sink("a", config, log=tmp_path / "1.jsonl")
    ids = [sink._client._client_id for sink in [*sinks, again] if isinstance(sink, Mqtt)]
    assert len(set(ids)) == 4
    assert ids[0] == ids[4]
    assert all(len(one) <= 23 for one in ids)


@given(st.text(min_size=1), st.text(min_size=1))
def test_a_source_is_one_level_of_a_topic_whatever_it_is_called(source: str, other: str) -> None:
    level = slug(source)
    assert level
    assert not set(level) & set("+#/\0")
    if "+" not in source + other and source != other:
        assert slug(other) != level
    assert topic_of(record(0, source=source), "a/b") == f"a/b/{level}/events"


@pytest.mark.parametrize("prefix", ["", "#", "a/+/b", "$SYS/x", "a\0"])
def test_a_prefix_that_is_no_topic_is_refused(prefix: str) -> None:
    tree = {"sinks": {"bus": {"kind": "mqtt", "host": "x", "prefix": prefix}}}
    with pytest.raises(ConfigError, match="prefix"):
        check_config(RunConfig, tree, origin="test")
