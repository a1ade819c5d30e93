"""What a network may have beside its plain form: several none classes, blocks that weigh context; their model file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file
from tiny import tiny_model
from torch.nn import functional as F

from streamfilter.classifier.windows import window_grid, window_means
from streamfilter.errors import ModelError
from streamfilter.model import DenseResNet, NetworkShape, build_network, load_model, model_info, save_model
from streamfilter.model.context import ContextBlock
from streamfilter.model.network import STAGES, collapse

PLAIN = NetworkShape("resnet18", 3, reduced=8, embedding=12)
WINDOWS = torch.from_numpy(window_grid(4, 6))


def network_of(shape: NetworkShape, *, seed: int = 1) -> DenseResNet:
    torch.manual_seed(seed)
    network = build_network(shape).eval()
    network.head.weight.data.normal_()
    return network


def pictures() -> torch.Tensor:
    return torch.rand((2, 3, 64, 96), generator=torch.Generator().manual_seed(3)) * 255


@given(st.integers(1, 5), st.integers(0, 1000))
def test_none_classes_collapse_to_one_whose_probability_is_their_sum(none_classes: int, seed: int) -> None:
    logits = 5 * torch.randn((7, 3 + none_classes), generator=torch.Generator().manual_seed(seed))
    apart, one = logits.softmax(1), collapse(logits, 3).softmax(1)
    assert one.shape == (7, 4)
    assert torch.allclose(one[:, :3], apart[:, :3], atol=1e-6)
    assert torch.allclose(one[:, 3], apart[:, 3:].sum(1), atol=1e-6)


def test_behind_the_network_several_none_classes_look_like_one() -> None:
    network = network_of(replace(PLAIN, none_classes=4))
    network.window_bias.data = torch.tensor([0.4, -0.2, 0.1])
    with torch.inference_mode():
        output = network(pictures())
        means = window_means(output.logits, WINDOWS)
        apart, logits = network.class_logits(means, WINDOWS), network.window_logits(means, WINDOWS)
    assert (output.logits.shape[1], apart.shape[2], logits.shape[2]) == (7, 7, 4)
    assert torch.equal(logits[..., :3], apart[..., :3])
    assert torch.allclose(logits[..., 3], apart[..., 3:].logsumexp(2))
    plain = means[..., 3:] + network.none_bias(WINDOWS).view(1, -1, 1)
    assert torch.allclose(apart[..., 3:], plain)


def test_the_logits_of_an_embedding_are_those_of_a_window_that_has_it() -> None:
    network = network_of(replace(PLAIN, none_classes=2))
    network.window_gain.data = torch.tensor([0.2, -0.1, 0.05])
    network.window_bias.data = torch.tensor([0.4, -0.2, 0.1])
    with torch.inference_mode():
        output = network(pictures())
        expected = network.class_logits(window_means(output.logits, WINDOWS), WINDOWS)[1]
        embeddings = window_means(output.embedding, WINDOWS)[1]
        assert torch.allclose(network.embedding_logits(embeddings, WINDOWS), expected, atol=1e-4)


@pytest.mark.parametrize("stages", [(1,), (2,), (3,), (4,), tuple(STAGES)])
def test_fresh_context_blocks_leave_the_network_as_it_was(stages: tuple[int, ...]) -> None:
    plain, built = network_of(PLAIN), network_of(replace(PLAIN, se_stages=stages))
    missing = built.load_state_dict(plain.state_dict(), strict=False).missing_keys
    assert {name.split(".")[1] for name in missing} == {f"stage{stage}" for stage in stages}
    with torch.inference_mode():
        one, other = plain(pictures()), built(pictures())
    assert torch.equal(one.logits, other.logits)
    built.context[f"stage{stages[0]}"].join.weight.data.normal_()  # type: ignore[union-attr,operator]
    with torch.inference_mode():
        assert not torch.allclose(one.logits, built(pictures()).logits)


def test_blocks_behind_the_third_and_fourth_stage_are_in_the_part_that_kept_scenes_pass() -> None:
    network = network_of(replace(PLAIN, se_stages=(3, 4)))
    with torch.inference_mode():
        before = network.lower(pictures())
        for block in network.context.values():
            block.join.weight.data.normal_()  # type: ignore[union-attr,operator]
        assert torch.equal(network.lower(pictures()), before)
        assert torch.equal(network.upper(before).logits, network(pictures()).logits)


def test_a_context_block_is_its_formula() -> None:
    torch.manual_seed(0)
    block = ContextBlock(64)
    block.join.weight.data.normal_()
    features = torch.randn(2, 64, 5, 7)
    narrow = F.conv2d(features, block.narrow[0].weight, block.narrow[0].bias).relu()
    branches = []
    for branch, padding in ((block.near, 1), (block.far, 2)):
        out = F.conv2d(narrow, branch[0].weight, branch[0].bias, padding=padding).relu()
        edged = F.pad(out, (1, 1, 1, 1), value=-torch.inf)
        branches.append(edged.unfold(2, 3, 1).unfold(3, 3, 1).amax(dim=(4, 5)))
    stack = torch.cat([features, *branches], dim=1)
    first, second = block.excite[1], block.excite[3]
    squeezed = (stack.mean(dim=(2, 3)) @ first.weight.flatten(1).T + first.bias).relu()
    weights = (squeezed @ second.weight.flatten(1).T + second.bias).sigmoid()
    added = torch.einsum("oc,nchw->nohw", block.join.weight.flatten(1), stack * weights[:, :, None, None])
    assert torch.allclose(block(features), features + added, atol=1e-4)


def test_a_fresh_context_block_learns() -> None:
    block = ContextBlock(32)
    optimiser = torch.optim.SGD(block.parameters(), lr=0.1)
    for _ in range(3):
        optimiser.zero_grad()
        block(torch.randn(1, 32, 4, 4)).square().mean().backward()
        optimiser.step()
    assert all(p.grad is not None and bool((p.grad != 0).any()) for p in block.parameters())


@pytest.mark.parametrize("weights", ["float16", "int8"])
def test_the_model_file_keeps_none_classes_and_context_blocks(tmp_path: Path, weights: str) -> None:
    shape = NetworkShape("resnet18", 2, reduced=8, embedding=12, none_classes=3, se_stages=(2, 4))
    model = replace(tiny_model(), network=network_of(shape))
    save_model(model, tmp_path / "m.safetensors", weights=weights)  # type: ignore[arg-type]
    again = load_model(tmp_path / "m.safetensors").network
    assert again.shape == shape
    with torch.inference_mode():
        one, other = model.network(pictures()).logits, again(pictures()).logits
    assert float((one - other).abs().max()) < 0.1 * float(one.abs().max())


def test_the_file_of_a_plain_network_is_as_it_was_before_there_were_options(tmp_path: Path) -> None:
    save_model(tiny_model(), tmp_path / "m.safetensors")
    assert set(model_info(tmp_path / "m.safetensors")["network"]) == {"architecture", "labels", "reduced", "embedding"}
    assert load_model(tmp_path / "m.safetensors").network.shape.none_classes == 1


@pytest.mark.parametrize("wrong", [{"none_classes": 0}, {"none_classes": 2}, {"se_stages": [5]}, {"se_stages": [4, 4]}])
def test_a_file_whose_options_do_not_fit_is_refused(tmp_path: Path, wrong: dict[str, object]) -> None:
    save_model(tiny_model(), tmp_path / "m.safetensors")
    _rewrite_shape(tmp_path / "m.safetensors", **wrong)
    with pytest.raises(ModelError, match="is damaged"):
        load_model(tmp_path / "m.safetensors")


def _rewrite_shape(path: Path, **changes: object) -> None:
    """Change what a file says of its network."""
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["streamfilter"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    header["network"] |= changes
    save_file(tensors, path, {"streamfilter": json.dumps(header)})
