"""Decides per candidate: a label, or none of these and why."""

from streamfilter.rejector.enrolled import EnrolledRejector, Limits, with_enrolled
from streamfilter.rejector.of_model import rejector_of
from streamfilter.rejector.thresholds import Gates, ThresholdRejector, chosen_score, make_rejector

__all__ = [
    "EnrolledRejector",
    "Gates",
    "Limits",
    "ThresholdRejector",
    "chosen_score",
    "make_rejector",
    "rejector_of",
    "with_enrolled",
]
