"""Every dependency has a lower bound, which the program was tried with, and the tools say when they cannot."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

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


@pytest.mark.parametrize(
    ("left_out", "words"), [(2, "nothing was audited"), (1, "1 packages could not be audited"), (0, "")]
)
def test_an_audit_that_looked_nothing_up_is_none(
    supply: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left_out: int, words: str
) -> None:
    def run(command: list[Any], **named: Any) -> subprocess.CompletedProcess[str]:
        said = "av  Dependency not found and could not be audited: av (15.0)\n" * left_out
        return subprocess.CompletedProcess(command, 0, said, "No known vulnerabilities found")

    monkeypatch.setattr(supply, "TOOLS", tmp_path)
    monkeypatch.setattr(supply, "_tool", lambda package, command: Path(command))
    monkeypatch.setattr(supply, "_run", lambda *command: subprocess.CompletedProcess(command, 0, "a==1\nb==2\n"))
    monkeypatch.setattr(supply.subprocess, "run", run)
    with pytest.raises(ClickException if words else SystemExit, match=words or "0"):
        supply.audit.callback()


def test_a_dependency_without_one_is_told(supply: ModuleType, tmp_path: Path) -> None:
    project = tmp_path / "pyproject.toml"
    project.write_text('[project]\ndependencies = ["av"]\n')
    with pytest.raises(ClickException, match="'av' has no lower bound"):
        list(supply.lower_bounds(project))
