"""The demo's scorer: agreement with a slow one, and its rules one by one."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from streamfilter.demo.clip import Appearance
from streamfilter.demo.score import Score, score_events

KNOWN = ("Ada", "Bob")


@dataclass(frozen=True)
class Said:
    label: str
    start_s: float
    end_s: float


def slow_score(events: list[Said], truth: list[Appearance], known: tuple[str, ...]) -> Score:
    """One tick and one label at a time, in plain loops."""
    counts = dict.fromkeys(("right", "wrong", "lost", "found", "missed", "false_events"), 0)

    def covers(span: Said | Appearance, tick: int) -> bool:
        return round(span.start_s * 25) <= tick < round(span.end_s * 25)

    def shown(label: str, tick: int, *, clear: bool) -> bool:
        return label in known and any(
            a.label == label and covers(a, tick) and (a.visibility == "clear" or not clear) for a in truth
        )

    for label in {e.label for e in events} | set(known):
        for tick in range(300):
            said = any(e.label == label and covers(e, tick) for e in events)
            counts["right"] += said and shown(label, tick, clear=True)
            counts["wrong"] += said and not shown(label, tick, clear=False)
            counts["lost"] += not said and shown(label, tick, clear=True)
    for a in truth:
        if a.visibility == "clear" and a.label in known:
            hit = any(e.label == a.label and covers(e, t) and covers(a, t) for e in events for t in range(300))
            counts["found" if hit else "missed"] += 1
    for e in events:
        own = [t for t in range(300) if covers(e, t)]
        inside = sum(shown(e.label, t, clear=False) for t in own)
        counts["false_events"] += inside < len(own) / 2 or not own
    return Score(**counts)


labels = st.sampled_from([*KNOWN, "Eve"])
times = st.integers(0, 250).map(lambda tick: tick / 25)


@st.composite
def stretches(draw: st.DrawFn) -> tuple[float, float]:
    start_s = draw(times)
    return start_s, start_s + draw(st.integers(1, 40)) / 25


said = st.builds(lambda label, span: Said(label, *span), labels, stretches())
appearances = st.builds(
    lambda label, span, seen: Appearance(label, *span, seen), labels, stretches(), st.sampled_from(["clear", "hard"])
)


@given(st.lists(said, max_size=6), st.lists(appearances, max_size=6))
def test_scores_agree_with_a_slow_count_tick_by_tick(events: list[Said], truth: list[Appearance]) -> None:
    assert score_events(events, truth, known=KNOWN) == slow_score(events, truth, KNOWN)


def test_events_that_match_the_truth_score_one() -> None:
    score = score_events([Said("Ada", 1.0, 3.0)], [Appearance("Ada", 1.0, 3.0, "clear")], known=KNOWN)
    assert (score.precision, score.recall, score.f1, score.found, score.missed) == (1.0, 1.0, 1.0, 1, 0)


def test_hard_time_costs_nothing_found_or_missed() -> None:
    truth = [
        Appearance("Ada", 0.0, 1.0, "hard"),
        Appearance("Ada", 1.0, 2.0, "clear"),
        Appearance("Ada", 2.0, 3.0, "hard"),
    ]
    score = score_events([Said("Ada", 0.52, 2.0)], truth, known=KNOWN)
    assert (score.f1, score.missed, score.false_events) == (1.0, 0, 0)


def test_an_event_on_an_untaught_logo_is_false() -> None:
    score = score_events([Said("Ada", 1.0, 2.0)], [Appearance("Eve", 1.0, 2.0, "clear")], known=KNOWN)
    assert (score.wrong, score.lost, score.false_events, score.missed) == (25, 0, 1, 0)


def test_nothing_said_about_nothing_is_no_division_by_zero() -> None:
    assert score_events([], [], known=KNOWN).f1 == 0.0


def test_scores_of_two_clips_add_up() -> None:
    first, second = Score(10, 1, 2, 3, 0, 1), Score(5, 0, 1, 1, 1, 0)
    assert first + second == Score(15, 1, 3, 4, 1, 1)
