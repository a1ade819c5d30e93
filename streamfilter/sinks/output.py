"""Where the lines of a log go: a new file, an old one replaced or continued, a pipe or device, stdout."""

from __future__ import annotations

import os
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from streamfilter.errors import SinkError
from streamfilter.sinks.locking import LockedError, lock

STDOUT = "-"


class Output(Protocol):
    """Takes whole lines. `OSError` when one cannot be written."""

    def write(self, line: bytes) -> None:
        """Hand one line to the operating system."""

    def sync(self) -> None:
        """Bring what was written to the disk, where there is one."""

    def close(self) -> None:
        """Give the output back."""


def open_output(target: str, *, force: bool = False, resume: bool = False) -> Output:
    """An output for `target`; `-` is stdout. An existing file is replaced only with `force`, once a line is written.

    With `resume` an existing file is an `OldFile`, untouched so far. A file is locked while it is open. Raises
    `SinkError` for a file that exists, one that another run writes, a folder, a path that cannot be written, and for
    what cannot be resumed.
    """
    if target == STDOUT and not resume:
        return _Stdout()
    path = Path(os.path.realpath(target))
    try:
        return _open_path(path, force=force, resume=resume)
    except LockedError:
        raise SinkError(f"event log {target} is being written by another run: wait for it, or stop it") from None
    except FileExistsError:
        raise SinkError(
            f"event log {target} exists: give another name, --resume to go on with it or --force to replace it"
        ) from None
    except IsADirectoryError:
        raise SinkError(f"event log {target} is a folder: expected the name of a file") from None
    except OSError as error:
        raise SinkError(f"cannot write event log {target}: {error.strerror}; check the folder and its rights") from None


def _open_path(path: Path, *, force: bool, resume: bool) -> Output:
    if not path.exists():
        return _NewFile(path)
    if path.is_dir():
        raise IsADirectoryError
    if not path.is_file():
        if resume:
            raise SinkError(f"cannot resume {path}: a pipe or device keeps nothing; give the file of the stopped run")
        return _Stream(os.open(path, os.O_WRONLY))
    if resume:
        return OldFile(path)
    if not force:
        raise FileExistsError
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


class _File(_Stream):
    """A file that only grows; locked while it is open."""

    def __init__(self, path: Path, flags: int) -> None:
        super().__init__(os.open(path, os.O_RDWR | os.O_APPEND | flags, 0o666))
        self._path = path
        try:
            lock(self._descriptor, path)
        except BaseException:
            os.close(self._descriptor)
            raise
        self._size = os.fstat(self._descriptor).st_size
        self._is_listed = False

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
        if not self._is_listed:
            sync_folder(self._path)
            self._is_listed = True


class _NewFile(_File):
    """A file made by us. It goes again when nothing was written to it."""

    def __init__(self, path: Path, flags: int = os.O_EXCL) -> None:
        super().__init__(path, os.O_CREAT | flags)

    def close(self) -> None:
        if self._size == 0:
            self._path.unlink(missing_ok=True)
        super().close()


class _Replacement(_NewFile):
    """A file beside an old one that takes its place when the first line is in it."""

    def __init__(self, path: Path) -> None:
        self._old = _File(path, 0)  # only for its lock: whoever writes it goes on writing it
        try:
            super().__init__(_beside(path), os.O_TRUNC)
            self._path.chmod(stat.S_IMODE(path.stat().st_mode))
        except BaseException:
            self._old.close()
            raise
        self._final = path

    def write(self, line: bytes) -> None:
        is_first = self._size == 0
        super().write(line)
        if is_first:
            self._path.replace(self._final)
            self._path = self._final

    def close(self) -> None:
        super().close()
        self._old.close()


class OldFile(_File):
    """The log of a run that was stopped. Nothing of it changes before `keep`, `rewrite` or `write`."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, 0)

    def content(self) -> bytes:
        """All of it."""
        return self._path.read_bytes()

    def keep(self, size: int) -> None:
        """Forget what lies behind the first `size` bytes."""
        if size < self._size:
            os.ftruncate(self._descriptor, size)
            os.fsync(self._descriptor)
            self._size = size

    def rewrite(self, content: bytes) -> None:
        """Put other content in its place: all of it, or none when that fails."""
        new = _NewFile(_beside(self._path), os.O_TRUNC)
        try:
            new._path.chmod(stat.S_IMODE(self._path.stat().st_mode))
            new.write(content)
            os.fsync(new._descriptor)
            new._path.replace(self._path)
        except BaseException:
            new._path.unlink(missing_ok=True)
            os.close(new._descriptor)
            raise
        os.close(self._descriptor)
        self._descriptor, self._size, self._is_listed = new._descriptor, new._size, False


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


def _beside(path: Path) -> Path:
    """A name for the file that is to take the place of `path`: always the same, so that kills leave one at most."""
    return path.with_name(f".{path.name}.new")


def sync_folder(path: Path) -> None:
    """Bring the name of a new file to the disk, where the file system lets us."""
    with suppress(OSError):
        descriptor = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
