"""Localization nets: an image, or a strip around a circle, to a transform's theta. All start at the identity."""

from __future__ import annotations

from contextlib import nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from irisstn.stn.transform import Transform


def start_at_identity(layer: nn.Linear, transform: Transform) -> None:
    """Set a last layer so that it gives the transform's identity for any input: zero weights, the identity as bias."""
    if layer.out_features != transform.n_params or layer.bias is None:
        raise ValueError(f"the last layer needs {transform.n_params} outputs and a bias, got {layer}")
    nn.init.zeros_(layer.weight)
    with torch.no_grad():
        layer.bias.copy_(transform.identity())


class TutorialLocalization(nn.Module):
    """The net of PyTorch's STN tutorial: two convolutions, two linear layers.

    The feature map is averaged to `pooled` cells before the linear layers, so images (B, C, H, W) of any size from
    22 x 22 fit; at 28 x 28 with the default it is the tutorial's own.
    """

    def __init__(
        self, transform: Transform, *, channels: int = 1, hidden: int = 32, pooled: tuple[int, int] = (3, 3)
    ) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(channels, 8, 7), nn.MaxPool2d(2), nn.ReLU(), nn.Conv2d(8, 10, 5), nn.MaxPool2d(2), nn.ReLU()
        )
        self.pool = nn.AdaptiveAvgPool2d(pooled)
        self.hidden = nn.Linear(10 * pooled[0] * pooled[1], hidden)
        self.last = nn.Linear(hidden, transform.n_params)
        start_at_identity(self.last, transform)

    def forward(self, image: Tensor) -> Tensor:
        """Theta (B, n) for `image` (B, C, H, W)."""
        return precise_linear(self.last, torch.relu(self.hidden(self.pool(self.features(image)).flatten(1))))


def precise_linear(layer: nn.Linear, features: Tensor) -> Tensor:
    """A last layer in float32 at least: half precision, or autocast, would round theta to a few hundred steps."""
    dtype = torch.promote_types(features.dtype, torch.float32)
    kind = features.device.type
    plain = torch.autocast(kind, enabled=False) if torch.is_autocast_enabled(kind) else nullcontext()
    with plain:
        return F.linear(features.to(dtype), layer.weight.to(dtype), layer.bias.to(dtype))
