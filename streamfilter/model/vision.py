"""torchvision, without PyTorch's compiler.

To define `roi_align`, torchvision imports the compiler for the answer to one question that only it would ask. That
takes nearly as long as PyTorch itself, and 150 MiB. Here it is imported when the question is asked.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

_NEEDED = "torch._dynamo.utils"


class _StandIn(ModuleType):
    """Has what torchvision takes from the module; what else is asked for, the module itself gives."""

    @staticmethod
    def is_compile_supported(device_type: str) -> bool:
        """As the module has it."""
        return bool(_real().is_compile_supported(device_type))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what the import system looks for
            raise AttributeError(name)
        return getattr(_real(), name)


def _real() -> ModuleType:
    _leave()
    return importlib.import_module(_NEEDED)


def _leave() -> None:
    if isinstance(sys.modules.get(_NEEDED), _StandIn):
        del sys.modules[_NEEDED]


@contextmanager
def _compiler_not_needed() -> Iterator[None]:
    sys.modules.setdefault(_NEEDED, _StandIn(_NEEDED))
    try:
        yield
    finally:
        _leave()


with _compiler_not_needed():
    import torchvision
    from torchvision.ops import nms, roi_align

__all__ = ["nms", "roi_align", "torchvision"]
