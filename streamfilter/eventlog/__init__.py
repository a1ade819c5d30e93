"""Event logs read back: what a run found, and what review decided about it.

    values.py    what a log holds, as typed values
    fields.py    hostile JSON in, checked numbers, texts and boxes out
    parsing.py   one record becomes one value
    reading.py   `read_event_log`: a file, with the review file beside it
    matching.py  which source of a log a video is, and which labels are meant
    review.py    `event_amend` records: written by `append_amendments`, applied by `amended`
    names.py     `safe_name` for files, `shown` and `short_names` for screens

Whoever redraws, cuts, reports, exports or reviews reads logs through here. Everything in a log counts as hostile: sizes
and types are checked, and no text of it is ever a path or markup.
"""

from streamfilter.eventlog.matching import Match, known_labels, match_source
from streamfilter.eventlog.names import safe_name, short_names, shown
from streamfilter.eventlog.reading import read_event_log, read_event_logs
from streamfilter.eventlog.review import amended, append_amendments, read_amendments, review_path
from streamfilter.eventlog.values import Amendment, Decision, Log, LoggedEvent, LoggedGap, LoggedSource, Peak

__all__ = [
    "Amendment",
    "Decision",
    "Log",
    "LoggedEvent",
    "LoggedGap",
    "LoggedSource",
    "Match",
    "Peak",
    "amended",
    "append_amendments",
    "known_labels",
    "match_source",
    "read_amendments",
    "read_event_log",
    "read_event_logs",
    "review_path",
    "safe_name",
    "short_names",
    "shown",
]
