"""Converted networks are kept on disk, by the model's digest: only the first run with a model converts it."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

MOST_KEPT = 12
"""Files of converted networks that stay, the newest."""


def cache_folder() -> Path:
    """Where they are: the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "streamfilter" / "runtimes"


def kept(name: str, convert: Callable[[], bytes]) -> bytes:
    """The file `name` of the cache; where there is none yet, what `convert` gives, from then on kept there.

    A cache that cannot be written is no error: the network is converted again next time.
    """
    path = cache_folder() / name
    try:
        return path.read_bytes()
    except OSError:
        data = convert()
    partial = path.with_name(f"{name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(data)
        partial.replace(path)
        _forget_old(path.parent)
    except OSError:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
    return data


def _forget_old(folder: Path) -> None:
    files = sorted((f for f in folder.iterdir() if f.is_file()), key=lambda f: f.stat().st_mtime)
    for file in files[:-MOST_KEPT]:
        file.unlink(missing_ok=True)
