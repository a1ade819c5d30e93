"""`/metrics` and `/healthz` over plain HTTP, in a thread of their own, on the loopback interface unless told."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client.exposition import choose_encoder

from streamfilter.errors import SinkError
from streamfilter.metrics.registry import Metrics

_SLOW_S = 10.0
"""A client that takes longer is hung up on."""


@contextmanager
def serve_metrics(metrics: Metrics, listen: str) -> Iterator[str]:
    """Serve while the block runs, at `[HOST:]PORT` (port 0: any that is free); the address is yielded.

    Raises `SinkError` where the address cannot be had.
    """
    host, _, port = listen.rpartition(":")
    server = _server(host.strip("[]") or "127.0.0.1", int(port), metrics)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, name="streamfilter-metrics")
    thread.start()
    try:
        yield _url(server)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    metrics: Metrics

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is none of our business."""


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _SLOW_S
    server_version = "streamfilter"
    sys_version = ""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/metrics":
            encode, kind = choose_encoder(self.headers.get("Accept", ""))
            self._answer(200, kind, encode(self.server.metrics.registry))
        elif path == "/healthz":
            ill = self.server.metrics.health()
            body = {"healthy": not ill, "feeds": ill}
            self._answer(503 if ill else 200, "application/json", json.dumps(body, ensure_ascii=False).encode())
        else:
            self._answer(404, "text/plain; charset=utf-8", b"/metrics or /healthz\n")

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that is overridden
        """Who scrapes is nothing to tell."""


def _server(host: str, port: int, metrics: Metrics) -> _Server:
    kind = _Server6 if ":" in host else _Server
    try:
        server = kind((host, port), _Handler)
    except OSError as error:
        raise SinkError(
            f"cannot listen on {host} port {port} for metrics: {error.strerror}; give another --metrics [HOST:]PORT"
        ) from None
    server.metrics = metrics
    return server


def _url(server: _Server) -> str:
    host, port = server.server_address[:2]
    name = host.decode() if isinstance(host, bytes | bytearray) else str(host)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"
