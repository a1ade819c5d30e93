"""Adds labels to a model without training: see `enroll`. Importing this package imports torch."""

from streamfilter.enrolling.enroll import Pictures, enroll, remove

__all__ = ["Pictures", "enroll", "remove"]
