"""Where on the picture a label was: seconds per cell of a grid."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from streamfilter.eventlog import LoggedEvent
from streamfilter.eventlog.values import POINT

ROWS, COLUMNS = 9, 16
STEP_S = 0.25
MOST_STEPS = 400


def heat_map(events: Iterable[LoggedEvent]) -> NDArray[np.float64]:
    """`(9, 16)` float64: for each cell of the picture the seconds that it was covered, parts of a cell in proportion.

    The boxes follow the tracks in straight lines, read every quarter of a second; an event without a track is left out.
    """
    heat = np.zeros((ROWS, COLUMNS))
    for event in events:
        if event.packed_track:
            heat += _event_heat(event)
    return heat


def _event_heat(event: LoggedEvent) -> NDArray[np.float64]:
    points = np.frombuffer(event.packed_track).reshape(-1, POINT)
    steps = int(np.clip(np.ceil(event.duration_s / STEP_S), 1, MOST_STEPS))
    step_s = event.duration_s / steps
    times = event.start_s + (np.arange(steps) + 0.5) * step_s
    x, y, width, height = (np.interp(times, points[:, 0], points[:, 1 + n]) for n in range(4))
    across = _covered(x, x + width, COLUMNS)
    down = _covered(y, y + height, ROWS)
    return np.asarray(down.T @ across * step_s)


def _covered(low: NDArray[np.float64], high: NDArray[np.float64], cells: int) -> NDArray[np.float64]:
    """`(N, cells)`: the part of every cell, 0 to 1, that lies between `low` and `high` (shares of the picture)."""
    edges = np.arange(cells + 1) / cells
    begin = np.maximum(low[:, None], edges[None, :-1])
    end = np.minimum(high[:, None], edges[None, 1:])
    return np.asarray(np.maximum(0.0, end - begin) * cells)
