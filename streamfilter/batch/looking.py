"""One file of an archive: the pipeline of a run, and a log to the byte as `streamfilter run` of that file writes it."""

from __future__ import annotations

from pathlib import Path

from streamfilter.batch.entries import suffix_of
from streamfilter.batch.remote import fetched
from streamfilter.batch.told import begun_as
from streamfilter.config import RunConfig
from streamfilter.errors import SinkError, SourceError
from streamfilter.pipeline import Network, identify, run
from streamfilter.sinks import EventLog, records, run_digest
from streamfilter.sinks.records import Record
from streamfilter.source.discovery import is_url, redacted
from streamfilter.watching import Watcher


def write_log(source: str, log: Path, network: Network, config: RunConfig, *, watcher: Watcher) -> bool:
    """Look through one source and write its event log; False when the watcher stopped it, then the log has an end
    that a later call goes on from.

    What `log` holds of this very run is kept, anything else is written over. A source from elsewhere is fetched into
    `batch.fetch_folder` or beside the log, and always read from its beginning. A source that fails is told in the log.
    Raises `SinkError` and `ModelError`, which are no fault of the source.
    """
    if is_url(source):
        return _look_at_remote(source, log, network, config, watcher)
    is_begun = begun_as(log) == identify([source], config=config, model=network.facts)
    try:
        return _look([source], log, network, config, watcher, goes_on=is_begun)
    except SinkError:
        if not is_begun:
            raise
    # It cannot be gone on with, since what is decoded now is not what was decoded then.
    return _look([source], log, network, config, watcher, goes_on=False)


def _look(names: list[str], log: Path, network: Network, config: RunConfig, watcher: Watcher, *, goes_on: bool) -> bool:
    if not goes_on:
        log.unlink(missing_ok=True)
    with EventLog(log, identify(names, config=config, model=network.facts), resume=goes_on) as events:
        return not run(names, network, config=config, log=events, watcher=watcher).interrupted


def _look_at_remote(url: str, log: Path, network: Network, config: RunConfig, watcher: Watcher) -> bool:
    log.unlink(missing_ok=True)
    try:
        with fetched(url, config.batch.fetch_folder or log.parent, config, suffix=suffix_of(url)) as path:
            run_id = identify([str(path)], config=config, model=network.facts)
            with _NamedLog(log, run_id, local=str(path), shown=redacted(url)) as events:
                return not run([str(path)], network, config=config, log=events, watcher=watcher).interrupted
    except SourceError as error:
        _write_failure(url, error, log, network, config)
        return True


class _NamedLog(EventLog):
    """The log of a source that is known by another name than that of the file it is read from."""

    def __init__(self, target: Path, run_id: str, *, local: str, shown: str) -> None:
        super().__init__(target, run_id)
        self._local, self._shown = local, shown

    def write(self, record: Record, *, source: str | None = None) -> None:
        told = {key: self._named(value) for key, value in record.items()}
        super().write(told, source=self._shown if source == self._local else source)

    def _named(self, value: object) -> object:
        if isinstance(value, list):
            return [self._named(one) for one in value] if value and isinstance(value[0], str) else value
        return value.replace(self._local, self._shown) if isinstance(value, str) else value


def _write_failure(url: str, error: SourceError, log: Path, network: Network, config: RunConfig) -> None:
    """The log of a file that could not even be fetched, as a run writes it of one that cannot be opened."""
    run_id = run_digest(config.digest(), network.facts.digest, ("",))
    with EventLog(log, run_id) as events:
        events.write(records.run_start(config, network.facts))
        events.write(records.source_failed(error), source=redacted(url))
        events.write(records.run_end(sources=1, failed=1, events={}, rejections={}))
