"""A localization network for images: it estimates the theta of a transform, and starts at the identity."""

from __future__ import annotations

from contextlib import nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from irisstn.stn.transform import Transform


def start_at_identity(layer: nn.Linear, transform: Transform) -> None:
    """Initialise a last layer with zero weights and the identity of a transform as bias.

    Parameters
    ----------
    layer : nn.Linear
        The last layer of a localization network.
    transform : Transform
        The transform whose theta the layer returns.

    Raises
    ------
    ValueError
        Where the layer has no bias, or another number of outputs than the transform has parameters.
    """
    if layer.out_features != transform.n_params or layer.bias is None:
        raise ValueError(f"the last layer needs {transform.n_params} outputs and a bias, got {layer}")
    nn.init.zeros_(layer.weight)
    with torch.no_grad():
        layer.bias.copy_(transform.identity())


class TutorialLocalization(nn.Module):
    """The localization network of PyTorch's STN tutorial: two convolutions, two linear layers.

    The feature map is averaged to 3 x 3 cells before the linear layers, so that images of any size from 22 x 22 fit;
    at 28 x 28 this changes nothing.

    Parameters
    ----------
    transform : Transform
        The transform whose theta is estimated.
    channels : int
        Channels of the image.
    """

    def __init__(self, transform: Transform, *, channels: int = 1) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(channels, 8, 7), nn.MaxPool2d(2), nn.ReLU(), nn.Conv2d(8, 10, 5), nn.MaxPool2d(2), nn.ReLU()
        )
        self.pool = nn.AdaptiveAvgPool2d((3, 3))
        self.hidden = nn.Linear(10 * 3 * 3, 32)
        self.last = nn.Linear(32, transform.n_params)
        start_at_identity(self.last, transform)

    def forward(self, image: Tensor) -> Tensor:
        """Estimate theta.

        Parameters
        ----------
        image : Tensor, shape (B, C, H, W)
            Images.

        Returns
        -------
        Tensor, shape (B, n)
            Theta, in float32 at least.
        """
        return precise_linear(self.last, torch.relu(self.hidden(self.pool(self.features(image)).flatten(1))))


def precise_linear(layer: nn.Linear, features: Tensor) -> Tensor:
    """Apply a last layer in float32 at least, also under autocast: half precision would quantise theta coarsely.

    Parameters
    ----------
    layer : nn.Linear
        The layer.
    features : Tensor, shape (B, inputs)
        Its input, in any precision.

    Returns
    -------
    Tensor, shape (B, outputs)
        Its output, in float32 or, for float64 features, float64.
    """
    dtype = torch.promote_types(features.dtype, torch.float32)
    kind = features.device.type
    full_precision = torch.autocast(kind, enabled=False) if torch.is_autocast_enabled(kind) else nullcontext()
    with full_precision:
        return F.linear(features.to(dtype), layer.weight.to(dtype), layer.bias.to(dtype))
