"""Finds candidates in pictures. Importing this package imports torch; `windows` and `suppress` are geometry only."""

from streamfilter.classifier.dense import DenseClassifier, make_classifier
from streamfilter.classifier.doubting import DoubtingClassifier, make_doubting
from streamfilter.classifier.witnessed import WitnessedClassifier, with_witness

__all__ = [
    "DenseClassifier",
    "DoubtingClassifier",
    "WitnessedClassifier",
    "make_classifier",
    "make_doubting",
    "with_witness",
]
