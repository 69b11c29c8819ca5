"""Sampling of an image through a grid, on a plane or around a circle, and measures of the area outside the image.

All grids are in the units of `irisstn.geometry`, with `align_corners=False`.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Padding = Literal["zeros", "border", "reflection"]
Mode = Literal["bilinear", "nearest", "bicubic"]


def sample(
    image: Tensor,
    grid: Tensor,
    *,
    wrap: bool = False,
    mode: Mode = "bilinear",
    padding: Padding = "zeros",
    samples: int = 1,
) -> Tensor:
    """Sample images at the points of a grid.

    The computation is in float32 at least, because half precision cannot represent a position within a pixel.

    Parameters
    ----------
    image : Tensor, shape (B, C, H, W)
        Images.
    grid : Tensor, shape (B, H', W', 2)
        (x_unit, y_unit) of each output cell.
    wrap : bool
        Whether x is periodic, like the angle of a strip; then no x lies outside.
    mode : {"bilinear", "nearest", "bicubic"}
        Interpolation.
    padding : {"zeros", "border", "reflection"}
        Values outside the image; with `wrap` only above and below.
    samples : int
        With more than one, samples x samples points are averaged over each output cell. This prevents aliasing where
        the output is coarser than the input (use about the ratio of the two), and gives gradients from the whole cell;
        compare [1]_.

    Returns
    -------
    Tensor, shape (B, C, H', W')
        The samples, in the dtype of `image`.

    Raises
    ------
    ValueError
        Where shapes do not fit, or `samples` is below 1.

    References
    ----------
    .. [1] Jiang et al. 2019, "Linearized multi-sampling for differentiable image transformation".
    """
    positions = _positions(image, grid, wrap=wrap, mode=mode, samples=samples)
    return _sampled(image, positions, wrap=wrap, mode=mode, padding=padding, samples=samples)


def sample_masked(
    image: Tensor, usable: Tensor, grid: Tensor, *, wrap: bool = False, padding: Padding = "zeros", samples: int = 1
) -> tuple[Tensor, Tensor]:
    """Sample images and their masks at the same points, bilinearly.

    Parameters
    ----------
    image : Tensor, shape (B, C, H, W)
        Images.
    usable : Tensor, shape (B, 1, H, W)
        Masks of floats, 1 = usable.
    grid, wrap, padding, samples
        As in `sample`. Cells outside the input are not usable, whatever the padding of the image.

    Returns
    -------
    image : Tensor, shape (B, C, H', W')
        The sampled images.
    usable : Tensor, shape (B, 1, H', W')
        The sampled masks.

    Raises
    ------
    ValueError
        As in `sample`.
    """
    positions = _positions(image, grid, wrap=wrap, samples=samples)
    found = _sampled(image, positions, wrap=wrap, padding=padding, samples=samples)
    return found, _sampled(usable, positions, wrap=wrap, samples=samples)


def _positions(image: Tensor, grid: Tensor, *, wrap: bool, samples: int, mode: Mode = "bilinear") -> Tensor:
    """The grid of `sample` as `grid_sample` takes it: for the padded image, with all samples of a cell."""
    if image.ndim != 4 or grid.ndim != 4 or grid.shape[-1] != 2 or grid.shape[0] != image.shape[0]:
        raise ValueError(f"(B, C, H, W) and (B, H', W', 2) are needed, got {tuple(image.shape)}, {tuple(grid.shape)}")
    if samples < 1:
        raise ValueError(f"at least one sample per cell is needed, got {samples}")
    positions = grid.to(torch.promote_types(torch.promote_types(image.dtype, grid.dtype), torch.float32))
    if samples > 1:
        positions = _spread(positions, samples)
    return _wrap_grid(positions, image.shape[-1], _margin(mode)) if wrap else positions


def _sampled(
    image: Tensor,
    positions: Tensor,
    *,
    wrap: bool,
    samples: int,
    mode: Mode = "bilinear",
    padding: Padding = "zeros",
) -> Tensor:
    """The image at what `_positions` returns."""
    source = image.to(positions.dtype)
    if wrap:
        source = wrap_columns(source, _margin(mode))
    sampled = F.grid_sample(source, positions, mode=mode, padding_mode=padding, align_corners=False)
    if samples > 1:
        sampled = F.avg_pool2d(sampled, samples)
    return sampled.to(image.dtype)


def _margin(mode: Mode) -> int:
    """Columns that interpolation needs at each side of a periodic image."""
    return 2 if mode == "bicubic" else 1


def wrap_columns(image: Tensor, margin: int) -> Tensor:
    """Pad an image at either side with columns of the opposite side.

    Parameters
    ----------
    image : Tensor, shape (..., W)
        An image whose columns are periodic.
    margin : int
        Columns to add at each side, 0..W.

    Returns
    -------
    Tensor, shape (..., W + 2 margin)
        The padded image.

    Raises
    ------
    ValueError
        For an impossible margin.
    """
    width = image.shape[-1]
    if not 0 <= margin <= width:
        raise ValueError(f"a margin of {margin} columns does not fit an image of {width}")
    return torch.cat([image[..., width - margin :], image, image[..., :margin]], dim=-1) if margin else image


def area_outside(grid: Tensor, *, wrap: bool = False) -> Tensor:
    """Fraction of the cells of a grid that sample outside the input.

    Parameters
    ----------
    grid : Tensor, shape (B, H, W, 2)
        A sampling grid.
    wrap : bool
        Whether x is periodic; then only y can be outside.

    Returns
    -------
    Tensor, shape (B,)
        Fractions, 0..1.
    """
    return (_overshoot(grid, wrap) > 0).any(dim=-1).float().mean(dim=(1, 2))


def outside_penalty(grid: Tensor, *, wrap: bool = False) -> Tensor:
    """Mean distance of the cells of a grid from the input, with a gradient that leads back to it.

    Parameters
    ----------
    grid : Tensor, shape (B, H, W, 2)
        A sampling grid.
    wrap : bool
        Whether x is periodic; then only y can be outside.

    Returns
    -------
    Tensor, shape (B,)
        Distances in grid units, 0 for a grid inside the input.
    """
    return _overshoot(grid, wrap).sum(dim=-1).mean(dim=(1, 2))


def _overshoot(grid: Tensor, wrap: bool) -> Tensor:
    if grid.ndim != 4 or grid.shape[-1] != 2:
        raise ValueError(f"a grid must be (B, H, W, 2), got {tuple(grid.shape)}")
    return F.relu((grid[..., 1:] if wrap else grid).abs() - 1)


def _wrap_grid(grid: Tensor, width: int, margin: int) -> Tensor:
    """Reduce x to one period and rescale it to an image with `margin` more columns at each side."""
    periodic = torch.remainder(grid[..., 0] + 1, 2)  # 0..2 over the circle
    x = (periodic * width + 2 * margin) / (width + 2 * margin) - 1
    return torch.stack([x, grid[..., 1]], dim=-1)


def _spread(grid: Tensor, samples: int) -> Tensor:
    """Replace each cell (B, H, W, 2) by samples x samples points over it: (B, H samples, W samples, 2)."""
    height, width = grid.shape[1:3]
    if height < 2 or width < 2:
        raise ValueError(f"more than one sample per cell needs an output of at least 2x2, got {height}x{width}")
    down, along = torch.gradient(grid, dim=(1, 2))
    steps = (torch.arange(samples, device=grid.device, dtype=grid.dtype) + 0.5) / samples - 0.5
    cells = grid[:, :, None, :, None, :]
    cells = cells + steps[:, None, None, None] * down[:, :, None, :, None, :]
    cells = cells + steps[:, None] * along[:, :, None, :, None, :]
    return cells.reshape(grid.shape[0], height * samples, width * samples, 2)
