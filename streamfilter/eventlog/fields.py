"""Hostile JSON in, checked values out. `FieldError` says in a few words what is wrong; the reader adds where."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from streamfilter.types import Box

MOST_TEXT = 1_000
"""Characters of a label, a name, a cause; of a message ten times as many."""

MOST_SECONDS = 1e9
"""Thirty years: what lies beyond is damage."""

MOST_POINTS = 100_000
OUTSIDE = 1e-3
"""How far a box may reach over the picture's edge: rounding, which is clipped. Beyond it is damage."""


class FieldError(ValueError):
    """A field of a record is missing, of the wrong type or out of bounds."""


def text(record: Mapping[str, Any], key: str, default: str | None = None, *, most: int = MOST_TEXT) -> str:
    """A text of at most `most` characters."""
    value = record.get(key, default)
    if not isinstance(value, str) or len(value) > most:
        raise FieldError(f"{key} is {brief(value)}: expected a text of at most {most} characters")
    return value


def optional_text(record: Mapping[str, Any], key: str, *, most: int = MOST_TEXT) -> str | None:
    """A text, or None where it is null or missing."""
    return None if record.get(key) is None else text(record, key, most=most)


def number(record: Mapping[str, Any], key: str, default: float | None = None, *, low: float, high: float) -> float:
    """A finite number from `low` to `high`."""
    return checked(record.get(key, default), key, low=low, high=high)


def optional_number(record: Mapping[str, Any], key: str, *, low: float, high: float) -> float | None:
    """A number, or None where it is null or missing."""
    return None if record.get(key) is None else number(record, key, low=low, high=high)


def checked(value: Any, name: str, *, low: float, high: float) -> float:
    """`value` as a float from `low` to `high`; a bool is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise FieldError(f"{name} is {brief(value)}: expected a number from {low:g} to {high:g}")
    return float(value)


def seconds(record: Mapping[str, Any], key: str, default: float | None = None) -> float:
    """A time in seconds; slightly negative ones occur in live sources."""
    return number(record, key, default, low=-MOST_SECONDS, high=MOST_SECONDS)


def optional_seconds(record: Mapping[str, Any], key: str) -> float | None:
    """A time in seconds, or None where it is null or missing."""
    return None if record.get(key) is None else seconds(record, key)


def count(record: Mapping[str, Any], key: str, default: int = 0) -> int:
    """A whole number from 0."""
    return int(number(record, key, default, low=0, high=2**53))


def mapping(record: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """A JSON object; an empty one where it is null or missing."""
    value = record.get(key)
    if value is not None and not isinstance(value, dict):
        raise FieldError(f"{key} is {brief(value)}: expected a JSON object")
    return value or {}


def sequence(record: Mapping[str, Any], key: str, *, most: int) -> list[Any]:
    """A JSON array of at most `most` items; an empty one where it is null or missing."""
    value = record.get(key)
    if value is not None and (not isinstance(value, list) or len(value) > most):
        raise FieldError(f"{key} is {brief(value)}: expected an array of at most {most} items")
    return value or []


def counts(record: Mapping[str, Any], key: str) -> dict[str, int]:
    """A JSON object of whole numbers, such as rejections by reason; at most a hundred."""
    found = mapping(record, key)
    if len(found) > 100 or any(len(name) > MOST_TEXT for name in found):
        raise FieldError(f"{key} has {len(found)} entries: expected at most 100 with short names")
    return {name: count(found, name) for name in found}


def fraction(record: Mapping[str, Any], key: str) -> Fraction | None:
    """A positive fraction such as `1/12800`; None where it is null or missing."""
    written = optional_text(record, key, most=40)
    if written is None:
        return None
    top, _, bottom = written.partition("/")
    if not (top.isascii() and top.isdigit() and (bottom or "1").isascii() and (bottom or "1").isdigit()):
        raise FieldError(f"{key} is {brief(written)}: expected a fraction such as 1/12800")
    if not int(top) or not int(bottom or "1"):
        raise FieldError(f"{key} is {brief(written)}: expected a fraction above 0")
    return Fraction(int(top), int(bottom or "1"))


def box(value: Any, name: str) -> Box:
    """A box from x, y, width, height; what rounding put over the edge is clipped."""
    return Box(*box_numbers(value, name))


def box_numbers(value: Any, name: str) -> tuple[float, float, float, float]:
    """x, y, width, height inside the picture."""
    if not isinstance(value, list) or len(value) != 4:
        raise FieldError(f"{name} is {brief(value)}: expected x, y, width, height")
    x, y, width, height = (min(1.0, max(0.0, checked(v, name, low=-OUTSIDE, high=1 + OUTSIDE))) for v in value)
    if x + width > 1 + OUTSIDE or y + height > 1 + OUTSIDE:
        raise FieldError(f"{name} is {brief(value)}: reaches out of the picture; expected shares, 0 to 1")
    return x, y, min(width, 1.0 - x), min(height, 1.0 - y)


def packed_track(record: Mapping[str, Any], key: str) -> array[float]:
    """A track, packed: time_s, x, y, width, height, score per point. In time order, each time once."""
    numbers = array("d")
    last_s = -MOST_SECONDS
    for point in sequence(record, key, most=MOST_POINTS):
        try:
            time_s, (x, y, width, height), score = point["time_s"], point["box"], point.get("score", 0.0)
            # A log holds millions of points: what is as it should be is seen in one look, all else is looked into.
            is_fine = last_s < time_s <= MOST_SECONDS and 0 <= score <= 1
            is_fine = is_fine and 0 <= x <= x + width <= 1 and 0 <= y <= y + height <= 1
            numbers.extend((time_s, x, y, width, height, score) if is_fine else _looked_into(point, last_s))
            last_s = time_s
        except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
            raise FieldError(f"{key} holds a point that is none: {brief(str(error))}") from None
    return numbers


def _looked_into(point: Mapping[str, Any], last_s: float) -> tuple[float, ...]:
    """The numbers of a point that is slightly over the edge; `FieldError` for one that is more than that."""
    time_s = seconds(point, "time_s")
    if time_s <= last_s:
        raise FieldError(f"steps back to {time_s:g} s, expected time order")
    return time_s, *box_numbers(point.get("box"), "box"), number(point, "score", 0.0, low=0, high=1)


def brief(value: Any) -> str:
    """A value in a few characters, for a message."""
    if value is None:
        return "missing or null"
    try:
        written = ascii(value) if isinstance(value, str | int | float) else type(value).__name__
    except ValueError:  # an integer of thousands of digits
        written = "a huge number"
    return written if len(written) <= 40 else written[:37] + "..."
