"""Finds candidates in pictures. Importing this package imports torch; `windows` and `suppress` are geometry only."""

from streamfilter.classifier.dense import DenseClassifier, make_classifier

__all__ = ["DenseClassifier", "make_classifier"]
