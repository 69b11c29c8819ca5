"""A ring's context as tensors: made from strips with gradients, and seen through a transform."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from irisstn.rectification.ring_context import CONTEXT_SIZE, LID_REACH, PLANES, ring_rows
from irisstn.stn import Transform, sample, unit_points

_FLAT = 1 / 255  # added to a strip's deviation, as in `Context.planes`: a flat strip is not blown up


def context_planes(images: Tensor, usable: Tensor | None = None) -> Tensor:
    """The context's planes (B, 5, 64, 256) of bare strips (B, 1, R, T) in 0..1, differentiable, in the strips' dtype.

    The same as `context_of_strip(strip).planes()`, but for rounding to 8 bits. Computed in float32 at least.
    """
    rows, columns = CONTEXT_SIZE
    ring = ring_rows(rows)
    inner = (ring.stop - ring.start, columns)
    wide = images.to(torch.promote_types(images.dtype, torch.float32))
    gray = F.interpolate(wide, inner, mode="area")
    mask = torch.ones_like(gray) if usable is None else F.interpolate(usable.to(gray.dtype), inner, mode="nearest")
    count = mask.sum(dim=(2, 3), keepdim=True).clamp(min=1)
    centred = gray - (gray * mask).sum(dim=(2, 3), keepdim=True) / count
    deviation = ((centred.square() * mask).sum(dim=(2, 3), keepdim=True) / count + 1e-12).sqrt()
    margin = (0, 0, ring.start, rows - ring.stop)
    present = F.pad(torch.ones_like(gray), margin)
    unknown = torch.full_like(present, LID_REACH)
    planes = [F.pad(centred / (deviation + _FLAT), margin), F.pad(mask, margin), unknown, unknown, present]
    return torch.cat(planes, dim=1).to(images.dtype)


def moved_context(context: Tensor, theta: Tensor, transform: Transform) -> Tensor:
    """`context` (B, 5, R, T) seen through `theta` (B, n): the transform of the ring, gone on into the margin.

    What comes from beyond the context is not present, and `LID_REACH` from both lids.
    """
    rows, columns = context.shape[2:]
    ring = ring_rows(rows)
    share = (ring.stop - ring.start) / rows
    middle = (ring.stop + ring.start) / rows - 1  # of the ring, in the context's units
    points = unit_points((rows, columns), theta.float()).reshape(1, rows * columns, 2)
    x, y = points.unbind(-1)
    moved = transform.move(theta, torch.stack([x, (y - middle) / share], dim=-1))
    x, y = moved.unbind(-1)
    grid = torch.stack([x, y * share + middle], dim=-1).reshape(-1, rows, columns, 2)
    # Sampled as what differs from the unknown, which is 0: so the unknown stays what it is, to the bit and everywhere.
    unknown = torch.zeros_like(context[:1, :, :1, :1])
    unknown[:, PLANES.index("below") : PLANES.index("above") + 1] = LID_REACH
    return sample(context - unknown, grid, wrap=True) + unknown
