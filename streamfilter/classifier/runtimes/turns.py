"""One caller at a time of what runs a network, and none once the program ends.

OpenVINO writes into memory that belongs to the runtime: two threads in it at once corrupt the heap. And a thread that
is still in OpenVINO, or in PyTorch, while the interpreter ends takes the whole process down with an abort.
"""

from __future__ import annotations

import os
import threading
import weakref
from types import TracebackType

PATIENCE_S = 30.0
"""How long the end of the program waits for the picture that a thread is at."""


class Turns:
    """A lock for `with`. It is taken when the program ends, after whoever has it, and never given back.

    Raises `RuntimeError` in a child that was forked from the process that made it: the library's threads did not come
    along, and it would wait for them for ever.
    """

    def __init__(self) -> None:
        self._state = _State()
        self._process = os.getpid()
        weakref.finalize(self, _end, self._state)

    def __enter__(self) -> None:
        if os.getpid() != self._process:
            raise RuntimeError("a runtime cannot be used in a forked process: make the classifier there, or spawn it")
        self._state.lock.acquire()
        if self._state.is_ending and threading.current_thread() is not threading.main_thread():
            self._state.lock.release()
            threading.Event().wait()  # for the end of the program, which is near

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._state.lock.release()


class _State:
    """What outlives the `Turns` itself, for its end."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.is_ending = False


def _end(state: _State) -> None:
    # A thread that looks again and again would take the lock back before anybody else gets it: it has to be told.
    state.is_ending = True
    state.lock.acquire(timeout=PATIENCE_S)
