"""Going on with a run that was stopped: what its log says is done, what of it is kept, and what is left to do.

A resumed run ends with the log that an uninterrupted one would have written, byte for byte. What is finished is kept as
it is. The source that was being read goes on from its last checkpoint: it is decoded again from its beginning, which
gives every frame, gap and count as before, but the network looks at nothing that it has seen. A source that failed is
tried again; where it still fails in the same way its records stay, else it is read anew.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from streamfilter.config import RunConfig
from streamfilter.errors import SinkError, SourceError
from streamfilter.eventlog.parsing import parse_event, parse_gap
from streamfilter.sinks import ModelFacts, run_digest
from streamfilter.sinks.past import Line, Past
from streamfilter.sinks.records import STATE_VERSION, Record, run_start
from streamfilter.source.discovery import redacted
from streamfilter.summary import SourceResult
from streamfilter.types import Event

CHECKPOINT_S = 10.0
"""Stream time between two checkpoints, at least."""

STATE_BYTES_PER_S = 1000
"""What checkpoints may add to a log, per second of stream time: a large state is written more rarely."""


def spacing_s(state: Any) -> float:
    """Seconds from a checkpoint with this state to the next one."""
    return max(CHECKPOINT_S, packed_size(state) / STATE_BYTES_PER_S)


def packed_size(state: Any) -> int:
    """What a checkpoint with this state takes in a log, in bytes."""
    return len(json.dumps(state))


def logged_event(record: Record) -> Event:
    """The event as the log tells it: a run's results are the same whether it was stopped in between or not."""
    return parse_event(record).as_event()


@dataclass(frozen=True, slots=True)
class Begun:
    """A source that was being read: what its last checkpoint says, and the `events` before it."""

    time_s: float
    pts: int
    looks: int
    judged: int
    smoother: Any
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """How a run goes on. `done`: results by the source's number; `begun` belongs to the first of `todo`.

    `kept` are the lines that the log begins with, `said` what people should know.
    """

    todo: tuple[int, ...]
    done: Mapping[int, SourceResult]
    begun: Begun | None
    kept: tuple[Line, ...]
    said: tuple[str, ...]

    @property
    def is_over(self) -> bool:
        """Whether the log is complete."""
        return bool(self.kept) and self.kept[-1].record["type"] == "run_end"


def make_plan(
    past: Past,
    names: Sequence[str],
    *,
    config: RunConfig,
    model: ModelFacts,
    fingerprints: Sequence[str],
    retry: Callable[[str], str | None],
) -> Plan:
    """How to go on with the run over `names` of which `past` is the log.

    `fingerprints` are those of the sources, "" where one cannot be read. `retry` reads a source without looking at it
    and says why that fails, None when it does not. Raises `SinkError` when the log is that of another run, or damaged.
    """
    said = ["the event log's end was cut off or damaged and is repaired"] if past.lost else []
    if not past.lines:
        return Plan(tuple(range(len(names))), {}, None, (), tuple(said))
    start = past.lines[0].record
    try:
        check_settings(start, config, model)
        parts = _parts(past.lines, names)
        _check_sources(start["run_id"], parts, fingerprints, settings=config.digest(), model=model.digest)
        newest = {part.number: part for part in parts}
        done = {n: _result(part, config) for n, part in newest.items() if _is_done(part, names[n], retry)}
        kept = _kept(past.lines, parts, {n: part for n, part in newest.items() if n not in done}, fingerprints)
        begun = _begun(parts[-1].up_to_checkpoint()) if kept[-1].record["type"] == "checkpoint" else None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise SinkError(
            f"cannot resume: the event log was changed ({type(error).__name__}: {error}); begin anew with --force"
        ) from None
    first = [parts[-1].number] if begun is not None else []
    todo = [*first, *(n for n in range(len(names)) if n not in done and n not in first)]
    end = past.lines[-1]
    if not todo and end.record["type"] == "run_end" and end.record["interrupted"] is False:
        kept.append(end)
    said += _told(len(done), begun, [names[number] for number in todo])
    return Plan(tuple(todo), done, begun, tuple(kept), tuple(said))


@dataclass(frozen=True, slots=True)
class _Part:
    """All that the log says, in one piece, of the source with this number. A source that failed may come again."""

    number: int
    lines: tuple[Line, ...]

    @property
    def last(self) -> Record:
        return self.lines[-1].record

    @property
    def state(self) -> str:
        """`finished`, `failed`, `interrupted`, or "" when the run ended before any of these was written."""
        is_settled = self.last["type"] == "source_state" and self.last["state"] != "opened"
        return str(self.last["state"]) if is_settled else ""

    @property
    def fingerprint(self) -> str:
        """Of the source as it was then."""
        return str(self.last["fingerprint"] if self.state == "failed" else self.lines[0].record["facts"]["fingerprint"])

    def of_type(self, kind: str) -> list[Record]:
        return [line.record for line in self.lines if line.record["type"] == kind]

    def events(self) -> tuple[Event, ...]:
        closed = self.of_type("event_close")
        return tuple(logged_event(record) for record in closed if record["label"] is not None)

    def up_to_checkpoint(self) -> _Part:
        """The part up to its last checkpoint; without lines when it has none."""
        last = max((n for n, line in enumerate(self.lines) if line.record["type"] == "checkpoint"), default=-1)
        return _Part(self.number, self.lines[: last + 1])


