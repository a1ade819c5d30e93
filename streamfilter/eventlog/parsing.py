"""One record becomes one value. Raises `FieldError`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from streamfilter.eventlog import fields
from streamfilter.eventlog.fields import FieldError
from streamfilter.eventlog.values import Amendment, Decision, LoggedEvent, LoggedGap, LoggedSource, Peak
from streamfilter.types import Evidence, Exposure

Record = Mapping[str, Any]


def parse_event(record: Record) -> LoggedEvent:
    """An `event_close`. Only its id, label, start, end and score must be there."""
    start_s, end_s = fields.seconds(record, "start_s"), fields.seconds(record, "end_s")
    if end_s <= start_s:
        raise FieldError(f"end_s {end_s:g} is not after start_s {start_s:g}")
    pts, cluster = fields.mapping(record, "pts"), record.get("cluster")
    label = fields.optional_text(record, "label")
    return LoggedEvent(
        event_id=fields.text(record, "event_id"),
        source=fields.optional_text(record, "source", most=10_000) or "",
        label=label,
        start_s=start_s,
        end_s=end_s,
        score=fields.number(record, "score", low=0, high=1),
        logged_label=label,
        run_id=fields.text(record, "run_id", ""),
        ordinal=fields.count(record, "ordinal"),
        pts=(_ticks(pts, "start"), _ticks(pts, "end")) if pts else None,
        time_base=fields.fraction(pts, "time_base"),
        peak=_peak(fields.mapping(record, "peak")) if record.get("peak") else None,
        evidence=_evidence(fields.mapping(record, "evidence")) if record.get("evidence") else None,
        exposure=_exposure(fields.mapping(record, "exposure")) if record.get("exposure") else None,
        cluster=str(cluster)[: fields.MOST_TEXT] if isinstance(cluster, str | int) else None,
        likeness=fields.text(record, "likeness", "", most=10_000),
        packed_track=fields.packed_track(record, "track"),
    )


def parse_gap(record: Record) -> LoggedGap:
    """A `gap`."""
    start_s, end_s = fields.seconds(record, "start_s"), fields.seconds(record, "end_s")
    if end_s < start_s:
        raise FieldError(f"end_s {end_s:g} lies before start_s {start_s:g}")
    source = fields.optional_text(record, "source", most=10_000) or ""
    return LoggedGap(source, start_s, end_s, fields.text(record, "cause", "unknown"))


def parse_source(record: Record, known: LoggedSource) -> LoggedSource:
    """What a `source_state` adds to what is `known` of its source."""
    state = fields.text(record, "state")
    if state == "opened":
        return _with_facts(fields.mapping(record, "facts"), known)
    if state == "failed":
        return replace(known, state=state, error=fields.text(record, "error", "unknown", most=10_000))
    if state == "lost":
        return replace(known, state=state, error=fields.text(record, "reason", "unknown", most=10_000))
    if state == "resumed":
        return known
    notes = tuple(str(note)[: fields.MOST_TEXT] for note in fields.sequence(record, "notes", most=1000))
    return replace(
        known,
        state=state,
        end_s=fields.optional_seconds(record, "end_s"),
        ended_early_s=fields.number(record, "ended_early_s", 0.0, low=0, high=fields.MOST_SECONDS),
        dropped=known.dropped + fields.count(fields.mapping(record, "live"), "dropped"),
        rejections=fields.counts(record, "rejections"),
        notes=notes,
    )


def parse_amendment(record: Record) -> Amendment:
    """An `event_amend`."""
    decision = fields.text(record, "decision")
    if decision not in set(Decision):
        raise FieldError(f"decision is {fields.brief(decision)}: expected one of {', '.join(Decision)}")
    try:
        return Amendment(
            event_id=fields.text(record, "event_id"),
            decision=Decision(decision),
            label=fields.optional_text(record, "label"),
            start_s=fields.optional_seconds(record, "start_s"),
            end_s=fields.optional_seconds(record, "end_s"),
            source=fields.optional_text(record, "source", most=10_000),
            run_id=fields.text(record, "run_id", ""),
            at=fields.optional_text(record, "at"),
            by=fields.optional_text(record, "by"),
            note=fields.optional_text(record, "note", most=10_000),
        )
    except FieldError:
        raise
    except ValueError as error:
        raise FieldError(str(error)) from None


def _ticks(pts: Record, key: str) -> int:
    return int(fields.number(pts, key, low=-(2**63), high=2**63))


def _with_facts(facts: Record, known: LoggedSource) -> LoggedSource:
    return replace(
        known,
        state="opened",
        end_s=None,
        error=None,
        fingerprint=fields.text(facts, "fingerprint", ""),
        codec=fields.text(facts, "codec", ""),
        width=fields.count(facts, "width"),
        height=fields.count(facts, "height"),
        duration_s=fields.optional_number(facts, "duration_s", low=0, high=fields.MOST_SECONDS),
        rate_hz=fields.optional_number(facts, "rate_hz", low=0, high=1e6),
        time_base=fields.fraction(facts, "time_base"),
        has_audio=facts.get("has_audio") is True,
    )


def _peak(peak: Record) -> Peak:
    far, runner_up = fields.mapping(peak, "mahalanobis"), fields.mapping(peak, "runner_up")
    return Peak(
        box=fields.box(peak.get("box"), "peak.box"),
        max_softmax=fields.number(peak, "max_softmax", 0.0, low=0, high=1),
        none_probability=fields.number(peak, "none_probability", 0.0, low=0, high=1),
        distance=fields.optional_number(far, "distance", low=0, high=1e12),
        percentile=fields.optional_number(far, "percentile", low=0, high=100),
        runner_up=fields.optional_text(runner_up, "label"),
        runner_up_softmax=fields.number(runner_up, "softmax", 0.0, low=0, high=1),
    )


def _evidence(evidence: Record) -> Evidence:
    return Evidence(
        looks=fields.count(evidence, "looks"),
        hits=fields.count(evidence, "hits"),
        rejections=fields.counts(evidence, "rejections"),
        gap_s=fields.number(evidence, "gap_s", 0.0, low=0, high=fields.MOST_SECONDS),
        coverage=fields.number(evidence, "coverage", 1.0, low=0, high=1),
        drops=fields.count(evidence, "drops"),
    )


def _exposure(exposure: Record) -> Exposure:
    longest, share = {"low": 0, "high": fields.MOST_SECONDS}, {"low": 0, "high": 1}
    return Exposure(
        visible_s=fields.number(exposure, "visible_s", 0.0, **longest),
        alone_s=fields.number(exposure, "alone_s", 0.0, **longest),
        mean_share=fields.number(exposure, "mean_share", 0.0, **share),
        largest_share=fields.number(exposure, "largest_share", 0.0, **share),
        x=fields.number(exposure, "x", 0.5, **share),
        y=fields.number(exposure, "y", 0.5, **share),
        sharpness=fields.number(exposure, "sharpness", 0.0, low=0, high=1e12),
    )
