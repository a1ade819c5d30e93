"""All that a step's windows teach: the loss of each, negatives made from them, and the length of their embeddings."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from streamfilter.config import TrainConfig
from streamfilter.model import DenseResNet
from streamfilter.training.losses.entropic import Entropic
from streamfilter.training.losses.none_class import SMOOTHING, NoneClass, Weighted
from streamfilter.training.losses.none_clusters import NoneClusters
from streamfilter.training.losses.objectosphere import objectosphere
from streamfilter.training.losses.picked import Picked, WindowLoss
from streamfilter.training.synthetic.adversary import Adversary
from streamfilter.training.synthetic.embeddings import EmbeddingSource
from streamfilter.training.synthetic.pushed import Pushed


class Objective(nn.Module):
    """The loss of a step. Its state is part of a checkpoint.

    `length`: weight of the objectosphere term, `radius`: see there. `sources` make negatives from the windows.
    """

    def __init__(
        self, loss: WindowLoss, sources: Sequence[EmbeddingSource] = (), *, length: float = 0.0, radius: float = 1.0
    ) -> None:
        super().__init__()
        self.loss = loss
        self.sources = nn.ModuleList(sources)
        self._length, self._radius = length, radius

    @property
    def needs_embeddings(self) -> bool:
        """Whether anything looks at `Picked.embeddings`."""
        return bool(self.sources) or self._length > 0 or self.loss.needs_embeddings

    def forward(self, picked: Picked) -> tuple[Tensor, Picked]:
        """The loss, a number, and the windows that it is of: those given and those made from them."""
        whole = picked
        for source in self.sources:
            whole = source(picked, whole)
        loss = whole.mean(self.loss(whole))
        if self._length > 0:
            loss = loss + self._length * picked.mean(objectosphere(picked.embeddings, picked.is_known, self._radius))
        return loss, whole

    def after_step(self, whole: Picked) -> None:
        """To be called once the weights have changed, with what the loss was of."""
        self.loss.after_step(whole)


def make_objective(network: DenseResNet, config: TrainConfig, *, steps: int) -> Objective:
    """The objective that the settings ask for, on the network's device; `steps` is the length of the training."""
    made = config.synthetic
    sources: list[EmbeddingSource] = []
    if made.pushed > 0:
        sources.append(Pushed(network.embedding_logits, made.pushed, steps=steps, seed=config.seed))
    if made.adversarial > 0:
        width = network.shape.embedding
        sources.append(Adversary(network.embedding_logits, made.adversarial, width, seed=config.seed))
    objective = Objective(_loss(network, config, steps), sources, length=config.objectosphere, radius=config.radius)
    return objective.to(next(network.parameters()).device)


def _loss(network: DenseResNet, config: TrainConfig, steps: int) -> WindowLoss:
    if config.loss == "entropic":
        return Entropic(network)
    smoothing = SMOOTHING if config.loss == "none_class" else 0.0
    loss: WindowLoss = NoneClass(smoothing=smoothing)
    if config.none_classes > 1:
        width = network.shape.embedding
        loss = NoneClusters(config.none_classes, width, steps=steps, seed=config.seed, smoothing=smoothing)
    return loss if config.loss == "none_class" else Weighted(loss)
