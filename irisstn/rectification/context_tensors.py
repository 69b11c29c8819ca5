"""The context of a ring as tensors: computed from strips, with gradients, and warped by a transform."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from irisstn.rectification.ring_context import CONTEXT_SIZE, LID_REACH, PLANES, ring_rows
from irisstn.stn import Transform, sample, unit_points

_FLAT = 1 / 255  # added to the standard deviation, as in `Context.planes`, so that a uniform strip is not amplified


def context_planes(images: Tensor, usable: Tensor | None = None) -> Tensor:
    """Planes of the contexts of strips, differentiable.

    Equal to `context_of_strip(strip).planes()` except for its rounding to 8 bits. Computed in float32 at least.

    Parameters
    ----------
    images : Tensor, shape (B, 1, R, T)
        Strips, 0..1.
    usable : Tensor, shape (B, 1, R, T), optional
        Masks, 1 = usable.

    Returns
    -------
    Tensor, shape (B, 5, 64, 256)
        Planes in the order of `irisstn.rectification.ring_context.PLANES`, with the dtype of `images`.
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
    """Warp contexts by the transform of their ring, continued into the margin.

    Parameters
    ----------
    context : Tensor, shape (B, 5, R, T)
        Planes.
    theta : Tensor, shape (B, n)
        The transform.
    transform : Transform
        The family that theta belongs to.

    Returns
    -------
    Tensor, shape (B, 5, R, T)
        Warped planes. Cells from outside the context are not present, and `LID_REACH` from both eyelids.
    """
    rows, columns = context.shape[2:]
    ring = ring_rows(rows)
    fraction = (ring.stop - ring.start) / rows
    middle = (ring.stop + ring.start) / rows - 1  # of the ring, in the context's units
    points = unit_points((rows, columns), theta.float()).reshape(1, rows * columns, 2)
    x, y = points.unbind(-1)
    moved = transform.move(theta, torch.stack([x, (y - middle) / fraction], dim=-1))
    x, y = moved.unbind(-1)
    grid = torch.stack([x, y * fraction + middle], dim=-1).reshape(-1, rows, columns, 2)
    # The difference from an unknown cell is sampled, so that unknown cells keep their value exactly.
    unknown = torch.zeros_like(context[:1, :, :1, :1])
    unknown[:, PLANES.index("below") : PLANES.index("above") + 1] = LID_REACH
    return sample(context - unknown, grid, wrap=True) + unknown
