"""kill -9 at random moments: the run is resumed until it ends, and its log must be that of an undisturbed one."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from faults.process import Ended
from faults.subject import Subject
from faults.tally import Tally, Trials

CALLS = {"write": 80, "fsync": 40, "replace": 2, "ftruncate": 1}
"""What changes files, and up to which of its calls a run is killed in the middle of one; as often as at any moment."""

VIDEOS_IN = 5
"""One run of so many writes annotated videos as well."""


def run(subject: Subject, trials: Trials) -> Tally:
    """As many kills as there are trials; a run may suffer several before it is let to its end."""
    tally = Tally()
    campaign = _Campaign(subject, trials, tally)
    for number, chance in trials:
        while not campaign.kill(number, chance):
            tally.counts["runs that were faster"] += 1
        tally.counts["kills"] += 1
        if chance.random() < 0.5:
            campaign.finish(number)
    if campaign.is_under_way:
        campaign.finish(trials.count - 1)
    return tally


class _Campaign:
    """The run that is under way, and what came of those before it."""

    def __init__(self, subject: Subject, trials: Trials, tally: Tally) -> None:
        self._subject = subject
        self._trials = trials
        self._tally = tally
        self._log, self._videos = subject.folder / "killed.jsonl", subject.folder / "killed"
        self._annotate: Path | None = None
        self.is_under_way = False

    def kill(self, number: int, chance: random.Random) -> bool:
        """Let the run go on, or begin one, and kill it. False when it was done before: then it is compared."""
        if not self.is_under_way:
            _clear(self._log, self._videos)
            self._annotate = self._videos if chance.randrange(VIDEOS_IN) == 0 else None
        arguments = self._subject.arguments(self._log, resume=self.is_under_way, annotate=self._annotate)
        ended = _killed(self._subject, arguments, chance)
        self.is_under_way = ended.was_killed
        if not ended.was_killed:
            self._compare(ended, number)
        elif self._log.exists() and not self._log.read_bytes().endswith(b"\n"):
            self._tally.counts["torn last lines"] += 1
        return ended.was_killed

    def finish(self, number: int) -> None:
        """Resume to the end and compare."""
        arguments = self._subject.arguments(self._log, resume=True, annotate=self._annotate)
        self.is_under_way = False
        self._compare(self._subject.start(arguments).ended(), number)

    def _compare(self, ended: Ended, number: int) -> None:
        counts = self._tally.counts
        counts["runs compared"] += 1
        if ended.code != self._subject.code:
            counts["broken logs"] += 1
            self._tally.found(self._trials, number, f"exit code {ended.code}: {ended.said[-300:]}")
            return
        if self._log.read_bytes() != self._subject.log:
            counts["different logs"] += 1
            kept = self._subject.folder / f"different-{number}.jsonl"
            kept.write_bytes(self._log.read_bytes())
            self._tally.found(self._trials, number, f"the log differs, see {kept}")
        if self._annotate is not None:
            counts["runs with videos compared"] += 1
            for problem in _wrong_videos(self._subject, self._annotate):
                self._tally.found(self._trials, number, problem)


def _killed(subject: Subject, arguments: list[str], chance: random.Random) -> Ended:
    """One run that is killed, at a moment or in the middle of a call; it may be faster than its murderer."""
    if chance.random() < 0.5:
        process = subject.start(arguments)
        moment_s = time.monotonic() + chance.uniform(0, subject.seconds_s)
        while time.monotonic() < moment_s and not process.has_ended():
            time.sleep(0.002)
        process.kill()
        return process.ended()
    name = chance.choices(list(CALLS), weights=[6, 3, 1, 1])[0]
    return subject.start(
        arguments, before=partial(_die_in, name, chance.randrange(CALLS[name]), chance.random())
    ).ended()


def _die_in(name: str, number: int, share: float) -> None:
    """Let this process die in the middle of the given call: a write when only a share of its bytes is out."""
    plain: Callable[..., Any] = getattr(os, name)
    left = number

    def deadly(*arguments: Any, **named: Any) -> Any:
        nonlocal left
        left -= 1
        if left >= 0:
            return plain(*arguments, **named)
        if name == "write":
            descriptor, content = arguments
            plain(descriptor, content[: int(share * len(content))])
        elif share < 0.5:
            plain(*arguments, **named)
        os.kill(os.getpid(), signal.SIGKILL)
        return None

    setattr(os, name, deadly)


def _wrong_videos(subject: Subject, annotate: Path) -> list[str]:
    there = {path.name for path in annotate.iterdir()} if annotate.is_dir() else set()
    whole = subject.folder / "whole"
    if not whole.is_dir():
        log = subject.folder / "annotated.jsonl"
        subject.start(subject.arguments(log, annotate=whole)).ended()
    wanted = {path.name: path.read_bytes() for path in whole.iterdir()}
    if there != set(wanted):
        return [f"videos {sorted(there)}, not {sorted(wanted)}"]
    return [f"video {name} differs" for name in sorted(there) if (annotate / name).read_bytes() != wanted[name]]


def _clear(log: Path, videos: Path) -> None:
    log.unlink(missing_ok=True)
    if videos.is_dir():
        for path in videos.iterdir():
            path.unlink()
        videos.rmdir()
