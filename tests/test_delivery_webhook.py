"""Webhooks, to a real HTTP server that fails in every way we know."""

from __future__ import annotations

import hashlib
import hmac
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from receivers import HttpReceiver, Told, as_line, http_receiver, record, until

from streamfilter.config import Secret, WebhookConfig
from streamfilter.delivery import delivering
from streamfilter.delivery.session import sinks_folder
from streamfilter.delivery.webhook import Webhook, _retry_after_s
from streamfilter.errors import ConfigError, RefusedError, UndeliveredError

SECRET = "a secret of this test"


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    with http_receiver() as receiver:
        yield receiver


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> Secret:
    monkeypatch.setenv("WEBHOOK_SECRET_OF_A_TEST", SECRET)
    return Secret(env="WEBHOOK_SECRET_OF_A_TEST")


def webhook(url: str | Secret, **settings: Any) -> WebhookConfig:
    quick = {"first_retry_s": 0.01, "longest_retry_s": 0.05, "timeout_s": 0.5}
    return WebhookConfig(kind="webhook", url=url, **{**quick, **settings})


def deliver(config: WebhookConfig, *records: dict[str, Any]) -> None:
    with Webhook("test", config) as sink:
        for one in records:
            sink.deliver(one, key=f"key-{one['seq']}")


def test_a_record_is_posted_as_the_log_has_it(receiver: HttpReceiver) -> None:
    one = record(1) | {"label": "Grüße\u2028"}
    deliver(webhook(receiver.url + "?to=me"), one, record(2))
    first, second = receiver.requests
    assert first.record == one
    assert first.headers["Content-Type"] == "application/json"
    assert first.headers["Idempotency-Key"] == "key-1"
    assert first.headers["X-Streamfilter-Event-Id"] == one["event_id"]
    assert second.record == record(2)
    assert "X-Streamfilter-Signature" not in first.headers


def test_the_signature_is_verified_as_the_readme_says(receiver: HttpReceiver, secret: Secret) -> None:
    deliver(webhook(receiver.url, secret=secret, authorization=secret), record(1))
    (request,) = receiver.requests
    timestamp = request.headers["X-Streamfilter-Timestamp"]
    due = hmac.new(SECRET.encode(), timestamp.encode() + b"." + request.body, hashlib.sha256).hexdigest()
    assert hmac.compare_digest(request.headers["X-Streamfilter-Signature"], f"sha256={due}")
    assert abs(time.time() - int(timestamp)) < 3600
    assert request.headers["Authorization"] == SECRET


@pytest.mark.parametrize("status", [400, 401, 404, 409, 410, 413, 422])
def test_what_a_receiver_refuses_is_refused(receiver: HttpReceiver, status: int) -> None:
    receiver.usual = status
    with pytest.raises(RefusedError, match=f"answered {status}"):
        deliver(webhook(receiver.url), record(1))


@pytest.mark.parametrize("status", [301, 302, 307, 308, 408, 425, 429, 500, 502, 503])
def test_what_may_change_is_tried_again(receiver: HttpReceiver, status: int) -> None:
    receiver.usual = status, {"Location": "http://127.0.0.1:9/", "Retry-After": "17"}
    with pytest.raises(UndeliveredError, match=f"answered {status}") as caught:
        deliver(webhook(receiver.url), record(1))
    assert caught.value.retry_after_s == 17.0
    assert len(receiver.requests) == 1, "no redirect is followed"


