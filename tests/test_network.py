"""The network: torchvision's own backbone, read densely; a linear head; state dicts that fit or are refused."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
import torchvision
from torchvision.models.feature_extraction import create_feature_extractor

from streamfilter.classifier.windows import window_grid, window_means
from streamfilter.errors import ModelError
from streamfilter.model import DenseResNet, NetworkShape, build_network
from streamfilter.model.network import MEAN, STD, Architecture
from streamfilter.training.backbone import load_backbone


def random_backbone(architecture: str) -> torch.nn.Module:
    """A torchvision ResNet whose BatchNorm statistics are not the trivial ones."""
    torch.manual_seed(0)
    backbone: torch.nn.Module = getattr(torchvision.models, architecture)(weights=None).eval()
    for name, buffer in backbone.named_buffers():
        if name.endswith("running_mean"):
            buffer.uniform_(-0.2, 0.2)
        elif name.endswith("running_var"):
            buffer.uniform_(0.8, 1.5)
    return backbone


def pictures(count: int = 1, height: int = 64, width: int = 96) -> torch.Tensor:
    return torch.rand((count, 3, height, width), generator=torch.Generator().manual_seed(3)) * 255


@pytest.fixture(scope="module")
def network() -> DenseResNet:
    torch.manual_seed(1)
    network = build_network(NetworkShape("resnet18", 3, reduced=8, embedding=12)).eval()
    network.head.weight.data.normal_()
    network.head.bias.data.normal_()  # type: ignore[union-attr]
    return network


@pytest.mark.parametrize("architecture", ["resnet18", "resnet50"])
def test_the_backbone_computes_what_torchvisions_does(architecture: Architecture) -> None:
    backbone = random_backbone(architecture)
    network = build_network(NetworkShape(architecture, 2, reduced=8, embedding=8), backbone.state_dict()).eval()
    batch = pictures()
    normalised = (batch / 255 - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)
    with torch.inference_mode():
        theirs = create_feature_extractor(backbone, ["layer3", "layer4"])(normalised)
        middle = network.lower(batch)
        assert torch.allclose(middle, theirs["layer3"], rtol=1e-4, atol=1e-4)
        assert torch.allclose(network.layer4(middle), theirs["layer4"], rtol=1e-4, atol=1e-4)
    transforms = torchvision.models.ResNet50_Weights.IMAGENET1K_V2.transforms()
    assert (transforms.mean, transforms.std) == (list(MEAN), list(STD))


def test_the_upper_part_over_the_lower_is_the_whole(network: DenseResNet) -> None:
    batch = pictures(2)
    with torch.inference_mode():
        whole, parts = network(batch), network.upper(network.lower(batch))
    assert torch.equal(whole.logits, parts.logits)
    assert torch.equal(whole.embedding, parts.embedding)
    assert whole.logits.shape == (2, 4, 4, 6)
    assert whole.embedding.shape == (2, 12, 4, 6)
    assert (whole.embedding >= 0).all()


def test_the_logits_of_a_window_are_the_head_of_its_mean_embedding(network: DenseResNet) -> None:
    windows = torch.from_numpy(window_grid(4, 6))
    with torch.inference_mode():
        output = network(pictures())
        logits = window_means(output.logits, windows)[0]
        embeddings = window_means(output.embedding, windows)[0]
        headed = network.head(embeddings[:, :, None, None])[:, :, 0, 0]
    assert torch.allclose(logits, headed, atol=1e-4)


def test_fresh_window_weights_change_nothing_and_learned_ones_follow_their_formula(network: DenseResNet) -> None:
    windows = torch.tensor([[0, 0, 2, 2], [0, 0, 4, 6], [1, 1, 2, 4]])
    means = torch.randn((2, 3, 4), generator=torch.Generator().manual_seed(0))
    learned = build_network(network.shape)
    assert torch.equal(learned.window_logits(means, windows), means)
    learned.window_gain.data = torch.tensor([0.1, -0.2, 0.05])
    learned.window_bias.data = torch.tensor([0.3, 0.4, -0.1])
    logits = learned.window_logits(means, windows)
    for index, (_, _, height, width) in enumerate(windows.tolist()):
        size = math.log2(math.sqrt(height * width) / 8)
        expected = means[:, index] * math.exp(0.1 - 0.2 * size + 0.05 * size**2)
        expected[:, 3] += 0.3 + 0.4 * size - 0.1 * size**2
        assert torch.allclose(logits[:, index], expected, atol=1e-6)


def test_torchvisions_state_dict_loads_with_every_tensor(network: DenseResNet) -> None:
    theirs = random_backbone("resnet18").state_dict()
    ours = build_network(network.shape, theirs).state_dict()
    renamed = {name.replace("stem.0", "conv1").replace("stem.1", "bn1"): tensor for name, tensor in ours.items()}
    for name, tensor in theirs.items():
        assert name.startswith("fc.") or torch.equal(renamed[name], tensor), name


@pytest.mark.parametrize("fault", ["other", "missing", "extra", "shape", "empty"])
def test_a_foreign_state_dict_is_refused_by_name(fault: str) -> None:
    state = dict(random_backbone("resnet18").state_dict())
    if fault == "missing":
        del state["layer3.0.conv1.weight"]
    elif fault == "extra":
        state["layer9.weight"] = torch.zeros(1)
    elif fault == "shape":
        state["conv1.weight"] = torch.zeros(64, 3, 3, 3)
    elif fault == "empty":
        state = {}
    architecture: Architecture = "resnet50" if fault == "other" else "resnet18"
    with pytest.raises(ModelError, match=f"torchvision {architecture}: .* does not fit"):
        build_network(NetworkShape(architecture, 2, reduced=8, embedding=8), state)


def test_the_test_datas_backbone_fits_a_resnet50(test_data: Path) -> None:
    state = load_backbone(test_data / "weights" / "resnet50-imagenet.safetensors", "resnet50")
    network = build_network(NetworkShape("resnet50", 2, reduced=8, embedding=8), state)
    assert torch.equal(network.layer4[0].conv1.weight, state["layer4.0.conv1.weight"])
    assert all(tensor.dtype == torch.float32 for tensor in state.values() if tensor.is_floating_point())
