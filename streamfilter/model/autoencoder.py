"""A small variational autoencoder of embeddings: Kingma and Welling, "Auto-Encoding Variational Bayes" (ICLR 2014).

    embedding ─► hidden ─► mean, log variance of the code ─► hidden ─► embedding

Its weights are handed on as plain arrays: whoever measures an error of reconstruction needs no torch.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

HIDDEN, CODE = 128, 32
"""Most channels of the hidden layers and of the code; narrow embeddings have fewer."""
STEPS, BATCH, RATE = 1000, 64, 2e-3
PRIOR = 0.1
"""Weight of the code's divergence from the normal distribution, against the squared error."""


class Autoencoder(nn.Module):
    """Gaussian encoder and decoder with one hidden layer each."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden, code = min(HIDDEN, 4 * channels), min(CODE, max(1, channels // 4))
        self.encode = nn.Linear(channels, hidden)
        self.code = nn.Linear(hidden, 2 * code)
        self.decode = nn.Linear(code, hidden)
        self.restore = nn.Linear(hidden, channels)

    def loss(self, rows: Tensor) -> Tensor:
        """Squared error of a drawn code's reconstruction, and the code's divergence, per sample."""
        mean, spread = self.code(F.relu(self.encode(rows))).chunk(2, dim=1)
        code = mean + torch.randn_like(mean) * (spread / 2).exp()
        error = (self.restore(F.relu(self.decode(code))) - rows).square().sum(1)
        divergence = (mean.square() + spread.exp() - 1 - spread).sum(1) / 2
        loss: Tensor = (error + PRIOR * divergence).mean()
        return loss


def train_autoencoder(rows: NDArray[np.float32], *, seed: int) -> dict[str, NDArray[np.float32]]:
    """Weights by name of an autoencoder of rows `(n, E)`; the same rows and seed give the same weights.

    `encode`, `decode` and `restore` are whole layers; of the code's only the part that gives its mean is kept.
    """
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)
        network = Autoencoder(rows.shape[1])
        samples = torch.from_numpy(rows)
        optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
        for step in range(STEPS):
            for group in optimizer.param_groups:
                group["lr"] = RATE * (1 - step / STEPS)
            loss = network.loss(samples[torch.randint(len(samples), (min(BATCH, len(samples)),))])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    weights = {name: tensor.detach().numpy() for name, tensor in network.state_dict().items()}
    kept = network.decode.in_features
    return weights | {name: weights[name][:kept] for name in ("code.weight", "code.bias")}
