"""All sinks of a log, from start to end."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from streamfilter.config import AnySink
from streamfilter.delivery.deliverer import Deliverer, Tell, Trail
from streamfilter.delivery.making import make_sink
from streamfilter.errors import SinkError
from streamfilter.eventlog.review import review_path
from streamfilter.sinks.locking import LockedError, lock


@contextmanager
def delivering(log: Path, sinks: Mapping[str, AnySink], tell: Tell) -> Iterator[tuple[Deliverer, ...]]:
    """Deliver a log, which need not be there yet, to all of its sinks while the block runs.

    Then each gets its `drain_s` for what is left; what is not delivered by then is told, and comes after the next
    start.
    Raises `ConfigError` for a sink that cannot be made, `SinkError` where another process delivers to it.
    """
    deliverers = [(_deliverer(name, config, log, tell), config.drain_s) for name, config in sinks.items()]
    with ExitStack() as stack:
        folder = sinks_folder(log)
        for deliverer, _ in deliverers:
            stack.enter_context(_locked(folder, deliverer.name, log))
        for deliverer, _ in deliverers:
            deliverer.start()
        stack.callback(_finish, deliverers, log=log, tell=tell)
        yield tuple(deliverer for deliverer, _ in deliverers)


def sinks_folder(log: Path) -> Path:
    """Where cursors and refused records are kept: `events.sinks/` beside `events.jsonl`."""
    path = Path(os.path.realpath(log))
    return path.with_name(f"{path.name.removesuffix('.jsonl')}.sinks")


def _deliverer(name: str, config: AnySink, log: Path, tell: Tell) -> Deliverer:
    path, folder = Path(os.path.realpath(log)), sinks_folder(log)
    trails = [Trail(path, folder / f"{name}.cursor"), Trail(review_path(path), folder / f"{name}.review.cursor")]
    sink = make_sink(name, config, log=log)
    return Deliverer(name, sink, config, trails=trails, refused=folder / f"{name}.refused.jsonl", tell=tell)


@contextmanager
def _locked(folder: Path, name: str, log: Path) -> Iterator[None]:
    """Nobody else delivers to this sink from this log."""
    path = folder / f"{name}.lock"
    try:
        folder.mkdir(exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise SinkError(f"cannot write {path}: {error.strerror}; check the folder and its rights") from None
    try:
        lock(descriptor, path)
        yield
    except LockedError:
        raise SinkError(f"another process delivers {log} to sink {name}: wait for it, or stop it") from None
    finally:
        os.close(descriptor)


def _finish(deliverers: Sequence[tuple[Deliverer, float]], *, log: Path, tell: Tell) -> None:
    for deliverer, drain_s in deliverers:
        deliverer.stop(drain_s)
    for deliverer, _ in deliverers:
        deliverer.join()
        waiting = 0
        with suppress(OSError):
            waiting = deliverer.waiting()
        if waiting:
            tell.warn(f"sink {deliverer.name}: {waiting} records of {log} are left for the next start")
