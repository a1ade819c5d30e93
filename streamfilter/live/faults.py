"""Why a feed is lost. Causes that only a person can put right are told apart, and are tried again slowly.

FFmpeg's own text never goes on from here: it may hold the address with its password.
"""

from __future__ import annotations

import errno
from enum import StrEnum

import av.error
from av import FFmpegError


class Cause(StrEnum):
    """What ended a connection, or kept it from beginning."""

    ENDED = "ended"
    SILENT = "silent"
    DAMAGED = "damaged"
    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    UNKNOWN_PATH = "unknown_path"
    UNSUPPORTED = "unsupported"
    BROKEN = "broken"
    RESTART = "restart"
    OVERLOAD = "overload"


NEEDS_SOMEBODY = frozenset({Cause.REFUSED, Cause.UNKNOWN_PATH, Cause.UNSUPPORTED})
"""These don't pass by themselves."""

PATIENT = 0.9
"""A wait that took this share of the time that is allowed ended because it was over, whatever FFmpeg says of it."""


class FeedLostError(Exception):
    """A connection has ended or did not begin. `reason` is one short line for people, without any secret."""

    def __init__(self, cause: Cause, reason: str) -> None:
        super().__init__(reason)
        self.cause = cause
        self.reason = reason


_REFUSALS = (av.error.HTTPUnauthorizedError, av.error.HTTPForbiddenError)
_UNSUPPORTED = (
    av.error.DecoderNotFoundError,
    av.error.DemuxerNotFoundError,
    av.error.ProtocolNotFoundError,
    av.error.PatchWelcomeError,
)
_UNREACHABLE = {
    errno.ECONNREFUSED: "connection refused",
    errno.EHOSTUNREACH: "no route to the host",
    errno.ENETUNREACH: "no network",
    errno.ETIMEDOUT: "no answer",
    errno.EIO: "the host is not known or does not answer",
    errno.ENOENT: "it is not there",
    errno.ENODEV: "it is not there",
    errno.EADDRINUSE: "its port is taken on this machine",
}


def not_opened(error: FFmpegError, *, waited_s: float, patience_s: float) -> FeedLostError:
    """Why a connection did not begin, after `waited_s`."""
    if isinstance(error, _REFUSALS) or error.errno in (errno.EACCES, errno.EPERM):
        return FeedLostError(Cause.REFUSED, "user or password refused; check them")
    if isinstance(error, av.error.HTTPNotFoundError):
        return FeedLostError(Cause.UNKNOWN_PATH, "the server does not know this path; check the address")
    if isinstance(error, _UNSUPPORTED):
        return FeedLostError(Cause.UNSUPPORTED, "this FFmpeg does not read such feeds; offer another protocol or codec")
    if waited_s >= PATIENT * patience_s:
        return FeedLostError(Cause.UNREACHABLE, f"no picture within {waited_s:.0f} s")
    if isinstance(error, av.error.InvalidDataError):
        return FeedLostError(Cause.UNREACHABLE, "what answers is no feed, or broke off")
    return FeedLostError(Cause.UNREACHABLE, _UNREACHABLE.get(error.errno or 0, type(error).__name__))


def broken_off(error: FFmpegError, *, waited_s: float, patience_s: float) -> FeedLostError:
    """Why a connection ended, when its last read took `waited_s`. A peer that falls silent may read as damage."""
    if waited_s >= PATIENT * patience_s:
        return silent(waited_s)
    if isinstance(error, av.error.InvalidDataError):
        return FeedLostError(Cause.DAMAGED, "what comes is damaged")
    return FeedLostError(Cause.ENDED, "the connection broke off")


def silent(waited_s: float) -> FeedLostError:
    """Nothing has come for too long."""
    return FeedLostError(Cause.SILENT, f"nothing came for {waited_s:.0f} s")
