"""One self-contained HTML page: no script, nothing from the network, both colour schemes, every figure linked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources

from streamfilter.annotate.palette import colors_of
from streamfilter.eventlog import LoggedEvent, short_names, shown
from streamfilter.reports.charts import PATTERN, clock, heat_picture, scale_labels, timeline
from streamfilter.reports.figures import Figures, SourceReport, totals
from streamfilter.reports.rates import RateCard
from streamfilter.reports.targets import Checked, Target, Verdict, check_target

MOST_ROWS = 500
"""Events listed per label and source; all of them are in the CSV of the events."""

VERDICTS = {
    Verdict.REACHED: "reached",
    Verdict.MISSED: "missed",
    Verdict.OPEN: "open: it depends on what was lost",
}


@dataclass(frozen=True, slots=True)
class _Context:
    """What every part of the page needs. `anchors`: ids of listed events, by source and event id."""

    colors: Mapping[str, str]
    anchors: Mapping[tuple[str, str], str]
    rates: RateCard | None


def report_page(
    reports: Sequence[SourceReport], *, targets: Sequence[Target] = (), rates: RateCard | None = None
) -> str:
    """The whole report as HTML. Texts of the logs are escaped and never more than text."""
    overall = totals(reports)
    rgb = colors_of(figures.label for figures in overall)
    colors = {label: "#{:02x}{:02x}{:02x}".format(*color) for label, color in rgb.items()}
    anchors = _anchors(reports)
    context = _Context(colors, anchors, rates)
    sections = [_source(number, report, targets, context) for number, report in enumerate(reports)]
    style = resources.files("streamfilter").joinpath("assets", "report.css").read_text("utf-8")
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>Logos on screen</title><style>{style}</style></head><body>{PATTERN}<main>"
        f"{_head(reports, overall)}{_overall(overall, reports, context)}{''.join(sections)}{_notes()}"
        "</main></body></html>\n"
    )


def text(value: str, most: int = 200) -> str:
    """A text of a log for HTML: on one line, nothing hidden, escaped, its direction kept to itself."""
    return f"<bdi>{escape(shown(value, most))}</bdi>"


def seconds(value: float) -> str:
    """A length: `41.7 s`, from ten minutes on `13 min 37 s` or `2 h 05 min 00 s`."""
    if value < 599.95:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min {rest:02d} s"


def seen_text(figures: Figures) -> str:
    """`41.7 s`, and what it may have been at most where time was lost."""
    if figures.most_s - figures.seen_s < 0.05:
        return seconds(figures.seen_s)
    return f"{seconds(figures.seen_s)}, at most {seconds(figures.most_s)}"


def percent(value: float | None) -> str:
    """A share, 0 to 1."""
    return "–" if value is None else f"{value * 100:.1f} %"


def _anchors(reports: Sequence[SourceReport]) -> dict[tuple[str, str], str]:
    listed = [e for report in reports for figures in report.labels for e in figures.events[:MOST_ROWS]]
    return {(event.source, event.event_id): f"e{number}" for number, event in enumerate(listed, start=1)}


def _head(reports: Sequence[SourceReport], overall: Sequence[Figures]) -> str:
    watched, lost = sum(r.watched_s for r in reports), sum(r.lost_s for r in reports)
    parts = [f"{len(reports)} {'source' if len(reports) == 1 else 'sources'}", f"{seconds(watched)} watched"]
    if lost > 0:
        parts.append(f"{seconds(lost)} lost")
    dropped = sum(report.dropped_s for report in reports)
    if dropped > 0:
        parts.append(f"looks worth {seconds(dropped)} dropped")
    parts.append(f"{sum(figures.appearances for figures in overall)} appearances of {len(overall)} labels")
    return f"<header><h1>Logos on screen</h1><p>{escape(', '.join(parts))}</p></header>"


def _overall(overall: Sequence[Figures], reports: Sequence[SourceReport], context: _Context) -> str:
    if not overall:
        return "<section><p>No label was seen.</p></section>"
    money = "<th>worth</th>" if context.rates is not None else ""
    rows = "".join(_overall_row(figures, _targets_of(figures.label, reports), context) for figures in overall)
    return (
        '<section><h2>All sources</h2><div class="scroll"><table class="figures"><thead><tr><th>label</th>'
        "<th>appearances</th><th>seen</th><th>alone</th><th>of the time</th><th>share of voice</th>"
        f"<th>share of screen</th><th>sharpness</th>{money}</tr></thead><tbody>{rows}</tbody></table></div></section>"
    )


def _targets_of(label: str, reports: Sequence[SourceReport]) -> list[tuple[str, str]]:
    """Anchor and short name of every place on the page that lists events of a label."""
    return [
        (f"s{s}l{n}", short)
        for s, (report, short) in enumerate(zip(reports, short_names([r.source.name for r in reports]), strict=True))
        for n, figures in enumerate(report.labels)
        if figures.label == label
    ]


def _overall_row(figures: Figures, places: Sequence[tuple[str, str]], context: _Context) -> str:
    first = places[0][0]
    cells = [str(figures.appearances), seen_text(figures), seconds(figures.alone_s), percent(figures.of_time)]
    links = [f'<td><a href="#{first}">{cell}</a></td>' for cell in cells]
    width = f"{figures.of_voice * 100:.1f}%"
    bar = f'<span class="bar" style="width:{width};background:{context.colors[figures.label]}"></span>'
    links.append(f'<td class="voice"><a href="#{first}">{percent(figures.of_voice)}{bar}</a></td>')
    links += [f'<td><a href="#{first}">{cell}</a></td>' for cell in (percent(figures.share), _sharp(figures))]
    if context.rates is not None:
        links.append(f'<td><a href="#{first}">{_money(figures, context.rates)}</a></td>')
    others = "".join(f' <a href="#{anchor}">{text(name, 60)}</a>' for anchor, name in places[:20])
    where = f'<div class="where">{others}</div>' if len(places) > 1 else ""
    return f'<tr><th scope="row">{_chip(figures.label, context)}{where}</th>{"".join(links)}</tr>'


def _source(number: int, report: SourceReport, targets: Sequence[Target], context: _Context) -> str:
    facts = [f"{seconds(report.watched_s)} watched"]
    if report.lost:
        facts.append(
            f"{seconds(report.lost_s)} lost in {len(report.lost)} {'gap' if len(report.lost) == 1 else 'gaps'}"
        )
    if report.dropped_s > 0:
        facts.append(f"looks worth {seconds(report.dropped_s)} dropped")
    if report.source.error:
        told = "failed" if report.source.state == "failed" else "last fault"
        facts.append(f"{told}: {report.source.error}")
    labels = "".join(_label(f"s{number}l{n}", figures, context) for n, figures in enumerate(report.labels))
    checked = [check_target(target, report) for target in targets]
    chart = ""
    if report.labels:
        names = "".join(f"<li>{_chip(figures.label, context)}</li>" for figures in report.labels)
        chart = (
            f'<div class="chart"><ul class="rows">{names}</ul><div class="plot">{scale_labels(report.window)}'
            f"{timeline(report, context.colors, context.anchors)}</div></div>"
        )
    return (
        f'<section id="s{number}"><h2>{text(report.source.name)}</h2><p>{text(", ".join(facts), 1000)}</p>'
        f"{chart}{_targets(checked, number, report)}"
        f'<div class="cards">{labels}</div></section>'
    )


def _label(anchor: str, figures: Figures, context: _Context) -> str:
    facts = [
        ("appearances", str(figures.appearances)),
        ("seen", seen_text(figures)),
        ("longest stretch", seconds(figures.longest_s)),
        ("alone on screen", seconds(figures.alone_s)),
        ("of the time watched", percent(figures.of_time)),
        ("share of voice", f"{percent(figures.of_voice)} ({percent(figures.of_area)} by size)"),
        ("share of screen", f"{percent(figures.share)}, largest {percent(figures.largest_share)}"),
        ("sharpness", _sharp(figures)),
        ("score", f"{figures.mean_score:.2f}, best {figures.best_score:.2f}"),
    ]
    if context.rates is not None:
        facts.append(("worth", _money(figures, context.rates)))
    rows = "".join(f'<dt>{name}</dt><dd><a href="#{anchor}e">{value}</a></dd>' for name, value in facts)
    most = float(figures.heat.max())
    told = f"where on the picture, {seconds(most)} at most" if most > 0 else "no tracks in the log"
    picture = heat_picture(figures.heat, context.colors[figures.label], figures.label)
    return (
        f'<article id="{anchor}"><h3>{_chip(figures.label, context)}</h3><div class="two"><dl>{rows}</dl>'
        f"<figure>{picture}<figcaption>{told}</figcaption></figure></div>"
        f"{_events(anchor, figures.events, context)}</article>"
    )


def _events(anchor: str, events: Sequence[LoggedEvent], context: _Context) -> str:
    rows = "".join(_event(event, context) for event in events[:MOST_ROWS])
    more = f"<p>{len(events) - MOST_ROWS} more: see the exported CSV.</p>" if len(events) > MOST_ROWS else ""
    return (
        f'<details id="{anchor}e" open><summary>{len(events)} {"event" if len(events) == 1 else "events"}</summary>'
        '<div class="scroll"><table><thead><tr><th>from</th><th>to</th><th>seconds</th><th>score</th><th>share</th>'
        f"<th>review</th><th>event</th></tr></thead><tbody>{rows}</tbody></table></div>{more}</details>"
    )


def _event(event: LoggedEvent, context: _Context) -> str:
    share = percent(event.exposure.mean_share) if event.exposure is not None else "–"
    decision = str(event.decision) if event.decision is not None else ""
    cells = (clock(event.start_s), clock(event.end_s), f"{event.duration_s:.2f}", f"{event.score:.2f}", share, decision)
    anchor = context.anchors.get((event.source, event.event_id), "")
    rest = "".join(f"<td>{cell}</td>" for cell in cells)
    return f'<tr id="{anchor}">{rest}<td class="id">{text(event.event_id, 32)}</td></tr>'


def _targets(checked: Sequence[Checked], number: int, report: SourceReport) -> str:
    return "".join(_target(one, number, report) for one in checked)


def _target(checked: Checked, number: int, report: SourceReport) -> str:
    target = checked.target
    known = next((n for n, figures in enumerate(report.labels) if figures.label == target.label), None)
    spans = "".join(
        f"<li>{clock(start_s)} to {clock(end_s)} ({seconds(end_s - start_s)})</li>"
        for start_s, end_s in checked.absent[:MOST_ROWS]
    )
    seen = f"{percent(checked.share)} of {clock(checked.window[0])} to {clock(checked.window[1])}"
    if known is not None:
        seen = f'<a href="#s{number}l{known}">{seen}</a>'
    bound = f", at most {seconds(checked.most_s)}" if checked.most_s - checked.seen_s >= 0.05 else ""
    absent = f"<details><summary>{len(checked.absent)} absences</summary><ul>{spans}</ul></details>" if spans else ""
    told = f"<b>{text(target.label)}</b>: wanted in {percent(target.share)}, seen in {seen}"
    return (
        f'<div class="target {checked.verdict}"><p>{told} ({seconds(checked.seen_s)}{bound}). '
        f"<b>{VERDICTS[checked.verdict]}</b></p>{absent}</div>"
    )


def _chip(label: str, context: _Context) -> str:
    return f'<span class="chip" style="background:{context.colors[label]}"></span>{text(label, 60)}'


def _sharp(figures: Figures) -> str:
    return "–" if figures.sharpness is None else f"{figures.sharpness:.0f}"


def _money(figures: Figures, rates: RateCard) -> str:
    seen, most = rates.worth(figures)
    unit = escape(shown(rates.currency))
    return f"{seen:,.2f} {unit}" if most - seen < 0.005 else f"{seen:,.2f} to {most:,.2f} {unit}"


def _notes() -> str:
    return (
        "<footer><h2>How to read it</h2><ul>"
        "<li><b>seen</b>: time that at least one appearance covers, copies at once counted once, less what was lost. "
        "<b>at most</b>: what was lost could all have shown it, and so could looks at a feed that were dropped.</li>"
        "<li><b>alone</b>: seen while no other label was. <b>of the time</b>: of what was read less what was lost.</li>"
        "<li><b>share of voice</b>: of the seconds of all labels together; by size, each second counts with the share "
        "of the picture that the logo filled.</li>"
        "<li><b>share of screen</b>: mean part of the picture, by boxes, which are coarse. <b>sharpness</b>: variance "
        "of the Laplacian in the box; higher is sharper.</li>"
        "<li>Events that review rejected are left out, relabelled ones count for their new label.</li>"
        "</ul></footer>"
    )
