"""Convolutions and Fourier series along the angle of a strip, which is a circle."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from irisstn.stn.sampler import wrap_columns


class CircularConv(nn.Module):
    """Convolution of strips, wrapped around the columns, with zeros beyond the first and last row.

    Parameters
    ----------
    inputs, outputs : int
        Numbers of channels.
    kernel : tuple of int
        Rows and columns of the kernel, both odd.
    stride : tuple of int
        Strides along rows and columns.
    dilation : int
        Dilation along the columns.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: tuple[int, int], stride: tuple[int, int] = (1, 1), dilation: int = 1
    ) -> None:
        super().__init__()
        self.margin = dilation * (kernel[1] // 2)
        padding = (kernel[0] // 2, 0)
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, (1, dilation), bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Convolve features.

        Parameters
        ----------
        features : Tensor, shape (B, inputs, R, T)
            Features of strips.

        Returns
        -------
        Tensor, shape (B, outputs, R / stride, T / stride)
            Sizes are rounded up.
        """
        out: Tensor = self.conv(wrap_columns(features, self.margin))
        return out


class FoldedConv(NamedTuple):
    """A `CircularConv` and the batch norm behind it as one convolution, for inference: `fold` makes one.

    Attributes
    ----------
    weight, bias : Tensor
        Of the convolution.
    stride, padding, dilation : tuple of int
        Along rows and columns.
    margin : int
        Columns that are added at each side from the opposite side.
    """

    weight: Tensor
    bias: Tensor
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    margin: int

    def __call__(self, features: Tensor) -> Tensor:
        """Convolve features (B, C, R, T), as `CircularConv` and the norm do."""
        wrapped = wrap_columns(features, self.margin)
        return F.conv2d(wrapped, self.weight, self.bias, self.stride, self.padding, self.dilation)


def fold(conv: CircularConv, norm: nn.BatchNorm2d) -> FoldedConv:
    """Fold a batch norm, with its running mean and variance, into the convolution before it.

    Parameters
    ----------
    conv : CircularConv
        The convolution.
    norm : BatchNorm2d
        The norm.

    Returns
    -------
    FoldedConv
        A copy, which later changes of the weights do not reach.

    Raises
    ------
    ValueError
        Where the norm keeps no running mean and variance.
    """
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError("a batch norm without running statistics cannot be folded")
    plain = conv.conv
    with torch.no_grad():
        gain = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
        weight, bias = plain.weight * gain[:, None, None, None], norm.bias - norm.running_mean * gain
    padding = (int(plain.padding[0]), int(plain.padding[1]))
    return FoldedConv(weight, bias, plain.stride, padding, plain.dilation, conv.margin)


def waves(like: Tensor, order: int) -> Tensor:
    """Values of 1, cos a, sin a, cos 2a, sin 2a, ... at the angle a of each column of a strip.

    Parameters
    ----------
    like : Tensor, shape (..., T)
        Gives the number of columns, the device and the dtype.
    order : int
        Highest Fourier order.

    Returns
    -------
    Tensor, shape (1 + 2 order, T)
        The basis functions.
    """
    columns = like.shape[-1]
    angle = 2 * torch.pi * (torch.arange(columns, device=like.device, dtype=torch.float64) + 0.5) / columns
    waves = [torch.ones_like(angle)]
    for k in range(1, order + 1):
        waves += [torch.cos(k * angle), torch.sin(k * angle)]
    return torch.stack(waves).to(like.dtype)


def fourier(values: Tensor, order: int) -> Tensor:
    """Fourier coefficients of values around the circle.

    Parameters
    ----------
    values : Tensor, shape (B, C, T)
        Values at the columns of a strip.
    order : int
        Highest Fourier order.

    Returns
    -------
    Tensor, shape (B, C, 1 + 2 order)
        Coefficients of `waves`, in float32 at least.
    """
    values = values.to(torch.promote_types(values.dtype, torch.float32))
    means = (values[:, :, None, :] * waves(values, order)).mean(dim=-1)
    return torch.cat([means[..., :1], 2 * means[..., 1:]], dim=-1)
