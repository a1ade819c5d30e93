"""What the server answers. Everything is JSON, a picture, a part of a video, or a file of the page."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from streamfilter.annotate.palette import PALETTE
from streamfilter.console import reason_text
from streamfilter.errors import StreamFilterError
from streamfilter.eventlog import Decision, LoggedEvent, short_names, shown
from streamfilter.likeness import clusters, decode_likeness
from streamfilter.review.decisions import STATES, Change, Decisions, Standing
from streamfilter.review.evidence import evidence_words
from streamfilter.review.harvest import harvest, only, summary
from streamfilter.review.lessons import lessons
from streamfilter.review.library import Library, LibrarySource, columns
from streamfilter.review.pictures import Pictures
from streamfilter.review.pieces import Pieces
from streamfilter.review.videos import Video, Videos
from streamfilter.source.frametimes import REACH_S, frame_times
from streamfilter.types import Box

MOST_BYTES = 16 << 20
"""Of a request: some fifty thousand decisions at once."""
MOST_LABEL = 200
PAGE_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
UNKNOWN_COLOR = "#8a94a3"
NEVER_KEPT = {"Cache-Control": "no-store"}


class Refused(Exception):  # noqa: N818 - it refuses a request; what is an error is the request
    """A request that asks for what there is not, or in a way that is none; `status` is its HTTP status."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True, eq=False)
class Review:
    """All that the answers come from. `data`: where the pictures of unknown logos go that are given a name."""

    library: Library
    decisions: Decisions
    videos: Videos
    pictures: Pictures
    pieces: Pieces
    data: Path | None = None


def make_app(review: Review) -> Starlette:
    """The application, without the guard around it."""
    page = _page_files()
    reads: dict[str, Callable[[Review, Request], Response]] = {
        "/api/library": library_facts,
        "/api/events": event_columns,
        "/api/changes": changes,
        "/api/clusters": unknown_clusters,
        "/api/event/{key}": event_facts,
        "/thumb/{key}": thumbnail,
        "/frame/{source:int}": frame,
        "/api/frames/{source:int}": frames,
        "/video/{source:int}": video,
        "/piece/{source:int}": piece,
    }
    routes = [Route(path, partial(_answer, review, answer)) for path, answer in reads.items()]
    routes += [Route("/", partial(_page, page, "index.html")), Route("/page/{name}", partial(_page, page, None))]
    routes += [
        Route("/api/decide", partial(_posted, review, decide), methods=["POST"]),
        Route("/api/collect", partial(_posted, review, collect), methods=["POST"]),
    ]
    return Starlette(routes=routes)


async def _answer(review: Review, answer: Callable[[Review, Request], Response], request: Request) -> Response:
    """Every answer is worked out in a thread: it may read files or decode a video."""
    try:
        return await run_in_threadpool(answer, review, request)
    except Refused as refused:
        return PlainTextResponse(str(refused), status_code=refused.status, headers=NEVER_KEPT)
    except (StreamFilterError, OSError) as error:
        return PlainTextResponse(shown(str(error), 500), status_code=500, headers=NEVER_KEPT)


async def _posted(review: Review, answer: Callable[[Review, Request, Any], Response], request: Request) -> Response:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            return PlainTextResponse("too much at once", status_code=413)

    def worked_out(review: Review, request: Request) -> Response:
        try:
            wanted = json.loads(body)
            if wanted["library"] != review.library.key:
                raise Refused(409, "this is about other logs; reload the page")
            return answer(review, request, wanted)
        except (ValueError, KeyError, TypeError, IndexError, RecursionError):
            raise Refused(400, "expected a request about events of this review") from None

    return await _answer(review, worked_out, request)


async def _page(files: Mapping[str, bytes], name: str | None, request: Request) -> Response:
    wanted = request.path_params["name"] if name is None else name
    if wanted not in files:
        return PlainTextResponse("no such file", status_code=404)
    kind = PAGE_TYPES["." + wanted.rpartition(".")[2]]
    return Response(files[wanted], media_type=kind, headers={"Cache-Control": "no-cache"})


def library_facts(review: Review, request: Request) -> Response:
    """What there is to review, but for the events: sources, labels, colours."""
    library, labels = review.library, ("", *review.library.labels)
    palette = [_hex(color) for color in PALETTE]
    colors = {label: palette[n % len(palette)] for n, label in enumerate(_by_frequency(library))}
    shorts = _shorts(library)
    return _json(
        {
            "library": library.key,
            "session": review.decisions.session,
            "count": len(library.entries),
            "collects": review.data is not None,
            "labels": labels,
            "colors": [colors.get(label, UNKNOWN_COLOR) for label in labels],
            "spare_colors": palette,
            "sources": [
                _source(review, number, source, shorts[number]) for number, source in enumerate(library.sources)
            ],
        }
    )


