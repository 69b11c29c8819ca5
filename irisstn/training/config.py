"""Settings of a training run and their defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from irisstn.config import Size, Strict
from irisstn.recognition.config import MetricLossConfig, StripNetConfig, WhiteningFitConfig
from irisstn.rectification.rectifier_config import RectifierConfig
from irisstn.training.data.augmentation_config import AugmentationConfig
from irisstn.training.data.boundary_errors import PerturbationConfig
from irisstn.training.data.rendered_eyes import RenderedConfig
from irisstn.training.precision_config import PrecisionConfig


class LossWeights(Strict):
    """Weights of the terms of the loss, and the error at which each Huber loss turns from quadratic to linear.

    The gradient of the roll is tens of times that of the boundaries' shape: with equal weights the network does not
    learn the shape for hundreds of steps. Therefore `shape` is large and `roll` is small.
    """

    metric: float = Field(1.0, ge=0, description="Weight of the recognition loss on the embeddings.")
    decorrelation: float = Field(
        0.0, ge=0, description="Weight of the correlation between the embedding's floats (VICReg); see `Decorrelation`."
    )
    ring: float = Field(
        1.0, ge=0, description="Weight of the loss on the ring parameters. 0: the STN learns from recognition only."
    )
    outside: float = Field(1.0, ge=0, description="Weight of the penalty on cells sampled outside the ring.")
    shape: float = Field(5.0, ge=0, description="Weight of the boundaries' shape, within the ring loss.")
    roll: float = Field(0.3, ge=0, description="Weight of the roll, within the ring loss.")
    agreement: float = Field(
        0.3,
        ge=0,
        description="Weight, within the ring loss, of equal roll for all strips of one group: see Batch.groups.",
    )
    pupil_share: float = Field(
        0.1, ge=0, description="Weight, within the ring loss, of the ratio of the pupil's radius to the iris radius."
    )
    roll_scale_deg: float = Field(2.0, gt=0, description="Error of the roll, degrees, at which its loss turns linear.")
    shape_scale: float = Field(
        0.03, gt=0, description="Error of a boundary coefficient, ring widths, at which its loss turns linear."
    )
    pupil_share_scale: float = Field(0.1, gt=0, description="Unit of the error of `pupil_share`.")


class TrainConfig(PrecisionConfig):
    """Settings of a training run. A file in configs/ holds only what differs from these defaults, and the reason."""

    seed: int = Field(0, ge=0, description="Seed of initial weights, batches, errors and rendered eyes.")
    size: Size = Field((32, 256), description="Size of the strips, rows x columns.")
    epochs: int = Field(40, ge=1, description="Number of epochs.")
    steps_per_epoch: int = Field(50, ge=1, description="Batches in an epoch; a multiple of devices x nodes.")
    rectifier_only_epochs: int = Field(
        0, ge=0, description="First epochs that train the STN on its ring loss only, at half the cost of both networks."
    )
    patience: int = Field(10, ge=1, description="Epochs without a better validation loss before training stops early.")
    identities_per_batch: int = Field(24, ge=2, description="Identities in a batch.")
    strips_per_identity: int = Field(4, ge=2, description="Strips of each identity in a batch.")
    strips_per_capture: int = Field(
        0,
        ge=0,
        description="How many of an identity's strips come from the same capture. 0: one, or two where the roll of an "
        "upright head is not known (own images).",
    )
    strip_only_fraction: float = Field(
        0.3,
        ge=0,
        le=1,
        description="Fraction of the strips whose context holds no surroundings, as for strips without an image, 0..1.",
    )
    learning_rate: float = Field(2e-3, gt=0, description="Peak learning rate of AdamW.")
    weight_decay: float = Field(1e-2, ge=0, description="Weight decay of AdamW; not of biases and norms.")
    ema_decay: float = Field(
        0.97,
        ge=0,
        lt=1,
        description="Decay per step of the exponential moving average of the recognizer's weights; the average is "
        "validated and saved.",
    )
    start: Literal["shipped"] | Path | None = Field(
        None,
        description="What to start from: a run, a weights file, or `shipped` for the weights that irisstn ships. Its "
        "shapes are taken where none are given. null: random weights.",
    )
    freeze: Literal["rectifier", "recognizer"] | None = Field(
        None, description="The network whose weights stay as they were at the start, while the other one is trained."
    )
    validation_fraction: float = Field(
        0.2, gt=0, lt=1, description="Fraction of the subjects in DATA that is held out for validation, 0..1."
    )
    threads: int = Field(0, ge=0, description="CPU threads of torch. 0: one for each core.")
    device: Literal["auto", "cpu", "gpu"] = Field("auto", description="Where the networks are trained.")
    devices: int = Field(
        1, ge=1, description="Devices of each node, one process each; the batches of an epoch are divided among them."
    )
    nodes: int = Field(
        1, ge=1, description="Machines. The command is started on each, with the environment that Lightning asks for."
    )
    rectifier: RectifierConfig | None = Field(
        RectifierConfig(), description="The STN. null: the recognizer only, as a baseline."
    )
    recognizer: StripNetConfig | None = Field(
        StripNetConfig(), description="The recognition CNN. null: the STN only, trained on its ring loss."
    )
    metric: MetricLossConfig = Field(MetricLossConfig(), description="The recognition loss.")
    loss_weights: LossWeights = Field(LossWeights(), description="Weights of the terms of the loss.")
    perturbation: PerturbationConfig = Field(
        PerturbationConfig(), description="Errors that are added to boundaries, roll and eyelids."
    )
    augmentation: AugmentationConfig = Field(AugmentationConfig(), description="Changes to the strips' appearance.")
    rendered: RenderedConfig = Field(RenderedConfig(), description="The rendered eyes, where no DATA is given.")

    whitening: WhiteningFitConfig | None = Field(
        WhiteningFitConfig(), description="The recognizer's whitening, fitted at the end. null: none."
    )

    @model_validator(mode="after")
    def _check_combination(self) -> TrainConfig:
        if self.rectifier is None and self.recognizer is None:
            raise ValueError("with neither a rectifier nor a recognizer there is nothing to train")
        if self.freeze is not None:
            self._check_freeze()
        if self.recognizer is None and (self.rectifier is None or self.rectifier.transform != "ring"):
            raise ValueError("only the ring learns without a recognizer: set one, or the transform 'ring'")
        if self.augmentation.mirrored and (self.rectifier is not None or self.metric.kind == "sub-center-arcface"):
            raise ValueError("mirrored eyes are for a recognizer alone, with a loss that knows no fixed identities")
        if self.steps_per_epoch % (self.devices * self.nodes):
            raise ValueError(
                f"steps_per_epoch ({self.steps_per_epoch}) must be a multiple of devices x nodes, since every process "
                "trains on the same number of batches"
            )
        return self

    def _check_freeze(self) -> None:
        if self.start is None:
            raise ValueError("a network with random weights must not be frozen: give a start, such as shipped")
        if self.rectifier is None or self.recognizer is None:
            raise ValueError("to freeze one network takes both: with one alone nothing would be trained, or frozen")
        if self.freeze == "rectifier" and self.rectifier_only_epochs:
            raise ValueError("a frozen rectifier learns nothing in the rectifier_only_epochs: set them to 0")
