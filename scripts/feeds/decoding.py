"""Feeds decoded by PyAV, a thread each, and nothing else done: decoding.py SECONDS ADDRESS..."""

from __future__ import annotations

import sys
import threading
import time

import av


def decode(address: str, until_s: float) -> None:
    """Every picture of one feed until then."""
    with av.open(address, container_options={"rtsp_transport": "tcp"}, timeout=(10, 5)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        for packet in container.demux(stream):
            stream.decode(packet)
            if time.monotonic() > until_s:
                return


if __name__ == "__main__":
    end_s = time.monotonic() + float(sys.argv[1])
    threads = [threading.Thread(target=decode, args=(address, end_s)) for address in sys.argv[2:]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
