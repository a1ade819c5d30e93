"""HTTP POST of each record, signed with HMAC.

The client is the standard library's: it sends one request at a time, follows no redirect by itself, checks certificates
against the system's (`SSL_CERT_FILE` names others), and keeps its connection.
"""

from __future__ import annotations

import hashlib
import hmac
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from streamfilter import __version__
from streamfilter.config import WebhookConfig
from streamfilter.errors import ConfigError, RefusedError, UndeliveredError
from streamfilter.sinks.encoding import encode

# What says: not now. All other answers of 400 to 499 say: never.
_LATER = frozenset({408, 425, 429})
_MOST_ANSWER = 1 << 16


def signature(secret: bytes, timestamp: str, body: bytes) -> str:
    """HMAC-SHA256 over timestamp, a full stop and body, hexadecimal."""
    return hmac.new(secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class _Target:
    is_secure: bool
    host: str
    port: int | None
    path: str

    def __str__(self) -> str:
        """Without its path, which may be a secret."""
        port = "" if self.port is None else f":{self.port}"
        return f"{'https' if self.is_secure else 'http'}://{self.host}{port}"


class Webhook:
    """Delivers to one address. Raises `ConfigError` where that is none, or a secret is missing.

    `clock` gives the seconds since 1970 that go into the signature.
    """

    def __init__(self, name: str, config: WebhookConfig, *, clock: Callable[[], float] = time.time) -> None:
        self._target = _target(name, config.url if isinstance(config.url, str) else config.url.read())
        self._secret = None if config.secret is None else config.secret.read().encode()
        self._authorization = None if config.authorization is None else config.authorization.read()
        if not (self._authorization or "").isascii() or not (self._authorization or "").isprintable():
            raise ConfigError(f"sinks.{name}.authorization: expected one line of ASCII, such as `Bearer ...`")
        self._timeout_s = config.timeout_s
        self._tls = ssl.create_default_context() if self._target.is_secure else None
        self._clock = clock
        self._connection: HTTPConnection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hang_up()

    def deliver(self, record: Mapping[str, Any], *, key: str) -> None:
        """POST one record."""
        body = encode(record)[:-1]
        try:
            answer = self._post(body, self._headers(record, body, key))
        except (OSError, HTTPException) as error:
            self._hang_up()
            raise UndeliveredError(f"cannot reach {self._target}: {_reason(error)}") from None
        self._judge(answer)

    def _headers(self, record: Mapping[str, Any], body: bytes, key: str) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"streamfilter/{__version__}",
            "Idempotency-Key": key,
        }
        if "event_id" in record:
            headers["X-Streamfilter-Event-Id"] = str(record["event_id"])
        if self._secret is not None:
            timestamp = str(int(self._clock()))
            headers["X-Streamfilter-Timestamp"] = timestamp
            headers["X-Streamfilter-Signature"] = f"sha256={signature(self._secret, timestamp, body)}"
        if self._authorization is not None:
            headers["Authorization"] = self._authorization
        return headers

    def _post(self, body: bytes, headers: Mapping[str, str]) -> HTTPResponse:
        if self._connection is not None:
            try:
                return self._exchange(self._connection, body, headers)
            except (ConnectionError, HTTPException):
                self._hang_up()  # an idle connection may be closed at any time: that is no failure
        self._connection = self._connect()
        return self._exchange(self._connection, body, headers)

    def _connect(self) -> HTTPConnection:
        target = self._target
        if self._tls is not None:
            return HTTPSConnection(target.host, target.port, timeout=self._timeout_s, context=self._tls)
        return HTTPConnection(target.host, target.port, timeout=self._timeout_s)

    def _exchange(self, connection: HTTPConnection, body: bytes, headers: Mapping[str, str]) -> HTTPResponse:
        connection.request("POST", self._target.path, body, dict(headers))
        answer = connection.getresponse()
        answer.read(_MOST_ANSWER)
        if not answer.isclosed():  # more than anybody wants to read
            self._hang_up()
        return answer

    def _judge(self, answer: HTTPResponse) -> None:
        status = answer.status
        if 200 <= status < 300:
            return
        told = f"{self._target} answered {status} {answer.reason}".strip()
        if 400 <= status < 500 and status not in _LATER:
            raise RefusedError(told)
        if 300 <= status < 400:
            told += ", and redirects are not followed: give the final address"
        raise UndeliveredError(told, retry_after_s=_retry_after_s(answer.headers.get("Retry-After"), self._clock()))

    def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _target(name: str, url: str) -> _Target:
    """What a URL says. Raises `ConfigError`, which does not show it."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if parts.scheme not in ("http", "https") or not host or "@" in parts.netloc or not url.isascii():
        raise ConfigError(
            f"sinks.{name}.url: expected http:// or https:// and a host, without user and password, in ASCII; "
            "`authorization` takes those"
        )
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return _Target(parts.scheme == "https", host, port, path)


def _retry_after_s(text: str | None, now_s: float) -> float:
    """Seconds to wait, as a number or a date says; 0 where neither does."""
    if text is None:
        return 0.0
    if text.strip().isdecimal():
        return float(text)
    try:
        when = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    return max(0.0, (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() - now_s)


def _reason(error: OSError | HTTPException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    return (error.strerror if isinstance(error, OSError) and error.strerror else "") or type(error).__name__
