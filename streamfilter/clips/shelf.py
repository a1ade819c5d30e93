"""The folder of clips: a list of what was written to it, and how much of that may stay.

Only what stands in the list is ever deleted, the oldest first; a file of somebody else is neither counted nor touched.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from streamfilter.config import ClipsConfig
from streamfilter.errors import SinkError

LIST = ".streamfilter-clips"
"""One JSON string a line: the names of the files that are ours."""

_S_PER_DAY = 86400.0


class Shelf:
    """The folder `folder`, made where it is not there. Raises `SinkError` where it cannot be written.

    `clock` gives the seconds since 1970.
    """

    def __init__(self, folder: Path, config: ClipsConfig, *, clock: Callable[[], float] = time.time) -> None:
        self.folder = folder
        self._config = config
        self._clock = clock
        self._list = folder / LIST
        self._under_way: set[str] = set()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with self._list.open("ab"):
                pass
        except OSError as error:
            raise SinkError(
                f"cannot write clips to {folder}: {error.strerror}; check the folder and its rights"
            ) from None
        for name in self._names():
            if name.endswith(".part"):  # a run that was killed has left it
                self._delete(name)

    def announce(self, *paths: Path) -> None:
        """These files will be ours, before they are written. Raises `OSError`."""
        self._under_way.update(path.name for path in paths)
        with self._list.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(path.name) + "\n" for path in paths)

    def settle(self, *paths: Path) -> None:
        """No more will be written to these."""
        self._under_way.difference_update(path.name for path in paths)

    def tidy(self) -> None:
        """Delete what is too old, and the oldest until the rest is small enough. Raises `OSError`."""
        there = self._there()
        left = sum(size for _, size, _ in there)
        latest = self._clock() - self._config.max_age_days * _S_PER_DAY
        for written_at, size, name in there:
            if written_at < latest or left > self._config.max_bytes:
                self._delete(name)
                left -= size
        names = dict.fromkeys(self._names())
        self._keep_list([name for name in names if name in self._under_way or (self.folder / name).exists()])

    def _there(self) -> list[tuple[float, int, str]]:
        """When each file that is ours was written, its size and its name; the oldest first, none under way."""
        found = []
        for name in set(self._names()) - self._under_way:
            with suppress(OSError):
                facts = (self.folder / name).stat(follow_symlinks=False)
                found.append((facts.st_mtime, facts.st_size, name))
        return sorted(found)

    def _names(self) -> list[str]:
        names = []
        for line in self._list.read_text("utf-8", "replace").splitlines():
            with suppress(ValueError):
                name = json.loads(line)
                # A list that somebody has edited must not lead out of the folder.
                if isinstance(name, str) and Path(name).name == name and name not in (".", "..", LIST):
                    names.append(name)
        return names

    def _delete(self, name: str) -> None:
        with suppress(OSError):
            (self.folder / name).unlink()

    def _keep_list(self, names: Sequence[str]) -> None:
        new = self._list.with_name(f"{LIST}.new")
        new.write_text("".join(json.dumps(name) + "\n" for name in names), encoding="utf-8")
        new.replace(self._list)
