"""Where the lines of a log go: a new file, an old one replaced, a pipe or device, stdout."""

from __future__ import annotations

import os
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from streamfilter.errors import SinkError

STDOUT = "-"


class Output(Protocol):
    """Takes whole lines. `OSError` when one cannot be written."""

    def write(self, line: bytes) -> None:
        """Hand one line to the operating system."""

    def sync(self) -> None:
        """Bring what was written to the disk, where there is one."""

    def close(self) -> None:
        """Give the output back."""


def open_output(target: str, *, force: bool) -> Output:
    """An output for `target`; `-` is stdout. An existing file is replaced only with `force`, once a line is written.

    Raises `SinkError` for a file that exists, a folder, a path that cannot be written.
    """
    if target == STDOUT:
        return _Stdout()
    path = Path(os.path.realpath(target))
    try:
        return _open_path(path, force=force)
    except FileExistsError:
        raise SinkError(f"event log {target} exists: give another name, or --force to replace it") from None
    except IsADirectoryError:
        raise SinkError(f"event log {target} is a folder: expected the name of a file") from None
    except OSError as error:
        raise SinkError(f"cannot write event log {target}: {error.strerror}; check the folder and its rights") from None


def _open_path(path: Path, *, force: bool) -> Output:
    if not path.exists():
        return _NewFile(path)
    if path.is_dir():
        raise IsADirectoryError
    if not path.is_file():
        return _Stream(os.open(path, os.O_WRONLY))
    if not force:
        raise FileExistsError
    if not os.access(path, os.W_OK):
        raise PermissionError(13, "Permission denied")
    return _Replacement(path)


class _Stream:
    """A pipe, a socket, a device: written as it comes."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, line: bytes) -> None:
        rest = memoryview(line)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    def sync(self) -> None:
        """Nothing lies behind a pipe."""

    def close(self) -> None:
        os.close(self._descriptor)


class _NewFile(_Stream):
    """A file made by us. It goes again when nothing was written to it."""

    def __init__(self, path: Path, flags: int = os.O_EXCL) -> None:
        super().__init__(os.open(path, os.O_WRONLY | os.O_CREAT | flags, 0o666))
        self._path = path
        self._size = 0

    def write(self, line: bytes) -> None:
        try:
            super().write(line)
        except OSError:
            with suppress(OSError):  # what was written before stays whole; the first error is the one to tell
                os.ftruncate(self._descriptor, self._size)
            raise
        self._size += len(line)

    def sync(self) -> None:
        os.fsync(self._descriptor)

    def close(self) -> None:
        super().close()
        if self._size == 0:
            self._path.unlink(missing_ok=True)


class _Replacement(_NewFile):
    """A file beside an old one that takes its place when the first line is in it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.with_name(f".{path.name}.{os.getpid()}.new"), os.O_TRUNC)
        self._path.chmod(stat.S_IMODE(path.stat().st_mode))
        self._final = path

    def write(self, line: bytes) -> None:
        is_first = self._size == 0
        super().write(line)
        if is_first:
            self._path.replace(self._final)
            self._path = self._final


class _Stdout:
    """The process's stdout, never closed by us. Nothing stays in a buffer that could fail at exit."""

    def __init__(self) -> None:
        sys.stdout.flush()

    def write(self, line: bytes) -> None:
        try:
            descriptor = sys.stdout.fileno()
        except (OSError, ValueError):  # a test or a notebook put another object in its place
            sys.stdout.buffer.write(line)
            sys.stdout.flush()
            return
        _Stream(descriptor).write(line)

    def sync(self) -> None:
        """Nothing lies behind stdout that is ours to sync."""

    def close(self) -> None:
        """Stdout is not ours to close."""
