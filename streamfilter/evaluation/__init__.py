"""Measures a model on pictures and clips that it was not taught with."""
