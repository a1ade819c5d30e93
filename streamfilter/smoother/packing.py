"""Values as JSON and back, to the last bit: what a checkpoint holds of the smoother.

A dataclass becomes the list of its fields in their order; fields that take no part in comparison are left out and come
back as their default. A number that JSON cannot hold becomes its name.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import Field, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

_ENDLESS = ("inf", "-inf", "nan")


def packed(value: Any) -> Any:
    """`value` as lists, objects, texts and numbers."""
    if is_dataclass(value) and not isinstance(value, type):
        return [packed(getattr(value, field.name)) for field, _ in _parts(type(value))]
    if isinstance(value, list | tuple):
        return [packed(item) for item in value]
    if isinstance(value, Mapping):
        return {key: packed(item) for key, item in value.items()}
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(float(value))
    return value


def unpacked(kind: Any, value: Any) -> Any:
    """A value of the type `kind` from what `packed` made of one. `ValueError` for anything else."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is UnionType:
        (only,) = (one for one in inner if one is not NoneType)
        return None if value is None else unpacked(only, value)
    if is_dataclass(kind):
        return _dataclass(kind, _list(value))
    if origin is list:
        return [unpacked(inner[0], item) for item in _list(value)]
    if origin is tuple:
        return tuple(unpacked(one, item) for one, item in zip(inner, _list(value), strict=True))
    if origin in (dict, Counter):
        return _counts(origin, value)
    if kind is float:
        return _float(value)
    if type(value) is not kind:
        raise ValueError(f"{value!r:.40} is no {kind}")
    return value


def _dataclass(kind: Any, values: list[Any]) -> Any:
    parts = {field.name: unpacked(hint, item) for (field, hint), item in zip(_parts(kind), values, strict=True)}
    return kind(**parts)


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{value!r:.40} is no list")
    return value


def _counts(kind: Any, value: Any) -> Any:
    if not isinstance(value, dict) or not all(type(count) is int for count in value.values()):
        raise ValueError(f"{value!r:.40} holds no counts")
    return kind(value)


def _float(value: Any) -> float:
    if type(value) not in (int, float) and value not in _ENDLESS:
        raise ValueError(f"{value!r:.40} is no number")
    try:
        return float(value)
    except OverflowError:
        raise ValueError("a whole number is too large") from None


@cache
def _parts(kind: type[Any]) -> tuple[tuple[Field[Any], Any], ...]:
    hints = get_type_hints(kind)
    return tuple((field, hints[field.name]) for field in fields(kind) if field.compare)
