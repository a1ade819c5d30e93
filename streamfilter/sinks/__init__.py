"""Sinks: the event log, one JSON object a line, written as things happen.

    records.py    what a record says: pure functions from values to mappings
    encoding.py   how a record becomes a line, and a log becomes records again
    output.py     where lines go: a new file, an old one replaced, a pipe, stdout
    log.py        `EventLog`, which numbers, writes and flushes records

The schema of every record is `assets/events.schema.json`.
"""

from streamfilter.sinks.encoding import LogContents, load_schema, read_log
from streamfilter.sinks.log import EventLog
from streamfilter.sinks.records import ModelFacts, Origin, event_id, run_digest

__all__ = ["EventLog", "LogContents", "ModelFacts", "Origin", "event_id", "load_schema", "read_log", "run_digest"]