def _parts(lines: Iterable[Line], names: Sequence[str]) -> list[_Part]:
    found: list[_Part] = []
    for line in lines:
        name = line.record["source"]
        if name is None:
            continue
        if found and not found[-1].state:
            found[-1] = _Part(found[-1].number, (*found[-1].lines, line))
        else:
            found.append(_Part(_number(name, names, found), (line,)))
    return found


def _number(name: str, names: Sequence[str], before: Sequence[_Part]) -> int:
    """Which source a new part is of; it comes again when all of this name have failed."""
    tries = {n: 0 for n, one in enumerate(names) if redacted(one) == name}
    for part in before:
        if part.number in tries:
            tries[part.number] += 1
    if not tries:
        raise SinkError(f"cannot resume: the event log tells of {name}, which is not among the sources given")
    return min(tries, key=lambda number: (tries[number], number))


def check_settings(start: Record, config: RunConfig, model: ModelFacts) -> None:
    """Refuse to go on with a log that was begun by another program, with other settings or another model."""
    mine = run_start(config, model)
    if start["program"] != mine["program"]:
        raise _other_run(f"streamfilter {start['program']['version']}, not {mine['program']['version']},")
    if start["config"]["digest"] != mine["config"]["digest"]:
        there, here = (_flat(one["config"]["settings"]) for one in (start, mine))
        differ = [f"{key} = {there.get(key)}" for key in sorted(there) if there.get(key) != here.get(key)]
        raise _other_run(f"other settings ({', '.join(differ[:3])})")
    if start["model"]["digest"] != mine["model"]["digest"]:
        raise _other_run("another model")
    if start["model"].get("runtime") != mine["model"]["runtime"]:
        raise _other_run(f"runtime {start['model'].get('runtime')}, not {mine['model']['runtime']},")


def _other_run(what: str) -> SinkError:
    return SinkError(
        f"cannot resume: the event log is that of a run with {what}; go on with what it began with, or begin anew with "
        "--force"
    )


def _flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{section}.{key}": value for section, keys in settings.items() for key, value in keys.items()}


def _check_sources(
    run_id: str, parts: Sequence[_Part], fingerprints: Sequence[str], *, settings: str, model: str
) -> None:
    """The sources must be what they were; but where one failed, a new copy of it is welcome."""
    for part in parts:
        if part.state != "failed" and part.fingerprint != fingerprints[part.number]:
            raise _other_run(f"another {part.lines[0].record['source']}, which has changed since,")
    then = list(fingerprints)
    for part in reversed(parts):
        then[part.number] = part.fingerprint
    if run_id != run_digest(settings, model, tuple(then)):
        raise _other_run("other sources")


def _is_done(part: _Part, name: str, retry: Callable[[str], str | None]) -> bool:
    return part.state == "finished" or (part.state == "failed" and retry(name) == part.last["error"])


def _kept(
    lines: Sequence[Line], parts: Sequence[_Part], undone: Mapping[int, _Part], fingerprints: Sequence[str]
) -> list[Line]:
    """What stays of the log: all but the parts that are done again, and of the last of these all up to a checkpoint."""
    kept = [lines[0]]
    for part in parts:
        if part is not undone.get(part.number):
            kept += part.lines
        elif part.fingerprint != fingerprints[part.number]:
            kept.append(part.lines[-1])  # that it failed, and as what: the run's identity rests on it
        elif part is parts[-1]:
            kept += part.up_to_checkpoint().lines
    return kept


def _told(done: int, begun: Begun | None, todo: Sequence[str]) -> Iterator[str]:
    if done and todo:
        yield f"{done} of {done + len(todo)} sources were done before"
    if begun is not None:
        yield f"going on with {todo[0]} at {begun.time_s:.1f} s"
    if not todo:
        yield "the event log is complete: nothing is left to look for"


def _begun(part: _Part) -> Begun:
    record = part.last
    state = record["resume"]
    if state["v"] != STATE_VERSION:
        raise ValueError(f"checkpoint version {state['v']}")
    return Begun(
        time_s=float(record["time_s"]),
        pts=int(state["pts"]),
        looks=int(state["looks"]),
        judged=int(state["judged"]),
        smoother=state["smoother"],
        events=part.events(),
    )


def _result(part: _Part, config: RunConfig) -> SourceResult:
    """What the log says of a source that is done."""
    if part.state == "failed":
        error = SourceError(part.last["error"])
        return SourceResult(
            str(part.last["source"]), part.events(), rejections=dict(part.last["rejections"]), error=error
        )
    counts = part.last["counts"]
    gaps = [parse_gap(record) for record in part.of_type("gap")]
    gap_s = sum(gap.end_s - gap.start_s for gap in gaps)
    return SourceResult(
        name=str(part.last["source"]),
        events=part.events(),
        rejections=dict(part.last["rejections"]),
        frames=int(counts["frames"]),
        looks=int(counts["looks"]),
        decode_errors=int(counts["decode_errors"]),
        damaged_frames=int(counts["damaged_frames"]),
        gaps=len(gaps),
        gap_s=gap_s,
        seen_s=max(0.0, float(part.last["end_s"]) - config.source.start_s - gap_s),
        notes=tuple(part.last["notes"]),
    )
