"""Settings of the recognition network, its loss and its whitening; they can be read without torch."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from irisstn.config import Strict
from irisstn.weights import MAX_BYTES

_LARGEST_SIDE = 1024  # pixels of a side of the resized strip, and channels of a layer


RECOGNIZER_KIND = "recognizer-3"  # kind and version of the weights


class StripNetConfig(Strict):
    """Shape of the network. With the defaults it has half a million parameters and embeddings of 512 numbers.

    Attributes
    ----------
    size : tuple of int
        Rows and columns of the strips in the network; strips of other sizes are resized.
    window : tuple of int
        Rows and columns, both odd, over which the local mean and standard deviation are computed.
    widths : tuple of int
        Channels at 1/2, 1/4, 1/4 and 1/8 of the size.
    sectors, rings : int
        Number of cells around the ring, and from the pupil to the limbus, that features are pooled to.
    channels : int
        Numbers of the embedding for each of these cells.
    trunks : int
        Number of convolutional networks, trained separately, whose embeddings are concatenated.
    embedding : int
        Above 0: length of the embedding that a linear layer computes of all cells. 0: the cells stay separate.
    whitened : int
        Above 0: length of the whitened embedding, the directions of most variance. 0: all directions.
    """

    size: tuple[int, int] = (32, 256)
    window: tuple[int, int] = (17, 33)
    widths: tuple[int, int, int, int] = (24, 48, 80, 128)
    sectors: int = Field(32, ge=1, le=512)
    rings: int = Field(2, ge=1, le=64)
    channels: int = Field(8, ge=1, le=256)
    trunks: int = Field(1, ge=1, le=4)
    embedding: int = Field(0, ge=0, le=8192)
    whitened: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if any(side % 2 == 0 or side < 1 or side > limit for side, limit in zip(self.window, self.size, strict=True)):
            raise ValueError(f"a window of two odd sides within the size {self.size} is needed, got {self.window}")
        if max(*self.widths, *self.size) > _LARGEST_SIDE or min(*self.widths, *self.size) < 1:
            raise ValueError(f"widths and sizes of 1 to {_LARGEST_SIDE} are needed, got {self.widths}, {self.size}")
        places = self.trunks * self.rings * self.sectors * self.channels
        if max(places * self.embedding, self.unwhitened_size * self.whitened) > MAX_BYTES // 4:
            raise ValueError("its matrices would be larger than a weights file may be")
        if self.whitened > self.unwhitened_size:
            raise ValueError(f"an embedding of {self.unwhitened_size} numbers cannot keep {self.whitened}")
        return self

    @property
    def unwhitened_size(self) -> int:
        """Length of an embedding before the whitening."""
        return self.embedding or self.trunks * self.rings * self.sectors * self.channels

    @property
    def embedding_size(self) -> int:
        """Length of an embedding."""
        return self.whitened or self.unwhitened_size


class MetricLossConfig(Strict):
    """Which loss, and its parameters.

    `multi-similarity` and `supervised-contrastive` compare the strips of a batch with each other, so the set of
    identities may change during training. `sub-center-arcface` learns several centres for each of a fixed set of
    identities, with an angular margin; outliers can have a centre of their own.

    References
    ----------
    Wang et al. 2019, "Multi-similarity loss with general pair weighting for deep metric learning".
    Khosla et al. 2020, "Supervised contrastive learning".
    Deng et al. 2020, "Sub-center ArcFace: boosting face recognition by large-scale noisy web faces".
    """

    kind: Literal["multi-similarity", "supervised-contrastive", "sub-center-arcface"] = Field(
        "supervised-contrastive", description="The loss."
    )
    temperature: float = Field(0.1, gt=0, description="Temperature of supervised-contrastive.")
    margin_deg: float = Field(20.0, ge=0, lt=90, description="Angular margin of sub-center-arcface, degrees.")
    scale: float = Field(32.0, gt=0, description="Scale of the logits of sub-center-arcface.")


class WhiteningConfig(Strict):
    """How far embeddings are whitened: eigenvalues w of their covariance become w (w + ridge mean(w))^(-2 exponent)."""

    exponent: float = Field(
        0.2, ge=0, le=0.5, description="0 only subtracts the mean; 0.5 makes all variances equal but for the ridge."
    )
    ridge: float = Field(
        0.1,
        ge=0,
        description="Fraction of the mean eigenvalue that is added, so that noise is not amplified.",
    )


class WhiteningFitConfig(WhiteningConfig):
    """Settings of the whitening at the end of a training run."""

    strips: int = Field(
        2000, ge=2, description="Strips to fit to, of as many identities as possible; a few times the embedding's size."
    )
