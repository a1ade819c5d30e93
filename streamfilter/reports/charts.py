"""Timelines and heat maps as SVG, for both colour schemes: colours come from the page's style."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from streamfilter.eventlog import shown
from streamfilter.intervals import Interval
from streamfilter.reports.figures import Figures, Heat, SourceReport

WIDTH = 1000
ROW = 22
HEAD = 18
MOST_BARS = 2000

PATTERN = (
    '<svg width="0" height="0" aria-hidden="true"><defs><pattern id="hatch" width="6" height="6" '
    'patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect class="hatch" width="3" height="6"/></pattern>'
    "</defs></svg>"
)
"""What hatches lost time in every timeline of a page: once on it."""


def clock(time_s: float) -> str:
    """`0:07.3` below ten minutes, else `12:34` or `1:02:03`."""
    tenths = int(max(0.0, time_s) * 10 + 0.5)
    if tenths < 6000:
        return f"{tenths // 600}:{tenths // 10 % 60:02d}.{tenths % 10}"
    seconds = (tenths + 5) // 10
    hours, minutes = seconds // 3600, seconds // 60 % 60
    return f"{hours}:{minutes:02d}:{seconds % 60:02d}" if hours else f"{minutes}:{seconds % 60:02d}"


def timeline(report: SourceReport, colors: Mapping[str, str], anchors: Mapping[tuple[str, str], str]) -> str:
    """A row per label with a bar per event, which links to it; what was lost is hatched.

    `anchors`: the id of every event's row on the page, by source and event id; one without is no link.
    """
    height = HEAD + ROW * max(1, len(report.labels)) + 4
    body = [_scale(report.window, height)]
    body += [_lost(span, report.window, height) for span in report.lost[:MOST_BARS]]
    for row, figures in enumerate(report.labels):
        top = HEAD + row * ROW
        body.append(f'<line class="rail" x1="0" x2="{WIDTH}" y1="{top + ROW / 2}" y2="{top + ROW / 2}"/>')
        body += _bars(report, figures, top, colors[figures.label], anchors)
    title = f"Timeline of {escape(shown(report.source.name))}"
    return (
        f'<svg class="timeline" viewBox="0 0 {WIDTH} {height}" preserveAspectRatio="none" role="img" '
        f'style="height:{height}px" aria-label="{title}">{"".join(body)}</svg>'
    )


def heat_picture(heat: Heat, color: str, label: str) -> str:
    """The picture as a grid, each cell the stronger the longer the label covered it."""
    most = float(heat.max())
    rows, columns = heat.shape
    cells = []
    for row in range(rows):
        for column in range(columns):
            value = float(heat[row, column])
            if most > 0 and value / most > 0.004:
                cells.append(
                    f'<rect x="{column}" y="{row}" width="1.02" height="1.02" fill="{color}" '
                    f'fill-opacity="{0.08 + 0.92 * value / most:.3f}"><title>{value:.1f} s</title></rect>'
                )
    name = escape(f"Where {shown(label)} was on the picture")
    return (
        f'<svg class="heat" viewBox="0 0 {columns} {rows}" role="img" aria-label="{name}">'
        f'<rect class="screen" width="{columns}" height="{rows}"/>{"".join(cells)}</svg>'
    )


def _bars(
    report: SourceReport, figures: Figures, top: int, color: str, anchors: Mapping[tuple[str, str], str]
) -> list[str]:
    bars = []
    for event in figures.events[:MOST_BARS]:
        left, right = (_x(time_s, report.window) for time_s in (event.start_s, event.end_s))
        what = escape(f"{shown(figures.label)} {clock(event.start_s)} to {clock(event.end_s)}, score {event.score:.2f}")
        bar = (
            f'<rect x="{left:.2f}" y="{top + 4}" width="{max(2.0, right - left):.2f}" height="{ROW - 8}" rx="2" '
            f'fill="{color}"><title>{what}</title></rect>'
        )
        anchor = anchors.get((event.source, event.event_id))
        bars.append(f'<a href="#{anchor}">{bar}</a>' if anchor else bar)
    return bars


def _scale(window: Interval, height: int) -> str:
    places = (f"{_x(time_s, window):.2f}" for time_s in _ticks(window))
    return "".join(f'<line class="tick" x1="{x}" x2="{x}" y1="{HEAD - 4}" y2="{height}"/>' for x in places)


def scale_labels(window: Interval) -> str:
    """The times of the scale as HTML over the chart, which itself is stretched and can hold no text."""
    names = (
        f'<span style="left:{_x(time_s, window) / WIDTH * 100:.2f}%">{clock(time_s)}</span>'
        for time_s in _ticks(window)
    )
    return f'<div class="scale" aria-hidden="true">{"".join(names)}</div>'


def _lost(span: Interval, window: Interval, height: int) -> str:
    left, right = _x(span[0], window), _x(span[1], window)
    title = f"lost: {clock(span[0])} to {clock(span[1])}"
    return (
        f'<rect x="{left:.2f}" y="{HEAD}" width="{max(1.0, right - left):.2f}" height="{height - HEAD}" '
        f'fill="url(#hatch)"><title>{title}</title></rect>'
    )


def _ticks(window: Interval, most: int = 6) -> Sequence[float]:
    length_s = max(window[1] - window[0], 1e-3)
    steps = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200)
    step_s = next((step for step in steps if length_s / step <= most), length_s)
    first = int(-(-window[0] // step_s))
    return [tick * step_s for tick in range(first, first + most + 1) if tick * step_s < window[1] - 0.02 * length_s]


def _x(time_s: float, window: Interval) -> float:
    length_s = max(window[1] - window[0], 1e-9)
    return min(1.0, max(0.0, (time_s - window[0]) / length_s)) * WIDTH
