"""Every dependency has a lower bound, which the program was tried with, and the tools say when they cannot."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from click import ClickException

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def supply(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    yield importlib.import_module("supply")
    del sys.modules["supply"]


def test_every_dependency_has_a_lower_bound(supply: ModuleType) -> None:
    bounds = dict(supply.lower_bounds(ROOT / "pyproject.toml"))
    assert {"av", "torch", "safetensors", "pyyaml"} <= set(bounds)
    assert all(version[0].isdigit() for version in bounds.values())


def test_a_dependency_without_one_is_told(supply: ModuleType, tmp_path: Path) -> None:
    project = tmp_path / "pyproject.toml"
    project.write_text('[project]\ndependencies = ["av"]\n')
    with pytest.raises(ClickException, match="'av' has no lower bound"):
        list(supply.lower_bounds(project))
