"""Which feeds a run watches: addresses, and YAML files of named ones whose credentials stand elsewhere.

    feeds:
      north gate: rtsp://10.0.0.5/live
      south gate:
        url: rtsp://10.0.0.6/live
        user: viewer
        password_env: SOUTH_GATE_PASSWORD    # or password_file; the same for user and url

No error of this module tells a value: it may be a password.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from streamfilter.config import read_yaml
from streamfilter.errors import ConfigError
from streamfilter.live.addresses import is_live, scheme_of
from streamfilter.source.discovery import redacted

ROSTER_SUFFIXES = frozenset({".yaml", ".yml"})
_PARTS = ("url", "user", "password")
_KEYS = frozenset(f"{part}{where}" for part in _PARTS for where in ("", "_env", "_file"))
_MOST_SECRET_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Feed:
    """A feed to be watched: what it is called everywhere, and its address, which may hold a password."""

    name: str
    address: str = field(repr=False)


def find_feeds(arguments: Sequence[str]) -> list[Feed]:
    """The feeds that these arguments stand for, each once and each with a name of its own, in their order.

    An argument is an address or a YAML file. One without a name is called by its redacted address, with a number where
    that says the same of two. Raises `ConfigError`.
    """
    found: dict[str, Feed] = {}
    for argument in arguments:
        for feed in [Feed(redacted(argument), argument)] if is_live(argument) else _listed(Path(argument)):
            found.setdefault(feed.address, feed)
    return _distinct(found.values())


def is_roster(argument: str) -> bool:
    """Whether this names a YAML file of feeds."""
    return Path(argument).suffix.lower() in ROSTER_SUFFIXES


def _distinct(feeds: Iterable[Feed]) -> list[Feed]:
    used: set[str] = set()
    named = []
    for feed in feeds:
        number, name = 1, feed.name
        while name in used:
            number += 1
            name = f"{feed.name} #{number}"
        used.add(name)
        named.append(Feed(name, feed.address))
    return named


def _listed(path: Path) -> list[Feed]:
    try:
        tree = read_yaml(path)
    except OSError as error:
        raise ConfigError(f"cannot read feeds {path}: {error.strerror}; check the path") from None
    except ValueError:
        # What YAML says of a mistake quotes the line, and the line may hold a password.
        raise ConfigError(f"feeds {path} is not YAML; see configs/live-feeds.yaml for an example") from None
    feeds = tree.get("feeds") if isinstance(tree, dict) and set(tree) == {"feeds"} else None
    if not isinstance(feeds, dict) or not feeds:
        raise ConfigError(f"feeds {path}: expected one key, `feeds:`, and under it a name and an address for each feed")
    return [_feed(str(name), entry, path) for name, entry in feeds.items()]


def _feed(name: str, entry: Any, path: Path) -> Feed:
    where = f"feeds {path}: feed {name!r}"
    if not name.strip() or not name.isprintable() or "://" in name:
        raise ConfigError(f"feeds {path}: a feed's name must be a printable text and no address")
    entry = {"url": entry} if isinstance(entry, str) else entry
    if not isinstance(entry, dict) or not all(isinstance(value, str) for value in entry.values()):
        raise ConfigError(f"{where}: expected an address, or texts under {', '.join(sorted(_KEYS))}")
    if strange := [str(key) for key in entry if key not in _KEYS]:
        raise ConfigError(f"{where}: unknown setting {strange[0]}; known here: {', '.join(sorted(_KEYS))}")
    url, user, password = (_value(part, entry, where) for part in _PARTS)
    if url is None or not is_live(url):
        raise ConfigError(f"{where}: url is no live feed; expected rtsp://..., udp://..., https://... or /dev/video0")
    return Feed(name, _with_credentials(url, user, password, where))


def _value(part: str, entry: Mapping[str, str], where: str) -> str | None:
    """A value from the file itself, from the environment or from another file."""
    given = [key for key in (part, f"{part}_env", f"{part}_file") if key in entry]
    if len(given) > 1:
        raise ConfigError(f"{where}: {' and '.join(given)} exclude each other")
    if not given or given[0] == part:
        return entry.get(part)
    if given[0].endswith("_env"):
        if (value := os.environ.get(entry[given[0]])) is None:
            raise ConfigError(f"{where}: {given[0]} names a variable that is not set: {entry[given[0]]}")
        return value
    try:
        with Path(entry[given[0]]).open("rb") as file:
            return file.read(_MOST_SECRET_BYTES).decode().strip()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise ConfigError(f"{where}: cannot read {given[0]} {entry[given[0]]}: {reason}") from None


def _with_credentials(url: str, user: str | None, password: str | None, where: str) -> str:
    if user is None and password is None:
        return url
    if scheme_of(url) == "v4l2":
        raise ConfigError(f"{where}: a camera of this machine takes no user or password")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ConfigError(f"{where}: url cannot be read; expected such as rtsp://10.0.0.5/live") from None
    if "@" in parts.netloc:
        raise ConfigError(f"{where}: url holds a user already; give it in one place")
    login = quote(user or "", safe="") + ("" if password is None else f":{quote(password, safe='')}")
    return parts._replace(netloc=f"{login}@{parts.netloc}").geturl()
