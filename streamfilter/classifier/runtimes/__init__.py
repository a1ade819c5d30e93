"""What runs the network: PyTorch, OpenVINO or ONNX Runtime, behind one seam (`base.Runtime`)."""

from streamfilter.classifier.runtimes.base import Runtime
from streamfilter.classifier.runtimes.choosing import Choice, choose_runtime
from streamfilter.classifier.runtimes.with_torch import TorchRuntime

__all__ = ["Choice", "Runtime", "TorchRuntime", "choose_runtime"]
