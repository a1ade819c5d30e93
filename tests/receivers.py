"""What sinks deliver to, for real: an HTTP server that fails as told, an MQTT broker that can be killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

PATIENCE_S = 60.0


def until(holds: Callable[[], bool], what: str) -> None:
    """Wait until something holds; much longer than that takes is a failure."""
    end_s = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end_s, f"waited in vain: {what}"
        time.sleep(0.02)


@dataclass
class Told:
    """What people would be told."""

    said: list[str] = field(default_factory=list)
    warned: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        self.said.append(text)

    def warn(self, text: str) -> None:
        self.warned.append(text)


def record(seq: int, kind: str = "event_close", *, run_id: str = "run", source: str = "a.mp4") -> dict[str, Any]:
    """A record as far as a sink cares; the events have an id for each two of them."""
    extra = {"event_id": f"{run_id}-{seq // 2}"} if kind.startswith("event_") else {}
    return {"v": 1, "type": kind, "run_id": run_id, "source": source, "seq": seq, **extra}


def as_line(one: dict[str, Any]) -> bytes:
    return json.dumps(one, separators=(",", ":")).encode() + b"\n"


@dataclass
class Request:
    """One POST that came in."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def record(self) -> dict[str, Any]:
        decoded: dict[str, Any] = json.loads(self.body)
        return decoded


@dataclass
class HttpReceiver:
    """`script` says what to do with the next requests: a status, headers with one, `hang` or `close`; then `usual`."""

    requests: list[Request] = field(default_factory=list)
    script: deque[Any] = field(default_factory=deque)
    usual: Any = 200
    url: str = ""
    release: threading.Event = field(default_factory=threading.Event)

    @property
    def taken(self) -> list[dict[str, Any]]:
        return [request.record for request in self.requests if request.path == "/taken"]


@contextmanager
def http_receiver(port: int = 0, *, tls: ssl.SSLContext | None = None) -> Iterator[HttpReceiver]:
    """An HTTP server on the loopback interface while the block runs."""
    receiver = HttpReceiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            action = receiver.script.popleft() if receiver.script else receiver.usual
            if action == "hang":
                receiver.release.wait(PATIENCE_S)
            if action in ("hang", "close"):
                self.close_connection = True
                return
            status, headers = action if isinstance(action, tuple) else (action, {})
            path = "/taken" if status < 300 else self.path
            receiver.requests.append(Request(path, dict(self.headers), body))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that is overridden
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            pass

    server = Server(("127.0.0.1", port), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield receiver
    finally:
        receiver.release.set()
        server.shutdown()
        thread.join()
        server.server_close()


def free_port() -> int:
    """A port that nobody has, most likely."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class Broker:
    """Mosquitto on a port of the loopback interface."""

    def __init__(self, folder: Path, *, lines: tuple[str, ...] = ("allow_anonymous true",)) -> None:
        self.port = free_port()
        self._config = folder / "mosquitto.conf"
        self._database = folder / "mosquitto.db"
        user = ("user root",) if os.geteuid() == 0 else ()
        stored = ("persistence true", f"persistence_location {folder}/", "autosave_interval 1")
        self._config.write_text("\n".join((f"listener {self.port} 127.0.0.1", *user, *stored, *lines)) + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
        if program is None:
            pytest.skip("no mosquitto: apt-get install mosquitto")
        self._process = subprocess.Popen([program, "-c", str(self._config)], stderr=subprocess.DEVNULL)
        until(self._answers, "mosquitto starts")

    def save(self) -> None:
        """Have it write down its sessions now: one that a crash takes before that is gone, with what is sent to it."""
        assert self._process is not None
        self._database.unlink(missing_ok=True)
        self._process.send_signal(signal.SIGUSR1)
        until(self._database.exists, "mosquitto saves")

    def stop(self) -> None:
        """End it as a crash does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True


class Subscriber:
    """Listens to everything of a broker, across its restarts."""

    def __init__(self, broker: Broker) -> None:
        self.messages: list[tuple[str, bytes, bool]] = []
        self._is_ready = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id="test-subscriber", clean_session=False)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *rest: client.subscribe("#", qos=1)
        self._client.on_subscribe = lambda *rest: self._is_ready.set()
        self._client.on_message = lambda client, data, m: self.messages.append((m.topic, m.payload, m.retain))
        self._client.connect("127.0.0.1", broker.port)
        self._client.loop_start()
        assert self._is_ready.wait(PATIENCE_S)

    def records(self, topic: str) -> list[dict[str, Any]]:
        return [json.loads(payload) for at, payload, _ in self.messages if at == topic]

    def texts(self, topic: str) -> list[bytes]:
        return [payload for at, payload, _ in self.messages if at == topic]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
