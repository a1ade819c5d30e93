"""The classifier: a dense pass proposes where something could be, a closer look says what it is; boxes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from streamfilter.classifier.closer import CloserLook, Seen
from streamfilter.classifier.coarse import CoarsePass, Glance, placed, whole_of
from streamfilter.classifier.enrolled import EnrolledFinder, Find
from streamfilter.classifier.perturb import perturbed_logits
from streamfilter.classifier.proposals import MOST_WINDOWS, Proposals, Proposer, Reading, fit_size, halved
from streamfilter.classifier.runtimes import Choice, choose_runtime
from streamfilter.classifier.runtimes.turns import Turns
from streamfilter.classifier.runtimes.with_torch import as_batch
from streamfilter.classifier.sizes import by_size
from streamfilter.classifier.suppress import suppress
from streamfilter.classifier.windows import window_grid
from streamfilter.config import ClassifierConfig
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
        # What it says is about the labels that the network was taught, and ODIN reads windows of the full size.
        worth_asking = config.coarse and self._overview and not model.enrolled and not perturbs
        parts = compute.device.type == "cpu"  # elsewhere only pictures of one size pass together
        self._coarse = CoarsePass(self._proposer, small=config.coarse_pixels, parts=parts) if worth_asking else None
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
        half = self.runtime.dense([halved(picture) for picture in pictures]) if self._overview and pictures else []
        smaller = [self._proposer.read(output) for output in half]
        glances = self._glance(pictures, smaller)
        outputs = self._in_full(pictures, glances)
        proposals = self._looked_closer(self._proposed(outputs, smaller, glances), pictures)
        found = [self._taught(*one) for one in zip(proposals, pictures, strict=True)]
        return [self._with_enrolled(*one) for one in zip(found, outputs, pictures, strict=True)]

    def _glance(self, pictures: Sequence[Pixels], smaller: Sequence[Reading]) -> list[Glance]:
        """What is looked at in full of each picture."""
        if self._coarse is None:
            return [Glance(whole_of(picture)) for picture in pictures]
        return [self._coarse.glance(*one) for one in zip(pictures, smaller, strict=True)]

    def _in_full(self, pictures: Sequence[Pixels], glances: Sequence[Glance]) -> list[DenseOutput | None]:
        """The dense pass of each picture, or of the part that is worth it; None: nothing of it is."""
        asked = {number: glance.region for number, glance in enumerate(glances) if glance.region is not None}
        if not asked:
            return [None] * len(pictures)
        parts = self.runtime.dense([region.cut(pictures[number]) for number, region in asked.items()])
        labels = self._network.shape.labels
        told = {
            number: placed(part, region, labels=labels)
            for (number, region), part in zip(asked.items(), parts, strict=True)
        }
        return [told.get(number) for number in range(len(pictures))]

    def _proposed(
        self, outputs: Sequence[DenseOutput | None], smaller: Sequence[Reading], glances: Sequence[Glance]
    ) -> list[Proposals]:
        """By both sizes; where the full one was not asked, what half of it proposed."""
        found = []
        for number, (output, glance) in enumerate(zip(outputs, glances, strict=True)):
            if output is None:
                assert glance.places is not None
                found.append(glance.places)
            elif self._overview:
                found.append(self._proposer.fit([self._proposer.read(output), smaller[number]]))
            else:
                found.append(self._proposer.propose(output))
        return found

    def _with_enrolled(self, found: list[Candidate], output: DenseOutput | None, picture: Pixels) -> list[Candidate]:
        if self._finder is None or output is None:
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
        if self._closer is None:
            return proposals
        asked = [number for number, own in enumerate(proposals) if len(own.boxes)]
        looked = self._closer.look(
            [proposals[number].features.logits for number in asked],
            [pictures[number] for number in asked],
            [proposals[number].boxes for number in asked],
            [proposals[number].odds for number in asked],
        )
        told = dict(zip(asked, looked, strict=True))
        return [self._kept(own, told[number]) if number in told else own for number, own in enumerate(proposals)]

    def _kept(self, proposals: Proposals, seen: Seen) -> Proposals:
        """What is still likely by the closer look, likeliest first."""
        chances = softmax(seen.logits, self._temperature)[:, :-1]
        best, labels = chances.max(axis=1), chances.argmax(axis=1)
        kept = suppress(proposals.boxes, best, labels, iou=self._config.nms_iou, most=self._config.max_candidates)
        rows = np.array([k for k in kept if best[k] >= self._config.floor], np.intp)
        found = proposals.rows(rows)
        return replace(found, features=replace(found.features, logits=seen.logits[rows]))

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
