"""StripNet: a small convolutional network that turns a strip into an embedding.

The strip's angle is a circle, so every convolution pads around it; across the ring it pads with zeros. The mask enters
as a second channel, and once more where features are pooled: a cell counts by the usable pixels below it. Recognition
relies on what lies where, so pooling keeps sectors of the ring apart to the end.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

import torch
import torch.nn.functional as F
from pydantic import Field, ValidationError
from torch import Tensor, nn

from irisstn.config import Strict
from irisstn.errors import WeightsError
from irisstn.images import write_bytes_atomic
from irisstn.weights_file import fill, pack_weights, read_weights

KIND = "recognizer-1"


class StripNetConfig(Strict):
    """Shape of the network; the defaults make 0.6 million parameters and 512 floats."""

    widths: tuple[int, int, int, int] = (24, 48, 80, 128)  # channels at 1/2, 1/4, 1/4 and 1/8 of the strip's size
    sectors: int = Field(16, ge=1)  # places around the ring that the embedding keeps apart
    rings: int = Field(2, ge=1)  # the same, from the pupil to the limbus
    channels: int = Field(16, ge=1)  # floats for each such place
    embedding: int = Field(0, ge=0)  # > 0: mix all places into so many floats; 0: keep them apart


class CircularConv(nn.Module):
    """Convolution of strips (B, C, R, T), wrapped around the angle T, zero beyond pupil and limbus; no bias."""

    def __init__(self, inputs: int, outputs: int, kernel: tuple[int, int], stride: tuple[int, int] = (1, 1)) -> None:
        super().__init__()
        self.wrap = kernel[1] // 2
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding=(kernel[0] // 2, 0), bias=False)

    def forward(self, strips: Tensor) -> Tensor:
        """(B, C, R, T) to (B, C', R / stride, T / stride), rounded up."""
        wrapped = torch.cat([strips[..., -self.wrap :], strips, strips[..., : self.wrap]], dim=-1)
        out: Tensor = self.conv(wrapped)
        return out


def _block(inputs: int, outputs: int, kernel: tuple[int, int], stride: tuple[int, int] = (1, 1)) -> nn.Sequential:
    return nn.Sequential(CircularConv(inputs, outputs, kernel, stride), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class _Residual(nn.Module):
    """Two convolutions beside a shortcut (He et al. 2016)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _block(width, width, (3, 3))
        self.second = nn.Sequential(CircularConv(width, width, (3, 3)), nn.BatchNorm2d(width))

    def forward(self, features: Tensor) -> Tensor:
        return F.relu(features + self.second(self.first(features)))


class StripNet(nn.Module):
    """Strips to embeddings of length 1; two strips are compared by the cosine of theirs.

    Any strip size works that is divisible by what the strides and sectors ask (32 x 64 at least); it is trained at
    one size and best used there.
    """

    def __init__(self, config: StripNetConfig = StripNetConfig()) -> None:
        super().__init__()
        self.config = config
        a, b, c, d = config.widths
        self.features = nn.Sequential(
            _block(2, a, (5, 7), (2, 2)),
            _block(a, b, (3, 3), (2, 2)),
            _Residual(b),
            _block(b, c, (3, 3)),
            _block(c, d, (3, 3), (2, 2)),
            _Residual(d),
        )
        self.head = nn.Conv2d(d, config.channels, 1)
        self.norm = nn.BatchNorm1d(self.places * config.channels)
        self.mix = nn.Linear(self.places * config.channels, config.embedding) if config.embedding else nn.Identity()

    @property
    def places(self) -> int:
        """Cells of the ring that the embedding keeps apart."""
        return self.config.rings * self.config.sectors

    @property
    def embedding_size(self) -> int:
        """D: floats of an embedding."""
        return self.config.embedding or self.places * self.config.channels

    def forward(self, images: Tensor, usable: Tensor) -> Tensor:
        """Embeddings (B, D), L2 norm 1, of `images` (B, 1, R, T), any gray scale, and `usable` (B, 1, R, T) in 0..1."""
        if images.ndim != 4 or images.shape[1] != 1 or usable.shape != images.shape:
            raise ValueError(
                f"images and masks (B, 1, R, T) are wanted, got {tuple(images.shape)}, {tuple(usable.shape)}"
            )
        standard = standardize(images, usable)
        features = self.head(self.features(torch.cat([standard, usable], dim=1)))
        size = (self.config.rings, self.config.sectors)
        weight = F.adaptive_avg_pool2d(usable, features.shape[-2:])
        pooled = F.adaptive_avg_pool2d(features * weight, size) / (F.adaptive_avg_pool2d(weight, size) + 0.05)
        seen = F.adaptive_avg_pool2d(usable, size)
        centred = self.norm(pooled.flatten(1)).unflatten(1, pooled.shape[1:])
        # A square root, so that a place half seen counts half in the product of two embeddings; its gradient ends at 0.
        return F.normalize(self.mix((centred * (seen + 1e-3).sqrt()).flatten(1)), dim=1)

    @classmethod
    def load(cls, path: Path) -> Self:
        """The network saved at `path`, a file or the folder of a run. Raises WeightsError with the reason."""
        file = path / "recognizer.safetensors" if path.is_dir() else path
        values, state = read_weights(file, KIND)
        try:
            config = StripNetConfig.model_validate(values)
        except ValidationError as error:
            reasons = "; ".join(problem["msg"] for problem in error.errors())
            raise WeightsError(f"{file} has an impossible config: {reasons}") from None
        network = cls(config)
        fill(network, state, file)
        return network.eval()

    def save(self, path: Path) -> None:
        """Write weights and config to `path`, atomically. The same weights always make the same bytes."""
        write_bytes_atomic(path, pack_weights(self, KIND, self.config.model_dump(mode="json")))


def standardize(images: Tensor, usable: Tensor) -> Tensor:
    """`images` (B, 1, R, T) with mean 0 and standard deviation 1 over the usable pixels, 0 elsewhere."""
    count = usable.sum((2, 3), keepdim=True).clamp_min(1.0)
    mean = (images * usable).sum((2, 3), keepdim=True) / count
    centred = (images - mean) * usable
    variance = centred.square().sum((2, 3), keepdim=True) / count
    return centred / (variance + 1e-6).sqrt()
