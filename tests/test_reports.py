"""Reports: every number against a slow reference, and a page that hostile logs cannot harm."""

from __future__ import annotations

import csv
import io
import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from logged import HOSTILE, closed, finished, gap, log_of, opened, write_log

from streamfilter.cli.main import streamfilter_command
from streamfilter.errors import ConfigError
from streamfilter.eventlog import Amendment, Decision, append_amendments, read_event_log, review_path
from streamfilter.reports import (
    RateCard,
    SourceReport,
    Verdict,
    check_target,
    load_rates,
    parse_target,
    report_csv,
    report_json,
    report_page,
    report_sources,
)
from streamfilter.reports.figures import totals
from streamfilter.reports.heat import COLUMNS, ROWS
from streamfilter.reports.page import seconds
from streamfilter.reports.rates import Rate

CELL_S = 0.5
CELLS = 20
spans = st.tuples(st.integers(0, CELLS - 1), st.integers(1, 8)).map(lambda pair: (pair[0], min(CELLS, sum(pair))))
shown = st.lists(st.tuples(st.sampled_from("AB"), spans), min_size=1, max_size=8)
losses = st.lists(spans, max_size=3)


def reported(path: Path, events: list[tuple[str, tuple[int, int]]], lost: list[tuple[int, int]]) -> SourceReport:
    records = [opened(duration_s=CELLS * CELL_S)]
    for number, (label, (begin, end)) in enumerate(events):
        records.append(closed(label, begin * CELL_S, end * CELL_S, event_id=str(number), track=[]))
    records += [gap(begin * CELL_S, end * CELL_S) for begin, end in lost]
    (report,) = report_sources([log_of(path, [*records, finished(end_s=CELLS * CELL_S)])])
    return report


def cells(pairs: list[tuple[int, int]]) -> set[int]:
    return {cell for begin, end in pairs for cell in range(begin, end)}


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(shown, losses)
def test_seconds_are_those_of_a_ruler_coloured_cell_by_cell(
    tmp_path: Path, events: list[tuple[str, tuple[int, int]]], lost: list[tuple[int, int]]
) -> None:
    report = reported(tmp_path / "e.jsonl", events, lost)
    gone = cells(lost)
    seen = {label: cells([span for name, span in events if name == label]) - gone for label in "AB"}
    assert report.watched_s == pytest.approx((CELLS - len(gone)) * CELL_S)
    for figures in report.labels:
        own, others = seen[figures.label], seen["B" if figures.label == "A" else "A"]
        assert figures.seen_s == pytest.approx(len(own) * CELL_S)
        assert figures.most_s == pytest.approx((len(own) + len(gone)) * CELL_S)
        assert figures.alone_s == pytest.approx(len(own - others) * CELL_S)
        both = len(seen["A"]) + len(seen["B"])
        assert figures.of_voice == pytest.approx(len(own) / both if both else 0.0)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(shown, losses, spans, st.integers(1, 100))
def test_targets_are_judged_as_on_the_ruler(
    tmp_path: Path,
    events: list[tuple[str, tuple[int, int]]],
    lost: list[tuple[int, int]],
    window: tuple[int, int],
    percent: int,
) -> None:
    report = reported(tmp_path / "e.jsonl", events, lost)
    begin, end = window
    checked = check_target(parse_target(f"A={percent}%@{begin * CELL_S}-{end * CELL_S}"), report)
    inside = set(range(begin, end))
    own = (cells([span for label, span in events if label == "A"]) - cells(lost)) & inside
    wanted = percent / 100 * len(inside)
    surely, perhaps = len(own) >= wanted - 1e-9, len(own | (cells(lost) & inside)) >= wanted - 1e-9
    assert checked.verdict is (Verdict.REACHED if surely else Verdict.OPEN if perhaps else Verdict.MISSED)
    absent_s = sum(end_s - start_s for start_s, end_s in checked.absent)
    assert absent_s == pytest.approx((len(inside) - len(own)) * CELL_S)


def test_copies_at_once_are_seen_once_and_counted_each(tmp_path: Path) -> None:
    records = [opened(), closed(start_s=1, end_s=3, event_id="a"), closed(start_s=2, end_s=4, event_id="b"), finished()]
    (figures,) = report_sources([log_of(tmp_path / "e.jsonl", records)])[0].labels
    assert (figures.appearances, figures.seen_s, figures.copies_s, figures.longest_s) == (2, 3.0, 4.0, 3.0)


