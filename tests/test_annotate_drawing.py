"""What is drawn on a picture, and where: boxes in time, tags, colours, the timeline, text in every script."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamfilter.annotate.bidi import visual
from streamfilter.annotate.draw import Painter, tag_place
from streamfilter.annotate.palette import BLACK, OKABE_ITO, WHITE, colors_of, luminance, text_color
from streamfilter.annotate.text import draw_text, shorten, text_width
from streamfilter.annotate.timeline import clock_text, rows_of
from streamfilter.annotate.track import box_at, visible_at
from streamfilter.types import Box, Candidate, Event, Evidence, Exposure, Pixels, TrackPoint

HERE, THERE = Box(0.1, 0.2, 0.2, 0.2), Box(0.5, 0.4, 0.4, 0.3)


def event(label: str, start_s: float, end_s: float, *boxes: Box, score: float = 0.9) -> Event:
    """An event whose boxes are spread evenly over its time."""
    boxes = boxes or (HERE,)
    times = np.linspace(start_s, end_s, len(boxes)) if len(boxes) > 1 else [start_s]
    track = tuple(TrackPoint(float(t), box, score) for t, box in zip(times, boxes, strict=True))
    best = Candidate(boxes[0], label, score, 0.1, 1.0, 50.0)
    exposure = Exposure(1, 1, 0.1, 0.1, 0.5, 0.5, 1.0)
    return Event(label, start_s, end_s, 0, 1, 0, score, best, Evidence(1, 1, {}, 0.0, 1.0), exposure, track)


def painted(
    events: list[Event], time_s: float, *, width: int = 320, height: int = 240, timeline: bool = False
) -> Pixels:
    """A grey picture with the events drawn on it."""
    pixels = np.full((height, width, 3), 128, np.uint8)
    Painter(events, width, height, bounds_s=(0.0, 10.0), timeline=timeline).paint(pixels, time_s)
    return pixels


def changed(pixels: Pixels) -> np.ndarray:
    """Where something was drawn, `(H, W)` bool."""
    return np.asarray((pixels != 128).any(axis=2))


def test_a_box_moves_evenly_between_two_points_of_its_track() -> None:
    track = event("a", 2.0, 4.0, HERE, THERE).track
    middle = box_at(track, 3.0)
    assert (middle.x, middle.y, middle.width, middle.height) == pytest.approx((0.3, 0.3, 0.3, 0.25))
    assert box_at(track, 2.0) == HERE
    assert box_at(track, 4.0) == THERE


def test_a_box_is_held_before_and_after_its_track() -> None:
    track = event("a", 2.0, 4.0, HERE, THERE).track
    assert box_at(track, 0.0) == HERE
    assert box_at(track, 9.0) == THERE


@given(st.floats(0, 10))
def test_a_box_between_two_points_stays_between_them(time_s: float) -> None:
    box = box_at(event("a", 2.0, 4.0, HERE, THERE).track, time_s)
    for name in ("x", "y", "width", "height"):
        low, high = sorted((getattr(HERE, name), getattr(THERE, name)))
        assert low - 1e-9 <= getattr(box, name) <= high + 1e-9


def test_an_event_is_shown_from_its_start_until_just_before_its_end() -> None:
    one = event("a", 2.0, 4.0)
    assert [bool(visible_at([one], t)) for t in (1.999, 2.0, 3.999, 4.0)] == [False, True, True, False]


def test_a_large_box_is_drawn_before_the_small_one_in_it() -> None:
    small, large = event("a", 0, 1, HERE), event("b", 0, 1, Box(0, 0, 1, 1))
    assert [shown.label for shown, _ in visible_at([small, large], 0.5)] == ["b", "a"]


def test_the_box_is_drawn_where_the_track_says() -> None:
    pixels = painted([event("a", 0, 10, Box(0.25, 0.5, 0.5, 0.25))], 5.0)
    drawn = changed(pixels)[120:]  # the tag stands above the box
    rows, columns = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
    assert (columns[0], columns[-1] + 1) == (pytest.approx(80, abs=2), pytest.approx(240, abs=2))
    assert rows[-1] + 1 == pytest.approx(60, abs=2)
    assert not drawn[20:40, 100:220].any(), "the inside of a box stays as it was"
    assert tuple(pixels[150, 80]) == OKABE_ITO[0]


def test_nothing_is_drawn_where_nothing_is_seen() -> None:
    assert not changed(painted([event("a", 0, 1)], 5.0)).any()


def test_the_edges_of_a_slow_box_move_by_less_than_a_pixel() -> None:
    track = [Box(0.1, 0.3, 0.4, 0.4), Box(0.11, 0.3, 0.4, 0.4)]
    pictures = [painted([event("a", 0.0, 10.0, *track)], t) for t in (4.0, 5.0)]
    assert (pictures[0] != pictures[1]).any(), "a third of a pixel shows"


@pytest.mark.parametrize(("width", "height"), [(64, 48), (320, 240), (240, 320), (640, 360), (1920, 1080)])
def test_any_box_can_be_drawn_on_any_picture(width: int, height: int) -> None:
    boxes = [Box(0, 0, 1, 1), Box(0, 0, 0.001, 0.001), Box(0.999, 0.999, 0.001, 0.001), Box(0.5, 0, 0.0, 1.0)]
    events = [event(f"label {index} of a name that is long", 0, 1, box) for index, box in enumerate(boxes)]
    pixels = painted(events, 0.5, width=width, height=height, timeline=True)
    assert changed(pixels).any()


coordinate = st.integers(0, 300)


@given(coordinate, coordinate, st.integers(1, 300), st.integers(1, 300), st.integers(1, 200), st.integers(1, 40))
def test_a_tag_is_always_inside_the_picture(x: int, y: int, width: int, height: int, tag: int, line: int) -> None:
    box = (x, y, min(320, x + width), min(240, y + height))
    left, top, right, bottom = tag_place(box, (tag, line), (0, 0, 320, 240), [])
    assert 0 <= left < right <= 320
    assert 0 <= top < bottom <= 240
    assert (right - left, bottom - top) == (tag, line)


def test_a_tag_stands_above_its_box_below_it_or_inside() -> None:
    bounds = (0, 0, 320, 240)
    assert tag_place((50, 100, 150, 150), (60, 20), bounds, []) == (50, 80, 110, 100)
    assert tag_place((50, 5, 150, 150), (60, 20), bounds, []) == (50, 150, 110, 170)
    assert tag_place((50, 5, 150, 235), (60, 20), bounds, []) == (50, 5, 110, 25)


def test_two_tags_do_not_cover_each_other() -> None:
    bounds = (0, 0, 320, 240)
    first = tag_place((50, 100, 150, 150), (60, 20), bounds, [])
    second = tag_place((55, 102, 150, 150), (60, 20), bounds, [first])
    assert second[1] >= first[3] or second[0] >= first[2]


def test_tags_keep_clear_of_the_timeline() -> None:
    low = event("a", 0, 10, Box(0.3, 0.8, 0.3, 0.2))
    pixels = np.full((240, 320, 3), 128, np.uint8)
    painter = Painter([low], 320, 240, bounds_s=(0, 10), timeline=True)
    painter.paint(pixels, 5.0)
    row = np.flatnonzero((pixels == OKABE_ITO[0]).all(axis=2).sum(axis=1) > 10)
    assert row[0] < 240 * 0.8 - 10, "its tag stands above the box"


def test_seven_labels_have_the_seven_colours_and_more_have_others() -> None:
    colors = colors_of([f"label {index}" for index in range(35)])
    assert list(colors.values())[:7] == list(OKABE_ITO)
    assert len(set(colors.values())) == 35
    assert all(0 <= value <= 255 for color in colors.values() for value in color)


def test_a_label_keeps_its_colour() -> None:
    assert colors_of(["a", "b", "a"]) == {"a": OKABE_ITO[0], "b": OKABE_ITO[1]}


@pytest.mark.parametrize("color", colors_of([str(index) for index in range(35)]).values())
def test_text_on_every_colour_has_the_contrast_that_wcag_asks_for(color: tuple[int, int, int]) -> None:
    light, dark = sorted((luminance(color), luminance(text_color(color))), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_luminance_is_that_of_wcag() -> None:
    assert luminance(BLACK) == 0.0
    assert luminance(WHITE) == pytest.approx(1.0)
    assert luminance((255, 0, 0)) == pytest.approx(0.2126)
    assert luminance((128, 128, 128)) == pytest.approx(0.2159, abs=1e-4)


def written(text: str) -> Pixels:
    pixels = np.zeros((60, 60, 3), np.uint8)
    draw_text(pixels, text, (5, 5), size=40, weight=400, color=WHITE)
    return pixels


def test_letters_of_every_script_are_drawn_as_themselves() -> None:
    letters = "AÄŽЯΩ可カ한ש?"
    for first, second in itertools.combinations(letters, 2):
        assert (written(first) != written(second)).any(), f"{first} looks like {second}"


def test_a_text_that_fits_is_left_alone_and_a_long_one_ends_in_an_ellipsis() -> None:
    assert shorten("Pepsi", 20, 400, 500) == "Pepsi"
    short = shorten("a name that nobody would type", 20, 400, 120)
    assert short.endswith("…")
    assert text_width(short, 20, 400) <= 120
    assert shorten("Pepsi", 20, 400, 1) == "…"


def test_the_timeline_has_a_bar_per_event_and_a_cursor() -> None:
    events = [event("a", 2, 4), event("b", 6, 8)]
    quiet = [painted(events, t, timeline=True) for t in (0.0, 5.0)]
    strip = slice(quiet[0].shape[0] - 30, None)
    for color in OKABE_ITO[:2]:
        near = np.abs(quiet[1][strip].astype(int) - color).max(axis=2) < 70
        assert near.any(), "the bar wears the label's colour"
    cursors = [np.flatnonzero((p[strip] == 255).all(axis=(0, 2))) for p in quiet]
    assert cursors[0].mean() < cursors[1].mean()


def test_the_timeline_covers_at_most_a_quarter_of_the_picture() -> None:
    events = [event(f"label {index}", index, index + 1) for index in range(9)]
    top = np.flatnonzero(changed(painted(events, 20.0, timeline=True)).any(axis=1))[0]
    assert top >= 240 * 0.74


def test_labels_beyond_the_rows_share_the_last_one() -> None:
    events = [event(label, 0, 1) for label in "abcde"]
    rows = rows_of(events, list("abcde"), 3)
    assert [row.name for row in rows] == ["a", "b", "3 more"]
    assert [e.label for e in rows[2].events] == ["c", "d", "e"]
    assert [row.name for row in rows_of(events, list("abcde"), 5)] == list("abcde")


@pytest.mark.parametrize(
    ("time_s", "end_s", "text"),
    [(7.34, 30, "0:07.3"), (7.34, 90, "0:07"), (754, 3599, "12:34"), (3723, 7200, "1:02:03")],
)
def test_the_clock_is_as_fine_as_the_clip_is_short(time_s: float, end_s: float, text: str) -> None:
    assert clock_text(time_s, end_s) == text


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("Pepsi (1.5 l) 7", "Pepsi (1.5 l) 7"),
        ("\u05d0\u05d1\u05d2", "\u05d2\u05d1\u05d0"),
        ("\u05d0\u05d1 24", "24 \u05d1\u05d0"),
        ("\u05d0 (Pepsi) \u05d1", "\u05d1 (Pepsi) \u05d0"),
        ("Pepsi \u05d0\u05d1 7 UP", "Pepsi 7 \u05d1\u05d0 UP"),
        ("Pepsi 7 \u05d0\u05d1", "Pepsi 7 \u05d1\u05d0"),
        ("\u05d0\u05d1 0.97", "0.97 \u05d1\u05d0"),
        ("\u05d0\u05d1 12:34, 50%", "50% ,12:34 \u05d1\u05d0"),
        ("\u05d0 (\u05d1) \u05d2", "\u05d2 (\u05d1) \u05d0"),
        ("", ""),
    ],
)
def test_text_from_right_to_left_is_drawn_in_the_order_in_which_it_is_read(text: str, seen: str) -> None:
    assert visual(text) == seen


@settings(deadline=None)
@given(st.text())
def test_no_character_is_lost_when_text_is_put_into_order(text: str) -> None:
    pairs = str.maketrans("()[]{}<>«»", "(([[{{<<««")
    assert sorted(visual(text).translate(pairs)) == sorted(text.translate(pairs))
