"""When the geometric witness has the last word. Apart from the witness itself: the rule needs no pictures."""

from __future__ import annotations

from collections.abc import Sequence, Sized

from streamfilter.types import Candidate

ENOUGH = 8
"""Features that must fit one homography. Of 1027 candidates without the logo two had five and none had six; a video
has many more looks than that, and of the logos six would find one in fifty more."""


def is_witnessed(candidate: Candidate) -> bool:
    """Whether enough of a candidate's features fit a picture of its label to believe it, however it scores."""
    return candidate.inliers is not None and candidate.inliers >= ENOUGH


def can_testify(references: Sequence[Sized]) -> bool:
    """Whether any picture of a label has so many features that enough of them can be expected to be found again."""
    return any(len(reference) >= 3 * ENOUGH for reference in references)
