"""Just enough SVG for charts: a frame with axes, and marks in it. Colours are classes of the page's style sheet."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64] | Sequence[float]
_MOST_POINTS = 400


@dataclass(frozen=True, slots=True)
class Frame:
    """A chart's plane: values `x` and `y` from low to high on a canvas of `width` × `height` units."""

    x: tuple[float, float]
    y: tuple[float, float]
    width: int = 400
    height: int = 300
    left: int = 46
    right: int = 12
    top: int = 10
    bottom: int = 40

    def across(self, value: float) -> float:
        """Where a value of x lies on the canvas."""
        low, high = self.x
        return self.left + (value - low) / ((high - low) or 1.0) * (self.width - self.left - self.right)

    def down(self, value: float) -> float:
        """Where a value of y lies on the canvas."""
        low, high = self.y
        return (
            self.height - self.bottom - (value - low) / ((high - low) or 1.0) * (self.height - self.top - self.bottom)
        )

    def axes(self, x_title: str, y_title: str) -> str:
        """Grid lines with their values, and what they mean; a side without extent has none."""
        bottom, right = self.height - self.bottom, self.width - self.right
        parts = []
        for value in ticks(*self.x):
            x = self.across(value)
            parts.append(_line(x, self.top, x, bottom) + text(x, bottom + 15, _number(value), kind="tick middle"))
        for value in ticks(*self.y) if self.y[0] < self.y[1] else ():
            y = self.down(value)
            parts.append(_line(self.left, y, right, y) + text(self.left - 6, y + 4, _number(value), kind="tick end"))
        parts.append(text((self.left + right) / 2, self.height - 6, x_title, kind="axis middle"))
        middle = (self.top + bottom) / 2
        parts.append(
            f'<text class="axis middle" transform="translate(12 {middle:.1f}) rotate(-90)">{escape(y_title)}</text>'
        )
        return "".join(parts)

    def line(self, xs: Values, ys: Values, kind: str) -> str:
        """A line through points, thinned where there are more than anybody can see."""
        rows = np.unique(np.linspace(0, len(xs) - 1, min(len(xs), _MOST_POINTS)).round().astype(int))
        points = " ".join(f"{self.across(float(xs[row])):.1f},{self.down(float(ys[row])):.1f}" for row in rows)
        return f'<polyline class="line {kind}" points="{points}"/>'

    def bar(self, x: tuple[float, float], y: tuple[float, float], kind: str, title: str = "") -> str:
        """A filled rectangle between values."""
        left, right = self.across(x[0]), self.across(x[1])
        top, bottom = self.down(max(y)), self.down(min(y))
        return rectangle(left, top, right - left, bottom - top, kind=kind, title=title)

    def dot(self, x: float, y: float, kind: str, title: str = "") -> str:
        """A small disc."""
        place = f'cx="{self.across(x):.1f}" cy="{self.down(y):.1f}"'
        return f'<circle class="dot {kind}" {place} r="3">{_title(title)}</circle>'

    def svg(self, title: str, *parts: str) -> str:
        """The whole chart; `title` is what somebody hears who does not see it."""
        return canvas(self.width, self.height, title, *parts)


def canvas(width: float, height: float, title: str, *parts: str) -> str:
    """An SVG element that grows to the width of its place."""
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(title, quote=True)}">'
        f"{''.join(parts)}</svg>"
    )


def text(x: float, y: float, words: str, *, kind: str) -> str:
    """Words on the canvas."""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(words)}</text>'


def rectangle(x: float, y: float, width: float, height: float, *, kind: str, title: str = "", style: str = "") -> str:
    """A filled rectangle on the canvas; `title` shows under the pointer."""
    style = f' style="{style}"' if style else ""
    return (
        f'<rect class="{kind}"{style} x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" '
        f'height="{max(height, 0):.1f}">{_title(title)}</rect>'
    )


def legend(entries: Iterable[tuple[str, str]]) -> str:
    """What the colours mean: class and words of each, as HTML below a chart."""
    items = "".join(f'<li><i class="{kind}"></i>{escape(words)}</li>' for kind, words in entries)
    return f'<ul class="legend">{items}</ul>'


def ticks(low: float, high: float, *, about: int = 5) -> list[float]:
    """Round values between `low` and `high`, about as many as asked for."""
    span = high - low
    if not span > 0 or not math.isfinite(span):
        return [low]
    raw = span / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [index * step for index in range(first, math.floor(high / step + 1e-9) + 1)]


def _number(value: float) -> str:
    return f"{value:.6g}".replace("-", "−") if value else "0"


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="grid" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _title(words: str) -> str:
    return f"<title>{escape(words)}</title>" if words else ""
