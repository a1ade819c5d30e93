"""The package as users get it: built from the sources, unpacked elsewhere, run from there."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("pyproject.toml", "README.md", "LICENSE", "streamfilter")
LARGEST_MODEL = 25_000_000


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from a copy, so that no build folder is left in the repository."""
    copy, out = tmp_path_factory.mktemp("sources"), tmp_path_factory.mktemp("wheel")
    for name in PARTS:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy)
    build = f"from setuptools.build_meta import build_wheel; build_wheel({str(out)!r})"
    subprocess.run([sys.executable, "-c", build], cwd=copy, check=True, capture_output=True, text=True)
    (path,) = out.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def unpacked(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(wheel: Path) -> None:
    package = ROOT / "streamfilter"
    files = (path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == {path.relative_to(ROOT).as_posix() for path in files}


def test_the_wheel_holds_the_demos_model_and_it_is_small(unpacked: Path) -> None:
    assert 0 < (unpacked / "streamfilter/assets/demo.safetensors").stat().st_size <= LARGEST_MODEL


def test_the_wheel_names_its_licence_and_its_command(unpacked: Path) -> None:
    (facts,) = unpacked.glob("*.dist-info")
    assert "License-Expression: Apache-2.0" in (facts / "METADATA").read_text("utf-8")
    assert (facts / "licenses/LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert "streamfilter = streamfilter.cli:main" in (facts / "entry_points.txt").read_text("utf-8")


def test_the_wheel_runs_without_the_repository(unpacked: Path, tmp_path: Path) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(unpacked)!r})\n"
        "import streamfilter; print(streamfilter.__file__)\n"
        "from streamfilter.sinks import load_schema; load_schema()\n"
        "from streamfilter.cli.main import exit_code; sys.exit(exit_code(['run', '--help']))"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(str(unpacked))
    assert "Usage: streamfilter run" in done.stdout
