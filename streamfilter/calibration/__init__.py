"""Thresholds fitted where they are used, on smoothed events of whole clips, and what they promise.

dial.py         the one threshold that is turned
footage.py      clips and photographs, looked at once, their candidates kept
replay.py       the events of a clip at any threshold, as a run would find them
bound.py        how many false events an hour a count can mean, at a confidence
choosing.py     the loosest threshold whose bound is within what is wanted
conformal.py    how strict a threshold may be for a label to be kept
appearances.py  which true appearances are still found at which threshold
reliability.py  scores as probabilities: the fit, the diagram, the error
promise.py      all of it as one value for the model file
words.py        and in words
calibrate.py    the whole of it
"""
