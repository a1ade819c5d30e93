"""The systemd unit and the Dockerfile name what there is."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from streamfilter.cli.main import streamfilter_command
from streamfilter.errors import ConfigError, ModelError, SinkError, SourceError

ROOT = Path(__file__).resolve().parent.parent
SERVICE = ROOT / "scripts" / "service"
UNIT = (SERVICE / "streamfilter.service").read_text("utf-8")
DOCKERFILE = (SERVICE / "Dockerfile").read_text("utf-8")


def setting(name: str) -> str:
    (value,) = re.findall(rf"^{name}=((?:.*\\\n)*.*)$", UNIT, re.MULTILINE)
    return str(value).replace("\\\n", " ")


def test_the_units_command_line_is_right_usage() -> None:
    program, name, *arguments = shlex.split(setting("ExecStart"))
    assert program.endswith("/.venv/bin/streamfilter"), "where scripts/install puts it"
    command = streamfilter_command.commands[name]
    command.make_context(name, arguments)


def test_the_unit_restarts_after_what_may_pass_and_only_then() -> None:
    never = {int(code) for code in setting("RestartPreventExitStatus").split()}
    assert {2, ConfigError.exit_code, ModelError.exit_code} == never
    assert not never & {1, SourceError.exit_code, SinkError.exit_code}


def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze on this machine")
    copy = tmp_path / "streamfilter.service"
    copy.write_text(UNIT.replace(shlex.split(setting("ExecStart"))[0], "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", copy], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_image_is_built_from_files_that_are_there_and_not_ignored() -> None:
    ignored = (SERVICE / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
    copied = [name for line in re.findall(r"^COPY (?!--)(.*)$", DOCKERFILE, re.MULTILINE) for name in line.split()[:-1]]
    assert copied
    for name in copied:
        assert (ROOT / name).exists()
        assert f"!{name}" in ignored


def test_health_is_asked_where_the_unit_and_the_image_say() -> None:
    (port,) = re.findall(r"127\.0\.0\.1:(\d+)/healthz", DOCKERFILE)
    assert f"--metrics {port}" in UNIT
    assert f"--metrics {port}" in DOCKERFILE
