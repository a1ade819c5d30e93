"""The fault bench in small: its damage is repeatable, its campaigns find nothing, and its corpus is no finding."""

from __future__ import annotations

import importlib
import random
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
CORPUS = ROOT / "tests" / "corpus"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The scripts folder is where imports are looked for, as when a script in it runs."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    yield
    for name in [name for name in sys.modules if name.split(".")[0] == "faults"]:
        del sys.modules[name]


def module(name: str) -> ModuleType:
    return importlib.import_module(f"faults.{name}")


@pytest.mark.parametrize("path", sorted(CORPUS.rglob("*.*")), ids=lambda path: f"{path.parent.name}/{path.name}")
@pytest.mark.usefixtures("bench")
def test_nothing_in_the_corpus_is_a_finding(path: Path, tmp_path: Path) -> None:
    module("parsers").PARSERS[path.parent.name](path.read_bytes(), tmp_path / "input")


@pytest.mark.usefixtures("bench")
def test_every_parser_has_a_corpus_that_is_small() -> None:
    assert {path.name for path in CORPUS.iterdir()} == set(module("parsers").PARSERS)
    assert sum(path.stat().st_size for path in CORPUS.rglob("*.*")) < 100_000


@pytest.mark.usefixtures("bench")
def test_damage_is_the_same_for_the_same_seed_and_knows_the_structure(tmp_path: Path) -> None:
    mutants = module("mutants")
    clips = module("drawn").draw_clips(tmp_path / "clips")
    assert len(clips) >= 8
    contents = list(clips.values())
    for name, content in clips.items():
        once, again = (mutants.mutated(content, contents, random.Random(name)) for _ in range(2))
        assert once == again != content
    boxes = {clips["h264.mp4"][p.start + 4 : p.start + 8] for p in mutants.pieces_of(clips["h264.mp4"])}
    assert {b"moov", b"trak", b"stsz", b"mdat"} <= boxes
    elements = [clips["vp9.mkv"][p.start : p.start + 4].hex() for p in mutants.pieces_of(clips["vp9.mkv"])]
    assert "1a45dfa3" in elements
    assert "1f43b675" in elements
    assert all(clips["h264.ts"][p.start] == 0x47 for p in mutants.pieces_of(clips["h264.ts"]))


@pytest.mark.usefixtures("bench")
def test_damaged_videos_end_in_words_and_what_can_be_seen_is_told(tmp_path: Path) -> None:
    trials = module("tally").Trials(40, seed=0, minutes=None, say=lambda text: None)
    tally = module("media").run(tmp_path, trials)
    assert tally.findings == []
    assert tally.counts["inputs"] == 40
    told = tally.counts["decodable, events"] + tally.counts["decodable, ended early"]
    assert told >= 0.8 * tally.counts["decodable"] > 10


@pytest.mark.usefixtures("bench")
def test_run_after_run_in_one_process_grows_nothing(tmp_path: Path) -> None:
    trials = module("tally").Trials(14, seed=0, minutes=None, say=lambda text: None)
    tally = module("soak").run(tmp_path, trials)
    assert tally.findings == []
    assert tally.counts["runs"] == 14


@pytest.mark.usefixtures("bench")
def test_a_crash_and_a_growth_are_findings(tmp_path: Path) -> None:
    reader_module = module("reader")
    (tmp_path / "a.mp4").write_text("no video")
    with reader_module.Reader(tmp_path, warm_up=1) as reader:
        reader._process.kill()
        assert reader.read(tmp_path / "a.mp4", annotate=False) == "crash with exit code -9"
        first = reader.read(tmp_path / "a.mp4", annotate=False)
        assert first.code == 4
        assert list(reader.grown(first)) == []
        second = reader.read(tmp_path / "a.mp4", annotate=False)
        larger = replace(second, rss_mib=first.rss_mib + reader_module.GROWTH_MIB + 1)
        assert "memory grew" in next(iter(reader.grown(larger)))
