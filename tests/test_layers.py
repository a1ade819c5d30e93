"""A module imports only from its own layer or below, and only where it is allowed to from torch and av."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "streamfilter"

LAYERS = {
    "types": 0,
    "allocation": 0,
    "errors": 0,
    "machine": 0,
    "files": 0,
    "config": 1,
    "stages": 1,
    "summary": 1,
    "probability": 1,
    "promise": 1,
    "buffering": 2,
    "source": 2,
    "live": 2,
    "freshest": 2,
    "gathering": 2,
    "sampler": 2,
    "gate": 2,
    "model": 2,
    "classifier": 2,
    "rejector": 2,
    "likeness": 1,
    "smoother": 2,
    "sinks": 2,
    "eventlog": 2,
    "intervals": 1,
    "cutting": 3,
    "exports": 3,
    "reports": 3,
    "annotate": 2,
    "clips": 2,
    "console": 2,
    "asking": 3,
    "keeping": 3,
    "observing": 3,
    "resume": 3,
    "pipeline": 3,
    "endless": 3,
    "watching": 3,
    "metrics": 3,
    "delivery": 3,
    "review": 3,
    "training": 3,
    "enrolling": 3,
    "calibration": 3,
    "demo": 3,
    "batch": 3,
    "bench": 3,
    "evaluation": 3,
    "quantising": 3,
    "cli": 4,
    "__main__": 5,
}
OWNERS = {
    "torch": {"model", "classifier", "training", "enrolling", "bench"},
    "av": {"source", "live", "annotate", "clips", "cutting", "demo", "evaluation", "bench"},
}
HEAVY = ("torch", "torchvision", "cv2", "av", "pydantic", "numpy", "rich")

MODULES = sorted(PACKAGE.rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    """Absolute names of all that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def part_of(path: Path) -> str:
    """The part of the package that a file belongs to: `source`, `pipeline`."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def own_imports(path: Path) -> set[str]:
    """The parts of the package that a module imports."""
    names = (name.split(".") for name in imported(path))
    return {name[1] for name in names if name[0] == "streamfilter" and len(name) > 1 and name[1] in LAYERS}


def test_every_part_has_a_layer() -> None:
    parts = {part_of(path) for path in MODULES} - {"__init__"}
    assert parts <= set(LAYERS), f"say in LAYERS where {sorted(parts - set(LAYERS))} belong"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_never_point_up(path: Path) -> None:
    part = part_of(path)
    if part == "__init__":
        assert not own_imports(path), "`import streamfilter` must stay instant"
        return
    above = {name for name in own_imports(path) if LAYERS[name] > LAYERS[part]}
    assert not above, f"{path.name} in layer {LAYERS[part]} imports {sorted(above)} from above"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_torch_and_av_are_imported_by_their_owners_only(path: Path) -> None:
    roots = {name.split(".")[0] for name in imported(path)}
    for library, owners in OWNERS.items():
        assert library not in roots or part_of(path) in owners, f"{path.name} imports {library}"


def test_the_lowest_layer_needs_only_numpy() -> None:
    for name in ("types", "errors"):
        roots = {name.split(".")[0] for name in imported(PACKAGE / f"{name}.py")}
        assert roots <= {*sys.stdlib_module_names, "numpy", "streamfilter"}


def test_the_layer_test_sees_an_arrow_that_points_up(tmp_path: Path) -> None:
    module = tmp_path / "bad.py"
    module.write_text("def f():\n    from streamfilter.pipeline import run\n")
    assert own_imports(module) == {"pipeline"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["run", "--help"],
        ["train", "--help"],
        ["calibrate", "--help"],
        ["evaluate", "--help"],
        ["model", "info", "--help"],
        ["demo", "--help"],
        ["review", "--help"],
        ["batch", "--help"],
        ["bench", "--help"],
    ],
)
def test_help_is_instant(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom streamfilter.cli.main import exit_code\n"
        f"code = exit_code({arguments!r})\n"
        f"print('LOADED', code, sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "LOADED 0 []"
    assert done.stdout.startswith("Usage: streamfilter")


def test_import_streamfilter_is_instant() -> None:
    code = f"import sys, streamfilter; print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
