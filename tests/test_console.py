"""What people are told, and that results never come through here."""

from __future__ import annotations

import io

import pytest

from streamfilter.console import REASONS, Console, clock_text, reason_text
from streamfilter.errors import SourceError
from streamfilter.summary import RunSummary, SourceResult, label_totals
from streamfilter.types import Box, Candidate, Event, Evidence, Exposure, Rejection


class FakeClock:
    """Monotonic seconds that pass when told to."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)


def event(label: str, start_s: float, end_s: float, score: float) -> Event:
    best = Candidate(Box(0, 0, 0.5, 0.5), label, score, 0.1, 1.0, 50.0)
    evidence = Evidence(3, 2, {}, 0.0, 1.0)
    return Event(label, start_s, end_s, 0, 1, 0, score, best, evidence, Exposure(1, 1, 0.2, 0.2, 0.5, 0.5, 1), ())


def summary_of(*events: Event, **more: object) -> RunSummary:
    result = SourceResult("a.mp4", events, frames=250, looks=40, still_looks=10, seen_s=10.0, **more)  # type: ignore[arg-type]
    return RunSummary((result,), wall_s=4.0)


def said(verbosity: int, summary: RunSummary) -> str:
    stream = io.StringIO()
    Console(verbosity, stream=stream).summary(summary)
    return stream.getvalue()


def test_the_closing_table_tells_each_label() -> None:
    text = said(0, summary_of(event("Pepsi", 0, 2, 0.8), event("Pepsi", 5, 6.5, 0.95), event("DHL", 1, 2, 0.7)))
    pepsi = next(line.split() for line in text.splitlines() if line.startswith("Pepsi"))
    dhl = next(line.split() for line in text.splitlines() if line.startswith("DHL"))
    assert pepsi == ["Pepsi", "2", "3.5", "0.95"]
    assert dhl == ["DHL", "1", "1.0", "0.70"]
    assert text.index("Pepsi") < text.index("DHL")


def test_rejections_are_told_in_plain_words() -> None:
    text = said(0, summary_of(rejections={"far": 7, "none_class": 3}))
    assert "found none of the labels" in text
    assert f"{REASONS[Rejection.FAR]}" in text
    assert next(line for line in text.splitlines() if line.startswith(REASONS[Rejection.FAR])).split()[-1] == "7"
    assert "none_class" not in text


@pytest.mark.parametrize("reason", list(Rejection))
def test_every_reason_has_words(reason: Rejection) -> None:
    assert reason_text(str(reason)) != str(reason)


def test_the_summary_tells_speed_and_losses() -> None:
    text = said(0, summary_of(decode_errors=3, gaps=1))
    assert "2.5 × real time" in text
    assert "250 frames, 40 looks (10 of them without the network)" in text
    assert text.rstrip().endswith("3 decode errors, 1 gap")


def test_labels_are_never_read_as_markup() -> None:
    assert "[bold]Cola[/bold] :smile:" in said(0, summary_of(event("[bold]Cola[/bold] :smile:", 0, 1, 0.5)))


def test_quiet_leaves_only_errors() -> None:
    stream = io.StringIO()
    console = Console(-1, stream=stream)
    console.say("hello")
    console.warn("careful")
    console.explain("because")
    console.summary(summary_of(event("Pepsi", 0, 1, 0.5)))
    with console.progress("work", 10) as progress:
        progress.advance(10)
    assert stream.getvalue() == ""
    console.error("broken")
    assert stream.getvalue() == "error: broken\n"


def test_explanations_are_for_those_who_ask() -> None:
    for verbosity, expected in ((0, ""), (1, "because\n")):
        stream = io.StringIO()
        Console(verbosity, stream=stream).explain("because")
        assert stream.getvalue() == expected


def test_without_a_terminal_progress_is_a_line_now_and_then() -> None:
    stream, clock = io.StringIO(), FakeClock()
    with Console(stream=stream, clock=clock).progress("a.mp4", 60.0, unit="seconds") as progress:
        for second in range(1, 25):
            clock.now_s += 1
            progress.reach(second * 2.0)
    lines = stream.getvalue().splitlines()
    assert lines == [
        "a.mp4: 0:20 of 1:00, 2.0 × real time, 0:20 left",
        "a.mp4: 0:40 of 1:00, 2.0 × real time, 0:10 left",
        "a.mp4: 0:48 of 1:00 in 0:24",
    ]


def test_steps_are_counted_with_the_time_left() -> None:
    stream, clock = io.StringIO(), FakeClock()
    with Console(stream=stream, clock=clock).progress("training", 40) as progress:
        clock.now_s += 30
        progress.advance(10)
    assert stream.getvalue().splitlines()[0] == "training: 10 of 40, 1:30 left"


def test_a_total_that_nobody_knows_has_no_time_left() -> None:
    stream, clock = io.StringIO(), FakeClock()
    with Console(stream=stream, clock=clock).progress("a.mp4", None, unit="seconds") as progress:
        clock.now_s += 20
        progress.reach(30)
    assert stream.getvalue().splitlines()[0] == "a.mp4: 0:30, 1.5 × real time"


def test_a_terminal_gets_a_bar_with_speed_and_time_left() -> None:
    stream, clock = Terminal(), FakeClock()
    with Console(stream=stream, clock=clock).progress("a.mp4", 60.0, unit="seconds") as progress:
        clock.now_s += 10
        progress.reach(30.0)
    text = stream.getvalue()
    assert "\x1b[" in text
    assert "3.0 × real time, 0:10 left" in text


def test_no_bar_where_lines_of_data_share_the_terminal() -> None:
    stream = Terminal()
    with Console(stream=stream, live=False).progress("a.mp4", 60.0) as progress:
        progress.reach(30.0)
    assert "a.mp4: 30 of 60 in 0:00" in stream.getvalue()
    assert "━" not in stream.getvalue()


def test_progress_ends_with_the_block_when_work_fails() -> None:
    stream = Terminal()
    console = Console(stream=stream)
    with pytest.raises(SourceError), console.progress("a.mp4", 60.0):
        raise SourceError("torn")
    with console.progress("b.mp4", 60.0) as progress:
        progress.reach(1.0)


def test_totals_are_sorted_by_time_on_screen_then_by_name() -> None:
    totals = label_totals([event("b", 0, 1, 0.5), event("a", 0, 1, 0.6), event("c", 0, 3, 0.4)])
    assert [total.label for total in totals] == ["c", "a", "b"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (7.4, "0:07"), (59.6, "1:00"), (754, "12:34"), (3723, "1:02:03"), (-3, "0:00")]
)
def test_times_read_as_on_a_clock(seconds: float, text: str) -> None:
    assert clock_text(seconds) == text
