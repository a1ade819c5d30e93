"""Every error that streamfilter raises on purpose, and the exit code that the command line gives it.

    StreamFilterError              1
    ├── ConfigError                3   a setting, a YAML file, a --set override
    ├── SourceError                4   a video, a folder, a feed
    ├── ModelError                 5   a model file, backbone weights, a device that cannot run it
    ├── DatasetError               6   label pictures, boxes, negatives
    └── SinkError                  7   an event log, an annotated video, any other output
        ├── UndeliveredError           a sink could not hand a record over this time
        └── RefusedError               its receiver will never take this record

2 is wrong usage of the command line, 130 Ctrl-C.
A message says what failed with the value, what was expected, and what to do next.
"""


class StreamFilterError(Exception):
    """Base of every error that is meant for the user: one clear line, no traceback."""

    exit_code = 1


class ConfigError(StreamFilterError):
    """A setting is unknown, of the wrong type or out of its bounds."""

    exit_code = 3


class SourceError(StreamFilterError):
    """A source cannot be opened, holds no video, or yields no picture."""

    exit_code = 4


class ModelError(StreamFilterError):
    """A model file is missing, truncated, foreign or newer than this program."""

    exit_code = 5


class DatasetError(StreamFilterError):
    """Nothing sensible is left to train on."""

    exit_code = 6


class SinkError(StreamFilterError):
    """A result cannot be written, or would overwrite one."""

    exit_code = 7


class UndeliveredError(SinkError):
    """A record could not be handed over; it will be tried again, after `retry_after_s` at the earliest."""

    def __init__(self, message: str, *, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class RefusedError(SinkError):
    """The receiver says that it will never take this record: it is set aside, and the next one follows."""