def test_means_are_weighted_by_time(tmp_path: Path) -> None:
    def exposed(visible_s: float, share: float) -> dict[str, float]:
        return {"visible_s": visible_s, "mean_share": share, "largest_share": share, "x": share, "y": 0.5}

    records = [
        closed(start_s=0, end_s=3, exposure=exposed(3, 0.1)),
        closed(start_s=5, end_s=6, exposure=exposed(1, 0.5)),
    ]
    (figures,) = report_sources([log_of(tmp_path / "e.jsonl", records)])[0].labels
    assert (figures.share, figures.largest_share, figures.x) == (pytest.approx(0.2), 0.5, pytest.approx(0.2))


def test_a_source_that_broke_off_may_have_shown_it_in_the_rest(tmp_path: Path) -> None:
    broken = {"v": 1, "type": "source_state", "state": "interrupted", "source": "clip.mp4", "end_s": 6.0}
    (report,) = report_sources([log_of(tmp_path / "e.jsonl", [opened(), closed(), broken])])
    assert (report.watched_s, report.lost_s) == (6.0, 4.0)
    assert (report.labels[0].seen_s, report.labels[0].most_s) == (1.0, 5.0)


def test_what_a_killed_run_did_not_read_may_have_shown_anything(tmp_path: Path) -> None:
    checkpoint = {"v": 1, "type": "checkpoint", "source": "clip.mp4", "time_s": 4.0, "resume": {}}
    (report,) = report_sources([log_of(tmp_path / "e.jsonl", [opened(), closed(), checkpoint])])
    assert (report.watched_s, report.lost_s, report.labels[0].most_s) == (4.0, 6.0, 7.0)


def test_looks_that_were_dropped_may_have_shown_anything_too(tmp_path: Path) -> None:
    rate = {"config": {"settings": {"sampler": {"rate": 4}}}}
    start = {"v": 1, "type": "run_start", "model": {}} | rate
    end = finished(end_s=10.0) | {"live": {"dropped": 6}}
    records = [start, opened(), closed(start_s=1.0, end_s=2.0), gap(4.0, 4.5), end]
    (report,) = reports = report_sources([log_of(tmp_path / "e.jsonl", records)])
    assert (report.lost_s, report.dropped_s) == (0.5, 1.5)
    assert (report.labels[0].seen_s, report.labels[0].most_s) == (1.0, 3.0)
    assert totals(reports)[0].most_s == 3.0
    assert check_target(parse_target("Solari=25%"), report).verdict is Verdict.OPEN
    assert check_target(parse_target("Solari=40%"), report).verdict is Verdict.MISSED
    page = report_page(reports)
    assert "1.0 s, at most 3.0 s" in page
    assert "looks worth 1.5 s dropped" in page


@pytest.mark.parametrize(
    ("value", "text"),
    [(41.7, "41.7 s"), (599.9, "599.9 s"), (599.96, "10 min 00 s"), (817.2, "13 min 37 s"), (7500, "2 h 05 min 00 s")],
)
def test_lengths_say_their_units(value: float, text: str) -> None:
    assert seconds(value) == text


def test_sources_of_one_name_are_told_apart(tmp_path: Path) -> None:
    records = [
        record
        for name in ("/rec/monday/one.mp4", "/rec/tuesday/one.mp4")
        for record in (opened(name), closed(source=name), finished(name, end_s=10.0))
    ]
    page = report_page(report_sources([log_of(tmp_path / "e.jsonl", records)]))
    assert "<bdi>monday/one.mp4</bdi>" in page
    assert "<bdi>tuesday/one.mp4</bdi>" in page


def test_the_heat_of_a_still_box_is_its_seconds_where_it_stands(tmp_path: Path) -> None:
    track = [{"time_s": 0, "box": [0.25, 1 / 9, 0.125, 2 / 9], "score": 1}]
    log = log_of(tmp_path / "e.jsonl", [closed(start_s=0, end_s=3, track=track)])
    (figures,) = report_sources([log])[0].labels
    expected = np.zeros((ROWS, COLUMNS))
    expected[1:3, 4:6] = 3.0
    assert figures.heat == pytest.approx(expected, abs=1e-9)


