"""Puts what the demo found into the README: an annotated frame as its picture, an event as its example.

scripts/demo --out streamfilter-demo
.venv/bin/python scripts/refresh_readme.py streamfilter-demo
"""

from __future__ import annotations

import json
import re
from itertools import product
from pathlib import Path
from typing import Any

import click
from PIL import Image

from streamfilter.config import SourceConfig
from streamfilter.errors import SourceError
from streamfilter.sinks import read_log
from streamfilter.source import open_source
from streamfilter.types import Frame, Pixels

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
PICTURE = ROOT / ".github" / "annotated.png"
EXAMPLE = re.compile(r"(?<=```json\n).*?(?=\n```)", re.DOTALL)

Record = dict[str, Any]


@click.command()
@click.argument("demo", type=click.Path(path_type=Path))
@click.option("--at", "time_s", type=float, help="Which frame, in seconds; without it one with many logos in it.")
def main(demo: Path, *, time_s: float | None) -> None:
    """Read the results in DEMO; write the README's picture and its example."""
    events = [record for record in read_log(demo / "events.jsonl").records if record["type"] == "event_close"]
    chosen_s = fullest_moment(events) if time_s is None else time_s
    PICTURE.parent.mkdir(exist_ok=True)
    write_picture(frame_at(demo / "annotated.mp4", chosen_s), PICTURE)
    text = README.read_text(encoding="utf-8")
    README.write_text(EXAMPLE.sub(lambda _: as_lines(shortened(events[0])), text, count=1), encoding="utf-8")
    click.echo(f"{PICTURE.relative_to(ROOT)}: the frame at {chosen_s:.2f} s, {PICTURE.stat().st_size // 1000} kB")


def fullest_moment(events: list[Record]) -> float:
    """The middle of the stretch in which most events are open at once; of several, the one with the largest logos."""
    stretches = [(max(a["start_s"], b["start_s"]), min(a["end_s"], b["end_s"])) for a, b in product(events, repeat=2)]
    middles: list[float] = sorted({(start_s + end_s) / 2 for start_s, end_s in stretches if start_s < end_s})
    return max(middles, key=lambda time_s: _fullness(events, time_s))


def _fullness(events: list[Record], time_s: float) -> tuple[int, float]:
    open_then = [event for event in events if event["start_s"] <= time_s < event["end_s"]]
    return len(open_then), sum(event["exposure"]["mean_share"] for event in open_then)


def frame_at(video: Path, time_s: float) -> Pixels:
    """The first frame at or after a time, `(H, W, 3)` uint8 RGB. Raises `SourceError` when there is none."""
    with open_source(str(video), SourceConfig(start_s=time_s)) as source:
        for item in source.frames():
            if isinstance(item, Frame):
                return item.picture.rgb()
    raise SourceError(f"{video} has no frame at {time_s} s; choose an earlier one with --at")


def write_picture(pixels: Pixels, path: Path) -> None:
    """A PNG of 256 colours: a third of the bytes, and the noise of the clip hides it."""
    Image.fromarray(pixels).quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


def shortened(event: Record) -> Record:
    """The record with no more than the ends of its track."""
    track = event["track"]
    return event | {"track": [track[0], track[-1]] if len(track) > 1 else track}


def as_lines(record: Record) -> str:
    """JSON with one key a line."""
    lines = (f" {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in record.items())
    return "{\n" + ",\n".join(lines) + "\n}"


if __name__ == "__main__":
    main()
