"""The input of the recognition network: strips at its own size, reduced to their local texture."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_FLOOR = 2e-4  # added to the variance of gray levels in 0..1, so that noise below 3.6 of 255 levels is not amplified
_LIMIT = 3.0  # standard deviations at which values are clipped: eyelashes or reflections that the mask has missed


def standardize(images: Tensor, usable: Tensor, window: tuple[int, int]) -> Tensor:
    """Subtract the local mean and divide by the local standard deviation, both over usable pixels.

    Parameters
    ----------
    images, usable : Tensor, shape (B, 1, R, T)
        Gray levels in 0..1, and masks, 1 = usable.
    window : tuple of int
        Rows and columns of the window around each pixel, both odd. It wraps around the angle and is cut off at the
        first and the last row.

    Returns
    -------
    Tensor, shape (B, 1, R, T)
        Values clipped to ±3; 0 where a pixel is not usable.
    """
    weight = _around(usable, window).clamp_min(1e-3)
    centred = (images - _around(images * usable, window) / weight) * usable
    variance = _around(centred.square(), window) / weight
    return (centred / (variance + _FLOOR).sqrt()).clamp(-_LIMIT, _LIMIT)


def _around(planes: Tensor, window: tuple[int, int]) -> Tensor:
    """Sum of `planes` (B, 1, R, T) over the window around each pixel, divided by the area of the window."""
    rows, columns = window
    side = columns // 2
    wrapped = torch.cat([planes[..., planes.shape[-1] - side :], planes, planes[..., :side]], dim=-1)
    padded = F.pad(wrapped, (0, 0, rows // 2, rows // 2))
    return _run_sums(_run_sums(padded, 2, rows), 3, columns) / (rows * columns)


def _run_sums(planes: Tensor, axis: int, length: int) -> Tensor:
    """Sums of each `length` neighbours along `axis`, which becomes shorter by `length` - 1.

    Sums over 1, 2, 4, ... neighbours are each computed from two of the sums before. The binary digits of `length` give
    those that add up to it. This takes a sixth of the time of torch's pooling.
    """
    kept = planes.shape[axis] - length + 1
    run, parts, start = planes, [], 0
    for digit in range(length.bit_length()):
        side = 1 << digit
        if digit:  # from runs of side / 2 to runs of side
            shorter = run.shape[axis] - side // 2
            run = run.narrow(axis, 0, shorter) + run.narrow(axis, side // 2, shorter)
        if length & side:
            parts.append(run.narrow(axis, start, kept))
            start += side
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def resized(images: Tensor, usable: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Reduce or enlarge strips by means over usable pixels.

    Parameters
    ----------
    images, usable : Tensor, shape (B, 1, R, T)
        Gray levels, and masks, 1 = usable.
    size : tuple of int
        (R', T') of the result.

    Returns
    -------
    images, usable : Tensor, shape (B, 1, R', T')
        Gray levels, 0 where not usable, and masks; a cell is usable where more than half of it is.
    """
    if images.shape[-2:] == size:
        return images * usable, usable
    fraction = _cell_means(usable, size)
    mean = _cell_means(images * usable, size) / fraction.clamp_min(1e-3)
    kept = (fraction > 0.5).to(images)
    return mean * kept, kept


def _cell_means(planes: Tensor, size: tuple[int, int]) -> Tensor:
    """Means over the cells of `size`; for cells of 2 x 2 pixels faster than torch's pooling."""
    if planes.shape[-2:] != (2 * size[0], 2 * size[1]):
        return F.adaptive_avg_pool2d(planes, size)
    rows = planes[..., ::2, :] + planes[..., 1::2, :]
    return (rows[..., ::2] + rows[..., 1::2]) / 4
