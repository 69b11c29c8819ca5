"""What every transform of the STN has in common: named parameters, a bound on them, and a sampling grid.

Convention
----------
A transform says where to sample: it moves the points of the output to points of the input, both in the units of
`irisstn.geometry` (x to the right, y downward, -1..1 between the outer edges, `align_corners=False`).

`theta` (B, n) is what a localization net puts out. A bounded transform reads it as

    parameter = identity + bound * tanh((theta - identity) / bound)

so that theta equals the parameter near the identity, and no theta, however large, leaves the bound. `bound=None` takes
theta as it is, as the papers do.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

Bound = float | Sequence[float] | None
_NEAR_ONE = 0.999  # share of its bound beyond which a composed parameter is held: atanh(1) is infinite


class Transform(nn.Module, ABC):
    """A family of transforms: `names` of its parameters, the `identity`, and the grid of any theta.

    Grids and parameters are computed in float32 at least (float64 for a float64 theta), whatever the network runs in.
    """

    def __init__(self, names: Sequence[str], identity: Sequence[float], bound: Bound) -> None:
        super().__init__()
        self.names = tuple(names)
        # Plain tensors, not buffers: `.half()` must not round the constants.
        self._identity = torch.tensor(list(identity), dtype=torch.float64)
        self._bound: Tensor | None = None
        if bound is not None:
            bounds = [float(bound)] * len(self.names) if isinstance(bound, int | float) else [float(b) for b in bound]
            if len(bounds) != len(self.names) or not all(0 < b < float("inf") for b in bounds):
                raise ValueError(f"{len(self.names)} finite bounds above 0 are needed, got {bound}")
            self._bound = torch.tensor(bounds, dtype=torch.float64)

    @property
    def n_params(self) -> int:
        """Length of theta."""
        return len(self.names)

    def identity(self) -> Tensor:
        """The theta (n,) float32 that samples the input where it is."""
        return self._identity.float()

    def physical(self, theta: Tensor) -> Tensor:
        """The bounded parameters (B, n) of `theta` (B, n), in the order of `names`."""
        theta = self._checked(theta)
        if self._bound is None:
            return theta
        identity, bound = self._identity.to(theta), self._bound.to(theta)
        return identity + bound * torch.tanh((theta - identity) / bound)

    def theta_of(self, physical: Tensor) -> Tensor:
        """The inverse of `physical`; parameters at or beyond their bound come back just inside it."""
        physical = self._checked(physical)
        if self._bound is None:
            return physical
        identity, bound = self._identity.to(physical), self._bound.to(physical)
        share = ((physical - identity) / bound).clamp(-_NEAR_ONE, _NEAR_ONE)
        return identity + bound * torch.atanh(share)

    def parameters_by_name(self, theta: Tensor) -> dict[str, Tensor]:
        """The bounded parameters of `theta` (B, n), each (B,), by name."""
        return dict(zip(self.names, self.physical(theta).unbind(-1), strict=True))

    def forward(self, theta: Tensor, size: tuple[int, int]) -> Tensor:
        """The sampling grid (B, H, W, 2) of `theta` (B, n) for an output of `size` (H, W)."""
        theta = self._checked(theta)
        height, width = size
        if height < 1 or width < 1:
            raise ValueError(f"an output needs at least one row and one column, got {height}x{width}")
        points = unit_points(size, theta).reshape(1, height * width, 2)
        return self.move(theta, points).reshape(theta.shape[0], height, width, 2)

    @abstractmethod
    def move(self, theta: Tensor, points: Tensor) -> Tensor:
        """Where the output's `points` (B or 1, N, 2) lie in the input, (B, N, 2), for `theta` (B, n)."""

    @abstractmethod
    def compose(self, outer: Tensor, inner: Tensor) -> Tensor:
        """The theta (B, n) of outer(inner(point)): warping by `outer`, then warping that output by `inner`."""

    def _checked(self, theta: Tensor) -> Tensor:
        if theta.ndim != 2 or theta.shape[1] != self.n_params:
            raise ValueError(f"theta must be (B, {self.n_params}), got {tuple(theta.shape)}")
        return theta if theta.dtype in (torch.float32, torch.float64) else theta.float()


def unit_points(size: tuple[int, int], like: Tensor) -> Tensor:
    """The centres (H, W, 2) of an output's cells, x before y, with the device and dtype of `like`."""
    height, width = size
    # Computed in float64, so that the identity grid is as exact as the dtype allows.
    rows = (torch.arange(height, device=like.device, dtype=torch.float64) * 2 + 1) / height - 1
    columns = (torch.arange(width, device=like.device, dtype=torch.float64) * 2 + 1) / width - 1
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    return torch.stack([x, y], dim=-1).to(like.dtype)
