"""Reading, placing and merging boxes."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamfilter.errors import DatasetError
from streamfilter.training.boxes import merge_boxes, place_box, read_box_rows
from streamfilter.training.examples import ProblemKind
from streamfilter.types import Box


def write(path: Path, text: str) -> Path:
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    return path


def test_rows_are_read_with_their_line_numbers(tmp_path: Path) -> None:
    path = write(tmp_path / "b.csv", "image,x1,y1,x2,y2,label\nA/1.jpg,1,2,30.5,40,A\n\nA/2.jpg,0,0,5,5,B c\n")
    rows, problems = read_box_rows(path)
    assert [(r.line, r.image, r.corners, r.label) for r in rows] == [
        (2, "A/1.jpg", (1.0, 2.0, 30.5, 40.0), "A"),
        (4, "A/2.jpg", (0.0, 0.0, 5.0, 5.0), "B c"),
    ]
    assert problems == []


@pytest.mark.parametrize(
    "text",
    [
        "A/1.jpg,1,2,3,4,A\n",
        "\ufeffimage,x1,y1,x2,y2,label\r\nA/1.jpg,1,2,3,4,A\r\n",
        "label,Image,x1,y1,x2,y2,note\nA,A/1.jpg,1,2,3,4,seen by two\n",
        'image,x1,y1,x2,y2,label\n"A/1.jpg", 1, 2, 3, 4, A\n',
    ],
    ids=["no header", "byte order mark and CRLF", "another order and a column more", "quotes and spaces"],
)
def test_the_usual_ways_to_write_the_file_are_all_read(tmp_path: Path, text: str) -> None:
    rows, problems = read_box_rows(write(tmp_path / "b.csv", text))
    assert [(r.image, r.corners, r.label) for r in rows] == [("A/1.jpg", (1.0, 2.0, 3.0, 4.0), "A")]
    assert problems == []


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("A/1.jpg,1,2,3", "4 columns, expected 6"),
        ("A/1.jpg,1,two,3,4,A", "y1 is 'two', expected pixels"),
        ("A/1.jpg,1,nan,3,4,A", "y1 is 'nan', expected pixels"),
        ("A/1.jpg,1,2,inf,4,A", "x2 is 'inf', expected pixels"),
        ("A/1.jpg,30,2,3,4,A", "is empty, expected x1 < x2"),
        ("A/1.jpg,1,4,3,4,A", "is empty, expected x1 < x2"),
        ("A/1.jpg,1,2,3,4,", "image or label is empty"),
        (",1,2,3,4,A", "image or label is empty"),
    ],
)
def test_a_malformed_row_is_left_out_and_its_line_named(tmp_path: Path, row: str, reason: str) -> None:
    path = write(tmp_path / "b.csv", f"image,x1,y1,x2,y2,label\nA/1.jpg,1,2,3,4,A\n{row}\nA/2.jpg,1,2,3,4,A\n")
    rows, (problem,) = read_box_rows(path)
    assert [r.line for r in rows] == [2, 4]
    assert (problem.kind, problem.what) == (ProblemKind.MALFORMED_ROW, "b.csv line 3")
    assert reason in problem.detail


def test_a_file_name_that_is_not_utf8_still_names_its_file(tmp_path: Path) -> None:
    rows, _ = read_box_rows(write(tmp_path / "b.csv", "A/\udcff.jpg,1,2,3,4,A\n"))
    assert rows[0].image == "A/\udcff.jpg"


def test_a_header_that_lacks_a_column_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"expected image,x1,y1,x2,y2,label; add \['y2'\]"):
        read_box_rows(write(tmp_path / "b.csv", "image,x1,y1,x2,label\n"))


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"cannot read boxes .*none\.csv: No such file"):
        read_box_rows(tmp_path / "none.csv")


@given(st.binary(max_size=300))
def test_any_bytes_are_rows_problems_or_a_dataset_error(tmp_path_factory: pytest.TempPathFactory, junk: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "junk.csv"
    path.write_bytes(b"image,x1,y1,x2,y2,label\n" + junk)
    rows, problems = [], []
    with contextlib.suppress(DatasetError):
        rows, problems = read_box_rows(path)
    assert all(row.corners[0] < row.corners[2] for row in rows)
    assert all(str(problem).isprintable() for problem in problems)


def test_a_box_becomes_a_share_of_its_picture() -> None:
    assert place_box((20, 10, 120, 60), 200, 100) == (Box(0.1, 0.1, 0.5, 0.5), False)


def test_a_box_that_is_mostly_inside_is_clipped() -> None:
    assert place_box((-20, 0, 80, 50), 100, 50) == (Box(0, 0, 0.8, 1.0), True)


def test_a_box_that_is_mostly_outside_is_dropped() -> None:
    assert place_box((-60, 0, 40, 50), 100, 50) == (None, True)
    assert place_box((200, 200, 300, 300), 100, 50) == (None, True)


def test_an_overhang_of_a_pixel_is_how_some_tools_count() -> None:
    assert place_box((0, 0, 101, 51), 100, 50) == (Box(0, 0, 1, 1), False)


corner = st.floats(-500, 500)


@given(corner, corner, st.floats(0.01, 800), st.floats(0.01, 800), st.integers(1, 300), st.integers(1, 300))
def test_a_placed_box_lies_in_its_picture(x: float, y: float, w: float, h: float, width: int, height: int) -> None:
    box, _ = place_box((x, y, x + w, y + h), width, height)
    if box is not None:
        assert box.x >= 0
        assert box.y >= 0
        assert box.x + box.width <= 1 + 1e-9
        assert box.y + box.height <= 1 + 1e-9
        assert box.area > 0


def test_boxes_of_one_logo_become_their_median() -> None:
    boxes = [(Box(0.10, 0.2, 0.30, 0.3), "A"), (Box(0.12, 0.2, 0.30, 0.3), "A"), (Box(0.11, 0.1, 0.30, 0.5), "A")]
    ((merged, label),) = merge_boxes(boxes)
    assert label == "A"
    assert (merged.x, merged.y, merged.width, merged.height) == pytest.approx((0.11, 0.2, 0.30, 0.3))


def test_boxes_of_other_logos_stay() -> None:
    boxes = ((Box(0.1, 0.1, 0.3, 0.3), "A"), (Box(0.1, 0.1, 0.3, 0.3), "B"), (Box(0.5, 0.1, 0.3, 0.3), "A"))
    assert merge_boxes(boxes) == boxes


def test_a_mark_inside_its_lettered_version_stays_its_own_box() -> None:
    boxes = ((Box(0.1, 0.1, 0.6, 0.3), "A"), (Box(0.1, 0.1, 0.25, 0.3), "A"))
    assert merge_boxes(boxes) == boxes


@given(st.lists(st.tuples(st.floats(0, 0.5), st.floats(0, 0.5), st.floats(0.05, 0.5), st.floats(0.05, 0.5))))
def test_merging_keeps_boxes_valid_and_never_makes_more(corners: list[tuple[float, float, float, float]]) -> None:
    boxes = [(Box(*values), "A") for values in corners]
    merged = merge_boxes(boxes)
    assert len(merged) <= len(boxes)
    assert bool(merged) == bool(boxes)
