"""A small network for small pictures, taught with the repository's own losses and read as its scores expect."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from streamfilter.rejector.scores import Head
from streamfilter.training.losses.entropic import entropic
from streamfilter.training.losses.none_class import NoneClass, Weighted
from streamfilter.training.losses.objectosphere import objectosphere
from streamfilter.training.losses.picked import Picked
from streamfilter.types import Features, Pixels

Loss = Literal["plain", "none_class", "entropic", "weighted"]
LOSSES: tuple[Loss, ...] = ("plain", "none_class", "entropic", "weighted")
"""`plain` is taught without negatives; `weighted` is the paper's pair of losses, its Equations 1 to 4."""

EMBEDDING = 64
LENGTH_WEIGHT, RADIUS = 1e-4, 20.0
"""λ and γ of the objectosphere term."""
LEARNING_RATE = 2e-3
BATCH = 64


class SmallNetwork(nn.Module):
    """Three blocks of convolutions, a mean, an embedding (0 and up) and a linear head with one row for none."""

    def __init__(self, labels: int) -> None:
        super().__init__()
        self.labels = labels
        layers: list[nn.Module] = []
        for before, after in ((1, 32), (32, 64), (64, 96)):
            layers += [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
            layers += [nn.MaxPool2d(2)]
        self.features = nn.Sequential(*layers, nn.Flatten(), nn.Linear(96 * 9, EMBEDDING), nn.ReLU())
        self.head = nn.Linear(EMBEDDING, labels + 1)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures `(N, 28, 28)`, 0 to 255, to embeddings `(N, E)` and logits `(N, C+1)`."""
        embeddings = self.features(pictures[:, None].float() / 255)
        return embeddings, self.head(embeddings)


def teach(
    known: tuple[Pixels, NDArray[np.int64]], negatives: Pixels, *, loss: Loss, epochs: int, seed: int, device: str
) -> SmallNetwork:
    """A network taught the known pictures, half of every batch negatives unless `loss` is `plain`."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    pictures, labels = known
    count = int(labels.max()) + 1
    network = SmallNetwork(count).to(device).train()
    steps = epochs * math.ceil(len(pictures) / BATCH)
    optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=max(2, steps))
    for _ in range(steps):
        rows = rng.integers(len(pictures), size=BATCH)
        batch, targets = pictures[rows], labels[rows]
        if loss != "plain":
            batch = np.concatenate([batch, negatives[rng.integers(len(negatives), size=BATCH)]])
            targets = np.concatenate([targets, np.full(BATCH, count)])
        optimizer.zero_grad()
        _loss(network, torch.from_numpy(batch).to(device), torch.from_numpy(targets).to(device), loss).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    if loss in ("plain", "entropic"):
        _tie(network)
    return network.eval()


def look(network: SmallNetwork, pictures: Pixels) -> Features:
    """What the network says of pictures `(n, 28, 28)`."""
    device = next(network.parameters()).device
    batches = (pictures[start : start + 1024] for start in range(0, len(pictures), 1024))
    with torch.inference_mode():
        parts = [network(torch.from_numpy(batch).to(device)) for batch in batches]
    embeddings = torch.cat([embedding for embedding, _ in parts]).float().cpu().numpy()
    logits = torch.cat([own for _, own in parts]).float().cpu().numpy()
    return Features(logits, embeddings, np.ones(len(pictures)))


def head_of(network: SmallNetwork) -> Head:
    """The head as scores take it: no window is larger than another here."""
    return Head(
        weight=network.head.weight.detach().double().cpu().numpy(),
        bias=network.head.bias.detach().double().cpu().numpy(),
        gain=np.zeros(3),
        none_bias=np.zeros(3),
        labels=network.labels,
        middle=0.0,
    )


def _loss(network: SmallNetwork, pictures: Tensor, targets: Tensor, loss: Loss) -> Tensor:
    embeddings, logits = network(pictures)
    ones, windows = torch.ones(len(targets), device=targets.device), targets.new_zeros((len(targets), 4))
    picked = Picked(logits, embeddings, windows, targets, ones, network.labels)
    if loss in ("plain", "entropic"):
        return picked.mean(entropic(logits[:, : network.labels], targets))
    if loss == "none_class":
        return picked.mean(NoneClass(smoothing=0.0)(picked))
    length = picked.mean(objectosphere(embeddings, picked.is_known, RADIUS))
    return picked.mean(Weighted(NoneClass(smoothing=0.0))(picked)) + LENGTH_WEIGHT * length


def _tie(network: SmallNetwork) -> None:
    """Losses without a none class leave its row untaught: log C + the mean of the labels' rows, see `entropic`."""
    labels = network.labels
    with torch.no_grad():
        network.head.weight[labels] = network.head.weight[:labels].mean(dim=0)
        network.head.bias[labels] = network.head.bias[:labels].mean() + math.log(labels)