def test_rejected_events_are_left_out_and_relabelled_ones_counted_anew(tmp_path: Path) -> None:
    path = write_log(tmp_path / "e.jsonl", [opened(), closed(event_id="a"), closed(event_id="b"), closed(event_id="c")])
    decisions = [Amendment("a", Decision.REJECTED), Amendment("b", Decision.RELABELLED, label="Trivane")]
    append_amendments(review_path(path), decisions)
    labels = report_sources([read_event_log(path)])[0].labels
    assert {figures.label: [e.event_id for e in figures.events] for figures in labels} == {
        "Trivane": ["b"],
        "Solari": ["c"],
    }


def test_totals_add_up_over_sources(tmp_path: Path) -> None:
    records = [opened("a.mp4"), finished("a.mp4"), opened("b.mp4"), finished("b.mp4")]
    records += [closed(source=name, start_s=1, end_s=3) for name in ("a.mp4", "b.mp4")]
    reports = report_sources([log_of(tmp_path / "e.jsonl", [*records, gap(8, 9, "b.mp4")])])
    (figures,) = totals(reports)
    assert (figures.appearances, figures.seen_s, figures.most_s) == (2, 4.0, 5.0)
    assert figures.of_time == pytest.approx(4 / 19)


def test_a_rate_card_gives_money_and_its_bound(tmp_path: Path) -> None:
    path = tmp_path / "rates.yaml"
    path.write_text("currency: EUR\nlabels:\n  Solari: {per_second: 10, per_appearance: 100}\n")
    card = load_rates(path)
    assert card == RateCard(currency="EUR", labels={"Solari": Rate(per_second=10, per_appearance=100)})
    (report,) = report_sources([log_of(tmp_path / "e.jsonl", [opened(), closed(), gap(4, 6), finished()])])
    assert card.worth(report.labels[0]) == (110.0, 130.0)
    assert "110.00 to 130.00 EUR" in report_page([report], rates=card)


@pytest.mark.parametrize("text", ["Pepsi", "=95%", "Pepsi=0%", "Pepsi=101%", "Pepsi=5%@9-3", "Pepsi=x", "a=1e9"])
def test_a_target_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--target"):
        parse_target(text)


class Page(HTMLParser):
    """The elements, ids and links of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.update(name for name, _ in attrs)
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_every_figure_links_to_events_that_are_on_the_page(tmp_path: Path) -> None:
    records = [opened(), closed(), closed("Trivane", 3, 4), gap(5, 7), finished()]
    page = Page(report_page(report_sources([log_of(tmp_path / "e.jsonl", records)])))
    assert page.links
    assert {link[1:] for link in page.links} <= set(page.ids)
    assert all(link.startswith("#") for link in page.links)
    assert len(page.ids) == len(set(page.ids))
    assert "1.0 s, at most 3.0 s" in page.text


def test_a_hostile_log_is_only_text_on_the_page(tmp_path: Path) -> None:
    records = [opened(name) for name in HOSTILE]
    records += [closed(label, n, n + 1, source=label, event_id=f"{n}{label[:90]}") for n, label in enumerate(HOSTILE)]
    reports = report_sources([log_of(tmp_path / "e.jsonl", records)])
    targets = [parse_target(f"{label}=50%") for label in HOSTILE]
    page = Page(report_page(reports, targets=targets))
    assert not {"script", "img", "iframe", "object", "link"} & set(page.tags)
    assert not [name for name in page.attributes if name.startswith("on")]
    assert "<script>alert(1)</script>" in page.text
    assert "‮" not in page.text
    assert {link[:1] for link in page.links} == {"#"}
    cells = [cell for row in csv.reader(io.StringIO(report_csv(reports), newline="")) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "@"))]


def test_the_command_writes_page_table_and_numbers(tmp_path: Path) -> None:
    events = write_log(tmp_path / "e.jsonl", [opened(), closed(), finished()])
    results = [tmp_path / name for name in ("r.html", "r.csv", "r.json")]
    arguments = ["report", str(events), "--target", "Solari=50%", "-q"]
    for kind, path in zip(("--html", "--csv", "--json"), results, strict=True):
        arguments += [kind, str(path)]
    done = CliRunner().invoke(streamfilter_command, arguments)
    assert done.exit_code == 0, done.output
    assert json.loads(results[2].read_text())["sources"][0]["targets"][0]["verdict"] == "missed"
    assert report_json(report_sources([read_event_log(events)])) != ""
    assert "Solari" in results[0].read_text()
    assert len(list(csv.DictReader(io.StringIO(results[1].read_text(), newline="")))) == 2
    again = CliRunner().invoke(streamfilter_command, arguments)
    assert again.exit_code != 0, "an existing report is not overwritten"
