"""The sampler stage: which frames are looked at, where the shots change, and which looks the network has to answer."""

from streamfilter.sampler.agreeing import Answer, agree, between
from streamfilter.sampler.cuts import CutFinder
from streamfilter.sampler.due import Pace, due_looks
from streamfilter.sampler.grid import GridSampler, make_sampler
from streamfilter.sampler.inquiry import Edge, Inquiry, Told
from streamfilter.sampler.stretches import Stretch, stretches

__all__ = [
    "Answer",
    "CutFinder",
    "Edge",
    "GridSampler",
    "Inquiry",
    "Pace",
    "Stretch",
    "Told",
    "agree",
    "between",
    "due_looks",
    "make_sampler",
    "stretches",
]
