"""What a calibration found, in words for people and in values for programs."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from streamfilter.calibration.appearances import LabelLoss
from streamfilter.calibration.bound import rate_upper
from streamfilter.calibration.calibrate import Calibration
from streamfilter.promise import FalseLooks


def promise_lines(found: Calibration) -> list[str]:
    """The promise about false events, and where it could not be what was wanted, what is missing."""
    lines = _threshold_lines(found)
    if found.choice is None or found.bound is None:
        lines.append("no video, so nothing is promised of false events an hour: photographs show looks, not time")
    elif found.choice.is_as_wanted:
        lines.append(
            f"promise: at most {_rate(found.choice.per_hour)} ({_share(found.task.confidence)} confidence); "
            f"{_seen(found.choice.events)} in {_footage(found)}"
        )
    else:
        lines += _shortfall_lines(found)
    if found.promise.false_looks is not None:
        lines.append(_looks_line(found.promise.false_looks))
    return lines


def loss_lines(found: Calibration) -> list[str]:
    """Labels of which something was promised, nothing can be, or the two sides want different thresholds."""
    most = f"at most {_share(found.task.most_lost)} of a label's appearances are lost"
    lines = [
        f"promise for {kept.label}: {most} (seen: {_plural(kept.appearances, 'appearance')} in {_clips(kept.clips)})"
        for kept in found.promise.kept
    ]
    few = [loss for loss in found.losses if not loss.is_enough]
    if few:
        names = ", ".join(f"{loss.label} ({loss.clips})" for loss in few)
        lines.append(f"too few clips to promise that {most}, for {names}: {few[0].clips_needed} are needed for each")
    return lines + [conflict_line(found, loss) for loss in conflicts(found)]


def conflicts(found: Calibration) -> list[LabelLoss]:
    """Labels that lose more than allowed at the threshold that false events ask for."""
    return [loss for loss in found.losses if loss.is_enough and not loss.is_kept(found.threshold)]


def conflict_line(found: Calibration, loss: LabelLoss) -> str:
    """What either side costs the other."""
    here = f"conflict for {loss.label}: at {_setting(found, found.threshold)} it loses {_share(loss.share)}"
    if math.isinf(loss.strictest):
        return (
            f"{here} ({loss.lost} of {loss.appearances}), and no threshold keeps enough of it: it needs more pictures"
        )
    there = f"{here} ({loss.lost} of {loss.appearances}); to lose at most {_share(found.task.most_lost)} it needs "
    there += _setting(found, loss.strictest)
    if found.bound is None:
        return there
    events = found.seen_at(loss.strictest)
    return f"{there}, with {_seen(events)}: at most {_rate(found.bound.per_hour(events))}"


def loss_rows(found: Calibration) -> list[tuple[str, ...]]:
    """Per label: appearances, clips, how many are lost, and the strictest threshold that keeps enough."""
    return [
        (
            loss.label,
            str(loss.appearances),
            str(loss.clips),
            f"{loss.lost} ({_share(loss.share)})",
            "–" if math.isinf(loss.strictest) else f"{found.dial.value(loss.strictest):.4g}",
        )
        for loss in found.losses
    ]


def score_line(found: Calibration) -> str:
    """What became of the scores."""
    fit = found.scores
    if fit.curve is None:
        return f"scores stay as they are: {fit.right} right and {fit.wrong} wrong events are too few to fit a curve to"
    return (
        f"scores are probabilities now, fitted to {fit.right} right and {fit.wrong} wrong events: expected calibration "
        f"error {fit.error_before:.3f} before, {fit.error_after:.3f} after (on clips left out)"
    )


def report(found: Calibration) -> dict[str, Any]:
    """All of it as JSON values."""
    value = found.dial.value
    return {
        "promise": found.promise.tree(),
        "is_as_wanted": found.choice is not None and found.choice.is_as_wanted,
        "missing_hours": None if found.choice is None else found.choice.missing_hours,
        "threshold": {
            "setting": found.dial.setting,
            "before": value(found.dial.own),
            "after": value(found.threshold),
            "false_events_before": found.seen_at(found.dial.own) if found.bound else None,
        },
        "clips": [{"name": clip.name, "hours": clip.seen_s / 3600} for clip in found.negatives.clips],
        "clip_likeness": None if found.bound is None else found.bound.shape,
        "tried": [
            {"threshold": value(threshold), "false_events": events}
            for threshold, events in zip(found.thresholds, found.false_events, strict=True)
        ],
        "labels": [_label(found, loss) for loss in found.losses],
        "probability": asdict(found.scores),
    }


def _label(found: Calibration, loss: LabelLoss) -> dict[str, Any]:
    strictest = None if math.isinf(loss.strictest) else found.dial.value(loss.strictest)
    is_promised = loss.is_kept(found.threshold)
    return asdict(loss) | {"strictest": strictest, "is_promised": is_promised, "is_conflict": loss in conflicts(found)}


def _threshold_lines(found: Calibration) -> list[str]:
    before, after = (found.dial.value(threshold) for threshold in (found.dial.own, found.threshold))
    if found.bound is None or before == after:
        return [f"{_setting(found, found.threshold)} stays"]
    events = _seen(found.seen_at(found.dial.own))
    looser = "looser" if found.threshold > found.dial.own else "stricter"
    return [f"{_setting(found, found.threshold)}, {looser} than {before:.4g} before, at which there was {events}"]


def _shortfall_lines(found: Calibration) -> list[str]:
    assert found.choice is not None
    assert found.bound is not None
    wanted, bound = found.task.per_hour, found.bound
    lines = [
        f"{_footage(found)} carry at most: {_rate(found.choice.per_hour)}; "
        f"{_hours(found.choice.missing_hours)} more without a false event are needed for {wanted:g}"
    ]
    alike = rate_upper(0, bound.hours, confidence=bound.confidence)
    if found.choice.per_hour > 1.1 * alike:
        lines.append(
            f"(were all clips alike it would be {_number(alike)}, but {_clips(bound.clips)} can't show that others are)"
        )
    lines.append(
        f"promise instead of {wanted:g}: at most {_rate(found.choice.per_hour)} ({_share(bound.confidence)} confidence)"
    )
    return lines


def _looks_line(looks: FalseLooks) -> str:
    return (
        f"photographs: {looks.accepted} of {looks.looks} accept a label: at most {_share(looks.share)} of single looks "
        f"do ({_share(looks.confidence)} confidence); this says nothing of events an hour"
    )


def _setting(found: Calibration, threshold: float) -> str:
    return f"{found.dial.setting} {found.dial.value(threshold):.4g}"


def _footage(found: Calibration) -> str:
    assert found.bound is not None
    return f"{_hours(found.bound.hours)} of footage in {_clips(found.bound.clips)}"


def _clips(count: int) -> str:
    return _plural(count, "clip")


def _plural(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _seen(events: int) -> str:
    return "no false event seen" if events == 0 else f"{_plural(events, 'false event')} seen"


def _rate(per_hour: float) -> str:
    return f"{_number(per_hour)} false event{'' if per_hour == 1 else 's'} an hour"


def _number(per_hour: float) -> str:
    """Two digits, rounded up: a promise is never said to be better than it is."""
    if per_hour <= 0 or math.isinf(per_hour):
        return f"{per_hour:g}"
    step = 10.0 ** (math.floor(math.log10(per_hour)) - 1)
    return f"{math.ceil(per_hour / step - 1e-9) * step:.6g}"


def _hours(hours: float) -> str:
    return f"{hours:.2g} h" if hours < 10 else f"{hours:.0f} h"


def _share(share: float) -> str:
    return f"{100 * share:.3g} %"
