"""Sources that lie elsewhere: in fsspec's own storages, and in a real S3 server."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import fsspec
import pytest
from fakes import LABELS, color_clip, color_network

from streamfilter.batch.entries import find_entries
from streamfilter.batch.looking import write_log
from streamfilter.batch.remote import FETCHED, remote_fingerprint
from streamfilter.config import RunConfig
from streamfilter.errors import SourceError
from streamfilter.pipeline import identify, run
from streamfilter.sinks import EventLog
from streamfilter.source.opening import fingerprint
from streamfilter.watching import Watcher


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return color_clip(tmp_path_factory.mktemp("clip") / "news.mp4", [(0.0, 1.5, LABELS["Red"])], seconds=2, rate_hz=5)


@pytest.fixture
def bucket(clip: Path) -> Iterator[str]:
    """A folder in fsspec's memory with a clip, a broken one, and a note."""
    storage = fsspec.filesystem("memory")
    storage.pipe("/bucket/2024/news.mp4", clip.read_bytes())
    storage.pipe("/bucket/2024/broken.mp4", b"no video")
    storage.pipe("/bucket/2024/notes.txt", b"no video either")
    yield "memory://bucket/2024"
    storage.rm("/bucket", recursive=True)


def log_of(source: str, folder: Path, config: RunConfig | None = None) -> bytes:
    """What `batch` writes of a source; the folder is empty but for it."""
    log = folder / "log.jsonl"
    write_log(source, log, color_network(), config or RunConfig(), watcher=Watcher())
    assert [path.name for path in folder.iterdir()] == [log.name]
    return log.read_bytes()


def log_of_run(path: Path, log: Path) -> bytes:
    """What `streamfilter run` writes of a file."""
    config, network = RunConfig(), color_network()
    with EventLog(log, identify([str(path)], config=config, model=network.facts)) as events:
        run([str(path)], network, config=config, log=events)
    return log.read_bytes()


def folder(path: Path) -> Path:
    path.mkdir()
    return path


def test_the_log_of_a_file_from_elsewhere_is_that_of_the_file_but_for_its_name(
    clip: Path, bucket: str, tmp_path: Path
) -> None:
    local = log_of_run(clip, tmp_path / "run.jsonl")
    assert b"event_close" in local
    url = f"{bucket}/news.mp4"
    assert log_of(url, folder(tmp_path / "out")) == local.replace(str(clip).encode(), url.encode())


def test_an_address_of_a_file_of_this_machine_is_its_path(clip: Path) -> None:
    assert [entry.source for entry in find_entries([clip.as_uri()])] == [str(clip)]


def test_a_broken_file_from_elsewhere_fails_under_its_own_name(bucket: str, tmp_path: Path) -> None:
    told = log_of(f"{bucket}/broken.mp4", folder(tmp_path / "out"))
    _, state, end = map(json.loads, told.splitlines())
    assert state["error"].startswith(f"cannot read {bucket}/broken.mp4 as video")
    assert FETCHED not in told.decode()
    assert end["failed"] == 1


@pytest.mark.parametrize("name", ["", "*.mp4", "/"])
def test_an_address_may_be_a_file_a_pattern_or_a_folder(bucket: str, name: str) -> None:
    url = f"{bucket}/{name}" if name != "" else f"{bucket}/news.mp4"
    found = [entry.source.removeprefix("memory://").lstrip("/") for entry in find_entries([url])]
    whole = ["bucket/2024/broken.mp4", "bucket/2024/news.mp4"]
    assert found == (whole if name else whole[1:])


def test_a_folder_without_videos_is_refused() -> None:
    with pytest.raises(SourceError, match="no video at memory://nowhere/"):
        find_entries(["memory://nowhere/"])


def test_a_fingerprint_from_afar_is_that_of_the_file(clip: Path, tmp_path: Path) -> None:
    large = tmp_path / "large.bin"
    large.write_bytes(os.urandom(3_000_000))
    for path in (clip, large):
        assert remote_fingerprint(path.as_uri()) == fingerprint(str(path))


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("memory://bucket/none.mp4", "cannot fetch memory://bucket/none.mp4: no such file"),
        ("nothing://bucket/a.mp4", "expected an address that fsspec knows"),
        ("rtsp://user:secret@camera/live", "cannot fetch rtsp://camera/live"),
    ],
)
def test_what_cannot_be_fetched_is_told_in_its_log_without_a_secret(url: str, reason: str, tmp_path: Path) -> None:
    told = log_of(url, folder(tmp_path / "out")).decode()
    assert reason in told
    assert "secret" not in told
    assert [json.loads(line)["type"] for line in told.splitlines()] == ["run_start", "source_state", "run_end"]


def test_a_file_that_is_too_large_is_not_fetched(bucket: str, tmp_path: Path) -> None:
    config = RunConfig.model_validate({"batch": {"fetch_bytes": 1000}})
    told = log_of(f"{bucket}/news.mp4", folder(tmp_path / "out"), config).decode()
    assert "is larger than batch.fetch_bytes = 1000" in told


# In a process of its own: the storage's library has threads and connections that outlive a test.
PROGRAM = """
import sys
from pathlib import Path
from fakes import color_network
from streamfilter.batch.entries import find_entries
from streamfilter.batch.looking import write_log
from streamfilter.batch.remote import remote_fingerprint
from streamfilter.config import RunConfig
from streamfilter.watching import Watcher
import fsspec
fsspec.filesystem("s3").mkdir("archive")
for name in ("a/news.mp4", "a/b/news.mp4"):
    fsspec.filesystem("s3").put(sys.argv[1], f"archive/{name}")
for entry in find_entries(["s3://archive/a/"]):
    write_log(entry.source, Path(sys.argv[2]) / entry.log, color_network(), RunConfig(), watcher=Watcher())
    print(entry.source, entry.log, remote_fingerprint(entry.source))
"""


@pytest.mark.skipif(
    not (importlib.util.find_spec("moto") and importlib.util.find_spec("s3fs")), reason="moto or s3fs is not installed"
)
def test_files_in_s3_are_found_fetched_and_looked_through(clip: Path, tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for_port(port)
        told = looked_through_s3(port, clip, tmp_path)
    finally:
        server.kill()
        server.wait()
    local = log_of_run(clip, tmp_path / "run.jsonl")
    assert [line.split()[0] for line in told] == ["s3://archive/a/b/news.mp4", "s3://archive/a/news.mp4"]
    for url, log, print_ in map(str.split, told):
        assert (tmp_path / log).read_bytes() == local.replace(str(clip).encode(), url.encode())
        assert print_ == fingerprint(str(clip))


def looked_through_s3(port: int, clip: Path, out: Path) -> list[str]:
    here = Path(__file__).parent
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(here.parent), str(here)]),
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "NO_PROXY": "*",
    }
    command = [sys.executable, "-c", PROGRAM, str(clip), str(out)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True, timeout=300)
    return done.stdout.splitlines()


def wait_for_port(port: int) -> None:
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("the server never came")
