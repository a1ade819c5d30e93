"""Finds candidates in pictures. Importing this package imports torch; `windows` and `suppress` are geometry only."""

from streamfilter.classifier.dense import DenseClassifier, make_classifier
from streamfilter.classifier.witnessed import WitnessedClassifier, with_witness

__all__ = ["DenseClassifier", "WitnessedClassifier", "make_classifier", "with_witness"]
