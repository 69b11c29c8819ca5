"""Everything that a training run may be told, with the defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from irisstn.config import Strict
from irisstn.recognition.losses import MetricLossConfig
from irisstn.recognition.network import StripNetConfig
from irisstn.recognition.whitening import WhiteningFitConfig
from irisstn.rectification.rectifier import RectifierConfig
from irisstn.training.data.augmentation import AugmentationConfig
from irisstn.training.data.boundary_errors import PerturbationConfig
from irisstn.training.data.rendered_eyes import RenderedConfig


class LossWeights(Strict):
    """How much each part of the loss counts, and the errors at which the ring's parts change from square to linear."""

    metric: float = Field(1.0, ge=0)
    decorrelation: float = Field(0.0, ge=0)  # of the embedding's floats: see irisstn.recognition.losses.Decorrelation
    ring: float = Field(1.0, ge=0)  # 0: the STN learns from recognition alone
    outside: float = Field(1.0, ge=0)  # cells sampled beyond the ring
    # Within the ring's part. The roll's gradient is tens of times that of the boundaries' shape: with equal weights the
    # net learns no shape for hundreds of steps.
    shape: float = Field(5.0, ge=0)
    roll: float = Field(0.3, ge=0)
    agreement: float = Field(0.3, ge=0)  # that shots of one eye are turned alike, whatever upright is
    dilation: float = Field(0.1, ge=0)  # towards 0
    pupil_share: float = Field(0.1, ge=0)
    roll_scale_deg: float = Field(2.0, gt=0)
    shape_scale: float = Field(0.03, gt=0)  # ring widths
    share_scale: float = Field(0.1, gt=0)


class TrainConfig(Strict):
    """A training run. A file in configs/ says only what differs from these defaults, and why."""

    seed: int = Field(0, ge=0)
    size: tuple[int, int] = (32, 256)  # of the strips
    epochs: int = Field(40, ge=1)
    steps: int = Field(50, ge=1)  # batches in an epoch
    alone: int = Field(0, ge=0)  # epochs at first in which the STN learns its ring alone, at half the cost of both
    patience: int = Field(10, ge=1)  # epochs without a better validation loss before it stops early
    identities: int = Field(24, ge=2)  # in a batch
    strips: int = Field(4, ge=2)  # of each identity in a batch
    views: int = Field(0, ge=0)  # of which so many of one photograph; 0: one, or two where upright is not known
    bare: float = Field(0.3, ge=0, le=1)  # share of strips whose surroundings the STN does not see
    learning_rate: float = Field(2e-3, gt=0)
    weight_decay: float = Field(1e-2, ge=0)
    average: float = Field(0.97, ge=0, lt=1)  # the recogniser kept is a mean over its last 1 / (1 - average) steps
    start: Path | None = None  # weights, or a run, to go on from in place of random ones; their shapes must be the same
    held_out: float = Field(0.2, gt=0, lt=1)  # share of the subjects of DATA kept for validation
    threads: int = Field(0, ge=0)  # of torch on the CPU; 0: as many as there are cores
    device: Literal["auto", "cpu", "gpu"] = "auto"
    devices: int = Field(1, ge=1)  # of each node, a process each, among which the batches of an epoch are shared out
    nodes: int = Field(1, ge=1)  # the command is started on each, with the environment that Lightning asks for
    bfloat16: bool = False  # twice as fast on GPUs and on CPUs that multiply in it (AMX), slow on others
    rectifier: RectifierConfig | None = RectifierConfig()  # null: the CNN alone, to compare with
    recognizer: StripNetConfig | None = StripNetConfig()  # null: the STN alone, from its known ring
    metric: MetricLossConfig = MetricLossConfig()
    weights: LossWeights = LossWeights()
    perturbation: PerturbationConfig = PerturbationConfig()
    augmentation: AugmentationConfig = AugmentationConfig()
    rendered: RenderedConfig = RenderedConfig()
    whitening: WhiteningFitConfig | None = WhiteningFitConfig()  # of the recogniser, at the end; null: left out

    @model_validator(mode="after")
    def _possible(self) -> TrainConfig:
        if self.rectifier is None and self.recognizer is None:
            raise ValueError("with neither a rectifier nor a recognizer there is nothing to train")
        if self.recognizer is None and (self.rectifier is None or self.rectifier.transform != "ring"):
            raise ValueError("only the ring learns without a recognizer: give one, or the transform 'ring'")
        if self.augmentation.mirrored and (self.rectifier is not None or self.metric.kind == "sub-center-arcface"):
            raise ValueError("mirrored eyes are for a recognizer alone, with a loss that knows no fixed identities")
        if self.steps % (self.devices * self.nodes):
            raise ValueError(
                f"steps ({self.steps}) must be a multiple of devices x nodes, for all have as many batches"
            )
        return self
