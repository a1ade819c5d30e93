"""The training loop, top to bottom: choose windows, take a step, validate, keep the best, be able to go on."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from streamfilter.classifier.windows import window_grid, window_means
from streamfilter.config import TrainConfig
from streamfilter.errors import ModelError
from streamfilter.model import DenseResNet
from streamfilter.model.device import Autocast
from streamfilter.model.network import DenseOutput, collapse
from streamfilter.training.backbone import UNREADABLE
from streamfilter.training.batches import Batch, Batches
from streamfilter.training.loss import Chosen, choose_windows
from streamfilter.training.losses.objective import make_objective
from streamfilter.training.losses.picked import Picked, window_embeddings

WARM_UP = 0.1
"""Share of the steps in which the rate rises (one cycle, Smith and Topin 2018)."""
AVERAGE_HALF_LIFE = 100
"""Steps after which an old weight counts half in the averaged network: it evens out the noise of mined windows."""
LARGEST_GRADIENT = 5.0

Validate = Callable[[DenseResNet], dict[str, float]]


@dataclass(slots=True)
class Progress:
    """How far training has come: `epoch` epochs are done; `history` has one entry of figures for each."""

    epoch: int = 0
    best: float = -1.0
    history: list[dict[str, float]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Plan:
    """What one training does. `from_random`: the backbone has no statistics of its own yet."""

    tune: str
    epochs: int
    from_random: bool


class Trainer:
    """Trains `network` in place. `run` leaves it with the best averaged weights seen, by the figure `recall`."""

    def __init__(
        self, network: DenseResNet, batches: Batches, plan: Plan, config: TrainConfig, autocast: Autocast
    ) -> None:
        self._network, self._batches, self._plan, self._config = network, batches, plan, config
        self._autocast = autocast
        self._device = next(network.parameters()).device
        self._groups = _tuned(network, plan.tune, config)
        self._optimiser = torch.optim.AdamW(self._groups, weight_decay=config.weight_decay, fused=True)
        total = max(2, plan.epochs * batches.steps)
        self._objective = make_objective(network, config, steps=total)
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimiser,
            [group["lr"] for group in self._groups],
            total_steps=total,
            pct_start=max(WARM_UP, 1.5 / total),  # fewer than 1.5 steps of warm-up make OneCycleLR divide by zero
            cycle_momentum=False,
        )
        self._averaged = copy.deepcopy(network).eval()
        self._changing = _changing(network, from_random=plan.from_random)
        self._best = copy.deepcopy(network.state_dict())
        self._windows = torch.from_numpy(window_grid(*batches.grid)).to(self._device)
        self._steps = 0
        self.progress = Progress()

    def run(self, validate: Validate, checkpoint: Path, *, advance: Callable[[float], None]) -> Progress:
        """Train to the end of the plan, writing `checkpoint` after every epoch; `advance` hears of every step.

        Ctrl-C (`KeyboardInterrupt`) leaves the best so far in the network and is raised again.
        """
        try:
            for epoch in range(self.progress.epoch, self._plan.epochs):
                loss = self._epoch(epoch, advance)
                self._judge(epoch, {"loss": loss, **validate(self._averaged)})
                self._store(checkpoint)
        finally:
            self._network.load_state_dict(self._best)
            self._network.eval()
        return self.progress

    def resume(self, checkpoint: Path) -> int:
        """Go on from a checkpoint of the same plan; returns the steps that are already done.

        Raises `ModelError` for a file that is none.
        """
        try:
            state = torch.load(checkpoint, map_location=self._device, weights_only=True)
        except UNREADABLE as error:
            reason = " ".join(str(error).split())[:160]
            raise ModelError(f"cannot resume from {checkpoint}: {reason}; leave out --resume to begin anew") from None
        self._network.load_state_dict(state["network"])
        self._averaged.load_state_dict(state["averaged"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._schedule.load_state_dict(state["schedule"])
        self._objective.load_state_dict(state["objective"])
        self._best = state["best"]
        self.progress = Progress(**state["progress"])
        self._steps = self.progress.epoch * self._batches.steps
        return self._steps

    def _epoch(self, epoch: int, advance: Callable[[float], None]) -> float:
        set_training_mode(self._network, from_random=self._plan.from_random)
        rng = np.random.default_rng([self._config.seed, epoch])
        losses = []
        with closing(self._batches.epoch(epoch)) as batches:
            for batch in batches:
                losses.append(self._step(batch, rng, free_search=epoch > 0))
                advance(1)
        return float(np.mean(losses))

    def _step(self, batch: Batch, rng: np.random.Generator, *, free_search: bool) -> float:
        with self._autocast():
            output = self._batches.forward(self._network, batch)
        logits = self._network.class_logits(window_means(output.logits, self._windows), self._windows)
        seen = collapse(logits.detach(), self._network.shape.labels)
        chosen = choose_windows(seen, batch, self._batches.grid, rng, free_search=free_search)
        loss, learned_from = self._objective(self._pick(logits, output, chosen))
        self._optimiser.zero_grad()
        loss.backward()
        for group in self._groups:
            nn.utils.clip_grad_norm_(group["params"], LARGEST_GRADIENT)
        self._optimiser.step()
        self._schedule.step()
        self._objective.after_step(learned_from)
        self._steps += 1
        self._average()
        return float(loss.detach())

    def _pick(self, logits: Tensor, output: DenseOutput, chosen: Chosen) -> Picked:
        windows = self._windows[chosen.window]
        embeddings = logits.new_zeros((len(chosen.window), 0))
        if self._objective.needs_embeddings:
            embeddings = window_embeddings(output.embedding, chosen.scene, windows)
        return Picked(
            logits=logits[chosen.scene, chosen.window],
            embeddings=embeddings,
            windows=windows,
            targets=torch.tensor(chosen.target, dtype=torch.long, device=logits.device),
            weights=torch.tensor(chosen.weight, dtype=logits.dtype, device=logits.device),
            labels=self._network.shape.labels,
        )

    def _average(self) -> None:
        keep = min(0.5 ** (1 / AVERAGE_HALF_LIFE), self._steps / (10 + self._steps))
        averaged, current = self._averaged.state_dict(), self._network.state_dict()
        with torch.no_grad():
            for name in self._changing:
                averaged[name].lerp_(current[name], 1 - keep)

    def _judge(self, epoch: int, figures: dict[str, float]) -> None:
        self.progress.epoch = epoch + 1
        self.progress.history.append(figures)
        if figures["recall"] >= self.progress.best:
            self.progress.best = figures["recall"]
            self._best = copy.deepcopy(self._averaged.state_dict())

    def _store(self, checkpoint: Path) -> None:
        state = {
            "network": self._network.state_dict(),
            "averaged": self._averaged.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "schedule": self._schedule.state_dict(),
            "objective": self._objective.state_dict(),
            "best": self._best,
            "progress": asdict(self.progress),
        }
        partial = checkpoint.with_name(checkpoint.name + ".part")
        torch.save(state, partial)
        partial.replace(checkpoint)


def set_training_mode(network: DenseResNet, *, from_random: bool) -> None:
    """The neck normalises by batch; a pretrained backbone keeps its statistics, a random one has none to keep."""
    network.train(from_random)
    for part in (network.reduce, network.embed, network.head, network.context):
        part.train()


def _tuned(network: DenseResNet, tune: str, config: TrainConfig) -> list[dict[str, Any]]:
    """Parameter groups of what is tuned; everything else stops taking gradients."""
    backbone = {
        "head": [],
        "layer4": [network.layer4],
        "all": [network.stem, network.layer1, network.layer2, network.layer3, network.layer4],
    }[tune]
    network.requires_grad_(False)
    windows = [network.window_gain.requires_grad_(True), network.window_bias.requires_grad_(True)]
    groups: list[dict[str, Any]] = []
    neck = [network.reduce, network.embed, network.head, network.context]
    groups.append({"params": windows, "lr": 10 * config.learning_rate, "weight_decay": 0.0})
    for modules, rate in ((neck, config.learning_rate), (backbone, config.backbone_rate)):
        parameters = [p.requires_grad_(True) for module in modules for p in module.parameters()]
        if parameters:
            groups.append({"params": parameters, "lr": rate})
    return groups


def _changing(network: DenseResNet, *, from_random: bool) -> list[str]:
    """What a step changes: tuned parameters, and the running statistics of the parts in training mode."""
    tuned = [name for name, parameter in network.named_parameters() if parameter.requires_grad]
    moving = [name for name, _ in network.named_buffers() if name.endswith(("running_mean", "running_var"))]
    return tuned + [name for name in moving if from_random or name.startswith(("reduce.", "embed."))]
