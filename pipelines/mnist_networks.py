"""The digit classifiers of the MNIST experiments: a plain CNN, and a CNN behind a spatial transformer."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from irisstn.config import Strict
from irisstn.stn import (
    TRANSFORMS,
    MatrixTransform,
    SpatialTransformer,
    Transform,
    Warped,
    start_at_identity,
)

Count = Annotated[int, Field(ge=1)]
MODELS = ("stn", "cnn")


class Network(Strict):
    """The sizes of one experiment's networks."""

    transform: Literal["translation", "rotation", "scale", "attention", "affine", "projective", "tps"] = "affine"
    output_side: Count = 24  # pixels of what the transformer hands on
    # the share of the image's sides that it shows before it has learnt, in all its looks together
    start: Annotated[float, Field(gt=0, le=1)] = 24 / 28
    antialias: bool = False  # average over each output cell: for an image much larger than the output
    iterations: Count = 1  # looks, each through what the ones before found
    look: Count = 2  # the localization net sees the mean of so many pixels squared
    localization_width: Count = 16
    width: Count = 16  # channels of the first layer behind the transformer
    plain_hidden: Count = 84  # units of one more layer in the plain CNN, so that it has no fewer parameters
    plain_pool: Count = 1  # its first convolution's maxima over so many pixels squared
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0


class Cnn(nn.Module):
    """Four convolutions and a linear layer: images (B, 1, H, W) of any even size from 12 x 12 to logits (B, 10).

    With `pool` 2, for large images, the first convolution's maxima over 2 x 2 go on. `hidden` units of one more layer,
    if any, stand before the last.
    """

    def __init__(self, width: int, dropout: float, *, hidden: int = 0, pool: int = 1) -> None:
        super().__init__()
        units = 16 * width
        self.features = nn.Sequential(
            nn.PixelUnshuffle(2),  # 3 x 3 of these is 6 x 6 with a stride of 2, and four channels are faster than one
            _block(4, width, 3),
            nn.MaxPool2d(pool) if pool > 1 else nn.Identity(),
            _block(width, 2 * width, 3),
            nn.MaxPool2d(2),
            _block(2 * width, 4 * width, 3),
            _block(4 * width, 4 * width, 3),
            nn.AdaptiveMaxPool2d(2),
            nn.Flatten(),
            nn.Dropout(dropout),
            *([nn.Linear(units, hidden), nn.ReLU()] if hidden else []),
        )
        self.last = nn.Linear(hidden or units, 10)

    def forward(self, image: Tensor) -> Tensor:
        """Logits (B, 10)."""
        logits: Tensor = self.last(self.features(image))
        return logits


class Localization(nn.Module):
    """Four convolutions and two linear layers, from images (B, 1, `side`, `side`) to theta (B, n).

    Its last map is not averaged before the linear layers: where the digit lies is what they are to progress.
    """

    def __init__(self, transform: Transform, side: int, *, width: int, look: int) -> None:
        super().__init__()
        self.look = look
        cells = -(-(side // look) // 4)
        self.features = nn.Sequential(
            _block(1, width, 5, 2),
            _block(width, 2 * width, 3, 2),
            _block(2 * width, 2 * width, 3),
            _block(2 * width, 8, 1),
            nn.Flatten(),
            nn.Linear(8 * cells**2, 2 * width),
            nn.ReLU(),
        )
        self.last = nn.Linear(2 * width, transform.n_params)
        start_at_identity(self.last, transform)

    def forward(self, image: Tensor) -> Tensor:
        """Theta (B, n), in float32 whatever the rest runs in."""
        features = self.features(F.avg_pool2d(image, self.look) if self.look > 1 else image)
        kind = image.device.type
        with torch.autocast(kind, enabled=False) if torch.is_autocast_enabled(kind) else nullcontext():
            theta: Tensor = self.last(features.float())
        return theta


class TransformedCnn(nn.Module):
    """A `Cnn` that sees the image through a spatial transformer; both learn from the classifier's loss alone."""

    def __init__(self, network: Network, side: int) -> None:
        super().__init__()
        transform = TRANSFORMS[network.transform]()
        localization = Localization(transform, side, width=network.localization_width, look=network.look)
        if network.start < 1:
            # Each look shows a part of what the ones before it show.
            _start_at(localization.last, transform, network.start ** (1 / network.iterations))
        self.transformer = SpatialTransformer(
            localization,
            transform,
            output_size=(network.output_side, network.output_side),
            antialias=network.antialias,
            iterations=network.iterations,
        )
        self.cnn = Cnn(network.width, network.dropout)

    def forward(self, image: Tensor) -> Tensor:
        """Logits (B, 10) for images (B, 1, H, W)."""
        logits: Tensor = self.cnn(self.look(image).image)
        return logits

    def look(self, image: Tensor) -> Warped:
        """What the classifier gets to see."""
        warped: Warped = self.transformer(image)
        return warped


def build(network: Network, model: str, side: int) -> Cnn | TransformedCnn:
    """The network `model`: "stn", or "cnn", its rival of no fewer parameters; for images of `side` pixels squared."""
    if model not in MODELS:
        raise ValueError(f"the model must be one of {', '.join(MODELS)}, got {model!r}")
    if model == "stn":
        net: Cnn | TransformedCnn = TransformedCnn(network, side)
    else:
        net = Cnn(network.width, network.dropout, hidden=network.plain_hidden, pool=network.plain_pool)
    for parameter in net.parameters():
        if parameter.ndim == 4:  # a fifth faster on a CPU
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return net


def count_parameters(module: nn.Module) -> int:
    """How many numbers `module` learns."""
    return sum(parameter.numel() for parameter in module.parameters())


def _start_at(last: nn.Linear, transform: Transform, share: float) -> None:
    """Let `last` give the middle of the image, `share` of its sides, where it gave the whole."""
    if isinstance(transform, MatrixTransform):
        theta = transform.theta_of_matrix(torch.diag(torch.tensor([share, share, 1.0]))[None])
    else:  # a spline: its control points move inward
        theta = transform.theta_of(share * transform.identity()[None])
    with torch.no_grad():
        last.bias.copy_(theta[0])


def _block(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )
