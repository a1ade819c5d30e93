"""Decides per candidate: a label, or none of these and why."""

from streamfilter.rejector.thresholds import ThresholdRejector, make_rejector

__all__ = ["ThresholdRejector", "make_rejector"]
