"""Adds a label to a model file from a few pictures, and takes it away again. The network stays as it is."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from streamfilter import __version__
from streamfilter.buffering import prefetch
from streamfilter.console import Console
from streamfilter.enrolling.fit import LEAST, LEAST_DRAWN, LEAST_WITNESSED, calibrate, fit_row, taught_windows
from streamfilter.enrolling.pictures import read_grounds, read_pictures
from streamfilter.enrolling.scenes import Composers, composers
from streamfilter.enrolling.windows import Seen, look
from streamfilter.errors import DatasetError, ModelError
from streamfilter.model import Enrolled, Model, amend_model, load_model
from streamfilter.model.device import choose_compute
from streamfilter.rejector.geometry import Reference
from streamfilter.rejector.witnessed import can_testify
from streamfilter.training.examples import Example
from streamfilter.training.folders import can_be_label
from streamfilter.training.references import whole_references
from streamfilter.training.scene import Scene

SCENES = 72
"""Scenes that show the label, and as many that don't: on two cores they take most of a minute."""
HELD_EVERY = 3
"""Every third scene has no part in the fit, and sets the limits."""
FALSE_SHARE = 0.02
LARGEST_SCENE = 384
MANY_PICTURES = 10
FOUND_POORLY = 0.5


@dataclass(frozen=True, slots=True)
class Pictures:
    """What a label is enrolled from: see `read_pictures` and `read_grounds`."""

    paths: tuple[Path, ...]
    boxes: Path | None = None
    negatives: tuple[Path, ...] = ()


def enroll(
    path: Path,
    label: str,
    out: Path,
    *,
    pictures: Pictures,
    console: Console,
    device: str = "auto",
    force: bool = False,
) -> Enrolled:
    """Teach the model file at `path` one more label and write the result to `out`.

    No other label is found more or less often than before. The same pictures give the same file on the same machine.
    `force`: replace `out`, and a label that was enrolled under this name; a taught one never. Raises `DatasetError` for
    a label or pictures that cannot be used, `ModelError` for a model that cannot be read or written.
    """
    model = _checked(path, out, label, force=force)
    if label in (one.label for one in model.enrolled) and not force:
        raise DatasetError(f"label {label!r} is enrolled already: pass --force to enroll it anew, or --remove it first")
    examples = read_pictures(pictures.paths, label, boxes=pictures.boxes)
    grounds = read_grounds(pictures.negatives, np.random.default_rng(0))
    if len(examples) > MANY_PICTURES:
        console.say(f"{len(examples)} pictures: from some dozen on, `streamfilter train` makes more of them")
    references = whole_references(examples, label)
    least = LEAST if not can_testify(references) else LEAST_WITNESSED if grounds else LEAST_DRAWN
    added = _fit(model, label, examples, grounds, least=least, console=console, device=device)
    _tell(added, console, is_witnessed=least > LEAST)
    enrolled = [*(one for one in model.enrolled if one.label != label), added]
    amend_model(path, out, enrolled=enrolled, references={**_without(model, label), label: references})
    if model.promise is not None:
        console.warn(
            f"the promise of `streamfilter calibrate` does not cover {label!r} and was left out: calibrate anew"
        )
    return added


def remove(path: Path, label: str, out: Path, *, force: bool = False) -> None:
    """Write the model without an enrolled label. Raises `DatasetError` when it has none of this name."""
    model = _checked(path, out, label, force=force)
    kept = [one for one in model.enrolled if one.label != label]
    if len(kept) == len(model.enrolled):
        known = ", ".join(one.label for one in model.enrolled) or "none"
        raise DatasetError(f"label {label!r} is not enrolled in {path}: enrolled are: {known}")
    amend_model(path, out, enrolled=kept, references=_without(model, label))


def _without(model: Model, label: str) -> dict[str, Sequence[Reference]]:
    return {name: own for name, own in model.references.items() if name != label}


def _checked(path: Path, out: Path, label: str, *, force: bool) -> Model:
    if not label or not can_be_label(label):
        raise DatasetError(f"label {label!r}: expected text without control characters or spaces at its ends")
    if out.is_dir():
        raise ModelError(f"{out} is a folder: pass the name of a file to --out")
    if out.exists() and not force:
        raise ModelError(f"{out} exists: pass --force to replace it, or another name to --out")
    model = load_model(path)
    if label in model.labels:
        raise DatasetError(f"label {label!r} is one that the network was taught: choose another name, or train again")
    return model


def _fit(
    model: Model,
    label: str,
    pictures: Sequence[Example],
    grounds: Sequence[Example],
    *,
    least: float,
    console: Console,
    device: str,
) -> Enrolled:
    rng = np.random.default_rng(0)
    seen = _look(model, pictures, grounds, console=console, device=device)
    held = seen[::HELD_EVERY]
    fitted = [scene for number, scene in enumerate(seen) if number % HELD_EVERY]
    row = fit_row(fitted, taught_windows(model.statistics, rng), rng)
    added = calibrate(label, row, held, model.statistics, false_share=FALSE_SHARE, least=least)
    digests = "".join(sorted(example.digest for example in pictures))
    facts = {
        "made_by": f"streamfilter {__version__}",
        "pictures": len(pictures),
        "digest": hashlib.sha256(digests.encode()).hexdigest(),
        "negatives": len(grounds),
    }
    return replace(added, facts={**facts, **added.facts})


def _look(
    model: Model, pictures: Sequence[Example], grounds: Sequence[Example], *, console: Console, device: str
) -> list[Seen]:
    """Scenes with the label and without it, in turns, as the network sees them."""
    compute = choose_compute(device, "auto")
    network = model.network.to(compute.device)
    seen = []
    with ExitStack() as stack:
        made = stack.enter_context(composers(pictures, grounds, _scene_size(model.short_side)))
        scenes = stack.enter_context(prefetch(_scenes(made), 8))
        progress = stack.enter_context(console.progress("looking at scenes", float(2 * SCENES)))
        for scene in scenes:
            seen.append(look(network, scene, compute))
            progress.advance()
    return seen


def _scenes(made: Composers) -> Iterator[Scene]:
    for number in range(SCENES):
        yield made.scene(number, shows=True)
        yield made.scene(number, shows=False)


def _scene_size(short_side: int) -> tuple[int, int]:
    """Height and width in pixels: the size at which the model looks, in 4:3, within bounds of time."""
    height = max(64, min(short_side, LARGEST_SCENE) // 32 * 32)
    return height, round(height * 4 / 3 / 32) * 32


def _tell(added: Enrolled, console: Console, *, is_witnessed: bool) -> None:
    found = added.facts["found_in_scenes"]
    console.say(
        f"{added.label}: {found:.0%} of its appearances in composed scenes are found at threshold {added.threshold:.2f}"
        + (", and others by their geometry" if is_witnessed else "")
    )
    if found < FOUND_POORLY and not is_witnessed:
        console.warn("few of its appearances are found: give more or larger pictures, or cut to the logo with --boxes")
