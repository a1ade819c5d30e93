"""The worst mistakes, as small pictures inside the page, with what was seen framed."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import cv2
import numpy as np
from numpy.typing import NDArray

from streamfilter.errors import DatasetError
from streamfilter.evaluation.pictures import read_subject, resized
from streamfilter.evaluation.samples import NOTHING, Samples
from streamfilter.types import Box, Pixels

EACH = 8
"""Pictures per sort of mistake."""
_SIDE = 260
_QUALITY = 72


@dataclass(frozen=True, slots=True)
class Mistakes:
    """One sort of mistake: its rows, worst first, and how many there are in all."""

    title: str
    rows: tuple[int, ...]
    count: int


def mistakes(samples: Samples) -> list[Mistakes]:
    """Unknown pictures that were accepted, known ones called something else, known ones rejected; worst first."""
    truth, decided = samples.truth, samples.decided
    is_none, said_none = truth == samples.none, decided == samples.none
    sorts = (
        ("Unknown, but accepted", is_none & ~said_none, -samples.confidence),
        ("Known, but called another label", ~is_none & ~said_none & (truth != decided), -samples.confidence),
        ("Known, but rejected", ~is_none & said_none, -samples.unfamiliarity),
    )
    return [_sorted(title, np.flatnonzero(where), order) for title, where, order in sorts]


def gallery(samples: Samples, found: Sequence[Mistakes]) -> str:
    """All sorts of mistakes as HTML."""
    parts = []
    for sort in found:
        of = f" (the worst {len(sort.rows)} of {sort.count})" if sort.count > len(sort.rows) else f" ({sort.count})"
        parts.append(f"<h3>{escape(sort.title)}{of}</h3>")
        cards = "".join(_card(samples, row) for row in sort.rows)
        parts.append(f'<div class="gallery">{cards}</div>' if cards else '<p class="faint">None.</p>')
    return "".join(parts)


def thumbnail(picture: Pixels, box: Box) -> str:
    """A JPEG data URI of a picture `(H, W, 3)`, scaled down, with a frame around the box."""
    scale = min(1.0, _SIDE / max(picture.shape[:2]))
    width, height = (max(1, round(side * scale)) for side in (picture.shape[1], picture.shape[0]))
    small = resized(picture, width, height).copy()
    start = round(box.x * width), round(box.y * height)
    end = round((box.x + box.width) * width) - 1, round((box.y + box.height) * height) - 1
    cv2.rectangle(small, start, end, (0, 0, 0), 3)
    cv2.rectangle(small, start, end, (255, 220, 0), 1)
    options = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
    _, data = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), options)
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode("ascii")


def _sorted(title: str, rows: NDArray[np.intp], order: NDArray[np.float64]) -> Mistakes:
    ranked = [int(row) for row in rows[np.argsort(order[rows], kind="stable")]]
    return Mistakes(title, tuple(ranked[:EACH]), len(ranked))


def _card(samples: Samples, row: int) -> str:
    subject, sighting = samples.subjects[row], samples.verdicts[row]
    said = f"{sighting.label} {sighting.score:.2f}" if sighting.label else f"{sighting.candidate.label}? rejected"
    reason = f" ({sighting.rejection})" if sighting.rejection else ""
    if samples.chosen[row] == NOTHING:
        said, reason = "nothing seen", ""
    shown = subject.label or f"none ({subject.kind})"
    try:
        image = thumbnail(read_subject(subject.path), sighting.candidate.box)
    except DatasetError:
        return ""
    name = escape(subject.path.name, quote=True)
    return (
        f'<figure><img src="{image}" alt="{name}"><figcaption>{escape(said)}{escape(reason)}'
        f"<small>shows {escape(shown)}</small><small>{name}</small></figcaption></figure>"
    )
