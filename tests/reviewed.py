"""Logs to review, written by hand, and a server over them."""

from __future__ import annotations

import hashlib
import http.client
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event as Flag
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

from media import regular_times, stamped_clip

from streamfilter.review import Address, read_library, serve
from streamfilter.sinks.encoding import encode
from streamfilter.source.opening import fingerprint

RUN = "0" * 24
LABELS = ("Solari", "Trivane")


def event_id(text: str) -> str:
    """An id like those of a run."""
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def event(source: str, start_s: float, end_s: float, **other: Any) -> dict[str, Any]:
    """An `event_close` whose box moves to the right; `other` replaces fields of it."""
    track = [
        {"time_s": start_s, "box": [0.1, 0.2, 0.2, 0.3], "score": 0.8},
        {"time_s": (start_s + end_s) / 2, "box": [0.3, 0.2, 0.2, 0.3], "score": 0.9},
    ]
    return {
        "type": "event_close",
        "source": source,
        "event_id": event_id(f"{source} {start_s}"),
        "label": LABELS[0],
        "start_s": start_s,
        "end_s": end_s,
        "score": 0.9,
        "ordinal": 0,
        "pts": {"start": 0, "end": 1, "time_base": "1/1000"},
        "peak": {
            "box": [0.3, 0.2, 0.2, 0.3],
            "max_softmax": 0.98,
            "none_probability": 0.004,
            "mahalanobis": {"distance": 11.25, "percentile": 99.7},
            "runner_up": {"label": LABELS[1], "softmax": 0.01},
        },
        "evidence": {"looks": 8, "hits": 7, "rejections": {"far": 1}, "gap_s": 0.0, "coverage": 1.0},
        "exposure": {
            "visible_s": end_s - start_s,
            "alone_s": end_s - start_s,
            "mean_share": 0.06,
            "largest_share": 0.06,
            "x": 0.3,
            "y": 0.35,
            "sharpness": 100.0,
        },
        "track": track,
    } | other


def opened(source: str, *, digest: str = "", duration_s: float = 6.0) -> dict[str, Any]:
    """The record of a source that was opened."""
    facts = {
        "fingerprint": digest,
        "container": "mp4",
        "codec": "h264",
        "width": 320,
        "height": 240,
        "duration_s": duration_s,
        "rate_hz": 25.0,
        "time_base": "1/90000",
        "has_audio": False,
    }
    return {"type": "source_state", "source": source, "state": "opened", "facts": facts}


def write_log(path: Path, records: Sequence[dict[str, Any]]) -> Path:
    """A log of these records after its `run_start`; returns `path`."""
    start = {
        "type": "run_start",
        "program": {"name": "streamfilter", "version": "0"},
        "config": {"digest": "0" * 64, "settings": {}},
        "model": {"digest": "m", "labels": list(LABELS), "calibration": {}},
    }
    with path.open("wb") as file:
        for seq, record in enumerate((start, *records)):
            file.write(encode({"v": 1, "run_id": RUN, "source": None, "seq": seq} | record))
    return path


def clip_and_log(folder: Path, *, suffix: str = ".mp4") -> Path:
    """A clip of six seconds that spells its time, and a log of five events in it; returns the log."""
    clip = stamped_clip(folder / f"clip{suffix}", regular_times(150), width=320, height=240)
    source = str(clip)
    gap = {"type": "gap", "source": source, "start_s": 5.5, "end_s": 5.8, "cause": "decode_error"}
    events = [
        event(source, 0.5, 1.5, score=0.95),
        event(source, 1.0, 3.0, label=LABELS[1], score=0.7),
        event(source, 2.0, 2.4, score=0.4),
        event(source, 3.0, 5.0, label=LABELS[1], score=0.99),
        event(source, 4.0, 4.6, score=0.85),
    ]
    return write_log(folder / "events.jsonl", [opened(source, digest=fingerprint(source)), *events, gap])


@contextmanager
def serving(
    *logs: Path, videos: Sequence[Path] = (), data: Path | None = None, address: Address | None = None
) -> Iterator[str]:
    """A server over these logs in a thread; gives the address of its page."""
    urls: list[str] = []
    is_up, is_over = Flag(), Flag()

    def started(url: str) -> None:
        urls.append(url)
        is_up.set()

    def work() -> None:
        try:
            serve(
                read_library(logs),
                folders=[*videos, *(log.parent for log in logs)],
                data=data,
                address=address or Address(port=0),
                started=started,
                should_stop=is_over.is_set,
            )
        finally:
            is_up.set()

    thread = Thread(target=work)
    thread.start()
    is_up.wait()
    try:
        yield urls[0]
    finally:
        is_over.set()
        thread.join()


class Answer:
    """What came back: `status`, `headers` (names in lower case), `body`."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    def json(self) -> Any:
        return json.loads(self.body)


def ask(url: str, path: str, *, method: str = "GET", body: object = None, **headers: str) -> Answer:
    """One request to the server of `url`, just as it is given; underscores in names of headers mean dashes."""
    where = urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=30)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        connection.request(method, path, body=data, headers={"Content-Type": "application/json"} | named)
        return Answer(connection.getresponse())
    finally:
        connection.close()


def origin(url: str) -> str:
    """The origin of the page itself."""
    return f"http://{urlsplit(url).netloc}"


def decide(url: str, *changes: dict[str, Any]) -> Answer:
    """Post decisions as the page does."""
    library = ask(url, "/api/library").json()["library"]
    return ask(url, "/api/decide", method="POST", body={"library": library, "changes": changes}, Origin=origin(url))
