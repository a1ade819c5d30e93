"""The classifier: a dense pass proposes where something could be, a closer look says what it is; boxes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from streamfilter.classifier.closer import CloserLook, Seen
from streamfilter.classifier.coarse import CoarsePass, placed
from streamfilter.classifier.enrolled import EnrolledFinder, Find
from streamfilter.classifier.perturb import perturbed_logits
from streamfilter.classifier.proposals import MOST_WINDOWS, Proposals, Proposer, fit_size, halved
from streamfilter.classifier.runtimes import Choice, choose_runtime
from streamfilter.classifier.runtimes.turns import Turns
from streamfilter.classifier.runtimes.with_torch import as_batch
from streamfilter.classifier.sizes import by_size
from streamfilter.classifier.suppress import suppress
from streamfilter.classifier.windows import window_grid
from streamfilter.config import ClassifierConfig
from streamfilter.gate import Region
from streamfilter.model import Model
from streamfilter.model.device import Compute, choose_compute
from streamfilter.model.network import DenseOutput
from streamfilter.model.regions import Regions
from streamfilter.rejector.mahalanobis import mahalanobis
from streamfilter.rejector.softmax import softmax
from streamfilter.types import Box, Candidate, Features, Pixels

PROPOSED = 0.1
"""Probability by the dense pass alone from which on a closer look is taken."""


def make_classifier(model: Model, config: ClassifierConfig, *, perturbs: bool = False) -> DenseClassifier:
    """The classifier of a model. Raises `ModelError` for a device or a runtime that is not there.

    `perturbs`: candidates carry what the ODIN score reads, for three more passes of a picture with candidates.
    """
    compute = choose_compute(config.device, config.precision, threads=config.threads)
    choice = choose_runtime(model, config, compute, perturbs=perturbs)
    return DenseClassifier(model, config, compute, choice, perturbs=perturbs)


class DenseClassifier:
    """See `stages.Classifier`. `runtime` runs the network, `why` says why that one does, `is_int8` whether in int8."""

    def __init__(
        self, model: Model, config: ClassifierConfig, compute: Compute, choice: Choice, *, perturbs: bool = False
    ) -> None:
        self.labels = model.all_labels
        self._perturbs = perturbs
        self.runtime, self.why, self.is_int8 = choice.runtime, choice.why, choice.is_int8
        self._turns = Turns()
        self._compute = compute
        self._config = config
        self._short_side = config.short_side or model.short_side
        self._temperature = model.thresholds.temperature
        self._network = model.network.to(compute.device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        self._closer = CloserLook(model.closer, self.runtime) if model.closer and config.closer else None
        self._proposer = self._make_proposer(model.regions)
        self._overview = config.overview and self._proposer.fits
        # What it says is about the labels that the network was taught.
        worth_asking = config.coarse and self._overview and not model.enrolled
        parts = compute.device.type == "cpu"  # elsewhere only pictures of one size pass together
        self._coarse = CoarsePass(self._network, config, parts=parts) if worth_asking else None
        self._means = model.statistics.means.double().numpy()
        self._whitening = model.statistics.whitening.double().numpy()
        self._quantiles = model.statistics.quantiles.double().numpy()
        self._enrolled = model.enrolled
        self._finder = EnrolledFinder(model.enrolled, config, compute.device) if model.enrolled else None

    def _make_proposer(self, regions: Regions | None) -> Proposer:
        """Where a closer look decides, more is proposed, by probabilities that the temperature was not fitted to."""
        network, config = self._network, self._config
        if self._closer is None:
            return Proposer(network, config, floor=config.floor, temperature=self._temperature)
        return Proposer(network, config, floor=min(PROPOSED, config.floor), places=True, regions=regions)

    def analysis_size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height at which a picture is analysed: its short side as configured, both divisible by 32."""
        return fit_size(width, height, self._short_side)

    def classify(self, pictures: Sequence[Pixels]) -> list[list[Candidate]]:
        """Candidates of each picture, likeliest first. Pictures or parts: `(H, W, 3)` uint8 RGB, at `analysis_size`.

        Threads that share it wait for one another.
        """
        with self._turns:
            return self._classify(pictures) if self._compute.device.type == "cpu" else by_size(pictures, self._classify)

    def _classify(self, pictures: Sequence[Pixels]) -> list[list[Candidate]]:
        smaller = self.runtime.dense([halved(picture) for picture in pictures]) if self._overview else []
        regions = self._worth(pictures, smaller)
        chosen = [number for number, region in enumerate(regions) if region is not None]
        if not chosen:
            return [[] for _ in pictures]
        found = self._look_at(
            [pictures[n] for n in chosen],
            [region for region in regions if region is not None],
            [smaller[n] for n in chosen] if self._overview else [],
        )
        told = dict(zip(chosen, found, strict=True))
        return [told.get(number, []) for number in range(len(pictures))]

    def _worth(self, pictures: Sequence[Pixels], smaller: Sequence[DenseOutput]) -> list[Region | None]:
        """What is looked at in full of each picture."""
        if self._coarse is None:
            return [Region.whole(picture.shape[1], picture.shape[0]) for picture in pictures]
        return [self._coarse.worth(*one) for one in zip(pictures, smaller, strict=True)]

    def _look_at(
        self, pictures: Sequence[Pixels], regions: Sequence[Region], smaller: Sequence[DenseOutput]
    ) -> list[list[Candidate]]:
        parts = self.runtime.dense([region.cut(picture) for region, picture in zip(regions, pictures, strict=True)])
        labels = self._network.shape.labels
        outputs = [placed(part, region, labels=labels) for part, region in zip(parts, regions, strict=True)]
        sizes = zip(outputs, smaller, strict=True) if self._overview else zip(outputs, strict=True)
        proposals = self._looked_closer([self._proposer.propose(*own) for own in sizes], pictures)
        return [self._read(*one) for one in zip(outputs, proposals, pictures, strict=True)]

    def _read(self, output: DenseOutput, proposals: Proposals, picture: Pixels) -> list[Candidate]:
        found = self._taught(proposals, picture)
        if self._finder is None:
            return found
        windows = window_grid(output.logits.shape[2], output.logits.shape[3])
        finds = self._finder.find(output.embedding[0], windows, most_windows=MOST_WINDOWS)
        added = self._added(finds, output, picture) if finds else []
        return sorted([*found, *added], key=lambda candidate: -candidate.softmax)

    def _taught(self, proposals: Proposals, picture: Pixels) -> list[Candidate]:
        if not len(proposals.windows):
            return []
        features = proposals.features
        if self._perturbs:
            features = replace(features, perturbed=self._perturbed(picture, proposals.windows))
        distances = mahalanobis(features.embeddings, self._means, self._whitening)
        chances = softmax(features.logits, self._temperature)
        return [
            self._candidate(box, chances[i], distances[i], features.rows(slice(i, i + 1)), picture)
            for i, box in enumerate(proposals.boxes)
        ]

    def _looked_closer(self, proposals: list[Proposals], pictures: Sequence[Pixels]) -> list[Proposals]:
        """The proposals of each picture that stay, likeliest first, where a closer look may change what they are."""
        some = [number for number, one in enumerate(proposals) if len(one.windows)]
        if self._closer is None or not some:
            return proposals
        looked = self._closer.look(
            [proposals[number].features.logits for number in some],
            [pictures[number] for number in some],
            [proposals[number].boxes for number in some],
        )
        told = dict(zip(some, looked, strict=True))
        return [self._kept(one, told[n]) if n in told else one for n, one in enumerate(proposals)]

    def _kept(self, proposals: Proposals, seen: Seen) -> Proposals:
        """What is still likely by the closer look, likeliest first."""
        chances = softmax(seen.logits, self._temperature)[:, :-1]
        best, labels = chances.max(axis=1), chances.argmax(axis=1)
        kept = suppress(proposals.boxes, best, labels, iou=self._config.nms_iou, most=self._config.max_candidates)
        rows = np.array([k for k in kept if best[k] >= self._config.floor], np.intp)
        features = replace(proposals.features.rows(rows), logits=seen.logits[rows])
        return Proposals(proposals.windows[rows], proposals.boxes[rows], features)

    def _added(self, finds: Sequence[Find], output: DenseOutput, picture: Pixels) -> list[Candidate]:
        """Candidates of enrolled labels; what is not the label is none of the above to them."""
        windows = np.stack([find.window for find in finds])
        logits = self._proposer.logits(output, windows)
        features = self._proposer.features(output, windows, logits)
        candidates = []
        for i, find in enumerate(finds):
            label = self._enrolled[find.number]
            row = features.rows(slice(i, i + 1))
            distance = float(mahalanobis(row.embeddings, label.mean.double().numpy()[None], self._whitening)[0, 0])
            candidates.append(
                Candidate(
                    box=_box(find.box),
                    label=label.label,
                    softmax=find.chance,
                    none_probability=1 - find.chance,
                    distance=distance,
                    distance_percentile=float(np.interp(distance, label.quantiles.double().numpy(), np.arange(101.0))),
                    sharpness=_sharpness(picture, find.box),
                    features=row,
                )
            )
        return candidates

    def _perturbed(self, picture: Pixels, windows: NDArray[np.int64]) -> NDArray[np.float32]:
        wanted = torch.from_numpy(windows).to(self._compute.device)
        logits = perturbed_logits(self._network, as_batch([picture], self._compute), wanted, self._compute.autocast)
        return np.asarray(logits.cpu().numpy())

    def _candidate(
        self,
        box: NDArray[np.float64],
        chances: NDArray[np.float64],
        distances: NDArray[np.float64],
        features: Features,
        picture: Pixels,
    ) -> Candidate:
        order = np.argsort(-chances[:-1], kind="stable")
        label = int(order[0])
        runner_up = int(order[1]) if len(order) > 1 else None
        return Candidate(
            box=_box(box),
            label=self.labels[label],
            softmax=float(chances[label]),
            none_probability=float(chances[-1]),
            distance=float(distances[label]),
            distance_percentile=float(np.interp(distances[label], self._quantiles[label], np.arange(101.0))),
            runner_up=None if runner_up is None else self.labels[runner_up],
            runner_up_softmax=0.0 if runner_up is None else float(chances[runner_up]),
            sharpness=_sharpness(picture, box),
            features=features,
        )


def _box(values: NDArray[np.float64]) -> Box:
    x, y = (min(max(float(v), 0.0), 1.0) for v in values[:2])
    return Box(x, y, min(float(values[2]), 1.0 - x), min(float(values[3]), 1.0 - y))


def _sharpness(picture: Pixels, box: NDArray[np.float64]) -> float:
    height, width = picture.shape[:2]
    x1, y1 = int(box[0] * width), int(box[1] * height)
    crop = picture[y1 : y1 + max(3, int(box[3] * height)), x1 : x1 + max(3, int(box[2] * width))]
    return float(cv2.Laplacian(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), cv2.CV_32F).var())
