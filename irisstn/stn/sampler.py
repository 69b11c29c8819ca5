"""Sampling an image through a grid, on a plane or around a circle, and watching where the grid goes.

One convention everywhere: `align_corners=False`, in the units of `irisstn.geometry`.
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
    """Sample `image` (B, C, H, W) at `grid` (B, H', W', 2), giving (B, C, H', W') in the image's dtype.

    `wrap` makes x a circle, as the angle of a strip is: any x, however large, is in the image. `padding` says what lies
    outside (with `wrap`, only above and below). `samples` > 1 averages samples x samples points spread over each output
    cell, against aliasing when the output is coarser than the input: take about the ratio of the two. That also lets
    gradients see the whole cell (compare Jiang et al. 2019, "Linearized multi-sampling").

    Computed in float32 at least: half precision has no room for a position within a pixel.
    """
    if image.ndim != 4 or grid.ndim != 4 or grid.shape[-1] != 2 or grid.shape[0] != image.shape[0]:
        raise ValueError(f"(B, C, H, W) and (B, H', W', 2) are needed, got {tuple(image.shape)}, {tuple(grid.shape)}")
    if samples < 1:
        raise ValueError(f"at least one sample per cell is needed, got {samples}")
    dtype = torch.promote_types(torch.promote_types(image.dtype, grid.dtype), torch.float32)
    source, places = image.to(dtype), grid.to(dtype)
    if samples > 1:
        places = _spread(places, samples)
    if wrap:
        margin = 2 if mode == "bicubic" else 1
        source, places = wrap_columns(source, margin), _wrap_grid(places, image.shape[-1], margin)
    sampled = F.grid_sample(source, places, mode=mode, padding_mode=padding, align_corners=False)
    if samples > 1:
        sampled = F.avg_pool2d(sampled, samples)
    return sampled.to(image.dtype)


def wrap_columns(image: Tensor, margin: int) -> Tensor:
    """`image` (..., W) with `margin` columns of the other end put at each end: (..., W + 2 margin)."""
    width = image.shape[-1]
    if not 0 <= margin <= width:
        raise ValueError(f"a margin of {margin} columns does not fit an image of {width}")
    return torch.cat([image[..., width - margin :], image, image[..., :margin]], dim=-1) if margin else image


def area_outside(grid: Tensor, *, wrap: bool = False) -> Tensor:
    """Share (B,) of a grid's cells (B, H, W, 2) that sample outside the input; with `wrap`, above and below only."""
    return (_overshoot(grid, wrap) > 0).any(dim=-1).float().mean(dim=(1, 2))


def outside_penalty(grid: Tensor, *, wrap: bool = False) -> Tensor:
    """Mean distance (B,) in units by which a grid's cells leave the input: 0 inside, with a gradient back to it."""
    return _overshoot(grid, wrap).sum(dim=-1).mean(dim=(1, 2))


def _overshoot(grid: Tensor, wrap: bool) -> Tensor:
    if grid.ndim != 4 or grid.shape[-1] != 2:
        raise ValueError(f"a grid must be (B, H, W, 2), got {tuple(grid.shape)}")
    return F.relu((grid[..., 1:] if wrap else grid).abs() - 1)


def _wrap_grid(grid: Tensor, width: int, margin: int) -> Tensor:
    """Bring x into one turn and rescale it to an image with `margin` more columns at each end."""
    turned = torch.remainder(grid[..., 0] + 1, 2)  # 0..2 over the circle
    x = (turned * width + 2 * margin) / (width + 2 * margin) - 1
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
