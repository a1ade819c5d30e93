"""One writer per log: a lock that the operating system takes back however its holder ends."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

# File systems that know no locks: there, two writers go unnoticed.
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


class LockedError(Exception):
    """Another process holds the file, or has just put another one in its place."""


def lock(descriptor: int, path: Path) -> None:
    """Lock an open file, without waiting, until its descriptor is closed. Raises `LockedError`, `OSError`."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise LockedError from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
    # Between our opening and our locking the file may have been replaced: then this is no longer the log.
    try:
        is_current = os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        is_current = False
    if not is_current:
        raise LockedError