def event_columns(review: Review, request: Request) -> Response:
    """All events, as `library.columns` packs them."""
    return Response(columns(review.library), media_type="application/octet-stream", headers=NEVER_KEPT)


def changes(review: Review, request: Request) -> Response:
    """How the events stand that have changed since a revision; all that were ever decided for another session's."""
    review.decisions.follow()
    query = request.query_params
    is_known = query.get("session") == review.decisions.session
    revision, standings = review.decisions.news(_whole(query.get("after", "0")) if is_known else 0)
    return _json(
        {
            "library": review.library.key,
            "session": review.decisions.session,
            "revision": revision,
            "changes": [[key, STATES.index(one.decision), one.label] for key, one in standings.items()],
        }
    )


def event_facts(review: Review, request: Request) -> Response:
    """One event: its track, its best moment, its evidence in words, and why its video cannot be shown."""
    event, clip = _event(review, request)
    time_s, _ = best_look(event)
    last = review.decisions.last(request.path_params["key"])
    words = evidence_words(event)
    if last is not None and last.at is not None:
        words.append(f"Last decision: {last.decision}, {last.at}" + (f", by {last.by}." if last.by else "."))
    if last is not None and last.note:
        words.append(f"Note: {last.note}")
    track = [
        [point.time_s, point.box.x, point.box.y, point.box.width, point.box.height, point.score]
        for point in event.track
    ]
    return _json({"best_s": time_s, "track": track, "words": words, "why": clip.why})


def thumbnail(review: Review, request: Request) -> Response:
    """What an event looks like at its best."""
    event, clip = _event(review, request)
    time_s, box = best_look(event)
    return _jpeg(review.pictures.thumbnail(_file(clip), time_s, box))


def frame(review: Review, request: Request) -> Response:
    """The picture of a source at a time."""
    time_s = _seconds(request, "t")
    return _jpeg(review.pictures.frame(_file(_video(review, request)), time_s))


def frames(review: Review, request: Request) -> Response:
    """When the frames around a time are shown, in seconds."""
    time_s = _seconds(request, "t")
    return _json({"reach_s": REACH_S, "times": frame_times(_file(_video(review, request)), time_s)})


def video(review: Review, request: Request) -> Response:
    """The file of a source, or the range of it that is asked for."""
    clip = _video(review, request)
    return FileResponse(_file(clip), media_type=clip.media_type or "application/octet-stream", headers=NEVER_KEPT)


def piece(review: Review, request: Request) -> Response:
    """A part of a source that any browser can play."""
    path = _file(_video(review, request))
    try:
        made = review.pieces.piece(path, _seconds(request, "start"), _seconds(request, "end"))
    except ValueError as error:
        raise Refused(400, str(error)) from None
    return FileResponse(made, media_type="video/mp4", headers=NEVER_KEPT)


def decide(review: Review, request: Request, wanted: Any) -> Response:
    """Write what the page decided; when this is answered, it is on the disk."""
    held = review.decisions.decide([_change(review, one) for one in wanted["changes"]])
    return _json({"held": held, "revision": review.decisions.revision})


def unknown_clusters(review: Review, request: Request) -> Response:
    """Keys of the events that the logs have no label for, those that look alike together, the largest cluster first.

    What one model says of two regions can be compared, what two models say cannot.
    """
    library = review.library
    found: list[list[str]] = []
    for model in dict.fromkeys(library.models):
        mine = [(key, library.entries[row]) for key, row in library.rows.items()]
        mine = [(k, e) for k, e in mine if e.event.logged_label is None and library.models[e.log] == model]
        groups = clusters([decode_likeness(entry.event.likeness) for _, entry in mine])
        found += [[mine[index][0] for index in group] for group in groups]
    return _json({"clusters": sorted(found, key=len, reverse=True)})


def collect(review: Review, request: Request, wanted: Any) -> Response:
    """Take the pictures of some events into the data folder, as their decisions say."""
    if review.data is None:
        raise Refused(404, "no data folder was named with --data")
    keys = set(wanted["ids"])
    if not keys <= review.library.rows.keys():
        raise ValueError("an event that is not in the library")
    library = review.decisions.current()
    result = harvest(library, only(lessons(library), keys), review.videos, data=review.data, keys=keys)
    return _json({"pictures": result.count("known"), "lines": summary(result), "data": str(review.data)})


