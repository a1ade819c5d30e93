"""kill -9 at random moments: the run is resumed until it ends, and its log must be that of an undisturbed one."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from faults.process import Ended
from faults.subject import Subject
from faults.tally import Tally, Trials
from streamfilter.clips.shelf import LIST

CALLS = {"write": 80, "fsync": 40, "replace": 2, "ftruncate": 1}
"""What changes files, and up to which of its calls a run is killed in the middle of one; as often as at any moment."""

VIDEOS_IN = 5
"""One run of so many writes annotated videos as well, and another one clips with all that goes with them."""


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


@dataclass(frozen=True)
class _Asked:
    """What a run writes: its log, and in these folders, where they are given, videos and clips."""

    log: Path
    annotate: Path | None = None
    clips: Path | None = None

    def arguments(self, subject: Subject, *, resume: bool) -> list[str]:
        return subject.arguments(self.log, resume=resume, annotate=self.annotate, clips=self.clips)

    def files(self) -> dict[str, bytes]:
        """All that is there, by its place."""
        folders = [folder for folder in (self.annotate, self.clips) if folder is not None and folder.is_dir()]
        found = {f"{at.parent.name}/{at.name}": at.read_bytes() for folder in folders for at in folder.iterdir()}
        return {name: content for name, content in found.items() if not name.endswith(LIST)} | {
            "log": self.log.read_bytes() if self.log.exists() else b""
        }

    def clear(self) -> None:
        self.log.unlink(missing_ok=True)
        for folder in (self.annotate, self.clips):
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)


class _Campaign:
    """The run that is under way, and what came of those before it."""

    def __init__(self, subject: Subject, trials: Trials, tally: Tally) -> None:
        self._subject = subject
        self._trials = trials
        self._tally = tally
        self._whole: dict[_Asked, dict[str, bytes]] = {}
        self._asked = self._kinds("killed")[0]
        self.is_under_way = False

    def kill(self, number: int, chance: random.Random) -> bool:
        """Let the run go on, or begin one, and kill it. False when it was done before: then it is compared."""
        if not self.is_under_way:
            plain, videos, clips = self._kinds("killed")
            self._asked = {0: videos, 1: clips}.get(chance.randrange(VIDEOS_IN), plain)
            self._asked.clear()
        ended = _killed(self._subject, self._asked.arguments(self._subject, resume=self.is_under_way), chance)
        self.is_under_way = ended.was_killed
        if not ended.was_killed:
            self._compare(ended, number)
        elif not self._asked.files()["log"].endswith(b"\n"):
            self._tally.counts["torn or missing last lines"] += 1
        return ended.was_killed

    def finish(self, number: int) -> None:
        """Resume to the end and compare."""
        self.is_under_way = False
        self._compare(self._subject.start(self._asked.arguments(self._subject, resume=True)).ended(), number)

    def _compare(self, ended: Ended, number: int) -> None:
        counts = self._tally.counts
        counts["runs compared"] += 1
        counts["runs with videos compared"] += self._asked.annotate is not None
        counts["runs with clips compared"] += self._asked.clips is not None
        if ended.code != self._subject.code:
            counts["broken logs"] += 1
            self._tally.found(self._trials, number, f"exit code {ended.code}: {ended.said[-300:]}")
            return
        wanted, there = self._undisturbed(), self._asked.files()
        differ = sorted(name for name in wanted | there if wanted.get(name) != there.get(name))
        if differ:
            counts["different results"] += 1
            kept = self._subject.folder / f"different-{number}.jsonl"
            kept.write_bytes(there["log"])
            self._tally.found(self._trials, number, f"these differ, for the log see {kept}: {differ}")

    def _undisturbed(self) -> dict[str, bytes]:
        """All that a run of this kind leaves that nobody kills."""
        if self._asked not in self._whole:
            kind = self._kinds("killed").index(self._asked)
            asked = self._kinds("whole")[kind]
            asked.clear()
            self._subject.start(asked.arguments(self._subject, resume=False)).ended()
            self._whole[self._asked] = {
                name.replace(f"{asked.log.stem}-", f"{self._asked.log.stem}-"): content
                for name, content in asked.files().items()
            }
        return self._whole[self._asked]

    def _kinds(self, name: str) -> tuple[_Asked, _Asked, _Asked]:
        """A run for its log alone, one with videos, one with clips."""
        folder = self._subject.folder
        log = folder / f"{name}.jsonl"
        return _Asked(log), _Asked(log, annotate=folder / f"{name}-videos"), _Asked(log, clips=folder / f"{name}-clips")


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
