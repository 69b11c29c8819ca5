"""How far a head is turned, read off the lids.

The rest of a picture tells it, too, but not so that it could be learnt from rendered eyes: a net that saw the skin as
well was better on rendered eyes, and worse on real ones than the linear formula of this module.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from irisstn.context import LID_REACH, PLANES, ring_rows

_BANDS = 4  # of rows, from the pupil outward
_USABLE, _BELOW, _ABOVE = (PLANES.index(name) for name in ("usable", "below", "above"))


class RollReader(nn.Module):
    """The roll (B, 1) in radians, unbounded, of contexts (B, 5, R, T); see `irisstn.context`.

    Linear in the first Fourier coefficients, around the circle, of the distances from both lids: those are how far the
    lids are tilted. Where no lid is known, as in a bare strip, linear in the first two of the usable mask. It starts at
    0.
    """

    def __init__(self) -> None:
        super().__init__()
        self.lids = nn.Parameter(torch.zeros(2 * _BANDS * 2))
        self.mask = nn.Parameter(torch.zeros(_BANDS * 4))

    def forward(self, context: Tensor) -> Tensor:
        """The roll (B, 1), in float32 at least."""
        exact = context.to(torch.promote_types(context.dtype, torch.float32))
        distances = exact[:, _BELOW : _ABOVE + 1]
        known = (distances < LID_REACH).flatten(1).any(dim=1)
        ring = exact[:, _USABLE : _USABLE + 1, ring_rows(context.shape[2])]
        # Products and sums rather than matrix products: autocast would round those to three digits.
        by_lids = (_coefficients(distances, 1) * self.lids).sum(dim=1)
        by_mask = (_coefficients(ring, 2) * self.mask).sum(dim=1)
        return torch.where(known, by_lids, by_mask)[:, None]


def _coefficients(planes: Tensor, order: int) -> Tensor:
    """Fourier coefficients (B, N), cos and sin up to `order`, of `planes` (B, C, R, T) in `_BANDS` bands of rows."""
    columns = planes.shape[3]
    angle = 2 * torch.pi * (torch.arange(columns, device=planes.device, dtype=torch.float64) + 0.5) / columns
    waves = torch.stack([f(k * angle) for k in range(1, order + 1) for f in (torch.cos, torch.sin)]).to(planes.dtype)
    bands = planes.reshape(*planes.shape[:2], _BANDS, -1, columns).mean(dim=3)
    return (2 * bands[..., None, :] * waves).mean(dim=-1).flatten(1)
