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

_COMPILER = "torch._dynamo"
_UTILITIES = f"{_COMPILER}.utils"


class _StandIn(ModuleType):
    """A module that is imported when it is asked for anything but what torchvision takes from it."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what the import system looks for
            raise AttributeError(name)
        _leave()
        return getattr(importlib.import_module(self.__name__), name)


def _is_compile_supported(device_type: str) -> bool:
    return bool(importlib.import_module(_UTILITIES).is_compile_supported(device_type))


def _leave() -> None:
    for name in (_COMPILER, _UTILITIES):
        if isinstance(sys.modules.get(name), _StandIn):
            del sys.modules[name]


@contextmanager
def _compiler_not_needed() -> Iterator[None]:
    if _COMPILER in sys.modules:
        yield
        return
    utilities = _StandIn(_UTILITIES)
    utilities.is_compile_supported = _is_compile_supported  # type: ignore[attr-defined]
    sys.modules |= {_COMPILER: _StandIn(_COMPILER), _UTILITIES: utilities}
    try:
        yield
    finally:
        _leave()


with _compiler_not_needed():
    import torchvision
    from torchvision.ops import roi_align

__all__ = ["roi_align", "torchvision"]
