"""What was measured, in tables for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from streamfilter.bench.measured import AHEAD, STAGES, Limits, Measured, Ran


@dataclass(frozen=True, slots=True)
class Table:
    """Columns and rows of text; the first column names the row."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def tables(measured: Measured) -> Iterator[Table]:
    """The stages, the limits, and the savings."""
    yield _stages(measured.ran)
    yield _limits(measured.ran, measured.limits)
    if measured.savings:
        yield _savings(measured)


def headline(measured: Measured) -> str:
    """All in one line."""
    ran = measured.ran
    return (
        f"{measured.video}: {ran.stream_s:.1f} s of video in {ran.wall_s:.1f} s, {ran.speed:.1f} × real time, "
        f"{ran.frames / ran.wall_s:.0f} frames a second, {ran.cpu_s:.1f} CPU s, at most {measured.peak_mib:.0f} MiB; "
        f"{measured.runtime}, {measured.machine}"
    )


def _stages(ran: Ran) -> Table:
    rows = []
    for name in STAGES:
        thread = "decoding" if name in AHEAD else "network"
        rows.append((name, thread, f"{ran.stages_s[name]:.2f}", f"{ran.stages_s[name] / ran.wall_s:.0%}"))
    rows.append(("waiting for pictures", "network", f"{ran.idle_s:.2f}", f"{ran.idle_s / ran.wall_s:.0%}"))
    return Table(("stage", "thread", "seconds", "of the run"), rows)


def _limits(ran: Ran, limits: Limits) -> Table:
    passes_s = ran.stages_s["dense pass"]
    hz = ran.pictures / passes_s if passes_s else 0.0
    gflops = hz * limits.picture_gflop
    frames_hz = ran.frames / ran.stages_s["decode"] if ran.stages_s["decode"] else 0.0
    rows = [
        (
            "dense passes a second, in their time",
            f"{hz:.1f}",
            f"{limits.pictures_hz:.1f}",
            f"{hz / limits.pictures_hz:.0%}",
        ),
        (
            "GFLOP/s of these, of a matrix product",
            f"{gflops:.0f}",
            f"{limits.gflops:.0f}",
            f"{gflops / limits.gflops:.0%}",
        ),
        (
            "frames decoded a second, in their time",
            f"{frames_hz:.0f}",
            f"{limits.frames_hz:.0f}",
            f"{frames_hz / limits.frames_hz:.0%}",
        ),
    ]
    return Table(("limit", "in the run", "alone", "share"), rows)


def _savings(measured: Measured) -> Table:
    def row(name: str, ran: Ran, agreement: float | None) -> tuple[str, ...]:
        same = "" if agreement is None else f"{agreement:.3f}"
        return (name, f"{ran.pictures:.1f}", f"{ran.cpu_s:.1f}", f"{ran.speed:.1f}", str(ran.events), same)

    rows = [row("all savings", measured.ran, None)]
    rows += [row(f"without {one.switch}", one.without, one.agreement) for one in measured.savings]
    return Table(("run", "pictures", "CPU s", "× real time", "events", "agreement"), rows)
