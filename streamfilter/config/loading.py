"""Settings from YAML files and overrides; errors name the key, the value and what is expected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from streamfilter.config.section import Section
from streamfilter.config.sinks import SINK_KINDS
from streamfilter.errors import ConfigError

# A file of settings is a few kilobytes, and no setting lies deeper than in a list in a section in a section.
_MOST_BYTES = 1 << 20
_MOST_DEPTH = 20

S = TypeVar("S", bound=Section)


def load_config(kind: type[S], path: Path | None = None, overrides: Iterable[str] = ()) -> S:
    """Settings of `kind` from its defaults, a YAML file and dotted overrides (`smoother.onset_s=0.3`), in that order.

    Raises `ConfigError` for a file that cannot be read or parsed, an unknown key, a wrong type, a value out of bounds.
    """
    tree = _settings_tree(path) if path is not None else {}
    for override in overrides:
        _apply(tree, override)
    return check_config(kind, tree, origin=str(path) if path is not None else "settings")


def check_config(kind: type[S], tree: Mapping[str, Any], *, origin: str) -> S:
    """Validate a plain mapping; `origin` is named in the error."""
    try:
        return kind.model_validate(tree)
    except ValidationError as error:
        lines = "; ".join(_explain(kind, problem) for problem in error.errors()[:5])
        raise ConfigError(f"{origin}: {lines}") from None


class _PlainLoader(yaml.SafeLoader):
    """Safe YAML without aliases, which a few lines of could grow to gigabytes, and not deeper than settings are."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("it repeats a part of itself by an alias (`*name`); write that part again")
        self.depth += 1
        if self.depth > _MOST_DEPTH:
            raise yaml.YAMLError(f"it is nested deeper than {_MOST_DEPTH} levels")
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


def _plain_yaml(text: str | bytes) -> Any:
    """What a YAML text says. Raises `ValueError`, in one line, for one that is none, or that is hostile."""
    try:
        return yaml.load(text, _PlainLoader)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        # Beside its own errors YAML lets those of dates and numbers through.
        raise ValueError(" ".join(str(error).split())[:500]) from None


def read_yaml(path: Path) -> Any:
    """What a YAML file says: safe, without aliases, bounded in size and depth. Raises `OSError`, `ValueError`."""
    with path.open("rb") as file:
        content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise ValueError(f"it is larger than {_MOST_BYTES >> 20} MiB")
    return _plain_yaml(content)


def _settings_tree(path: Path) -> dict[str, Any]:
    try:
        tree = read_yaml(path)
    except OSError as error:
        raise ConfigError(f"cannot read config {path}: {error.strerror}; check the path") from None
    except ValueError as error:
        raise ConfigError(f"config {path} is not YAML for settings: {error}") from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ConfigError(f"config {path} holds a {type(tree).__name__}, expected sections such as `smoother:`")
    return tree


def _apply(tree: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set {override!r}: expected section.key=value, such as smoother.onset_s=0.3")
    *sections, last = key.strip().split(".")
    for name in sections:
        child = tree.setdefault(name, {})
        if not isinstance(child, dict):
            raise ConfigError(f"--set {override!r}: {name} is a value, not a section")
        tree = child
    try:
        tree[last] = _plain_yaml(text)
    except ValueError:
        raise ConfigError(f"--set {override!r}: cannot read the value {text!r}") from None


def _explain(kind: type[Section], problem: Any) -> str:
    where = ".".join(str(part) for part in problem["loc"] if not str(part).startswith(("constrained", "literal")))
    if problem["type"] == "extra_forbidden":
        known = ", ".join(_siblings(kind, problem["loc"]))
        return f"unknown setting {where}; known here: {known}"
    message = problem["msg"].removeprefix("Value error, ")
    shown = "" if _may_be_secret(problem) else f" = {problem['input']!r}"
    return f"{where or 'settings'}{shown}: {message[0].lower()}{message[1:]}"


def _may_be_secret(problem: Any) -> bool:
    """A sink's settings hold addresses and options with passwords in them."""
    return problem["loc"][:1] == ("sinks",) and not isinstance(problem["input"], bool | int | float)


def _siblings(kind: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    if location[0] == "sinks" and len(location) > 3:
        kind, location = SINK_KINDS[location[2]], location[3:]
    for part in location[:-1]:
        field = kind.model_fields.get(str(part))
        if field is None or not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)):
            break
        kind = field.annotation
    return sorted(kind.model_fields)
