"""The network, the statistics of its labels, and the one file that holds both.

Importing this package imports torch.
"""

from streamfilter.model.file import Model, Provenance, Statistics, Thresholds, load_model, model_info, save_model
from streamfilter.model.network import DenseResNet, NetworkShape, build_network

__all__ = [
    "DenseResNet",
    "Model",
    "NetworkShape",
    "Provenance",
    "Statistics",
    "Thresholds",
    "build_network",
    "load_model",
    "model_info",
    "save_model",
]
