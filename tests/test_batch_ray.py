"""`streamfilter batch --engine ray` on a real cluster of two nodes on this machine, one of whose workers is killed."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes import LABELS, color_clip
from test_batch_process import PATIENCE_S, RATE_HZ, arguments, content, wait_for
from tiny import write_tiny_model

from streamfilter.cli.main import exit_code

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed: pip install 'streamfilter[ray]'"
)

# A head without work and two nodes with a CPU and a half each, in a process of its own: what Ray warns of stays there.
CLUSTER = """
import sys
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": 100 << 20,
                                                       "include_dashboard": False})
for _ in range(2):
    cluster.add_node(num_cpus=2, object_store_memory=100 << 20)
print(cluster.address, flush=True)
sys.stdin.read()
cluster.shutdown()
"""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of videos, two of one name and one broken, and the model."""
    folder = tmp_path_factory.mktemp("archive")
    write_tiny_model(folder / "model.safetensors")
    for name, seconds in (("a/news", 3), ("b/news", 4), ("c/long", 12)):
        (folder / name).parent.mkdir()
        color_clip(folder / f"{name}.mp4", [(0.0, 2.5, LABELS["Red"])], seconds=seconds, rate_hz=RATE_HZ)
    (folder / "b" / "broken.mp4").write_text("no video")
    return folder


@pytest.fixture(scope="module")
def whole(archive: Path) -> dict[str, bytes]:
    """What a batch on this machine leaves."""
    assert exit_code(arguments(archive, archive / "whole")) == 4
    return content(archive / "whole")


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    """That of a process which finds the cluster."""
    here = Path(__file__).parent
    path = os.pathsep.join([str(here.parent), str(here)])
    variables = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0"}
    variables.pop("RAY_ADDRESS", None)
    cluster = subprocess.Popen(
        [sys.executable, "-c", CLUSTER], env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert cluster.stdin is not None
    assert cluster.stdout is not None
    address = cluster.stdout.readline().strip()
    assert address
    yield variables | {"RAY_ADDRESS": address}
    cluster.stdin.close()
    cluster.wait(PATIENCE_S)
    cluster.stdout.close()


def workers(environment: dict[str, str], what: str) -> list[int]:
    """The processes of the cluster that are at this, by Ray's names for them: `ray::NAME.METHOD`."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            variables = (folder / "environ").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if command.startswith(f"ray::{what}") and environment["PYTHONPATH"] in variables:
            found.append(int(folder.name))
    return found


def begun(archive: Path, out: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """A batch on the cluster, of which one log at least is there."""
    command = [sys.executable, "-m", "streamfilter", *arguments(archive, out, "--engine", "ray", "--jobs", "2")]
    process = subprocess.Popen(command, env=environment)
    wait_for(lambda: list(out.glob("*.jsonl")), process)
    return process


def test_logs_from_a_cluster_are_those_from_this_machine_though_workers_are_killed(
    archive: Path, whole: dict[str, bytes], environment: dict[str, str], tmp_path: Path
) -> None:
    process = begun(archive, tmp_path, environment)
    copies, tasks = workers(environment, "ModelCopy"), workers(environment, "Map")
    for pid in [*copies[:1], *tasks[:1]]:
        os.kill(pid, signal.SIGKILL)
    assert copies
    assert tasks
    assert process.wait(PATIENCE_S) == 4
    assert content(tmp_path) == whole


def test_a_batch_on_a_cluster_that_is_stopped_goes_on_the_next_time(
    archive: Path, whole: dict[str, bytes], environment: dict[str, str], tmp_path: Path
) -> None:
    process = begun(archive, tmp_path, environment)
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE_S) == 130
    states = [json.loads(line)["state"] for line in (tmp_path / "index.jsonl").read_text().splitlines()[1:]]
    assert "waiting" in states
    assert exit_code(arguments(archive, tmp_path)) == 4
    assert content(tmp_path) == whole