@pytest.mark.parametrize(
    ("text", "seconds_s"),
    [
        ("120", 120.0),
        (" 3 ", 3.0),
        ("Thu, 01 Jan 1970 00:02:00 GMT", 20.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("soon", 0.0),
        ("-5", 0.0),
        (None, 0.0),
    ],
)
def test_patience_is_asked_for_in_seconds_or_by_a_date(text: str | None, seconds_s: float) -> None:
    assert _retry_after_s(text, 100.0) == seconds_s


@pytest.mark.parametrize("trouble", ["hang", "close"])
def test_a_receiver_that_says_nothing_is_not_waited_for(receiver: HttpReceiver, trouble: str) -> None:
    receiver.usual = trouble
    with pytest.raises(UndeliveredError, match="cannot reach http://127"):
        deliver(webhook(receiver.url), record(1))


def test_nobody_there_is_told_without_the_secret_of_the_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(UndeliveredError, match="refused") as caught:
        deliver(webhook(f"http://127.0.0.1:{port}/T0/hidden?token=hidden"), record(1))
    assert "hidden" not in str(caught.value)


def test_a_connection_that_was_closed_in_between_is_no_failure(receiver: HttpReceiver) -> None:
    with Webhook("test", webhook(receiver.url)) as sink:
        sink.deliver(record(1), key="1")
        assert sink._connection is not None
        sink._connection.sock.shutdown(socket.SHUT_RDWR)
        sink.deliver(record(2), key="2")
    assert [request.record["seq"] for request in receiver.requests] == [1, 2]


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with http_receiver(tls=context) as receiver:
        url = receiver.url.replace("http:", "https:")
        with pytest.raises(UndeliveredError, match="certificate is not trusted"):
            deliver(webhook(url), record(1))
        assert receiver.requests == []


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and its key, made by OpenSSL."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    certificate, key = folder / "cert.pem", folder / "key.pem"
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1 "
        "-addext subjectAltName=IP:127.0.0.1"
    )
    subprocess.run([*command.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return certificate, key


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://x/",
        "http://",
        "http://user:hidden@x/",
        "https://x:hidden/",
        "http://[hidden/",
        "http://hiddén.example",
    ],
)
def test_an_address_that_is_none_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ConfigError, match=r"sinks\.test\.url") as caught:
        Webhook("test", webhook(url))
    assert "hidd" not in str(caught.value)


def test_a_header_cannot_be_smuggled_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBHOOK_SECRET_OF_A_TEST", "Bearer hidden\r\nHost: other")
    with pytest.raises(ConfigError, match="authorization") as caught:
        Webhook("test", webhook("http://x", authorization=Secret(env="WEBHOOK_SECRET_OF_A_TEST")))
    assert "hidden" not in str(caught.value)


def test_every_record_arrives_once_through_all_kinds_of_trouble(tmp_path: Path, receiver: HttpReceiver) -> None:
    receiver.script.extend([500, "close", (503, {"Retry-After": "0"}), 200, 429, 400, "hang", 502, 200, "close"])
    log, told = tmp_path / "events.jsonl", Told()
    log.write_bytes(b"".join(as_line(record(seq)) for seq in range(0, 20, 2)))
    with delivering(log, {"crm": webhook(receiver.url, drain_s=60.0)}, told):
        pass
    ids = [one["event_id"] for one in receiver.taken]
    refused = (sinks_folder(log) / "crm.refused.jsonl").read_text().count("\n")
    assert refused == 1
    assert len(ids) == len(set(ids)) == 9
    assert told.said


def test_a_dead_receiver_holds_nobody_up_and_gets_everything_afterwards(tmp_path: Path, receiver: HttpReceiver) -> None:
    receiver.usual = "hang"
    log, told = tmp_path / "events.jsonl", Told()
    log.write_bytes(b"".join(as_line(record(seq)) for seq in range(0, 10, 2)))
    config = webhook(receiver.url, drain_s=0.1, timeout_s=60.0)
    with delivering(log, {"crm": config}, told):
        pass
    assert told.warned[-1].startswith("sink crm: 5 records of")
    receiver.usual = 200
    with delivering(log, {"crm": config.model_copy(update={"drain_s": 60.0})}, told):
        until(lambda: len(receiver.taken) == 5, "all records")
    assert [one["seq"] for one in receiver.taken] == [0, 2, 4, 6, 8]
