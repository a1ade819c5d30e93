"""Where results go: checked before the work begins, not after an hour of it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from streamfilter.annotate.run_mark import run_of
from streamfilter.errors import SinkError


def refuse_to_overwrite_inputs(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Raise `SinkError` when a result would take the place of what the run reads, or of another result."""
    taken = {os.path.realpath(path): path for path in inputs}
    for path in outputs:
        real = os.path.realpath(path)
        if real in taken:
            raise SinkError(f"{path} would overwrite {taken[real]}, which this run uses; give the result another name")
        taken[real] = path


def annotated_paths(names: Sequence[str], out: Path) -> list[Path]:
    """The annotated video of each source: `out` itself for one, `out/NAME.mp4` for several or in a folder that exists.

    Raises `SinkError` for a name that is no `.mp4`.
    """
    if len(names) == 1 and not out.is_dir():
        if out.suffix.lower() != ".mp4":
            raise SinkError(f"--annotate {out}: expected a name that ends in .mp4, or a folder that exists")
        return [out]
    if out.suffix.lower() == ".mp4" and not out.is_dir():
        raise SinkError(f"--annotate {out}: {len(names)} sources need a folder, not one file")
    return [out / f"{stem}.mp4" for stem in _distinct([Path(name).stem for name in names])]


def prepare_annotated(paths: Iterable[Path], *, force: bool) -> None:
    """Make the folders; raise `SinkError` for a video that exists (without `force`) or a folder not ours to write."""
    for path in paths:
        if path.exists() and not force:
            raise SinkError(f"annotated video {path} exists: give another name, or --force to replace it")
        try:
            if not path.parent.exists():
                path.parent.mkdir()
        except OSError as error:
            raise SinkError(f"cannot make folder {path.parent}: {error.strerror}; check the path") from None
        if path.is_dir() or not os.access(path.parent, os.W_OK | os.X_OK):
            raise SinkError(f"cannot write annotated video {path}: check the folder and its rights")


def finished_annotated(paths: Iterable[Path], run_id: str) -> set[Path]:
    """Those of the videos that are there: a resumed run has no need to make them again.

    Raises `SinkError` for one that does not say that it belongs to this run.
    """
    there = {path for path in paths if path.exists()}
    for path in sorted(there):
        if run_of(path) != run_id:
            raise SinkError(f"annotated video {path} exists and is not of this run: give another name")
    return there


def _distinct(stems: Sequence[str]) -> list[str]:
    """The same names, with a number where one would come twice."""
    used: set[str] = set()
    names = []
    for stem in stems:
        number, name = 1, stem
        while name in used:
            number += 1
            name = f"{stem}-{number}"
        used.add(name)
        names.append(name)
    return names
