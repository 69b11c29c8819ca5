"""Layers and Fourier series on a circle: what is done along a strip's angle, in any network that reads strips."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from irisstn.stn.sampler import wrap_columns


class CircularConv(nn.Module):
    """Convolution of (B, C, R, T), wrapped around T, zero beyond the first and last row."""

    def __init__(
        self, inputs: int, outputs: int, kernel: tuple[int, int], stride: tuple[int, int] = (1, 1), dilation: int = 1
    ) -> None:
        super().__init__()
        self.margin = dilation * (kernel[1] // 2)
        padding = (kernel[0] // 2, 0)
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, (1, dilation), bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, R, T) to (B, C', R / stride, T / stride), rounded up."""
        out: Tensor = self.conv(wrap_columns(features, self.margin))
        return out


def waves(like: Tensor, order: int) -> Tensor:
    """1, cos a, sin a, cos 2a, sin 2a, ... (1 + 2 order, T) at the angle a of each column of `like` (..., T)."""
    columns = like.shape[-1]
    angle = 2 * torch.pi * (torch.arange(columns, device=like.device, dtype=torch.float64) + 0.5) / columns
    waves = [torch.ones_like(angle)]
    for k in range(1, order + 1):
        waves += [torch.cos(k * angle), torch.sin(k * angle)]
    return torch.stack(waves).to(like.dtype)


def fourier(values: Tensor, order: int) -> Tensor:
    """Fourier coefficients (B, C, 1 + 2 order) of `values` (B, C, T) around the circle, in float32 at least."""
    values = values.to(torch.promote_types(values.dtype, torch.float32))
    means = (values[:, :, None, :] * waves(values, order)).mean(dim=-1)
    return torch.cat([means[..., :1], 2 * means[..., 1:]], dim=-1)
