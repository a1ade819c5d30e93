"""Importing torchvision and loading a model cost no more than they must."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from streamfilter.demo.runner import MODEL
from streamfilter.model.network import NetworkShape, Undrawn, build_network
from streamfilter.model.vision import roi_align

SHAPE = NetworkShape("resnet18", 2, reduced=8, embedding=8)


def _told(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.parametrize(
    "what",
    [
        "import streamfilter.classifier.dense",
        f"from streamfilter.model import load_model\nfrom pathlib import Path\nload_model(Path({str(MODEL)!r}))",
    ],
)
def test_neither_importing_the_classifier_nor_loading_a_model_loads_the_compiler(what: str) -> None:
    assert _told(f"{what}\nimport sys; print('torch._dynamo' in sys.modules)") == "False"


def test_the_compiler_can_be_imported_afterwards_as_if_nothing_had_been() -> None:
    code = (
        "import streamfilter.model.vision, torch, torch._dynamo.utils\n"
        "print(torch._dynamo.utils.__file__ is not None, callable(torch._dynamo.optimize))"
    )
    assert _told(code) == "True True"


def test_what_asks_for_more_of_the_compiler_while_it_is_left_out_gets_the_real_one() -> None:
    code = (
        "from streamfilter.model.vision import _compiler_not_needed\n"
        "with _compiler_not_needed():\n"
        "    from torch._dynamo.utils import is_compile_supported\n"
        "    import torch._dynamo\n"
        "    print(callable(torch._dynamo.disable), is_compile_supported('cpu'))\n"
        "import sys; print(sys.modules['torch._dynamo'].__file__ is not None)"
    )
    told = _told(code).split()
    assert (told[0], told[-1]) == ("True", "True")


def test_roi_align_still_knows_when_to_compile_itself() -> None:
    with torch.random.fork_rng():
        cells = torch.rand(1, 2, 4, 4)
    box = torch.tensor([[0.0, 0.0, 0.0, 4.0, 4.0]])
    plain = roi_align(cells, box, 2)
    torch.use_deterministic_algorithms(True)
    try:
        assert torch.equal(roi_align(cells, box, 2), plain)
    finally:
        torch.use_deterministic_algorithms(False)


def test_a_network_that_is_not_drawn_has_the_same_weights_once_they_are_loaded() -> None:
    drawn = build_network(SHAPE)
    state = torch.get_rng_state()
    with Undrawn():
        other = build_network(SHAPE)
    assert torch.equal(torch.get_rng_state(), state)
    other.load_state_dict(drawn.state_dict())
    mine, theirs = drawn.state_dict(), other.state_dict()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_weights_that_are_not_loaded_are_set_as_ever() -> None:
    with Undrawn():
        network = build_network(SHAPE)
    assert torch.equal(network.stem[1].weight, torch.ones(64))
    assert torch.equal(network.window_gain, torch.zeros(3))
