"""How far a head is turned, read off the lids.

The rest of a picture tells it, too, but not so that it could be learnt from rendered eyes: a net that saw the skin as
well was better on rendered eyes, and worse on real ones than the linear formula of this module.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from irisstn.rectification.ring_context import LID_REACH, PLANES, ring_rows
from irisstn.stn.circular import fourier

_BANDS = 4  # of rows, from the pupil outward
_LEAST_SEEN = 0.1  # share of the context that must lie within reach of a lid for it to tell anything
_USABLE, _BELOW, _ABOVE = (PLANES.index(name) for name in ("usable", "below", "above"))


class RollReader(nn.Module):
    """The roll (B, 1) in radians, unbounded, of contexts (B, 5, R, T); see `irisstn.rectification.ring_context`.

    Linear in the first Fourier coefficients, around the circle, of the distances from both lids: those are how far the
    lids are tilted. One that is known alone counts for both. Where none is, as in a bare strip, the roll is linear in
    the first two coefficients of the usable mask. It starts at 0.
    """

    def __init__(self) -> None:
        super().__init__()
        self.lids = nn.Parameter(torch.zeros(2 * _BANDS * 2))
        self.mask = nn.Parameter(torch.zeros(_BANDS * 4))

    def forward(self, context: Tensor) -> Tensor:
        """The roll (B, 1), in float32 at least."""
        exact = context.to(torch.promote_types(context.dtype, torch.float32))
        distances = exact[:, _BELOW : _ABOVE + 1]
        known = (distances < LID_REACH).flatten(2).float().mean(dim=2) > _LEAST_SEEN  # (B, 2)
        ring = exact[:, _USABLE : _USABLE + 1, ring_rows(context.shape[2])]
        # Products and sums rather than matrix products: autocast would round those to three digits.
        each = (_coefficients(distances, 1) * self.lids).reshape(-1, 2, 2 * _BANDS).sum(dim=2) * known
        by_lids = each.sum(dim=1) * 2 / known.sum(dim=1).clamp(min=1)
        by_mask = (_coefficients(ring, 2) * self.mask).sum(dim=1)
        return torch.where(known.any(dim=1), by_lids, by_mask)[:, None]


def _coefficients(planes: Tensor, order: int) -> Tensor:
    """Fourier coefficients (B, N), cos and sin up to `order`, of `planes` (B, C, R, T) in `_BANDS` bands of rows."""
    bands = planes.reshape(planes.shape[0], planes.shape[1] * _BANDS, -1, planes.shape[3]).mean(dim=2)
    return fourier(bands, order)[..., 1:].flatten(1)
