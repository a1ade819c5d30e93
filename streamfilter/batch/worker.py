"""A process that looks through one file after the other for `LocalEngine`.

    python -m streamfilter.batch.worker

Requests and answers are JSON, one a line. It is first told the model and the settings and says what it runs with; then
come files. It ends, whatever it is at, when nobody asks any more: a batch that is killed leaves no process behind.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from streamfilter.batch.looking import write_log
from streamfilter.config import RunConfig
from streamfilter.errors import StreamFilterError
from streamfilter.pipeline import Network, load_network
from streamfilter.stages import SourceFacts
from streamfilter.watching import Watcher

TELL_EVERY_S = 0.5


class Speaker:
    """Says one JSON object a line."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out

    def say(self, **told: Any) -> None:
        """Say it now."""
        self._out.write(json.dumps(told).encode() + b"\n")
        self._out.flush()


class Listener:
    """Takes requests in a thread of its own: to stop and to end are heard while a file is looked through."""

    def __init__(self) -> None:
        self.requests: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.is_stopped = False
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for line in sys.stdin.buffer:
            request = json.loads(line)
            if "stop" in request:
                self.is_stopped = True
            else:
                self.requests.put(request)
        os._exit(0)


class _Teller(Watcher):
    """Tells now and then which share of the file was looked at."""

    def __init__(self, listener: Listener, speaker: Speaker, *, span_s: tuple[float, float | None]) -> None:
        self._listener, self._speaker = listener, speaker
        self._start_s, self._end_s = span_s
        self._length_s: float | None = None
        self._told_s = 0.0

    def opened(self, facts: SourceFacts) -> None:
        ends = [end for end in (self._end_s, facts.duration_s) if end is not None]
        self._length_s = min(ends) - self._start_s if ends else None

    def reached(self, time_s: float) -> None:
        now_s = time.monotonic()
        if self._length_s and now_s - self._told_s >= TELL_EVERY_S:
            self._told_s = now_s
            self._speaker.say(share=min(1.0, max(0.0, (time_s - self._start_s) / self._length_s)))

    def should_stop(self) -> bool:
        return self._listener.is_stopped


def main() -> None:
    """Serve requests until there are no more."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the terminal and systemd tell everybody; who asks decides
    speaker = Speaker(os.fdopen(os.dup(1), "wb"))
    os.dup2(2, 1)
    listener = Listener()
    with suppress(BrokenPipeError):
        try:
            _serve(listener, speaker)
        except StreamFilterError as error:
            speaker.say(error=str(error), exit_code=error.exit_code)
    os._exit(0)  # nothing is left to do, and no thread to wait for


def _serve(listener: Listener, speaker: Speaker) -> None:
    first = listener.requests.get()
    config = RunConfig.model_validate(first["config"])
    network = _loaded(Path(first["model"]), config, threads=first["threads"])
    speaker.say(digest=network.facts.digest, runtime=network.facts.runtime, device=network.device)
    while True:
        request = listener.requests.get()
        teller = _Teller(listener, speaker, span_s=(config.source.start_s, config.source.end_s))
        try:
            is_whole = write_log(request["source"], Path(request["log"]), network, config, watcher=teller)
        except StreamFilterError:
            raise
        except Exception as error:  # noqa: BLE001 - a bug that one file meets must not cost the others
            traceback.print_exc()
            speaker.say(bug=f"{type(error).__name__}: {error}")
        else:
            speaker.say(is_whole=is_whole)


def _loaded(path: Path, config: RunConfig, *, threads: int) -> Network:
    """The network, on this process's share of the cores. What logs tell of the settings stays as the user has it."""
    shared = config.classifier.model_copy(update={"threads": config.classifier.threads or threads})
    return load_network(path, config.model_copy(update={"classifier": shared}))


if __name__ == "__main__":
    main()
