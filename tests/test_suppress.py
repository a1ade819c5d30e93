"""Non-maximum suppression and box voting, against slow references."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamfilter.classifier.suppress import VOTE_IOU, distinct, pairwise, suppress, vote
from streamfilter.types import Box

Found = list[tuple[Box, float, int]]


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    """Boxes on a coarse raster, so that equal, nested and just touching ones are common."""
    width, height = draw(st.integers(1, 6)) / 8, draw(st.integers(1, 6)) / 8
    return Box(
        draw(st.integers(0, round(8 - width * 8))) / 8, draw(st.integers(0, round(8 - height * 8))) / 8, width, height
    )


FOUND = st.lists(
    st.tuples(boxes(), st.integers(1, 10).map(lambda n: n / 10), st.integers(0, 2)), min_size=1, max_size=14
)


def arrays(found: Found) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return (
        np.array([(b.x, b.y, b.width, b.height) for b, _, _ in found]),
        np.array([score for _, score, _ in found]),
        np.array([label for _, _, label in found]),
    )


def slow_suppress(found: Found, *, iou: float, most: int) -> list[int]:
    kept: list[int] = []
    for index in sorted(range(len(found)), key=lambda i: (-found[i][1], i)):
        box, _, label = found[index]
        for better in kept:
            other, _, of = found[better]
            inside = box.intersection(other) / min(box.area, other.area)
            if (label == of and (box.iou(other) > iou or inside > 0.5)) or (label != of and box.iou(other) > 0.5):
                break
        else:
            kept.append(index)
    return kept[:most]


@given(FOUND, st.sampled_from([0.2, 0.5, 0.8]), st.integers(1, 14))
def test_distinct_places_are_those_that_overlap_no_better_one_whatever_they_show(
    found: Found, iou: float, most: int
) -> None:
    places, scores, _ = arrays(found)
    kept: list[int] = []
    for index in sorted(range(len(found)), key=lambda i: (-found[i][1], i)):
        if all(found[index][0].iou(found[better][0]) <= iou for better in kept):
            kept.append(index)
    assert distinct(places, scores, iou=iou, most=most) == kept[:most]


@given(FOUND)
def test_pairwise_overlaps_are_those_of_single_boxes(found: Found) -> None:
    boxes = arrays(found)[0]
    union, smaller = pairwise(boxes, boxes)
    for i, (one, _, _) in enumerate(found):
        for j, (other, _, _) in enumerate(found):
            assert union[i, j] == pytest.approx(one.iou(other), abs=1e-12)
            assert smaller[i, j] == pytest.approx(one.intersection(other) / min(one.area, other.area), abs=1e-12)


@settings(max_examples=200)
@given(FOUND, st.sampled_from([0.0, 0.3, 0.5, 1.0]), st.integers(1, 15))
def test_suppression_keeps_what_a_slow_reference_keeps(found: Found, iou: float, most: int) -> None:
    assert suppress(*arrays(found), iou=iou, most=most) == slow_suppress(found, iou=iou, most=most)


def test_two_copies_side_by_side_and_two_labels_half_overlapping_all_stay() -> None:
    found = [(Box(0.0, 0.0, 0.2, 0.2), 0.9, 0), (Box(0.2, 0.0, 0.2, 0.2), 0.8, 0), (Box(0.1, 0.0, 0.2, 0.2), 0.7, 1)]
    assert suppress(*arrays(found), iou=0.3, most=20) == [0, 1, 2]


def test_a_part_of_a_logo_is_not_another_one_but_another_logo_inside_it_is() -> None:
    found = [(Box(0.0, 0.0, 0.8, 0.8), 0.9, 0), (Box(0.1, 0.1, 0.2, 0.2), 0.8, 0), (Box(0.3, 0.3, 0.2, 0.2), 0.7, 1)]
    assert suppress(*arrays(found), iou=0.3, most=20) == [0, 2]


@given(FOUND, st.data())
def test_a_vote_lies_inside_the_hull_of_its_voters(found: Found, data: st.DataObject) -> None:
    winner = data.draw(st.integers(0, len(found) - 1))
    of = found[winner]
    voters = [(b, s) for b, s, label in found if label == of[2] and b.iou(of[0]) >= VOTE_IOU]
    x, y, width, height = vote(*arrays(found), winner)
    slack = 1e-9
    assert min(b.x for b, _ in voters) - slack <= x
    assert min(b.y for b, _ in voters) - slack <= y
    assert x + width <= max(b.x + b.width for b, _ in voters) + slack
    assert y + height <= max(b.y + b.height for b, _ in voters) + slack
    assert x == pytest.approx(sum(b.x * s for b, s in voters) / sum(s for _, s in voters))


def test_a_window_alone_votes_for_itself() -> None:
    found = [(Box(0.1, 0.2, 0.3, 0.4), 0.5, 0), (Box(0.1, 0.2, 0.3, 0.4), 0.9, 1), (Box(0.6, 0.6, 0.2, 0.2), 0.9, 0)]
    assert vote(*arrays(found), 0).tolist() == pytest.approx([0.1, 0.2, 0.3, 0.4])
