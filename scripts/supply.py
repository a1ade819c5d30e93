"""What streamfilter stands on: a bill of materials, an audit for known holes, the oldest versions that it works with.

    python scripts/supply.py sbom OUT.json      CycloneDX, of the environment that runs this script
    python scripts/supply.py audit              known vulnerabilities of the same; needs the network, and says so
    python scripts/supply.py lowest [TESTS...]  the lower bound of every dependency installed, and the tests with these

The tools get an environment of their own in .venv-tools/, the oldest versions one in .venv-lowest/.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / ".venv-tools"
LOWEST = ROOT / ".venv-lowest"
_FAST_NAMES = "smoother source_opening event_log configs pipeline classifier regions model_file"
FAST = tuple(f"tests/test_{name}.py" for name in _FAST_NAMES.split())
TEST_TOOLS = ("hypothesis", "jsonschema", "pytest", "pytest-timeout", "setuptools>=77")
_BOUND = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?>=([^,;\s]+)")
_LEFT_OUT = "could not be audited"
_NO_NETWORK = ("ConnectionError", "Max retries", "NameResolutionError", "Failed to resolve", "Connection refused")


@click.group()
def supply() -> None:
    """Looks after the dependencies."""


@supply.command()
@click.argument("out", type=click.Path(path_type=Path))
def sbom(out: Path) -> None:
    """Write the bill of materials to OUT."""
    tool = _tool("cyclonedx-bom", "cyclonedx-py")
    _run(tool, "environment", "--pyproject", ROOT / "pyproject.toml", "--of", "JSON", "-o", out, sys.executable)
    click.echo(f"bill of materials: {out}")


@supply.command()
def audit() -> None:
    """Look every installed package up among the known vulnerabilities."""
    tool = _tool("pip-audit", "pip-audit")
    frozen = _run(sys.executable, "-m", "pip", "freeze", "--exclude-editable").stdout
    wanted = TOOLS / "audited.txt"
    wanted.write_text("".join(line + "\n" for line in frozen.splitlines() if re.match(r"^[\w.-]+==", line)))
    done = subprocess.run(
        [tool, "--no-deps", "--disable-pip", "-r", wanted], capture_output=True, text=True, check=False
    )
    left_out = done.stdout.count(_LEFT_OUT)
    if any(word in done.stderr for word in _NO_NETWORK) or left_out == len(wanted.read_text().splitlines()):
        raise click.ClickException("nothing was audited: the database of vulnerabilities is not reached from here")
    click.echo(done.stdout + done.stderr)
    if left_out:
        raise click.ClickException(f"{left_out} packages could not be audited, see above")
    sys.exit(done.returncode)


@supply.command()
@click.argument("tests", nargs=-1)
def lowest(tests: tuple[str, ...]) -> None:
    """Install the lower bound of every dependency and run TESTS there; the fast ones unless told."""
    bounds = [f"{name}=={version}" for name, version in lower_bounds(ROOT / "pyproject.toml")]
    click.echo(" ".join(bounds))
    python = _environment(LOWEST)
    _run(python, "-m", "pip", "install", "-q", *bounds, *TEST_TOOLS)
    _run(python, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "-e", ROOT)
    sys.exit(subprocess.run([python, "-m", "pytest", "-q", *(tests or FAST)], cwd=ROOT, check=False).returncode)


def lower_bounds(project: Path) -> Iterator[tuple[str, str]]:
    """Name and lowest version of every dependency that is needed to use the program."""
    for text in tomllib.loads(project.read_text("utf-8"))["project"]["dependencies"]:
        bound = _BOUND.match(text)
        if bound is None:
            raise click.ClickException(f"dependency {text!r} has no lower bound")
        yield bound[1], bound[2]


def _tool(package: str, command: str) -> Path:
    python = _environment(TOOLS)
    _run(python, "-m", "pip", "install", "-q", package)
    return python.with_name(command)


def _environment(folder: Path) -> Path:
    python = folder / "bin" / "python"
    if not python.exists():
        _run(sys.executable, "-m", "venv", folder)
    return python


def _run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise click.ClickException(f"{Path(command[0]).name} failed: {(done.stderr or done.stdout).strip()[-500:]}")
    return done


if __name__ == "__main__":
    supply()
