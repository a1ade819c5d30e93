"""How a model is taught."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from streamfilter.config.section import Section, Share


class SyntheticConfig(Section):
    """Negatives that are made and not found, each as a share; 0 makes none."""

    mixed: Share = Field(
        0.0, description="Of the pasted logos: mixed with a stranger, and taught as the label only as far as it shows."
    )
    erased: Share = Field(0.0, description="Of the scenes: a label's picture whose logo was painted over.")
    scrambled: Share = Field(0.0, description="Of the scenes with strangers: one of them is a logo in disorder.")
    recoloured: Share = Field(
        0.0,
        description="Of the scenes with strangers: one is a logo in other hues. Not for marks of any colour.",
    )
    pushed: Share = Field(
        0.0, description="Of the logos' windows: their embedding, pushed along the loss's gradient, is a negative, too."
    )
    adversarial: Share = Field(
        0.0, description="Of the logos' windows: as many negatives by a generator that is drawn to the labels' borders."
    )


class TrainConfig(Section):
    """How a model is taught. `null` takes what suits the device; the model file says what it was."""

    seed: int = Field(0, ge=0, description="Everything random follows from this.")
    architecture: Literal["resnet50", "resnet18"] = Field("resnet50", description="The torchvision backbone.")
    pretrained: bool = Field(True, description="Start from ImageNet weights; false: from random ones.")
    tune: Literal["head", "layer4", "all"] | None = Field(
        None,
        description="What is tuned: neck and head, layer 4 too, or everything. null: as the device allows.",
    )
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="auto, cpu, cuda or cuda:N.")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="Arithmetic; auto takes bfloat16 where the device has hardware for it."
    )
    threads: int = Field(0, ge=0, le=256, description="CPU threads; 0: one per core.")
    short_side: int = Field(
        384, ge=64, le=2160, description="Shorter side in pixels at which the model will look at pictures by default."
    )
    scene_height: int = Field(384, ge=64, le=1024, multiple_of=32, description="Height of a training scene, in pixels.")
    scene_width: int = Field(512, ge=64, le=2048, multiple_of=32, description="Width of a training scene, in pixels.")
    min_side: Annotated[float, Field(gt=0, le=1)] = Field(
        0.06, description="Height of the smallest pasted logos, as a share of the scene's."
    )
    max_side: Annotated[float, Field(gt=0, le=1)] = Field(
        0.85, description="Height of the largest pasted logos, as a share of the scene's."
    )
    scribbles: Share = Field(
        0.4, description="Share of the scenes with strokes, blobs and words that are nobody's logo."
    )
    mosaics: Share = Field(
        0.5, description="Share of the scenes that are mosaics of close-ups: many logos for the time of one scene."
    )
    scenes: int | None = Field(
        None, ge=10, description="Training scenes composed in all. null: what half an hour on the device allows."
    )
    closer_scenes: int | None = Field(
        None,
        ge=10,
        description="Scenes that the region head and the closer look learn from. null: as the device allows.",
    )
    closer_pictures: int | None = Field(
        None,
        ge=10,
        description="Pictures, as they are, that they learn from, and as many held-out ones that thresholds are fitted "
        "to. null: as the device allows.",
    )
    validation_scenes: int = Field(400, ge=10, description="Scenes composed from the validation pictures.")
    epochs: int | None = Field(None, ge=1, le=1000, description="Passes over the scenes. null: as the device allows.")
    batch: int = Field(8, ge=1, le=512, description="Scenes in one step.")
    learning_rate: Annotated[float, Field(gt=0, lt=1)] = Field(1e-3, description="Peak rate of neck and head.")
    backbone_rate: Annotated[float, Field(gt=0, lt=1)] = Field(1e-4, description="Peak rate of the tuned backbone.")
    weight_decay: Annotated[float, Field(ge=0, lt=1)] = Field(0.02, description="Decoupled weight decay (AdamW).")
    validation: Annotated[float, Field(gt=0, lt=0.9)] = Field(0.2, description="Share of the pictures held out.")
    reduced: int = Field(256, ge=8, le=2048, description="Channels of the neck's first layer.")
    embedding: int = Field(512, ge=8, le=2048, description="Channels of the embedding.")
    loss: Literal["none_class", "entropic", "weighted"] = Field(
        "none_class",
        description="What windows of no label are taught: none_class: that they are none of the above; entropic: to be "
        "equally like every label; weighted: none of the above, but by one over the number of labels.",
    )
    none_classes: int = Field(
        1, ge=1, le=64, description="Classes that the negatives are clustered into: nothing need not be one thing."
    )
    objectosphere: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        0.0, description="Weight of the loss on the embeddings' length: long for labels, short for all else. 0: none."
    )
    radius: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(
        20.0, description="Length from which on a label's embedding is long enough for `objectosphere`."
    )
    se_stages: tuple[Annotated[int, Field(ge=1, le=4)], ...] = Field(
        (), description="Stages of the backbone that a block of context with squeeze and excitation follows."
    )
    synthetic: SyntheticConfig = SyntheticConfig()
    weights: Literal["float16", "int8"] = Field("float16", description="How the weights are stored in the model file.")
    false_share: Annotated[float, Field(gt=0, lt=0.5)] = Field(
        0.08, description="Share of validation scenes without a known logo that may yield one: sets the thresholds."
    )

    @model_validator(mode="after")
    def _options_fit(self) -> TrainConfig:
        if self.loss == "entropic" and self.none_classes > 1:
            raise ValueError("loss entropic knows no none class: none_classes must be 1 with it")
        if len(set(self.se_stages)) < len(self.se_stages):
            raise ValueError(f"se_stages {list(self.se_stages)}: a stage stands there twice")
        if self.tune in ("head", "layer4") and self.se_stages and min(self.se_stages) < 3:
            raise ValueError(f"se_stages {list(self.se_stages)}: stages 1 and 2 learn only with tune: all")
        return self
