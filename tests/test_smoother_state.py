"""A smoother that goes on from its state does so to the last bit."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_smoother_properties import CONFIG, Stream, streams

from streamfilter.smoother import make_smoother
from streamfilter.smoother.packing import packed, unpacked
from streamfilter.smoother.stream import TimeSmoother
from streamfilter.smoother.track import Track
from streamfilter.types import Box, Candidate, Event, Gap, Opening, TrackPoint, Verdict


def take(smoother: TimeSmoother, step: Verdict | Gap) -> list[Opening | Event]:
    return smoother.gap(step) if isinstance(step, Gap) else smoother.update(step)


@settings(deadline=None, max_examples=100)
@given(streams(), st.integers(0, 40))
def test_a_stream_cut_anywhere_and_resumed_gives_what_it_gives_whole(stream: Stream, cut: int) -> None:
    whole, begun = make_smoother(CONFIG), make_smoother(CONFIG)
    before = [out for step in stream.steps[:cut] for out in take(begun, step)]
    resumed = make_smoother(CONFIG)
    resumed.restore(json.loads(json.dumps(begun.state(), allow_nan=False)))
    after = [out for step in stream.steps[cut:] for out in take(resumed, step)] + resumed.flush(stream.end_s)
    assert before + after == [o for s in stream.steps for o in take(whole, s)] + whole.flush(stream.end_s)
    assert resumed.rejections == whole.rejections
    assert resumed.state() == whole.state()


FLOATS = st.floats(allow_nan=False)


@given(FLOATS, FLOATS, st.none() | st.text(max_size=5), st.text(max_size=5))
def test_values_come_back_as_they_were(softmax: float, distance: float, runner_up: str | None, label: str) -> None:
    value = Candidate(Box(0.1, 0.2, 0.3, 0.4), label, softmax, 0.1, distance, 50.0, runner_up)
    line = json.dumps(packed(value), allow_nan=False)
    assert unpacked(Candidate, json.loads(line)) == value


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        1,
        [],
        {},
        [[], 1, 2],
        [0.5, [0.9, 0.9, 0.9, 0.9], 0.5],
        [True, [0, 0, 1, 1], 0.5],
        [10**400, [0, 0, 1, 1], 1],
    ],
)
def test_anything_but_a_state_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r".+"):
        unpacked(TrackPoint, wrong)
    with pytest.raises(ValueError, match=r".+"):
        unpacked(Track, wrong)
    with pytest.raises(ValueError, match=r".+"):
        make_smoother(CONFIG).restore(wrong)