def best_look(event: LoggedEvent) -> tuple[float, Box]:
    """When and where an event was seen best; its middle and the whole picture where the log has no track."""
    track = event.track
    if track:
        best = max(track, key=lambda point: point.score)
        return best.time_s, best.box
    box = Box(0.0, 0.0, 1.0, 1.0) if event.peak is None else event.peak.box
    return (event.start_s + event.end_s) / 2, box


def _change(review: Review, asked: Mapping[str, Any]) -> Change:
    """A decision of the page; `ValueError`, `KeyError`, `TypeError` or `IndexError` when it is none."""
    if asked["id"] not in review.library.rows:
        raise ValueError(f"no event {asked['id']!r}")
    expected = asked.get("if")
    return Change(asked["id"], _standing(asked), None if expected is None else _standing(expected))


def _standing(asked: Mapping[str, Any]) -> Standing:
    state, label = asked["state"], asked.get("label")
    if not isinstance(state, int) or state < 0:
        raise ValueError(f"state {state!r}: expected one of 0 to {len(STATES) - 1}")
    if label is not None and (not isinstance(label, str) or not _can_be_label(label)):
        raise ValueError(f"label {label!r}: expected one line of text")
    return Standing(Decision(STATES[state]), label)


def _can_be_label(label: str) -> bool:
    is_line = not any(ord(char) < 32 or 0x7F <= ord(char) < 0xA0 or char in "\u2028\u2029" for char in label)
    is_text = not any(0xD800 <= ord(char) < 0xE000 for char in label)
    return is_line and is_text and 0 < len(label) <= MOST_LABEL and label == label.strip()


def _by_frequency(library: Library) -> list[str]:
    """All labels, those with the most events first: they get the colours that are told apart best."""
    counts = Counter(entry.event.logged_label for entry in library.entries)
    return sorted(library.labels, key=lambda label: (-counts[label], label))


def _shorts(library: Library) -> list[str]:
    """A short name for each source; where several logs speak of one file, with the name of the log."""
    names = [source.facts.name for source in library.sources]
    times = Counter(names)
    logs = short_names([str(path) for path in library.paths])
    return [
        short if times[source.facts.name] == 1 else f"{short} ({logs[source.log]})"
        for short, source in zip(short_names(names), library.sources, strict=True)
    ]


def _source(review: Review, number: int, source: LibrarySource, short: str) -> dict[str, Any]:
    facts = source.facts
    clip = review.videos.of(facts)
    return {
        "number": number,
        "name": facts.name,
        "short": short,
        "width": facts.width,
        "height": facts.height,
        "duration_s": facts.duration_s if facts.duration_s is not None else facts.end_s,
        "rate_hz": facts.rate_hz,
        "rejections": [[reason_text(reason), count] for reason, count in facts.rejections.items()],
        "error": facts.error,
        "gaps": [[gap.start_s, gap.end_s, gap.cause] for gap in source.gaps],
        "video": clip.path is not None,
        "playable": clip.media_type is not None,
        "why": clip.why,
    }


def _event(review: Review, request: Request) -> tuple[LoggedEvent, Video]:
    row = review.library.rows.get(request.path_params["key"])
    if row is None:
        raise Refused(404, "no such event")
    entry = review.library.entries[row]
    return entry.event, review.videos.of(review.library.sources[entry.source].facts)


def _video(review: Review, request: Request) -> Video:
    number = request.path_params["source"]
    if number >= len(review.library.sources):
        raise Refused(404, "no such source")
    return review.videos.of(review.library.sources[number].facts)


def _file(clip: Video) -> Path:
    if clip.path is None:
        raise Refused(404, clip.why)
    return clip.path


def _seconds(request: Request, name: str) -> float:
    try:
        value = float(request.query_params[name])
    except (KeyError, ValueError):
        value = math.nan
    if not 0 <= value < 1e9:
        raise Refused(400, f"{name}: expected seconds from 0")
    return value


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0


def _json(value: object) -> Response:
    """Escaped down to ASCII: a label may hold what is no UTF-8."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return Response(text, media_type="application/json", headers=NEVER_KEPT)


def _jpeg(data: bytes) -> Response:
    return Response(data, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})


def _hex(color: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)


def _page_files() -> dict[str, bytes]:
    folder = resources.files("streamfilter.review").joinpath("page")
    return {
        file.name: file.read_bytes() for file in folder.iterdir() if "." + file.name.rpartition(".")[2] in PAGE_TYPES
    }
