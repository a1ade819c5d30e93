"""Why an event is one, in plain words."""

from __future__ import annotations

import math
from collections.abc import Iterator

from streamfilter.console import reason_text
from streamfilter.eventlog import LoggedEvent, Peak
from streamfilter.types import Evidence, Exposure


def evidence_words(event: LoggedEvent) -> list[str]:
    """Sentences about what the log holds of an event; what it does not hold is not mentioned."""
    name = event.logged_label
    words = [f"Score {event.score:.2f}: how likely the label is right at a look taken at random."]
    if name is None:
        words = ["No label: it was rejected, but stood there long enough to be something."]
    if event.peak is not None:
        words += _peak_words(event.peak, name)
    if event.evidence is not None:
        words += _evidence_words(event.evidence)
    if event.exposure is not None:
        words += _exposure_words(event.exposure)
    return words


def _peak_words(peak: Peak, name: str | None) -> Iterator[str]:
    parts = [f"max-softmax {peak.max_softmax:.2f}"]
    whose = f"{name} pictures" if name is not None else "pictures of the label it looked most like"
    if peak.percentile is not None:
        parts.append(_distance_words(peak.percentile, whose))
    yield f"At its best look: {', '.join(parts)}."
    others = [f"none of the labels {_percent(peak.none_probability)}"]
    if peak.runner_up is not None:
        others.append(f"{peak.runner_up} {_percent(peak.runner_up_softmax)}")
    yield f"What else it could be there: {', '.join(others)}."


def _distance_words(percentile: float, whose: str) -> str:
    """`percentile` is the share of the label's own pictures that lie nearer to its mean."""
    if percentile > 50:
        return f"but farther from the mean than {_share(percentile)} % of {whose}"
    return f"nearer to the mean than {_share(100 - percentile)} % of {whose}"


def _evidence_words(evidence: Evidence) -> Iterator[str]:
    yield f"{evidence.hits} of {evidence.looks} looks say so."
    if evidence.rejections:
        reasons = ", ".join(f"{reason_text(reason)} × {count}" for reason, count in evidence.rejections.items())
        yield f"Rejected at its place: {reasons}."
    if evidence.gap_s > 0:
        yield f"{evidence.gap_s:.1f} s of it were lost in gaps."
    if evidence.coverage < 0.995:
        yield f"{_percent(evidence.coverage)} of its time was watched."


def _exposure_words(exposure: Exposure) -> Iterator[str]:
    alone = "" if exposure.alone_s <= 0 else f", {exposure.alone_s:.1f} s of it alone on screen"
    yield f"Seen for {exposure.visible_s:.1f} s{alone}."
    if exposure.mean_share > 0:
        mean, most = _percent(exposure.mean_share), _percent(exposure.largest_share)
        yield f"It fills {mean} of the picture on average, {most} at most."


def _percent(share: float) -> str:
    return f"{_share(100 * share)} %"


def _share(percent: float) -> str:
    """Percent with as many decimals as tell it from 0 and 100, at most two; never rounded up to 100."""
    if percent >= 99.995:
        return "100"
    decimals = 0 if 10 <= percent <= 90 else 1 if 1 <= percent <= 99 else 2
    scale = 10**decimals
    shown = math.floor(percent * scale + 1e-6) / scale if percent > 90 else percent
    text = f"{shown:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if decimals == 2 else text
