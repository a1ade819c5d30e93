"""The network, the statistics of its labels, and the one file that holds both.

Importing this package imports torch.
"""

from streamfilter.model.enrolled import Enrolled
from streamfilter.model.file import (
    Model,
    Provenance,
    Statistics,
    add_int8,
    amend_model,
    load_model,
    model_info,
    save_model,
)
from streamfilter.model.int8 import Int8
from streamfilter.model.network import DenseResNet, NetworkShape, build_network
from streamfilter.model.scores import head_of
from streamfilter.model.thresholds import Thresholds

__all__ = [
    "DenseResNet",
    "Enrolled",
    "Int8",
    "Model",
    "NetworkShape",
    "Provenance",
    "Statistics",
    "Thresholds",
    "add_int8",
    "amend_model",
    "build_network",
    "head_of",
    "load_model",
    "model_info",
    "save_model",
]
